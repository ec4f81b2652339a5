"""From what a user names to a checked bank."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from auditor.banks import places
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast, digest_of
from auditor.banks.clusters import named
from auditor.banks.generated.cache import generated_concepts
from auditor.banks.lock import has_lock, read_lock
from auditor.banks.manifest import FILE_NAME, ClusterEntry, ConceptEntry, Manifest, read_manifest
from auditor.banks.read.folder import folder_concepts, subfolders
from auditor.banks.read.locked import locked_concepts
from auditor.errors import InputError
from auditor.progress import Progress, silent
from auditor.records import Skipped
from auditor.toml_lines import parse_toml


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
    a ``bank.toml``, or any folder of one folder of images per concept. ``gender:utkface`` is the bank
    ``gender`` on the imported set ``utkface``. A bare name means the shipped or imported bank; write
    ``./name`` for a folder beside you. Generated images depend on ``seed`` and are kept below
    ``cache``.

    Raises:
        InputError: no such bank (the nearest are named), a broken manifest, no concept with
            ``min_images`` images.
        StorageError: generated images cannot be written to the cache.
    """
    told = progress or silent
    view, _, chosen = spec.partition(":")
    if chosen and view in places.shipped():
        return _view(read_manifest(places.shipped()[view]), chosen, min_images=min_images)
    found = find_bank(spec)
    if found is None:
        return _plain_folder(Path(spec), min_images=min_images, progress=told)
    manifest = read_manifest(found)
    if manifest.labels:
        return _view(manifest, "", min_images=min_images)
    least = max(min_images, manifest.min_images)
    if has_lock(found):
        return _locked(manifest, found, min_images=least)
    if manifest.generator is not None:
        concepts = generated_concepts(
            manifest.concepts,
            manifest.generator,
            seed=seed,
            cache=places.cache_root(cache),
            progress=told,
        )
        return assembled(manifest, tuple(concepts), (), source="generated", where=str(found))
    read = folder_concepts(found, manifest.concepts, min_images=least, progress=told)
    reference, skipped = None, read.skipped
    if manifest.reference and manifest.reference.folder:
        pool = ConceptEntry(name="reference", definition="reference images", folder=manifest.reference.folder)
        found_pool = folder_concepts(found, [pool], min_images=least, progress=told)
        reference = next(iter(found_pool.concepts), None)
        skipped += found_pool.skipped
    return assembled(manifest, read.concepts, skipped, source="folder", where=str(found), reference=reference)


def _view(manifest: Manifest, chosen: str, *, min_images: int) -> ConceptBank:
    """A bank such as ``gender`` on an imported set that has the labels.

    Raises:
        InputError: no such set, none with the labels, or several and none was chosen.
    """
    imported = {name: folder for name, folder in places.imported().items() if has_lock(folder)}
    needed = set(manifest.labels)
    able = {
        name: folder
        for name, folder in imported.items()
        if needed <= {label for image in read_lock(folder).images for label in image.labels}
    }
    labels = " and ".join(f"'{label}'" for label in manifest.labels)
    if chosen and chosen not in able:
        why = f"has no label {labels}" if chosen in imported else "is not an imported set"
        raise InputError(
            f"bank '{manifest.name}:{chosen}': '{chosen}' {why}; those that do: {_or_none(able)}"
        )
    if not able:
        raise InputError(
            f"bank '{manifest.name}': no imported set has labels {labels}; import one, for instance with "
            "'auditor banks import utkface DIR' (or fairface, lfw, celeba, csv)"
        )
    if not chosen and len(able) > 1:
        raise InputError(
            f"bank '{manifest.name}': {len(able)} imported sets have labels {labels}; "
            f"choose: {' or '.join(f'{manifest.name}:{name}' for name in able)}"
        )
    name = chosen or next(iter(able))
    folder = able[name]
    origin = read_manifest(folder)
    # Where the images and labels come from is the imported set's to say.
    told = manifest.model_copy(
        update={
            "name": f"{manifest.name}:{name}",
            "sources": origin.sources,
            "cluster": manifest.cluster or origin.cluster,
        }
    )
    return _locked(told, folder, min_images=max(min_images, manifest.min_images))


def _locked(manifest: Manifest, folder: Path, *, min_images: int) -> ConceptBank:
    lock = read_lock(folder)
    read = locked_concepts(manifest, lock, lock.folder(folder), min_images=min_images)
    return assembled(manifest, read.concepts, read.skipped, source=lock.importer, where=str(folder))


def _or_none(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def find_bank(spec: str) -> Path | None:
    """The folder of the manifest that ``spec`` means, or None for a folder without one.

    Raises:
        InputError: neither a known name nor a folder.
    """
    if re.fullmatch(r"[\w.+&-]+", spec):
        known = places.imported() | places.shipped()
        if spec in known:
            return known[spec]
    if spec.partition(":")[0] in places.shipped() and spec.partition(":")[2] in places.imported():
        return places.shipped()[spec.partition(":")[0]]
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
    reference: Concept | None = None,
) -> ConceptBank:
    """The bank from its manifest and the concepts that were found.

    Raises:
        InputError: no concept is left.
    """
    _need_concepts(concepts, skipped, where=where)
    names = {concept.name for concept in concepts}
    entry = manifest.cluster or ClusterEntry(covariate="cluster")
    concepts = tuple(_clustered(concept, entry) for concept in concepts)
    if manifest.cluster and not any(image.cluster for concept in concepts for image in concept.images):
        raise InputError(
            f"{_place_of_cluster(where)}: [cluster] names no cluster of any image; needed: a covariate that "
            "images state, or a pattern that their paths match"
        )
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
        report_averages=manifest.report_averages,
        licence="; ".join(dict.fromkeys(s.licence for s in manifest.sources)),
        terms="; ".join(dict.fromkeys(s.terms for s in manifest.sources if s.terms)),
        datasheet=datasheet_of(manifest),
        cluster_of=entry.of,
        reference=None if reference is None else _clustered(reference, entry),
    )


def _place_of_cluster(folder: str) -> str:
    """File and line of the declaration; the folder where a shipped bank made it."""
    path = Path(folder) / FILE_NAME
    line = parse_toml(path.read_text(encoding="utf-8-sig")).line(("cluster",)) if path.is_file() else None
    return f"{path}:{line}" if line else folder


def _clustered(concept: Concept, entry: ClusterEntry) -> Concept:
    """The concept, its images told which cluster they belong to."""
    pattern = re.compile(entry.name_pattern) if entry.name_pattern else None

    def cluster(image: BankImage) -> str:
        if pattern is None:
            return named(image.covariates, entry.covariate)
        found = pattern.search(image.name)
        return (found[1] or "") if found else ""

    return replace(concept, images=tuple(replace(image, cluster=cluster(image)) for image in concept.images))


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
    if manifest.reference:
        sheet["Reference images"] = manifest.reference.description
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
