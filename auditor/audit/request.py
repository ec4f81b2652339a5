"""The first look at a request: every file, folder and name in it is there. Loads and fetches nothing."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

from auditor.audit.forward import random_photos
from auditor.audit.scores_first import held_scores
from auditor.banks.read.loading import check_bank
from auditor.errors import InputError
from auditor.images.decode import list_images
from auditor.models.load import check_name
from auditor.settings import IMPRESSIONS, EvaluationSettings, ScanSettings, Settings
from auditor.store.directory import AUDIT_FILE, read_audit
from auditor.store.scans import SCAN_FILE, read_scan


def check_all(settings: Settings) -> None:
    """:func:`check_request`, and the names of models: for who has more to do before the model is loaded.

    Raises:
        InputError: As :func:`check_request`, or there is no such model.
    """
    check_name(settings.model)
    if isinstance(settings, EvaluationSettings) and settings.judge is not None:
        check_name(settings.judge)
    check_request(settings)


def check_request(settings: Settings) -> None:
    """Refuse a request that names something that is not there, before any work is done for it.

    Whether classes, layers and weights fit is known only once the model is loaded.

    Raises:
        InputError: A file, a folder or a name does not exist, or cannot be used.
    """
    _check_out(settings)
    if settings.labels is not None and not settings.labels.is_file():
        seen = "is not a file" if settings.labels.exists() else "does not exist"
        raise InputError(f"labels '{settings.labels}': {seen}; needed: a file of class names")
    if settings.cache is not None and settings.cache.exists() and not settings.cache.is_dir():
        raise InputError(f"cache '{settings.cache}': is a file; needed: a directory")
    for spec in settings.banks:
        check_bank(spec)
    if not isinstance(settings, ScanSettings):
        _check_images(settings)
    if settings.from_scan is not None:
        read_scan(settings.from_scan)


def _check_out(settings: Settings) -> None:
    out = settings.out
    if out.exists() and not out.is_dir():
        raise InputError(f"out '{out}': is a file; needed: a directory")
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as failure:
        raise InputError(
            f"out '{out}': nothing can be written to '{there}' ({failure.strerror}); needed: another --out"
        ) from failure
    _check_held(settings)


def _check_held(settings: Settings) -> None:
    """Refuse to replace what is there unasked, and an audit by a scan or a scan by an audit at all."""
    out, scans = settings.out, isinstance(settings, ScanSettings)
    if scans and (out / AUDIT_FILE).exists():
        raise InputError(
            f"out '{out}': holds an audit, whose arrays a scan would overwrite; needed: another --out"
        )
    if not scans and (out / SCAN_FILE).exists():
        raise InputError(
            f"out '{out}': holds a scan, whose arrays an audit would overwrite; needed: another --out"
        )
    if settings.overwrite or not (out / (SCAN_FILE if scans else AUDIT_FILE)).exists():
        return
    if not scans and held_scores(settings) is not None:
        return
    what = "a scan"
    if not scans:
        try:
            held = read_audit(out)
            what = f"an audit of {held.model.name} from {held.created}"
        except InputError:
            what = "another audit"
    raise InputError(f"out '{out}': holds {what}; needed: another --out, or --overwrite")


def _check_images(settings: Settings) -> None:
    """The folders that an audit reads pictures from; which folder is of which class is for later."""
    if settings.unlabelled is not None and not settings.scores_only:
        _need_folder("unlabelled", settings.unlabelled, "photos")
        if not list_images(settings.unlabelled):
            raise InputError(f"unlabelled '{settings.unlabelled}': no image files; needed: photos")
    if settings.benchmark is not None:
        _need_folder("benchmark", settings.benchmark, "random photos")
        random_photos(settings.benchmark)
    source = settings.images
    if settings.scores_only or source == IMPRESSIONS:
        return
    if not source.startswith("hf:"):
        _need_folder("images", Path(source), "one folder per class in it")
    elif importlib.util.find_spec("datasets") is None:
        raise InputError(
            f"images '{source}': needs the package datasets; needed: pip install 'auditor[datasets]'"
        )


def _need_folder(name: str, folder: Path, needed: str) -> None:
    if not folder.is_dir():
        seen = "is a file, not a folder" if folder.exists() else "there is no such folder"
        raise InputError(f"{name} '{folder}': {seen}; needed: {needed}")
