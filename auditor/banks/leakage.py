"""Leakage audit: can features that have nothing to do with a concept tell a bank's concepts apart?

For every pair of concepts a logistic regression on trivial features (size, shape, file size, JPEG
quality, mean colour, brightness, contrast, border, sharpness) is cross-validated. An accuracy well
above one half says that a finding about this pair may be a finding about, say, brightness.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.banks.bank import BankImage, Concept, ConceptBank
from auditor.banks.measure import sharpness_of
from auditor.errors import InputError
from auditor.images.decode import read_limited
from auditor.progress import Progress, silent

ADVICE = {
    "width": "crop or resize all images to one size before importing",
    "height": "crop or resize all images to one size before importing",
    "aspect": "crop all images to one shape before importing",
    "bytes per pixel": "save all images again with one format and quality",
    "JPEG quality": "save all images again with one quality",
    "red": "match on colour or collect images of similar colours",
    "green": "match on colour or collect images of similar colours",
    "blue": "match on colour or collect images of similar colours",
    "saturation": "match on colour or collect images of similar colours",
    "brightness": "match contrasts on brightness",
    "contrast": "match on contrast or equalise it",
    "border brightness": "crop borders and frames away",
    "border flatness": "crop borders and frames away",
    "sharpness": "match contrasts on sharpness, or bring images to one resolution",
}
FEATURES = tuple(ADVICE)
FOLDS = 5


@dataclass(frozen=True)
class PairLeak:
    """How well trivial features tell two concepts apart."""

    first: str
    second: str
    n: tuple[int, int]
    accuracy: float
    """Cross-validated balanced accuracy of all features together; 0.5 is chance."""
    limit: float
    """What chance alone exceeds in about 1 of 40 pairs, at least 0.6: above it, the pair leaks."""
    feature: str
    """The single feature that tells most."""
    feature_accuracy: float

    @property
    def leaks(self) -> bool:
        """Whether the accuracy is beyond chance and large enough to matter."""
        return self.accuracy > self.limit

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.feature]


def leakage(bank: ConceptBank, *, seed: int = 0, progress: Progress = silent) -> list[PairLeak]:
    """Every pair of concepts, those that leak most first.

    Raises:
        InputError: an image cannot be read, or the bank has a single concept.
    """
    if len(bank.concepts) < 2:
        raise InputError(f"bank '{bank.name}': one concept, need two to compare")
    features: dict[str, NDArray[np.float64]] = {}
    with progress.stage("measuring images", sum(len(c.images) for c in bank.concepts)) as stage:
        for concept in bank.concepts:
            features[concept.name] = np.array([_one(image, stage.advance) for image in concept.images])
    pairs = list(combinations(bank.concepts, 2))
    found = []
    with progress.stage("comparing pairs", len(pairs)) as stage:
        for a, b in pairs:
            found.append(_pair(a, b, features[a.name], features[b.name], np.random.default_rng(seed)))
            stage.advance()
    return sorted(found, key=lambda pair: (-pair.accuracy, pair.first, pair.second))


def _one(image: BankImage, advance: Callable[[], None]) -> list[float]:
    features = trivial_features(image)
    advance()
    return features


def trivial_features(image: BankImage) -> list[float]:
    """One number for each of :data:`FEATURES`; generated images have no file, so 0 for the file's."""
    picture = image.load()
    pixels = np.asarray(picture.resize((128, 128), Image.Resampling.BOX), np.float64) / 255
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    frame = np.concatenate([luma[:4].ravel(), luma[-4:].ravel(), luma[:, :4].ravel(), luma[:, -4:].ravel()])
    data = read_limited(image.path) if image.path is not None else b""
    red, green, blue = pixels.mean((0, 1))
    return [
        float(picture.width),
        float(picture.height),
        float(np.log(picture.width / picture.height)),
        float(np.log(len(data) / (picture.width * picture.height))) if data else 0.0,
        jpeg_quality(data) if data else 0.0,
        float(red),
        float(green),
        float(blue),
        float((pixels.max(-1) - pixels.min(-1)).mean()),
        float(luma.mean()),
        float(luma.std()),
        float(frame.mean()),
        float(np.log(frame.std() + 1e-3)),
        sharpness_of(picture.convert("L")),
    ]


def jpeg_quality(data: bytes) -> float:
    """Mean of the luminance quantisation table, which grows as quality falls; 0 for other files."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            tables = getattr(image, "quantization", None) or {}
    except (OSError, ValueError, SyntaxError):
        return 0.0
    return float(np.mean(tables[0])) if 0 in tables else 0.0


def _pair(
    a: Concept, b: Concept, x: NDArray[np.float64], y: NDArray[np.float64], rng: np.random.Generator
) -> PairLeak:
    both = np.concatenate([x, y])
    label = np.repeat([0.0, 1.0], [len(x), len(y)])
    fold = np.concatenate([rng.permutation(np.arange(len(side)) % FOLDS) for side in (x, y)])
    single = [cross_validated(both[:, [k]], label, fold) for k in range(len(FEATURES))]
    most = int(np.argmax(single))
    # Balanced accuracy is the mean of two shares, each with a variance of at most 1/4 over its count.
    error = 0.5 * np.sqrt(0.25 / len(x) + 0.25 / len(y))
    return PairLeak(
        first=a.name,
        second=b.name,
        n=(len(x), len(y)),
        accuracy=cross_validated(both, label, fold),
        limit=max(0.6, 0.5 + 2 * float(error)),
        feature=FEATURES[most],
        feature_accuracy=single[most],
    )


def cross_validated(x: NDArray[np.float64], label: NDArray[np.float64], fold: NDArray[np.int64]) -> float:
    """Balanced accuracy of a ridge logistic regression on images it was not fitted to."""
    hits = np.zeros(len(label), bool)
    for held in np.unique(fold):
        train, test = fold != held, fold == held
        mean, spread = x[train].mean(0), x[train].std(0)
        spread = np.where(spread > 1e-9, spread, 1.0)
        weights = fit_logistic((x[train] - mean) / spread, label[train])
        score = weights[0] + (x[test] - mean) / spread @ weights[1:]
        hits[test] = (score > 0) == (label[test] > 0.5)
    return float(np.mean([hits[label == value].mean() for value in (0.0, 1.0)]))


def fit_logistic(
    x: NDArray[np.float64], label: NDArray[np.float64], *, ridge: float = 1.0, steps: int = 25
) -> NDArray[np.float64]:
    """Intercept and weights by Newton's method; classes count equally whatever their sizes."""
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    share = np.where(label > 0.5, 0.5 / max(label.mean(), 1e-9), 0.5 / max(1 - label.mean(), 1e-9))
    penalty = np.diag([1e-6, *[ridge] * x.shape[1]])
    weights = np.zeros(design.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (share * (p - label)) + penalty @ weights
        curvature = (design * (share * np.clip(p * (1 - p), 1e-6, None))[:, None]).T @ design + penalty
        change = np.linalg.solve(curvature, gradient)
        weights = weights - change
        if np.abs(change).max() < 1e-6:
            break
    return weights


def names_of(pairs: Sequence[PairLeak]) -> list[str]:
    """Features that tell pairs apart, the most frequent first."""
    counts: dict[str, int] = {}
    for pair in pairs:
        if pair.leaks:
            counts[pair.feature] = counts.get(pair.feature, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))
