"""From a labelled image set on disk to an imported bank: checked, deduplicated, locked; or nothing."""

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
from auditor.images.decode import read_limited
from auditor.progress import Progress, silent
from auditor.records import Skipped
from auditor.resources import resource

_REGIONS = "regions"
_STOPPED_S = 24 * 3600
_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Imported:
    """What an import left behind."""

    folder: Path
    lock: Lock
    manifest_kept: bool
    """A ``bank.toml`` of an earlier import was left as it is."""

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

    Images stay where they are; the lock file names them. An archive is unpacked into the bank, and
    regions of images, where the source labels these, are cut out into it. The bank appears whole or not
    at all, and importing again renews the lock and keeps ``bank.toml``.

    Args:
        importer: one of ``IMPORTERS``.
        source: a folder, or a zip or tar archive.
        into: folder of imported banks.
        beside: files that belong beside what an archive holds (its table); copied there.
        name: of the bank; by default the importer's name, or the source's for ``folder`` and ``csv``.
        options: what the importer leaves to the user.
        replace: write over a bank that another importer made, and over its ``bank.toml``.
        progress: told how far it is.

    Raises:
        InputError: unknown importer, another layout, contradicting labels, hostile archive, no image
            left; with file and line.
        StorageError: the disk cannot be written.
    """
    if importer not in IMPORTERS:
        raise InputError(f"importer '{importer}': unknown, need one of {', '.join(IMPORTERS)}")
    if not source.exists():
        raise InputError(f"{importer}: '{source}' does not exist")
    options = options or Options()
    own = IMPORTERS[importer].own_labels
    name = name or (source.resolve().name.split(".")[0] if own else importer)
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise InputError(f"bank name '{name}': need a name without slashes that does not begin with a dot")
    target = into / name
    earlier = _earlier(target, importer, replace=replace)
    with _staging(target) as staging:
        root = source.resolve()
        if is_archive(source):
            root = staging / "images"
            extract(source, root, progress=progress)
            for path in beside:
                shutil.copyfile(path, root / path.name)
        elif not source.is_dir():
            raise InputError(
                f"{importer}: '{source}' is neither a folder nor a zip or tar archive that can be read"
            )
        table = IMPORTERS[importer].read(root, options)
        rows, uncut = table.rows, list[Skipped]()
        if any(row.box for row in rows):
            rows, uncut = write_regions(rows, root, staging / _REGIONS, progress=progress)
            root = staging / _REGIONS
            shutil.rmtree(staging / "images", ignore_errors=True)  # what an archive held
        images, left_out = _checked(rows, root, own=own, progress=progress)
        left_out = [*uncut, *left_out]
        if not images:
            why = "; ".join(f"{s.what} {s.reason}" for s in left_out[:2])
            raise InputError(f"{importer}: no usable image in '{source}' ({why})")
        lock = Lock(
            importer=importer,
            options={key: value for key, value in asdict(options).items() if value != ""},
            root=root.name if root.is_relative_to(staging) else str(root),
            images=images,
            left_out=[*table.left_out, *left_out],
        )
        text = earlier or _manifest_text(importer, name, lock)
        parse_manifest(text, where=str(target / FILE_NAME))
        (staging / FILE_NAME).write_text(text, encoding="utf-8")
        data = json.dumps(lock.model_dump(), ensure_ascii=False, indent=1)
        (staging / locks.FILE_NAME).write_text(data + "\n", encoding="utf-8")
        _swap(staging, target)
    return Imported(folder=target, lock=lock, manifest_kept=bool(earlier))


def _earlier(target: Path, importer: str, *, replace: bool) -> str:
    """The manifest of an earlier import of the same kind, to keep what its owner wrote there."""
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


def _checked(
    rows: list[Row], root: Path, *, own: bool, progress: Progress
) -> tuple[list[LockedImage], list[Skipped]]:
    """Rows whose image decodes and is no copy of another's, measured."""
    left_out: list[Skipped] = []
    kept: list[Row] = []
    measures: list[Measures] = []
    with progress.stage("reading images", len(rows)) as stage, ThreadPoolExecutor(_WORKERS) as pool:
        for row, result in zip(rows, pool.map(lambda r: _measure(r, root), rows), strict=True):
            stage.advance()
            if isinstance(result, InputError):
                if own and not (root / row.file).exists():
                    raise InputError(f"{row.where}: there is no file '{row.file}' in '{root}'") from result
                reason = str(result).rpartition("': ")[2].removeprefix("image: ")
                left_out.append(Skipped(what=f"image '{row.file}'", reason=reason))
                continue
            kept.append(row)
            measures.append(result)
    with progress.stage("looking for copies"):
        copies = near_duplicates(measures)
    contradicted: set[int] = set()
    for copy, first in copies.items():
        if kept[copy].labels == kept[first].labels:
            continue
        contradicted |= {copy, first}
        if own and measures[copy].sha256 == measures[first].sha256:
            raise InputError(
                f"{kept[copy].where}: '{kept[copy].file}' is the same image as '{kept[first].file}' "
                f"but labelled {_told(kept[copy])}, not {_told(kept[first])}; concepts cannot share an image"
            )
    for position in sorted(contradicted | set(copies)):
        other = copies[position] if position in copies else _copy_of(position, copies)
        same = measures[position].sha256 == measures[other].sha256
        what = f"{'the same file as' if same else 'the same picture as'} '{kept[other].file}'"
        reason = f"{what}, labelled otherwise" if position in contradicted else what
        left_out.append(Skipped(what=f"image '{kept[position].file}'", reason=reason))
    dropped = contradicted | set(copies)
    images = [
        LockedImage(
            file=row.file,
            sha256=m.sha256,
            labels=row.labels,
            covariates=row.covariates,
            width=m.width,
            height=m.height,
            brightness=m.brightness,
            contrast=m.contrast,
            sharpness=m.sharpness,
            dhash=m.dhash,
        )
        for position, (row, m) in enumerate(zip(kept, measures, strict=True))
        if position not in dropped
    ]
    return images, left_out


def _measure(row: Row, root: Path) -> Measures | InputError:
    path = root / row.file
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        return InputError(f"image '{row.file}': a link that leads out of the folder")
    try:
        return measured(read_limited(path))
    except InputError as error:
        return error


def _copy_of(first: int, copies: dict[int, int]) -> int:
    return next(copy for copy, of in copies.items() if of == first)


def _told(row: Row) -> str:
    return " and ".join(f"'{value}'" for value in row.labels.values())


def _manifest_text(importer: str, name: str, lock: Lock) -> str:
    """The importer's template, with the concepts that were found where it names none."""
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
    """A folder beside the target that disappears unless it is moved there."""
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
    """Removes what imports of this bank left when they were killed; younger ones may be at work."""
    for folder in target.parent.glob(f".{glob.escape(target.name)}-*.part"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STOPPED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _swap(staging: Path, target: Path) -> None:
    """Puts the finished bank in its place; the old one is there until the new one is."""
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
