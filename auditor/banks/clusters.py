"""Clusters: images of a bank that count as one, declared by the bank or found as parts of one photo.

A bank may name the covariate that holds the person, the source photo or the video. Crops and re-encodings of
one photo are found in two steps. The audited model's last layer proposes similar pairs. A pair is accepted if
the centre of one picture occurs in the other, at some scale, mirrored or not, with the same brightness and
contrast. docs/statistics.md measures how well this works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft
from scipy.ndimage import uniform_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from auditor.statistics.arrays import FloatArray, IntArray

THUMBNAIL = 48
"""Side in pixels of the grey thumbnails that are compared."""

NEIGHBOURS = 10
"""Nearest images in the last layer that each image is compared with."""
PROPOSED_FROM = 0.45
"""Smallest cosine between centred activations of the last layer of a pair worth comparing."""
SAME_FROM = 0.7
"""Smallest correlation of the centre of one picture with a place in the other."""
BRIGHTNESS_WITHIN = 0.04
"""Largest difference of mean luminance (0 to 1) between that centre and that place."""
CONTRAST_WITHIN = 0.3
"""Largest difference of the logarithm of their contrasts."""

_CENTRE = 0.6  # side of the centre that is looked for, as a share of the picture's
_SCALES = (0.5, 0.6, 0.72, 0.86, 1.0, 1.2, 1.45)
_PADDED = 2 * THUMBNAIL
_DETAIL = 7  # pixels: what is smoother than this is taken out before comparing


@dataclass(frozen=True)
class Clusters:
    """Which image belongs to which cluster."""

    of_image: IntArray
    """[images] Cluster number; an image on its own has a number of its own."""
    words: str
    """How the clusters were determined, for a report."""


def clusters_of(
    declared: Sequence[str], *, what: str, activations: NDArray[np.floating] | None, thumbnails: FloatArray
) -> Clusters:
    """Declared and found clusters, merged.

    Args:
        declared: [images] Name of each image's cluster; empty for none.
        what: What the declared clusters are: ``person``.
        activations: [images, channels] Of the audited model's last layer; ``None`` finds no
            clusters, as for generated images.
        thumbnails: [images, side, side] Luminance, 0 to 1.
    """
    names = {name: number for number, name in enumerate(dict.fromkeys(filter(None, declared)))}
    own = iter(range(len(names), len(names) + len(declared)))
    given = np.array([names[name] if name else next(own) for name in declared], dtype=np.int64)
    pairs = np.zeros((0, 2), dtype=np.int64)
    if activations is not None:
        proposed = proposals(activations)
        pairs = proposed[same_picture(thumbnails, proposed)]
    found = _components(len(declared), pairs)
    together = _components(len(declared), np.concatenate([pairs, _chained(given)]))
    said = []
    if names:
        said.append(f"images of one {what} count as one, as the bank declares")
    if activations is not None:
        sizes = np.bincount(found)
        groups = int((sizes > 1).sum())
        said.append(
            f"{int(sizes[sizes > 1].sum())} images look like parts or copies of "
            f"{groups} picture{'' if groups == 1 else 's'}, each of which counts as one"
            if groups
            else "no image looks like a part or a copy of another"
        )
    return Clusters(together, "; ".join(said) or "every image was drawn on its own")


def proposals(activations: NDArray[np.floating]) -> IntArray:
    """[pairs, 2] Positions of images that look alike to the model, the earlier first."""
    centred = np.asarray(activations, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-12)
    count = len(unit)
    most = min(NEIGHBOURS, count - 1)
    found = []
    for start in range(0, count, 512):
        cosine = unit[start : start + 512] @ unit.T
        rows = np.arange(len(cosine))
        cosine[rows, start + rows] = -1.0
        near = np.argpartition(-cosine, most - 1, axis=1)[:, :most] if most else np.zeros((len(rows), 0), int)
        first, second = np.repeat(rows, near.shape[1]), near.ravel()
        alike = cosine[first, second] >= PROPOSED_FROM
        found.append(np.stack([start + first[alike], second[alike]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1) if found else np.zeros((0, 2), np.int64)
    return np.unique(pairs, axis=0).astype(np.int64)


def same_picture(thumbnails: FloatArray, pairs: IntArray) -> NDArray[np.bool_]:
    """[pairs] Whether the centre of either picture is found in the other.

    Args:
        thumbnails: [images, side, side] Luminance, 0 to 1.
        pairs: [pairs, 2] Positions of two images each.
    """
    same = np.zeros(len(pairs), dtype=np.bool_)
    if not len(pairs):
        return same
    grey = np.asarray(thumbnails, dtype=np.float64)
    detail = _detail(grey)
    spectra = fft.rfft2(detail.astype(np.float32), s=(_PADDED, _PADDED))
    for owner, rows, others in _by_owner(pairs):
        side = int(THUMBNAIL * _CENTRE)
        edge = (THUMBNAIL - side) // 2
        centre = grey[owner, edge : edge + side, edge : edge + side].astype(np.float32)
        best = np.full((len(rows), 3), (-1.0, 9.0, 9.0))
        for scale in _SCALES:
            size = round(side * scale)
            if size <= THUMBNAIL:
                _look_for(centre, size, detail[others], grey[others], spectra[others], best)
        like, brightness, contrast = best.T
        same[rows] |= (like >= SAME_FROM) & (brightness <= BRIGHTNESS_WITHIN) & (contrast <= CONTRAST_WITHIN)
    return same


def _by_owner(pairs: IntArray) -> Iterator[tuple[int, IntArray, IntArray]]:
    """Every image with the pairs that it is in, whichever side, and its partners there."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    rows = np.tile(np.arange(len(pairs)), 2)
    order = np.argsort(both[:, 0], kind="stable")
    owners, starts = np.unique(both[order, 0], return_index=True)
    for owner, members in zip(owners, np.split(order, starts[1:]), strict=True):
        yield int(owner), rows[members], both[members, 1]


def _look_for(
    centre: NDArray[np.float32],
    size: int,
    detail: FloatArray,
    grey: FloatArray,
    spectra: NDArray[np.complexfloating],
    best: FloatArray,
) -> None:
    """Find the centre at one size, as it is and mirrored; improve ``best`` [pictures, 3] in place."""
    way = Image.Resampling.BOX if size < len(centre) else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(centre).resize((size, size), way), dtype=np.float64)
    template = _detail(small[None])[0]
    template -= template.mean()
    strength = float(np.linalg.norm(template))
    if strength < 1e-3:  # an empty surface is found everywhere
        return
    means = _window_means(grey, size)
    of_detail = _window_means(detail, size)
    power = _window_means(detail**2, size) * size**2 - size**2 * of_detail**2
    norms = np.sqrt(np.maximum(power, 1e-6))
    places = THUMBNAIL - size + 1
    pictures = np.arange(len(grey))
    for turned in (template, template[:, ::-1]):
        spectrum = fft.rfft2((turned / strength).astype(np.float32), s=(_PADDED, _PADDED))
        match = fft.irfft2(spectra * spectrum.conj(), s=(_PADDED, _PADDED))[:, :places, :places] / norms
        flat = match.reshape(len(grey), -1)
        at = flat.argmax(axis=1)
        found = np.stack(
            [
                flat[pictures, at],
                np.abs(means.reshape(len(grey), -1)[pictures, at] - small.mean()),
                np.abs(np.log(norms.reshape(len(grey), -1)[pictures, at] / strength)),
            ],
            axis=1,
        )
        better = found[:, 0] > best[:, 0]
        best[better] = found[better]


def _detail(pictures: FloatArray) -> FloatArray:
    """[pictures, side, side] less a blurred version of each."""
    return np.asarray(pictures - uniform_filter(pictures, size=(0, _DETAIL, _DETAIL), mode="reflect"))


def _window_means(pictures: FloatArray, size: int) -> FloatArray:
    """[pictures, places, places] Mean over every window of ``size`` x ``size``, by summed areas."""
    sums = np.pad(pictures, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    right, left = sums[:, :, size:], sums[:, :, :-size]
    windows = (right[:, size:] - right[:, :-size]) - (left[:, size:] - left[:, :-size])
    return np.asarray(windows / size**2)


def _chained(clusters: IntArray) -> IntArray:
    """[pairs, 2] Each image of a cluster with the next one of it."""
    order = np.argsort(clusters, kind="stable")
    together = clusters[order][1:] == clusters[order][:-1]
    return np.stack([order[:-1][together], order[1:][together]], axis=1).astype(np.int64)


def _components(count: int, pairs: IntArray) -> IntArray:
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def covariate_text(covariates: Mapping[str, str | float], covariate: str) -> str:
    """The cluster's name that a covariate gives an image; empty where it states none."""
    value = covariates.get(covariate, "")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
