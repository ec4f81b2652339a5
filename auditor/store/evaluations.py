"""The directory of an evaluation: ``evaluation.json`` is written last; one that has it is complete."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from auditor.evaluation_records import EVALUATION_VERSION, Evaluation, Experiment
from auditor.files import write_bytes
from auditor.records import Audit
from auditor.store.directory import settled_json
from auditor.store.documents import Document

DOCUMENT = Document(
    "evaluation",
    Evaluation,
    EVALUATION_VERSION,
    "the directory of an evaluation",
    "an evaluation made by `auditor evaluate`",
)
EVALUATION_FILE = DOCUMENT.file


def write_evaluation(directory: Path, evaluation: Evaluation) -> None:
    """Write ``evaluation.json``, floats to six significant digits.

    Raises:
        StorageError: The file could not be written.
    """
    write_bytes(directory / EVALUATION_FILE, evaluation_bytes(evaluation))


def evaluation_bytes(evaluation: Evaluation) -> bytes:
    """The exact content of ``evaluation.json``."""
    return settled_json(evaluation.model_dump(mode="json"))


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation from its directory or from the file itself.

    Raises:
        InputError: Nothing there, not JSON, a version that cannot be read, or a field that the format does
            not allow; the message names the field.
    """
    return DOCUMENT.read(path)


def kept_evaluation(directory: Path, audit: Audit) -> Evaluation | None:
    """The evaluation that lies beside an audit; ``None`` without one, or where it is of another model.

    Raises:
        InputError: The file is damaged, or not an evaluation that this version reads.
    """
    if not (directory / EVALUATION_FILE).exists():
        return None
    found = read_evaluation(directory)
    return found if found.model.weights_sha256 == audit.model.weights_sha256 else None


def read_experiment(path: Path) -> Experiment | None:
    """One finished experiment of an evaluation that is under way; ``None`` where there is none."""
    try:
        return Experiment.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
