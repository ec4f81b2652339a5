"""Parts of the same photos, shown as if they were photos of their own."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.audit.forward import Shown
from auditor.audit.groups import plain_groups
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.banks.clusters import clusters_of
from auditor.images.decode import decode_image
from auditor.models.loaded import LoadedModel
from auditor.progress import Progress
from auditor.settings import Settings
from benchmarks.claims.after import conclude_classes
from benchmarks.claims.before import claimed_before
from benchmarks.claims.shown import Seen, Side, see, shown


def crops_of(paths: Sequence[Path], each: int, *, seed: int) -> list[Callable[[], Image.Image]]:
    """``each`` parts of every photo: 50 to 90% of its sides, half of them mirrored, saved as JPEG."""
    rng = np.random.default_rng(seed)
    loaders = []
    for path in paths:
        for _ in range(each):
            share, across, down = rng.uniform(0.5, 0.9), rng.uniform(), rng.uniform()
            mirrored, quality = rng.random() < 0.5, int(rng.integers(60, 96))

            def load(
                path: Path = path, share: float = share, across: float = across, down: float = down,
                mirrored: bool = mirrored, quality: int = quality,
            ) -> Image.Image:  # fmt: skip
                picture = decode_image(path)
                width, height = round(picture.width * share), round(picture.height * share)
                left, top = round(across * (picture.width - width)), round(down * (picture.height - height))
                part = picture.crop((left, top, left + width, top + height))
                if mirrored:
                    part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                stream = io.BytesIO()
                part.save(stream, "JPEG", quality=quality)
                return Image.open(stream).convert("RGB")

            loaders.append(load)
    return loaders


def claims_of_crops(
    model: LoadedModel,
    paths: Sequence[Path],
    each: int,
    *,
    lots: int,
    seed: int,
    settings: Settings,
    progress: Progress,
) -> dict[str, list[int]]:
    """Groups drawn at random, photo by photo: how many classes are claimed, one audit each.

    Args:
        model: The model.
        paths: Photos.
        each: Parts of each.
        lots: How often groups are drawn.
        seed: Of the parts and the draws.
        settings: Of the audit.
        progress: Notified of every image.

    Returns:
        How clusters are known to claims in every draw.
    """
    loaders = crops_of(paths, each, seed=seed)
    seen = {"as it is": see(model, loaders, f"{len(paths)} photos x {each} parts", progress)}
    source = np.repeat(np.arange(len(paths)), each)
    found = _found(seen["as it is"])
    images = [BankImage(name=f"{i}.jpg", load=load, sha256=str(i)) for i, load in enumerate(loaders)]
    claims: dict[str, list[int]] = {"before": [], "after, declared": [], "after, found": []}
    rng = np.random.default_rng([seed, each])
    alone = np.arange(len(images))
    for _ in range(lots):
        chosen = rng.permutation(len(paths)) < len(paths) // 2
        sides = [np.flatnonzero(chosen[source] == side) for side in (True, False)]
        more, less = (Side(tuple(images[i] for i in side), side) for side in sides)
        for name, clusters in (("before", alone), ("after, declared", source), ("after, found", found)):
            lot = shown(more, less, seen, clusters, ())
            groups = plain_groups(lot.layout, GroupContrast("more", "less"))
            if name == "before":
                claims[name].append(int(claimed_before(groups, lot)[0].sum()))
            else:
                concluded = conclude_classes(groups, lot, model.labels, settings=settings, together=False)
                claims[name].append(sum(f.claimed for f in concluded))
    return claims


def independent_found(seen: Seen) -> int:
    """How many pictures the search takes the parts for."""
    return len(np.unique(_found(seen)))


def _found(seen: Seen) -> NDArray[np.int64]:
    return clusters_of(
        [""] * len(seen.logits), what="photo", activations=seen.last, thumbnails=seen.thumbnails
    ).of_image


def concepts_of_crops(
    model: LoadedModel,
    paths: Sequence[Path],
    each: int,
    concepts: int,
    *,
    seed: int,
    settings: Settings,
    progress: Progress,
) -> dict[str, int]:
    """Photos assigned to concepts at random: associations claimed, over all classes, one audit of each class.

    Returns:
        How clusters are known to the number of claims among classes x concepts.
    """
    from auditor.audit.concepts import Response, associations
    from auditor.audit.layout import lay_out
    from auditor.findings import conclude_all
    from auditor.statistics.probability import Tempered, log_scaled

    loaders = crops_of(paths, each, seed=seed)
    seen = see(model, loaders, f"{len(paths)} photos x {each} parts, {concepts} concepts", progress)
    images = [BankImage(name=f"{i}.jpg", load=load, sha256=str(i)) for i, load in enumerate(loaders)]
    dealt = np.random.default_rng(seed).permutation(len(paths)) % concepts
    concept = np.repeat(dealt, each)
    order = np.argsort(concept, kind="stable")
    bank = ConceptBank(
        name="parts",
        title="parts",
        source="folder",
        concepts=tuple(
            Concept(str(c), tuple(images[i] for i in np.flatnonzero(concept == c))) for c in range(concepts)
        ),
        digest="",
    )
    logits = seen.logits[order]
    tempered, answers = Tempered(logits), logits.argmax(axis=1)
    source = np.repeat(np.arange(len(paths)), each)
    known = {"before": np.arange(len(images)), "after, declared": source, "after, found": _found(seen)}
    claims = {}
    for name, clusters in known.items():
        layout = lay_out(bank)
        layout = replace(layout, sample=replace(layout.sample, clusters=clusters[order]))
        every = layout.sample.errors(log_scaled(logits).T).effect
        count = 0
        for label in model.labels:
            if not (np.abs(every[label.index]) > settings.margin).any():
                continue
            found = associations(
                layout,
                label,
                Response(tempered.log_scaled(label.index), np.asarray(answers == label.index)),
                every,
                settings=settings,
                family=concepts,
                sanity=[],
            )
            if name == "before":  # the interval of each concept alone, and no check
                findings = conclude_all(found)
                count += sum(
                    abs(f.effect or 0) > settings.margin
                    and min(abs(f.low or 0), abs(f.high or 0)) > settings.margin
                    and (f.low or 0) * (f.high or 0) > 0
                    and (f.p_adjusted or 1) < settings.alpha
                    for f in findings
                )
            else:
                count += sum(f.claimed for f in conclude_all(found))
        claims[name] = count
    return claims


__all__ = ["Shown", "claims_of_crops", "concepts_of_crops", "crops_of", "independent_found"]
