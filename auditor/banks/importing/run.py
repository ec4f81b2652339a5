"""Imports a labelled image set from disk as a bank: checked, without copies, named in a lock file."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from auditor.banks import lock as locks
from auditor.banks.duplicates import near_duplicates
from auditor.banks.importing import IMPORTERS, Options, Row
from auditor.banks.importing.archive import extract, is_archive
from auditor.banks.importing.regions import write_regions
from auditor.banks.lock import Lock, LockedImage
from auditor.banks.manifest import FILE_NAME, parse_manifest
from auditor.banks.measure import Measures, measured
from auditor.errors import InputError, StorageError
from auditor.images.decode import leads_out, left_out, read_limited
from auditor.progress import Progress, silent
from auditor.records import Skipped
from auditor.resources import resource

_REGIONS = "regions"
_STOPPED_S = 24 * 3600
_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Imported:
    """A bank after its import."""

    folder: Path
    lock: Lock
    manifest_kept: bool
    """The ``bank.toml`` of an earlier import was kept."""

    def counts(self) -> dict[str, Counter[str]]:
        """Label name to the number of images of each value."""
        counts: dict[str, Counter[str]] = {}
        for image in self.lock.images:
            for label, value in image.labels.items():
                counts.setdefault(label, Counter())[value] += 1
        return counts


def import_bank(
    importer: str,
    source: Path,
    *,
    into: Path,
    beside: Sequence[Path] = (),
    name: str = "",
    options: Options | None = None,
    replace: bool = False,
    progress: Progress = silent,
) -> Imported:
    """Imports the images in ``source`` (a folder or an archive) as the bank ``into / name``.

    Images stay where they are; the lock file names them. An archive is unpacked into the bank. Where the
    source labels regions, they are cut out into the bank. A failed import leaves nothing behind, and an
    earlier bank untouched. Importing again renews the lock and keeps ``bank.toml``.

    Args:
        importer: one of ``IMPORTERS``.
        source: a folder, or a zip or tar archive.
        into: folder of imported banks.
        beside: files to copy beside what an archive holds, such as its table.
        name: of the bank; by default the importer's name, or the source's for ``folder`` and ``csv``.
        options: the importer's options.
        replace: overwrite a bank that another importer made, and its ``bank.toml``.
        progress: receives the stages.

    Raises:
        InputError: unknown importer, another layout, contradicting labels, hostile archive, no image
            left; with file and line.
        StorageError: the disk cannot be written.
    """
    if importer not in IMPORTERS:
        raise InputError(f"importer '{importer}': unknown, need one of {', '.join(IMPORTERS)}")
    if not source.exists():
        raise InputError(f"{importer}: '{source}' does not exist")
    if not name:
        name = source.resolve().name.split(".")[0] if IMPORTERS[importer].own_labels else importer
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise InputError(f"bank name '{name}': need a name without slashes that does not begin with a dot")
    target = into / name
    earlier = _earlier(target, importer, replace=replace)
    with _staging(target) as staging:
        root = _opened(importer, source, beside, staging, progress)
        lock = _locked(importer, source, root, staging, options or Options(), progress)
        text = earlier or _manifest_text(importer, name, lock)
        parse_manifest(text, where=str(target / FILE_NAME))
        (staging / FILE_NAME).write_text(text, encoding="utf-8")
        data = json.dumps(lock.model_dump(), ensure_ascii=False, indent=1)
        (staging / locks.FILE_NAME).write_text(data + "\n", encoding="utf-8")
        _swap(staging, target)
    return Imported(folder=target, lock=lock, manifest_kept=bool(earlier))


def _opened(importer: str, source: Path, beside: Sequence[Path], staging: Path, progress: Progress) -> Path:
    """The source's folder; an archive is unpacked into the bank first."""
    if is_archive(source):
        root = staging / "images"
        extract(source, root, progress=progress)
        for path in beside:
            shutil.copyfile(path, root / path.name)
        return root
    if not source.is_dir():
        raise InputError(
            f"{importer}: '{source}' is neither a folder nor a zip or tar archive that can be read"
        )
    return source.resolve()


def _locked(
    importer: str, source: Path, root: Path, staging: Path, options: Options, progress: Progress
) -> Lock:
    """Every usable image of the source, and every other with the reason."""
    table = IMPORTERS[importer].read(root, options)
    rows, unused = table.rows, list[Skipped]()
    if any(row.box for row in rows):
        rows, unused = write_regions(rows, root, staging / _REGIONS, progress=progress)
        root = staging / _REGIONS
        shutil.rmtree(staging / "images", ignore_errors=True)  # what an archive held
    own = IMPORTERS[importer].own_labels
    kept, measures, unreadable = _measured(rows, root, own=own, progress=progress)
    with progress.stage("looking for copies"):
        copies = near_duplicates(measures)
    dropped = _dropped(kept, measures, copies, own=own)
    images = [
        LockedImage(
            file=row.file,
            labels=row.labels,
            covariates=row.covariates,
            **{key: value for key, value in vars(measure).items() if key != "thumbnail"},
        )
        for position, (row, measure) in enumerate(zip(kept, measures, strict=True))
        if position not in dropped
    ]
    unused += [*unreadable, *dropped.values()]
    if not images:
        why = "; ".join(f"{s.what} {s.reason}" for s in unused[:2])
        raise InputError(f"{importer}: no usable image in '{source}' ({why})")
    return Lock(
        importer=importer,
        options={key: value for key, value in asdict(options).items() if value != ""},
        root=root.name if root.is_relative_to(staging) else str(root),
        images=images,
        left_out=[*table.left_out, *unused],
    )


def _earlier(target: Path, importer: str, *, replace: bool) -> str:
    """The text of an earlier import's manifest, which its owner may have edited; empty for none."""
    if not target.exists():
        return ""
    if not locks.has_lock(target):
        raise InputError(f"'{target}' is in the way and is no imported bank; give another --name")
    before = locks.read_lock(target).importer
    if replace:
        return ""
    if before != importer:
        raise InputError(f"bank '{target}' was imported with '{before}'; give another --name, or --replace")
    return (target / FILE_NAME).read_text(encoding="utf-8")


def _measured(
    rows: list[Row], root: Path, *, own: bool, progress: Progress
) -> tuple[list[Row], list[Measures], list[Skipped]]:
    """Rows whose image decodes, their measures, and the images that do not."""
    kept: list[Row] = []
    measures: list[Measures] = []
    unreadable: list[Skipped] = []
    with progress.stage("reading images", len(rows)) as stage, ThreadPoolExecutor(_WORKERS) as pool:
        for row, result in zip(rows, pool.map(lambda r: _measure(r, root), rows), strict=True):
            stage.advance()
            if isinstance(result, Measures):
                kept.append(row)
                measures.append(result)
                continue
            if own and not (root / row.file).exists():
                raise InputError(f"{row.where}: there is no file '{row.file}' in '{root}'") from result
            reason = str(result).rpartition("': ")[2].removeprefix("image: ")
            unreadable.append(left_out(row.file, reason))
    return kept, measures, unreadable


def _dropped(
    rows: list[Row], measures: list[Measures], copies: dict[int, int], *, own: bool
) -> dict[int, Skipped]:
    """Copies of another image, and images whose copies carry other labels; by position."""

    def same_file(one: int, other: int) -> bool:
        return measures[one].sha256 == measures[other].sha256

    contradicted: dict[int, int] = {}
    for copy, first in copies.items():
        if rows[copy].labels == rows[first].labels:
            continue
        contradicted[copy] = first
        contradicted.setdefault(first, copy)
        if own and same_file(copy, first):
            raise InputError(
                f"{rows[copy].where}: '{rows[copy].file}' is the same image as '{rows[first].file}' but "
                f"labelled {_labels(rows[copy])}, not {_labels(rows[first])}; concepts cannot share an image"
            )
    dropped = {}
    for position, other in sorted({**contradicted, **copies}.items()):
        reason = f"the same {'file' if same_file(position, other) else 'picture'} as '{rows[other].file}'"
        reason += ", labelled otherwise" if position in contradicted else ""
        dropped[position] = left_out(rows[position].file, reason)
    return dropped


def _measure(row: Row, root: Path) -> Measures | InputError:
    path = root / row.file
    if leads_out(path, root):
        return InputError(f"image '{row.file}': a link that leads out of the folder")
    try:
        return measured(read_limited(path))
    except InputError as error:
        return error


def _labels(row: Row) -> str:
    return " and ".join(f"'{value}'" for value in row.labels.values())


def _manifest_text(importer: str, name: str, lock: Lock) -> str:
    """The importer's template. Where it names no concepts, those that were found are added."""
    text = (resource("concept_banks") / "importers" / f"{importer}.toml").read_text(encoding="utf-8")
    text = text.replace('name = "@name@"', f"name = {_quoted(name)}").replace("@root@", lock.root)
    if "[[concepts]]" in text:
        return text
    label = next(iter(lock.images[0].labels))
    for value in sorted({image.labels[label] for image in lock.images if label in image.labels}):
        text += f"\n[[concepts]]\nname = {_quoted(value)}\n"
        text += f"definition = {_quoted(f'Images that the source labels {value}.')}\n"
        text += f"where = {{ {_quoted(label)} = {_quoted(value)} }}\n"
    return text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings have JSON's escapes


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A folder beside the target. It is deleted on exit unless it was renamed to the target."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_stopped(target)
        staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-", suffix=".part"))
    except OSError as error:
        raise StorageError(f"'{target.parent}': cannot be written ({error.strerror})") from error
    try:
        yield staging
    except OSError as error:
        raise StorageError(f"'{target.parent}': {error.strerror or error}; nothing was imported") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _clear_stopped(target: Path) -> None:
    """Deletes folders of this bank's killed imports. Younger folders may belong to a running import."""
    for folder in target.parent.glob(f".{glob.escape(target.name)}-*.part"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STOPPED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _swap(staging: Path, target: Path) -> None:
    """Moves the finished bank into place. If that fails, the old bank is moved back."""
    old = None
    if target.exists():
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-", suffix=".old"))
        target.rename(old / "bank")
    try:
        staging.rename(target)
    except OSError:
        if old is not None:
            (old / "bank").rename(target)
        raise
    finally:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
