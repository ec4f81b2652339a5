"""Photos as one model sees them, once for all random draws: as they are, and degraded."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from auditor.audit.forward import ForwardPass, Shown, forward_pass
from auditor.audit.layout import lay_out
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.banks.clusters import THUMBNAIL
from auditor.banks.measure import sharpness_of
from auditor.images.decode import decode_image
from auditor.images.inputs import preprocessing
from auditor.images.technical import technical_properties
from auditor.models.loaded import LoadedModel
from auditor.progress import Progress

Degrade = Callable[[Image.Image], Image.Image]


def jpeg(quality: int) -> Degrade:
    """Saved again as JPEG."""

    def degrade(picture: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality)
        return Image.open(stream).convert("RGB")

    return degrade


def _crop(picture: Image.Image, share: float = 0.8) -> Image.Image:
    width, height = round(picture.width * share), round(picture.height * share)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


KINDS: dict[str, Degrade] = {
    "as it is": lambda picture: picture,
    "JPEG 20": jpeg(20),
    "JPEG 5": jpeg(5),
    "blur 2 px": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "crop 0.8": _crop,
    "darker 0.7": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "brighter 1.3": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
}
"""Name to what is done to one group; to nothing at first."""


@dataclass(frozen=True)
class Seen:
    """What a model and the statistics make of photos, one after the other."""

    logits: NDArray[np.float32]
    """[photos, classes]."""
    last: NDArray[np.float32]
    """[photos, channels] Of the last layer."""
    technical: NDArray[np.float64]
    """[photos, properties]."""
    thumbnails: NDArray[np.float64]
    """[photos, side, side]."""
    light: NDArray[np.float64]
    """[photos, 2] Brightness and sharpness, as an import measures them."""


def see(
    model: LoadedModel, pictures: Sequence[Callable[[], Image.Image]], name: str, progress: Progress
) -> Seen:
    """Show pictures to a model."""
    transform = preprocessing(model)
    technical, light, grey = [], [], []

    def batches() -> Iterator[torch.Tensor]:
        waiting = []
        for i, load in enumerate(pictures):
            picture = load()
            technical.append(technical_properties(picture))
            gray = picture.convert("L")
            light.append([float(np.asarray(gray, np.float32).mean() / 255), sharpness_of(gray)])
            waiting.append(transform(picture))
            if len(waiting) == 32 or i == len(pictures) - 1:
                inputs = torch.stack(waiting)
                luma = model.pixels(inputs).mean(dim=1, keepdim=True)
                grey.append(nnf.adaptive_avg_pool2d(luma, (THUMBNAIL, THUMBNAIL))[:, 0].numpy())
                yield inputs
                stage.advance(len(waiting))
                waiting = []

    with progress.stage(name, len(pictures)) as stage:
        found = forward_pass(model, batches(), ())
    return Seen(
        found.logits,
        found.last,
        np.stack(technical),
        np.concatenate(grey).astype(np.float64),
        np.array(light),
    )


@dataclass(frozen=True)
class Side:
    """One group of a random draw: which photos, and as which kind of :data:`KINDS` they were seen."""

    images: tuple[BankImage, ...]
    positions: NDArray[np.int64]
    """[images] Among all photos."""
    kind: str = "as it is"


def shown(
    more: Side,
    less: Side,
    seen: dict[str, Seen],
    clusters: NDArray[np.int64],
    match: tuple[str, ...],
) -> Shown:
    """Two groups as an audit would have them after importing the photos as they now are.

    Args:
        more: One group.
        less: The other.
        seen: Kind to what the model made of all photos.
        clusters: [photos] Which belong together.
        match: Covariates to match on.
    """
    concepts = []
    for name, side in (("more", more), ("less", less)):
        light = seen[side.kind].light[side.positions]
        images = tuple(
            replace(
                image,
                covariates={**image.covariates, "brightness": float(one[0]), "sharpness": float(one[1])},
            )
            for image, one in zip(side.images, light, strict=True)
        )
        concepts.append(Concept(name, images))
    bank = ConceptBank(
        name="lot",
        title="lot",
        source="folder",
        concepts=tuple(concepts),
        digest="",
        contrasts=(GroupContrast("more", "less", match),),
    )
    layout = lay_out(bank)
    own = np.concatenate([clusters[side.positions] for side in (more, less)])

    def both(field: str) -> NDArray[np.floating]:
        return np.concatenate([getattr(seen[side.kind], field)[side.positions] for side in (more, less)])

    return Shown(
        layout=replace(layout, sample=replace(layout.sample, clusters=own)),
        forward=ForwardPass(channels={}, maps={}, logits=both("logits"), last=both("last")),
        technical=both("technical"),
        clusters="",
    )


def loader(path: Path, degrade: Degrade) -> Callable[[], Image.Image]:
    """Loads a photo and degrades it."""
    return lambda: degrade(decode_image(path))
