"""Finds and reads the bank that a user names."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from pathlib import Path

from auditor.banks import places
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast, digest_of
from auditor.banks.clusters import covariate_text
from auditor.banks.generated.cache import generated_concepts
from auditor.banks.lock import has_lock, read_lock
from auditor.banks.manifest import FILE_NAME, ClusterEntry, ConceptEntry, Manifest, read_manifest
from auditor.banks.read.folder import FoundConcepts, folder_concepts, subfolders
from auditor.banks.read.locked import locked_concepts
from auditor.banks.read.twins import check_twins
from auditor.errors import InputError
from auditor.progress import Progress, silent
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

    ``spec`` is the name of a shipped or an imported bank (``textures``), or a folder that holds a
    ``bank.toml`` or one folder of images per concept. ``gender:utkface`` is the bank ``gender`` on the
    imported set ``utkface``. Write ``./name`` for a folder that is named like a bank. Generated images
    depend on ``seed`` and are kept below ``cache``.

    Raises:
        InputError: no such bank (the nearest are named), a broken manifest, no concept with
            ``min_images`` images.
        StorageError: generated images cannot be written to the cache.
    """
    progress = progress or silent
    view, _, chosen = spec.partition(":")
    if chosen and view in places.shipped():
        return _view(read_manifest(places.shipped()[view]), chosen, min_images=min_images)
    found = find_bank(spec)
    if found is None:
        return _plain_folder(Path(spec), min_images=min_images, progress=progress)
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
            progress=progress,
        )
        return _assembled(manifest, FoundConcepts(concepts), source="generated", where=str(found))
    read = folder_concepts(found, manifest.concepts, min_images=least, progress=progress)
    reference = None
    if manifest.reference and manifest.reference.folder:
        pool = ConceptEntry(name="reference", definition="reference images", folder=manifest.reference.folder)
        of_pool = folder_concepts(found, [pool], min_images=least, progress=progress)
        reference = next(iter(of_pool.concepts), None)
        read.skipped += of_pool.skipped
    return _assembled(manifest, read, source="folder", where=str(found), reference=reference)


def _view(manifest: Manifest, chosen: str, *, min_images: int) -> ConceptBank:
    """A bank such as ``gender`` on an imported set that has the labels.

    Raises:
        InputError: no such set, none with the labels, or several and none was chosen.
    """
    name, folder = _set_for(manifest, chosen)
    origin = read_manifest(folder)
    update = {
        "name": f"{manifest.name}:{name}",
        "sources": origin.sources,
        "cluster": manifest.cluster or origin.cluster,
    }
    least = max(min_images, manifest.min_images)
    return _locked(manifest.model_copy(update=update), folder, min_images=least)


def _set_for(manifest: Manifest, chosen: str) -> tuple[str, Path]:
    """Name and folder of the imported set that a bank such as ``gender`` selects from.

    Raises:
        InputError: no such set, none with the labels, or several and none was chosen.
    """
    imported, able = _able(manifest)
    labels = " and ".join(f"'{label}'" for label in manifest.labels)
    if chosen and chosen not in able:
        why = f"has no label {labels}" if chosen in imported else "is not an imported set"
        those = ", ".join(sorted(able)) or "none"
        get = f"; needed: 'auditor banks fetch {FETCHED}'" if chosen == FETCHED and not able else ""
        raise InputError(f"bank '{manifest.name}:{chosen}': '{chosen}' {why}; those that do: {those}{get}")
    if not able:
        raise InputError(_lacking(manifest))
    if not chosen and len(able) > 1:
        raise InputError(
            f"bank '{manifest.name}': {len(able)} imported sets have labels {labels}; "
            f"choose: {' or '.join(f'{manifest.name}:{name}' for name in able)}"
        )
    name = chosen or next(iter(able))
    return name, able[name]


def check_bank(spec: str) -> None:
    """Refuse a name that no bank has and a folder that is none, without reading or making an image.

    Passes a bank that lacks images and can get them; :func:`lacking_images` finds those.

    Raises:
        InputError: no such bank (the nearest are named), a broken manifest, or no usable imported set.
    """
    if lacking_images(spec):
        return
    view, _, chosen = spec.partition(":")
    if chosen and view in places.shipped():
        _set_for(read_manifest(places.shipped()[view]), chosen)
        return
    found = find_bank(spec)
    if found is None:
        subfolders(Path(spec))
        return
    manifest = read_manifest(found)
    if manifest.labels:
        _set_for(manifest, "")


def lacking_images(spec: str) -> str:
    """Why the bank cannot be used and what to do, if no imported set has the labels it selects by.

    Empty for a bank that has images, and for what is no bank. Reads no image.
    """
    name, _, chosen = spec.partition(":")
    folder = places.shipped().get(name)
    if folder is None or chosen not in ("", FETCHED):
        return ""
    manifest = read_manifest(folder)
    if not manifest.labels:
        return ""
    _, able = _able(manifest)
    return _lacking(manifest) if not able or (chosen and chosen not in able) else ""


IN_PLACE_OF = {"gender": "presentation", "race": ""}
"""Bank of photos to the bank of rendered people that screens where there are no photos. There is none for
race: what the bank ``appearance`` says agrees too little with photos (docs/banks-rendered.md)."""


def default_banks() -> tuple[str, ...]:
    """The banks of an audit that names none: textures, and the best there is for perceived gender and race.

    That is an imported set of photos with the labels, the set :data:`FETCHED` before others; else rendered
    people, for perceived gender only.
    """
    chosen = ["textures"]
    for name, rendered in IN_PLACE_OF.items():
        sets = sets_for(name)
        chosen.append(f"{name}:{sets[0]}" if sets else rendered)
    return tuple(filter(None, chosen))


def sets_for(name: str) -> list[str]:
    """The imported sets that a shipped bank can select from, :data:`FETCHED` before others."""
    _, able = _able(read_manifest(places.shipped()[name]))
    return sorted(able, key=lambda one: (one != FETCHED, one))


FETCHED = "fairface"
"""The set to fetch for a bank without images: it has every label that the shipped banks select by."""


def _able(manifest: Manifest) -> tuple[dict[str, Path], dict[str, Path]]:
    """Imported sets, and those of them that have the labels that the bank selects by."""
    imported = {name: folder for name, folder in places.imported().items() if has_lock(folder)}
    needed = set(manifest.labels)
    able = {
        name: folder
        for name, folder in imported.items()
        if needed <= {label for image in read_lock(folder).images for label in image.labels}
    }
    return imported, able


def _lacking(manifest: Manifest) -> str:
    labels = " and ".join(f"'{label}'" for label in manifest.labels)
    return (
        f"bank '{manifest.name}': no imported set has labels {labels}; needed: "
        f"'auditor banks fetch {FETCHED}', or a set of your own with 'auditor banks import utkface DIR' "
        "(or fairface, lfw, celeba, csv)"
    )


def _locked(manifest: Manifest, folder: Path, *, min_images: int) -> ConceptBank:
    lock = read_lock(folder)
    if manifest.screening:
        check_twins(manifest, lock, folder)
    found = locked_concepts(manifest, lock, lock.folder(folder), min_images=min_images)
    return _assembled(manifest, found, source=lock.importer, where=str(folder))


def find_bank(spec: str) -> Path | None:
    """The folder of the manifest that ``spec`` means, or None for a folder without one.

    Raises:
        InputError: neither a known name nor a folder.
    """
    shipped, imported = places.shipped(), places.imported()
    known = imported | shipped
    if spec in known:
        return known[spec]
    view, _, chosen = spec.partition(":")
    if view in shipped and chosen in imported:
        return shipped[view]
    folder = Path(spec)
    if folder.is_dir():
        return folder if (folder / FILE_NAME).is_file() else None
    if folder.exists():
        raise InputError(f"bank '{spec}': a file, need a folder of one folder of images per concept")
    near = difflib.get_close_matches(spec.lower(), sorted(known), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    names = ", ".join(sorted(known)) or "none"
    raise InputError(f"bank '{spec}': neither a known bank nor a folder; {hint}known banks: {names}")


def _assembled(
    manifest: Manifest, found: FoundConcepts, *, source: str, where: str, reference: Concept | None = None
) -> ConceptBank:
    """The bank from its manifest and the concepts that were found.

    Raises:
        InputError: no concept is left, or [cluster] names no cluster.
    """
    _need_concepts(found, where=where)
    entry = manifest.cluster or ClusterEntry(covariate="cluster")
    concepts = tuple(_clustered(concept, entry) for concept in found.concepts)
    if manifest.cluster and not any(image.cluster for concept in concepts for image in concept.images):
        raise InputError(
            f"{_place_of_cluster(where)}: [cluster] names no cluster of any image; needed: a covariate that "
            "images state, or a pattern that their paths match"
        )
    names = {concept.name for concept in concepts}
    return ConceptBank(
        name=manifest.name,
        title=manifest.title,
        source=source,
        concepts=concepts,
        digest=digest_of(concepts),
        skipped=tuple(found.skipped),
        contrasts=tuple(
            GroupContrast(more=c.more, less=c.less, match=c.match)
            for c in manifest.contrasts
            if {c.more, c.less} <= names
        ),
        screening=manifest.screening,
        cutout=manifest.cutout,
        report_images=manifest.report_images,
        report_averages=manifest.report_averages,
        licence="; ".join(dict.fromkeys(s.licence for s in manifest.sources)),
        terms="; ".join(dict.fromkeys(s.terms for s in manifest.sources if s.terms)),
        datasheet=_datasheet(manifest),
        cluster_of=entry.of,
        reference=None if reference is None else _clustered(reference, entry),
    )


def _place_of_cluster(folder: str) -> str:
    """File and line of [cluster], or the folder if its own manifest has none."""
    path = Path(folder) / FILE_NAME
    line = parse_toml(path.read_text(encoding="utf-8-sig")).line(("cluster",)) if path.is_file() else None
    return f"{path}:{line}" if line else folder


def _clustered(concept: Concept, entry: ClusterEntry) -> Concept:
    """The concept, with the cluster of each image."""
    pattern = re.compile(entry.name_pattern) if entry.name_pattern else None

    def cluster(image: BankImage) -> str:
        if pattern is None:
            return covariate_text(image.covariates, entry.covariate)
        found = pattern.search(image.name)
        return (found[1] or "") if found else ""

    return replace(concept, images=tuple(replace(image, cluster=cluster(image)) for image in concept.images))


def _datasheet(manifest: Manifest) -> dict[str, str]:
    """Heading to text, in reading order, the sources included."""
    entries = manifest.datasheet.model_dump().items()
    sheet = {key.replace("_", " ").capitalize(): text for key, text in entries}
    for source in manifest.sources:
        parts = [f"Licence: {source.licence}.", f"Labels: {source.labels}"]
        if source.known_defects:
            parts.append(f"Known defects: {source.known_defects}")
        sheet[f"Source: {source.name}"] = " ".join(filter(None, [*parts, source.url]))
    if manifest.reference:
        sheet["Reference images"] = manifest.reference.description
    return sheet


def _plain_folder(root: Path, *, min_images: int, progress: Progress) -> ConceptBank:
    found = folder_concepts(root, subfolders(root), min_images=min_images, progress=progress)
    _need_concepts(found, where=str(root))
    name = root.resolve().name
    return ConceptBank(
        name=name,
        title=name,
        source="folder",
        concepts=tuple(found.concepts),
        digest=digest_of(found.concepts),
        skipped=tuple(found.skipped),
        licence="not stated",
    )


def _need_concepts(found: FoundConcepts, *, where: str) -> None:
    small = [s for s in found.skipped if s.what.startswith("concept")]
    if not found.concepts:
        why = "; ".join(f"{s.what.removeprefix('concept ')} has {s.reason}" for s in small[:4])
        raise InputError(f"bank '{where}': no concept with enough images ({why or 'none found'})")
