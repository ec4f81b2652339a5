"""From what a user names to a checked bank."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from auditor.banks import places
from auditor.banks.bank import Concept, ConceptBank, GroupContrast, digest_of
from auditor.banks.folder import folder_concepts, subfolders
from auditor.banks.generated import generated_concepts
from auditor.banks.manifest import FILE_NAME, Manifest, read_manifest
from auditor.errors import InputError
from auditor.progress import Progress, silent
from auditor.records import Skipped


def load_bank(
    spec: str,
    *,
    min_images: int = 30,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> ConceptBank:
    """The bank that ``spec`` names, read and checked.

    ``spec`` is the name of a shipped bank (``textures``) or of an imported one, or a folder: one with
    a ``bank.toml``, or any folder of one folder of images per concept. A bare name means the shipped
    or imported bank; write ``./name`` for a folder beside you. Generated images depend on ``seed``
    and are kept below ``cache``.

    Raises:
        InputError: no such bank (the nearest are named), a broken manifest, no concept with
            ``min_images`` images.
        StorageError: generated images cannot be written to the cache.
    """
    told = progress or silent
    found = find_bank(spec)
    if found is None:
        return _plain_folder(Path(spec), min_images=min_images, progress=told)
    manifest = read_manifest(found)
    least = max(min_images, manifest.min_images)
    control: Concept | None = None
    skipped: tuple[Skipped, ...]
    if manifest.generator is not None:
        concepts = tuple(
            generated_concepts(
                manifest.concepts,
                manifest.generator,
                seed=seed,
                cache=places.cache_root(cache),
                progress=told,
            )
        )
        skipped, source = (), "generated"
    else:
        read = folder_concepts(found, manifest.concepts, min_images=least, progress=told)
        concepts, skipped, source = read.concepts, read.skipped, "folder"
    return assembled(manifest, concepts, skipped, source=source, control=control, where=str(found))


def find_bank(spec: str) -> Path | None:
    """The folder of the manifest that ``spec`` means, or None for a folder without one.

    Raises:
        InputError: neither a known name nor a folder.
    """
    if re.fullmatch(r"[\w.+&-]+", spec):
        known = places.imported() | places.shipped()
        if spec in known:
            return known[spec]
    folder = Path(spec)
    if folder.is_dir():
        return folder if (folder / FILE_NAME).is_file() else None
    if folder.exists():
        raise InputError(f"bank '{spec}': a file, need a folder of one folder of images per concept")
    names = sorted(places.imported() | places.shipped())
    near = difflib.get_close_matches(spec.lower(), names, n=3, cutoff=0.5)
    told = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(
        f"bank '{spec}': neither a known bank nor a folder; {told}known banks: {', '.join(names) or 'none'}"
    )


def assembled(
    manifest: Manifest,
    concepts: tuple[Concept, ...],
    skipped: tuple[Skipped, ...],
    *,
    source: str,
    where: str,
    control: Concept | None = None,
) -> ConceptBank:
    """The bank from its manifest and the concepts that were found.

    Raises:
        InputError: no concept is left.
    """
    _need_concepts(concepts, skipped, where=where)
    names = {concept.name for concept in concepts}
    return ConceptBank(
        name=manifest.name,
        title=manifest.title,
        source=source,
        concepts=concepts,
        digest=digest_of(concepts),
        skipped=skipped,
        contrasts=tuple(
            GroupContrast(more=c.more, less=c.less, match=c.match)
            for c in manifest.contrasts
            if {c.more, c.less} <= names
        ),
        report_images=manifest.report_images,
        licence="; ".join(dict.fromkeys(s.licence for s in manifest.sources)),
        terms="; ".join(dict.fromkeys(s.terms for s in manifest.sources if s.terms)),
        datasheet=datasheet_of(manifest),
        control=control,
    )


def datasheet_of(manifest: Manifest) -> dict[str, str]:
    """Heading to text, in reading order, with the sources' part of it."""
    sheet = {
        key.replace("_", " ").capitalize(): text for key, text in manifest.datasheet.model_dump().items()
    }
    for source in manifest.sources:
        sheet[f"Source: {source.name}"] = " ".join(
            part
            for part in (
                f"Licence: {source.licence}.",
                f"Labels: {source.labels}",
                f"Known defects: {source.known_defects}" if source.known_defects else "",
                source.url,
            )
            if part
        )
    if manifest.control:
        sheet["Control pool"] = manifest.control.description
    return sheet


def _plain_folder(root: Path, *, min_images: int, progress: Progress) -> ConceptBank:
    read = folder_concepts(root, subfolders(root), min_images=min_images, progress=progress)
    _need_concepts(read.concepts, read.skipped, where=str(root))
    name = root.resolve().name
    return ConceptBank(
        name=name,
        title=name,
        source="folder",
        concepts=read.concepts,
        digest=digest_of(read.concepts),
        skipped=read.skipped,
        licence="not stated",
    )


def _need_concepts(concepts: tuple[Concept, ...], skipped: tuple[Skipped, ...], *, where: str) -> None:
    if concepts:
        return
    small = [
        f"{s.what.removeprefix('concept ')} has {s.reason}" for s in skipped if s.what.startswith("concept")
    ]
    raise InputError(
        f"bank '{where}': no concept with enough images ({'; '.join(small[:4]) or 'none found'})"
    )
