"""Pictures of an audit: what stood for the class, what the occluder is, where the detector fires."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from PIL import Image

from auditor.banks.bank import Concept
from auditor.context import AuditContext
from auditor.explain.detector import detect
from auditor.explain.occluder import occlude
from auditor.explain.stage_one import StageOne
from auditor.explain.visualise import VisualiseSettings, visualise
from auditor.images.inputs import as_inputs
from auditor.models import taps
from auditor.models.loaded import LoadedModel
from auditor.records import Picture

SHOWN = 8
"""Most images of a class in a report."""
SHOWN_OF_CONCEPT = 4
"""Images of a concept with the detector's response laid over them."""
SIDE = 192
"""Longest side of a stored picture in pixels."""

Pixels = NDArray[np.float32]
"""[height, width, 3] in [0, 1]."""


class Album:
    """Collects pictures of one class: encoded files and their records, in order."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.records: list[Picture] = []
        self.files: dict[str, bytes] = {}

    def include(self, records: Sequence[Picture], files: Mapping[str, bytes]) -> None:
        """Add pictures that are encoded already, such as those that all classes share."""
        self.records += records
        self.files |= files

    def add(self, pixels: Pixels, kind: str, alt: str, *, side: int = SIDE, **more: object) -> None:
        """Encode a picture (JPEG, quality 88, at most ``side`` pixels long) and note what it shows."""
        content, (width, height) = encoded(pixels, side=side)
        number = sum(r.kind == kind for r in self.records) + 1
        path = f"pictures/{self.prefix}-{kind.replace(' ', '-')}-{number:02d}.jpg"
        self.files[path] = content
        self.records.append(
            Picture.model_validate(
                {
                    "path": path,
                    "kind": kind,
                    "alt": alt,
                    "width": width,
                    "height": height,
                    **more,
                }
            )
        )


def encoded(pixels: Pixels, *, side: int = SIDE) -> tuple[bytes, tuple[int, int]]:
    """A picture as JPEG (quality 88, at most ``side`` pixels long), and its width and height."""
    longest = max(pixels.shape[:2])
    values = np.broadcast_to(pixels, (*pixels.shape[:2], 3))  # grey in three equal channels
    picture = Image.fromarray((np.clip(values, 0, 1) * 255).round().astype(np.uint8), "RGB")
    if longest > side:
        factor = side / longest
        picture = picture.resize(
            (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS
        )
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88, optimize=True)
    return stream.getvalue(), picture.size


def class_pictures(model: LoadedModel, one: StageOne, album: Album, *, occluded: bool) -> None:
    """The class's images; where asked for, the occluder, and the same images with it subtracted."""
    index, name = one.label.index, one.label.name
    made = one.images.record.source == "impressions"
    inputs = one.images.inputs(model)
    learned = one.images.record.learned
    # Held-out images first in the pairs below: what happens to them is the evidence.
    order = [*range(learned, len(inputs)), *range(learned)][:SHOWN]
    shown = inputs[order]
    delta = torch.from_numpy(one.perturbations[0]).to(model.device)
    changed = occlude(model, shown, delta)
    with torch.inference_mode():
        before = model.module(shown).float().softmax(1)[:, index].tolist()
        after = model.module(changed).float().softmax(1)[:, index].tolist()
    for place, (image, p) in enumerate(zip(shown, before, strict=True)):
        part = "held out" if order[place] >= learned else "learned on"
        kind = "impression" if made else "photo"
        what = f"Class impression of {name}, made from the model" if made else f"Photo used for {name}"
        album.add(_pixels(model, image), kind, f"{what} ({part}).", probability=p)
    if not occluded:
        return
    album.add(_visible(delta), "occluder", f"Feature occluder of {name}; contrast raised to be visible.")
    for image, p in zip(changed[:4], after[:4], strict=True):
        album.add(
            _pixels(model, image),
            "occluded",
            f"The image with the occluder of {name} subtracted.",
            probability=p,
        )


def pictured_layers(context: AuditContext, one: StageOne) -> list[str]:
    """Up to four layers with a meta-detector of the class, middle to last."""
    layers = context.layers
    chosen = sorted({round(len(layers) * share) - 1 for share in (0.4, 0.6, 0.8, 1.0)} - {-1})
    names = [layers[place].name for place in chosen]
    return [name for name in names if one.importance[name][0].any()]


def detector_picture(context: AuditContext, one: StageOne, layer: str, album: Album) -> None:
    """An image that excites the meta-detector of a layer."""
    model = context.model
    image = visualise(
        model,
        layer,
        torch.from_numpy(one.importance[layer][:1]).to(model.device),
        settings=VisualiseSettings(precision=context.precision),
        generator=torch.Generator().manual_seed(context.settings.seed),
    )[0]
    alt = f"Image made to excite the meta-detector of {one.label.name} in layer {layer}."
    album.add(image.permute(1, 2, 0).float().cpu().numpy(), "detector", alt, layer=layer)


def overlay_pictures(
    model: LoadedModel, one: StageOne, layer: str, bank: str, concept: Concept, album: Album
) -> None:
    """Where the meta-detector of ``layer`` responds on the first images of a concept."""
    inputs = as_inputs(model, (image.load() for image in concept.images[:SHOWN_OF_CONCEPT]))
    weights = torch.from_numpy(one.importance[layer][0]).to(model.device)
    with torch.inference_mode(), taps.record(model.module, [layer]) as outputs:
        probabilities = model.module(inputs).float().softmax(1)[:, one.label.index].tolist()
        maps = detect(outputs[layer].float(), weights)[:, None]
    size = (int(inputs.shape[2]), int(inputs.shape[3]))
    fired = nnf.interpolate(maps, size=size, mode="bilinear", align_corners=False)[:, 0].cpu().numpy()
    # One scale for all images of the concept, so that a weak response looks weak.
    low, high = np.quantile(fired, 0.05), np.quantile(fired, 0.995)
    colours = mpl.colormaps["inferno"]
    alt = (
        f"Image labelled {concept.name} in bank {bank}; bright where the meta-detector of "
        f"{one.label.name} in {layer} responds."
    )
    for image, heat, p in zip(inputs, fired, probabilities, strict=True):
        strength = np.clip((heat - low) / max(high - low, 1e-9), 0, 1)[..., None]
        grey = _pixels(model, image).mean(axis=2, keepdims=True)
        mixed = (1 - 0.75 * strength) * grey + 0.75 * strength * colours(strength[..., 0])[..., :3]
        more = {"layer": layer, "bank": bank, "concept": concept.name, "probability": p}
        album.add(mixed.astype(np.float32), "overlay", alt, **more)


def _pixels(model: LoadedModel, image: torch.Tensor) -> Pixels:
    found: Pixels = model.pixels(image[None])[0].permute(1, 2, 0).float().cpu().numpy()
    return found


def _visible(delta: torch.Tensor) -> Pixels:
    """Grey where nothing is subtracted; the 99.5th percentile of the absolute value at full contrast."""
    values = delta.permute(1, 2, 0).float().cpu().numpy()
    reach = max(float(np.quantile(np.abs(values), 0.995)), 1e-9)
    shown: Pixels = (values / (2 * reach) + 0.5).clip(0, 1).astype(np.float32)
    return shown
