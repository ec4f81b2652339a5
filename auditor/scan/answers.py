"""The model's answers to a bank, for all classes, on disk: one pass, resumed where it stopped.

Twenty thousand classes times two thousand images do not fit in memory as float64. The logits lie in files,
some hundred images each, and are read some hundred classes at a time.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from auditor.audit.forward import Look, forward_pass
from auditor.audit.layout import shown_images
from auditor.banks.bank import BankImage, ConceptBank
from auditor.context import AuditContext
from auditor.errors import InputError, StorageError
from auditor.files import load_arrays, save_arrays, write_bytes
from auditor.models.precision import learning
from auditor.progress import Stage
from auditor.statistics.arrays import FloatArray
from auditor.statistics.probability import log_scaled_of
from auditor.version import __version__

BATCHES = 8
"""Batches of a file: what is lost when a scan is stopped."""
REST = {"totals", "entropy", "last", "thumbnails", "technical"}
"""Names of the arrays beside the logits."""
BLOCK_VALUES = 2_000_000
"""Values of e held at a time: 16 MB."""


@dataclass(frozen=True)
class Answers:
    """Logits of every class for every image, on disk."""

    logits: tuple[NDArray[np.float32], ...]
    """[images of a file, classes] each, mapped from disk."""
    totals: FloatArray
    """[images] Logarithm of the sum of exponentials over classes."""

    @property
    def classes(self) -> int:
        """Classes of the model."""
        return int(self.logits[0].shape[1])

    def logarithms(self, start: int, stop: int) -> FloatArray:
        """[stop - start, images] Logarithm of the probability of some classes."""
        part = np.concatenate([chunk[:, start:stop] for chunk in self.logits]).astype(np.float64)
        return np.asarray((part - self.totals[:, None]).T)

    def log_scaled(self, start: int, stop: int) -> FloatArray:
        """[stop - start, images] e of some classes, 0 to 1."""
        return log_scaled_of(np.exp(self.logarithms(start, stop)), self.classes)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """First class and end of parts of the classes, each small enough for memory."""
        size = max(1, BLOCK_VALUES // max(1, len(self.totals)))
        for start in range(0, self.classes, size):
            yield start, min(start + size, self.classes)


@dataclass(frozen=True)
class Looked:
    """What a model made of a bank, and what the pictures themselves are."""

    answers: Answers
    last: NDArray[np.float32]
    """[images, channels] The input of the layer that makes the logits."""
    thumbnails: FloatArray
    """[images, side, side]."""
    technical: FloatArray
    """[images, properties]."""
    entropy: FloatArray
    """[images] Of the model's answer, in nats."""


def look_at(context: AuditContext, bank: ConceptBank, work: Path) -> Looked:
    """Pass a bank through the model once; what an earlier run left in ``work`` is not done again.

    Args:
        context: Model, settings, progress.
        bank: Its own images and reference images.
        work: Folder for the files.

    Raises:
        InputError: An image cannot be read any more, or the model's answer to it is not finite.
        StorageError: A file cannot be written.
    """
    images = list(shown_images(bank))
    stem = work / f"{bank.name}-{_key(context, bank)}"
    size = BATCHES * context.settings.batch_size
    logits, rest = [], []
    with context.progress.stage(f"bank {bank.name}", len(images)) as stage:
        for number, start in enumerate(range(0, len(images), size)):
            paths = stem.with_name(f"{stem.name}-{number}.npy"), stem.with_name(f"{stem.name}-{number}.npz")
            part = images[start : start + size]
            kept = _kept(paths, len(part))
            if kept is None:
                _look(context, bank, part, stage, paths)
                kept = _kept(paths, len(part))
            else:
                stage.advance(len(part))
            if kept is None:
                raise StorageError(
                    f"'{paths[0]}' was written and cannot be read; does another scan use '{work}'?"
                )
            logits.append(kept[0])
            rest.append(kept[1])
    gathered = {name: np.concatenate([one[name] for one in rest]) for name in rest[0]}
    answers = Answers(tuple(logits), gathered["totals"])
    return Looked(
        answers, gathered["last"], gathered["thumbnails"], gathered["technical"], gathered["entropy"]
    )


def _kept(paths: tuple[Path, Path], count: int) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]] | None:
    """What was made of ``count`` images before; ``None`` if nothing was, or if it cannot be read."""
    try:
        logits, rest = np.load(paths[0], mmap_mode="r", allow_pickle=False), load_arrays(paths[1])
    except (OSError, ValueError, EOFError, InputError):
        return None
    whole = rest.keys() == REST and all(len(one) == count for one in (logits, *rest.values()))
    return (logits, rest) if whole else None


def _look(
    context: AuditContext,
    bank: ConceptBank,
    images: Sequence[BankImage],
    stage: Stage,
    paths: tuple[Path, Path],
) -> None:
    """Pass some images and write what came of it."""
    look = Look(context.model, technical=bool(bank.contrasts))
    pictures = (image.load() for image in images)
    with learning(context.model, context.precision):
        found = forward_pass(context.model, look.batches(pictures, context.settings.batch_size, stage), ())
    wrong = np.flatnonzero(~np.isfinite(found.logits).all(axis=1))
    if len(wrong):
        raise InputError(
            f"bank '{bank.name}', image '{images[wrong[0]].name}': the model's answer is not finite"
            f"{f', and to {len(wrong) - 1} others' if len(wrong) > 1 else ''}; needed: finite logits"
        )
    totals = logsumexp(found.logits.astype(np.float64), axis=1)
    logs = found.logits - totals[:, None]
    buffer = io.BytesIO()
    np.save(buffer, found.logits, allow_pickle=False)
    write_bytes(paths[0], buffer.getvalue())
    save_arrays(
        paths[1],
        {
            "totals": totals,
            "entropy": -(np.exp(logs) * logs).sum(axis=1),
            "last": found.last,
            "thumbnails": look.thumbnails(),
            "technical": look.technical(),
        },
    )


def _key(context: AuditContext, bank: ConceptBank) -> str:
    """Name by content: model, input, arithmetic, the images in their order, this version."""
    model, settings = context.model, context.settings
    names = hashlib.sha256(
        "\0".join(f"{i.name}\0{i.sha256}" for i in shown_images(bank)).encode()
    ).hexdigest()
    parts = [model.sha256, model.architecture, model.input.model_dump_json(), str(settings.head), names]
    parts += [
        context.precision,
        str(settings.batch_size),
        model.device.type,
        str(bool(bank.contrasts)),
        __version__,
        *settings.model_args,
        settings.model_factory or "",
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
