"""Concepts of a class found in its own photos: clusters of segments that the model sees alike.

After Ghorbani et al., Towards Automatic Concept-based Explanations (ACE), NeurIPS 2019. The scores compare a
concept's segments with all other segments of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from auditor.explain.detector import detect, pool
from auditor.explain.segments import Segment, crops
from auditor.models import taps
from auditor.models.loaded import LoadedModel
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.importance import mmd_importance, sample_units
from auditor.statistics.mmd import paper_scores
from auditor.statistics.probability import log_scaled

CLUSTERS = 25
"""Clusters asked for (ACE)."""
MOST_MEMBERS = 40
"""Segments of a cluster that are kept, nearest to its centre first (ACE)."""
MOST_OF_PHOTO = 4
"""Of these, segments of the same photo."""
LEAST_PHOTOS = 0.25
"""Least share of the photos that a cluster's segments must come from."""
FEWEST_PHOTOS = 2
"""The same as a number of photos."""
RANDOM_SETS = 5
"""Sets of random segments that a concept's direction is learned against."""
STRENGTH = 0.1
"""Inverse of the regularisation of a direction."""


@dataclass(frozen=True)
class Seen:
    """What a model makes of segments."""

    embedding: NDArray[np.float32]
    """[segments, channels] Input of the last linear layer, mean over positions."""
    scaled: FloatArray
    """[segments] Log-scaled probability of the class."""
    maps: Mapping[str, NDArray[np.float32]]
    """Layer to the maps of the class's meta-detector, [segments, positions]."""
    last: NDArray[np.float32]
    """[segments, channels] Output of the last tapped layer, mean over positions."""


@dataclass(frozen=True)
class Concepts:
    """Clusters of segments."""

    labels: IntArray
    """[segments] Concept, or -1 for segments of none."""
    centres: FloatArray
    """[concepts, channels] In the space of embeddings."""
    distances: FloatArray
    """[segments] To the centre of the cluster."""

    @property
    def count(self) -> int:
        """Concepts."""
        return len(self.centres)

    def members(self, concept: int) -> IntArray:
        """Segments of a concept, the most typical first."""
        own = np.flatnonzero(self.labels == concept)
        return own[np.argsort(self.distances[own], kind="stable")]

    def nearest(self, embedding: NDArray[np.float32]) -> IntArray:
        """[segments] The concept that each further segment is nearest to."""
        return np.asarray(cdist(embedding, self.centres).argmin(axis=1), dtype=np.int64)


def see(
    model: LoadedModel,
    inputs: tuple[NDArray[np.uint8], Sequence[Segment]],
    index: int,
    *,
    weights: Mapping[str, NDArray[np.float32]],
    batch: int,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Seen:
    """Show every segment to the model by itself. One pass.

    Args:
        model: The audited model.
        inputs: Photos [n, height, width, channels] and their segments, 1 or more.
        index: The class.
        weights: Layer, first to last, to the channel weights of the class's meta-detector.
        batch: Segments per pass.
        on_batch: Told how many segments were shown.
    """
    pixels, segments = inputs
    layers, device = list(weights), model.device
    detectors = {layer: torch.from_numpy(one).to(device) for layer, one in weights.items()}
    logits: list[NDArray[np.float32]] = []
    last: list[NDArray[np.float32]] = []
    maps: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
    with (
        torch.inference_mode(),
        taps.record(model.module, layers) as outputs,
        taps.record_last_input(model.module, len(model.labels)) as embeddings,
    ):
        for start in range(0, len(segments), batch):
            some = segments[start : start + batch]
            answer = model.module(model.normalise(crops(pixels, some).to(device)))
            logits.append(answer.float().cpu().numpy())
            for layer in layers:
                found = detect(pool(outputs[layer].float()), detectors[layer])
                maps[layer].append(found.flatten(1).cpu().numpy())
            last.append(outputs[layers[-1]].float().mean(dim=(2, 3)).cpu().numpy())
            on_batch(len(some))
    means = np.concatenate(last)
    return Seen(
        embedding=torch.cat(embeddings).numpy() if embeddings else means,
        scaled=log_scaled(np.concatenate(logits))[:, index],
        maps={layer: np.concatenate(parts) for layer, parts in maps.items()},
        last=means,
    )


def find_concepts(
    embedding: NDArray[np.float32], photos: IntArray, *, seed: int, most: int = MOST_MEMBERS
) -> Concepts:
    """Cluster segments, drop clusters that come from few photos, and keep the most typical segments.

    Args:
        embedding: [segments, channels].
        photos: [segments] The photo that each comes from.
        seed: Of the first centres.
        most: Segments kept of a cluster.
    """
    points = embedding.astype(np.float64)
    labels = np.full(len(points), -1, dtype=np.int64)
    distinct = len(np.unique(points.round(5), axis=0))
    clusters = KMeans(min(CLUSTERS, distinct), n_init=4, random_state=seed).fit(points)
    distances = np.linalg.norm(points - clusters.cluster_centers_[clusters.labels_], axis=1)
    needed = max(FEWEST_PHOTOS, LEAST_PHOTOS * len(np.unique(photos)))
    centres: list[FloatArray] = []
    for cluster, centre in enumerate(clusters.cluster_centers_):
        own = np.flatnonzero(clusters.labels_ == cluster)
        own = own[np.argsort(distances[own], kind="stable")]
        if len(np.unique(photos[own])) >= needed:
            labels[_typical(own, photos[own], most)] = len(centres)
            centres.append(centre)
    return Concepts(labels, np.array(centres).reshape(-1, points.shape[1]), distances)


def _typical(members: IntArray, photos: IntArray, most: int) -> IntArray:
    """The first members, few of each photo: a photo with many like segments must not make a concept."""
    taken: dict[int, int] = {}
    kept = []
    for member, photo in zip(members.tolist(), photos.tolist(), strict=True):
        taken[photo] = taken.get(photo, 0) + 1
        if taken[photo] <= MOST_OF_PHOTO:
            kept.append(member)
    return np.array(kept[:most], dtype=np.int64)


def association_scores(seen: Seen, concepts: Concepts) -> FloatArray:
    """[concepts] Mean log-scaled class probability on the concept's segments, less that on all others.

    It is 0 where there are no others.
    """
    own = concepts.labels == np.arange(concepts.count)[:, None]
    return np.array([0.0 if one.all() else seen.scaled[one].mean() - seen.scaled[~one].mean() for one in own])


def afi_scores(
    seen: Seen, concepts: Concepts, photos: IntArray, layers: Sequence[str], rng: np.random.Generator
) -> FloatArray:
    """[concepts] Signed MMD of the meta-detector's maps, mean over ``layers``; a photo counts once.

    Raises:
        InputError: A concept has nothing to be compared with.
    """
    sample = sample_units(concepts.labels, concepts=concepts.count, clusters=photos, rng=rng)
    maps = {layer: seen.maps[layer][:, None] for layer in layers}
    return np.asarray(mmd_importance(maps, sample, tested=0).signed[0])


def published_scores(seen: Seen, concepts: Concepts, *, runs: int, rng: np.random.Generator) -> FloatArray:
    """[concepts] The paper's score: share of squared MMD, summed over all layers; without sign.

    Raises:
        InputError: A concept has fewer than 2 segments.
    """
    found = paper_scores(seen.maps, concepts.labels, benchmark=None, runs=runs, rng=rng)
    return np.nan_to_num(found.mean)


def tcav_scores(
    seen: Seen, concepts: Concepts, gradients: NDArray[np.float32], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """TCAV (Kim et al. 2018) at the last tapped layer, with activations averaged over positions.

    A concept's direction separates its segments from as many random other segments of the class.

    Args:
        seen: What the model makes of the segments.
        concepts: Of the segments.
        gradients: [images, channels] Of the class's logit at that layer, summed over positions.
        rng: Draws :data:`RANDOM_SETS` sets of random segments for each concept.

    Returns:
        [concepts] Share of images whose logit grows along the direction, and how much it grows; means over
        sets.
    """
    spread = seen.last.std(axis=0) + 1e-6
    points = (seen.last - seen.last.mean(axis=0)) / spread
    shares, growths = np.empty((2, concepts.count, RANDOM_SETS))
    for concept in range(concepts.count):
        own = np.flatnonzero(concepts.labels == concept)
        others = np.flatnonzero(concepts.labels != concept)
        for draw in range(RANDOM_SETS):
            random = np.sort(rng.choice(others, min(len(own), len(others)), replace=False))
            target = np.arange(len(own) + len(random)) < len(own)
            fitted = LogisticRegression(C=STRENGTH, max_iter=500).fit(
                points[np.concatenate([own, random])], target
            )
            direction = fitted.coef_[0] / spread
            along = gradients @ (direction / max(float(np.linalg.norm(direction)), 1e-12))
            shares[concept, draw], growths[concept, draw] = (along > 0).mean(), along.mean()
    return shares.mean(axis=1), growths.mean(axis=1)
