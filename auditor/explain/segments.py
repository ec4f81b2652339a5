"""Segments of photos, and photos edited by them: shown on a blank image, or taken out.

After Ghorbani et al., Towards Automatic Concept-based Explanations (ACE), NeurIPS 2019.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor

from auditor.errors import InputError

RESOLUTIONS = (15, 50, 80)
"""Segments asked for, coarse to fine (ACE)."""
COMPACTNESS, SIGMA = 20.0, 1.0
"""Of SLIC (ACE)."""
ALIKE = 0.5
"""Intersection over union above which a finer segment is taken for one of a coarser resolution (ACE)."""
GREY = 117 / 255
"""Grey of blank images, and of what is not part of a segment: the mean of ImageNet (ACE)."""
BLURS = 10
"""Steps of diffusion after the coarse fill."""


@dataclass(frozen=True)
class Segment:
    """A part of a photo."""

    photo: int
    top: int
    left: int
    mask: NDArray[np.bool_]
    """[height, width] Of its box."""

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the photo."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def need_segmentation(asked_by: str) -> None:
    """Say what is missing where photos cannot be segmented.

    Raises:
        InputError: scikit-image is not installed.
    """
    if importlib.util.find_spec("skimage") is None:
        raise InputError(
            f"{asked_by}: needs the package scikit-image; needed: pip install 'auditor[evaluate]'"
        )


def segments_of(pixels: NDArray[np.uint8], photo: int) -> list[Segment]:
    """Segments of a photo [height, width, channels] at every resolution, each only once."""
    from skimage.segmentation import slic

    height, width = pixels.shape[:2]
    kept = np.zeros((0, height * width), np.float32)
    for count in RESOLUTIONS:
        labels = slic(
            pixels,
            n_segments=count,
            compactness=COMPACTNESS,
            sigma=SIGMA,
            start_label=0,
            channel_axis=-1,
        ).ravel()
        masks = (labels == np.unique(labels)[:, None]).astype(np.float32)
        common = masks @ kept.T
        union = masks.sum(axis=1)[:, None] + kept.sum(axis=1) - common
        kept = np.concatenate([kept, masks[~(common > ALIKE * union).any(axis=1)]])
    return [_boxed(mask.reshape(height, width) > 0, photo) for mask in kept]


def _boxed(mask: NDArray[np.bool_], photo: int) -> Segment:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return Segment(photo, top, left, mask[top : rows[-1] + 1, left : columns[-1] + 1].copy())


def crop(pixels: NDArray[np.uint8], segment: Segment) -> NDArray[np.float32]:
    """The segment's box [height, width, channels] in [0, 1], grey around it.

    Args:
        pixels: All photos, [n, height, width, channels].
        segment: Of one of them.
    """
    rows, columns = segment.box
    part = pixels[segment.photo, rows, columns].astype(np.float32) / 255
    return np.where(segment.mask[:, :, None], part, np.float32(GREY))


def crops(pixels: NDArray[np.uint8], segments: Sequence[Segment]) -> Tensor:
    """[n, channels, height, width] in [0, 1]: every segment's box, as large as a photo."""
    size = pixels.shape[1:3]
    parts = [torch.from_numpy(crop(pixels, one)).permute(2, 0, 1)[None] for one in segments]
    return torch.cat([nnf.interpolate(part, size, mode="bilinear", align_corners=False) for part in parts])


def masks_by_concept(
    segments: Sequence[Segment], labels: Sequence[int], concepts: int, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """[concepts, height, width] Where a photo shows each concept; its segments may overlap."""
    masks = np.zeros((concepts, *size), bool)
    for segment, label in zip(segments, labels, strict=True):
        masks[(label, *segment.box)] |= segment.mask
    return masks


def shown(picture: Tensor, masks: Tensor) -> Tensor:
    """[n, channels, height, width] A picture [channels, height, width] where a mask holds; grey elsewhere."""
    return torch.where(masks[:, None], picture, torch.full_like(picture, GREY))


def removed(picture: Tensor, masks: Tensor) -> Tensor:
    """[n, channels, height, width] Grey where a mask holds, the picture elsewhere."""
    return shown(picture, ~masks)


def inpainted(picture: Tensor, masks: Tensor) -> Tensor:
    """[n, channels, height, width] Colours diffused from around the mask into it.

    The coarse fill comes from ever smaller copies of what is left; some blurs inside the mask smooth it. A
    picture of which nothing is left is grey.
    """
    hole = masks[:, None].expand(-1, len(picture), -1, -1)
    known = (~hole).to(picture.dtype)
    filled = _coarse_to_fine(picture * known, known)
    for _ in range(BLURS):
        blurred = nnf.avg_pool2d(nnf.pad(filled, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        filled = torch.where(hole, blurred, picture)
    return filled


def _coarse_to_fine(values: Tensor, known: Tensor) -> Tensor:
    """Known values over the share that is known; what is not known, from a copy of half the size."""
    if max(values.shape[2:]) == 1:
        rest = torch.full_like(values, GREY)
    elif (known > 0).all():
        rest = values
    else:
        smaller = [nnf.avg_pool2d(part, 2, ceil_mode=True) for part in (values, known)]
        rest = nnf.interpolate(
            _coarse_to_fine(*smaller), values.shape[2:], mode="bilinear", align_corners=False
        )
    return torch.where(known > 0, values / known.clamp(min=1e-12), rest)
