"""Leakage check: can features that have nothing to do with a concept tell a bank's concepts apart?

For every pair of concepts, logistic regressions on trivial features (size, shape, file size, JPEG
quality, mean colour, brightness, contrast, border, sharpness) are cross-validated. If the accuracy is well
above 0.5, a finding about this pair may be a finding about brightness, for example.
"""

from __future__ import annotations

import io
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

_SIZE = "crop or resize all images to one size before importing"
_COLOUR = "match on colour or collect images of similar colours"
_BORDER = "crop borders and frames away"
ADVICE = {
    "width": _SIZE,
    "height": _SIZE,
    "aspect": "crop all images to one shape before importing",
    "bytes per pixel": "save all images again with one format and quality",
    "JPEG quality": "save all images again with one quality",
    "red": _COLOUR,
    "green": _COLOUR,
    "blue": _COLOUR,
    "saturation": _COLOUR,
    "brightness": "match contrasts on brightness",
    "contrast": "match on contrast or equalise it",
    "border brightness": _BORDER,
    "border flatness": _BORDER,
    "sharpness": "match contrasts on sharpness, or bring images to one resolution",
}
FEATURES = tuple(ADVICE)
FOLDS = 5


@dataclass(frozen=True)
class PairLeak:
    """How well trivial features predict which of two concepts an image belongs to."""

    first: str
    second: str
    n: tuple[int, int]
    accuracy: float
    """Cross-validated balanced accuracy of all features together; 0.5 is chance."""
    limit: float
    """The pair leaks if its accuracy is above this. At least 0.6; chance alone exceeds it in about 1 of 40
    pairs."""
    feature: str
    """The feature with the highest accuracy alone."""
    feature_accuracy: float

    @property
    def leaks(self) -> bool:
        """Whether the accuracy is above the limit."""
        return self.accuracy > self.limit

    @property
    def advice(self) -> str:
        """How to remove the difference."""
        return ADVICE[self.feature]


def leakage(bank: ConceptBank, *, seed: int = 0, progress: Progress = silent) -> list[PairLeak]:
    """Every pair of concepts, in order of falling accuracy.

    Raises:
        InputError: an image cannot be read, the bank has a single concept, or a concept has fewer than
            :data:`FOLDS` images.
    """
    if len(bank.concepts) < 2:
        raise InputError(f"bank '{bank.name}': one concept, need two to compare")
    for concept in bank.concepts:
        if len(concept.images) < FOLDS:
            count = len(concept.images)
            raise InputError(f"bank '{bank.name}', concept '{concept.name}': {count} images, need {FOLDS}")
    features: dict[str, NDArray[np.float64]] = {}
    with progress.stage("measuring images", sum(len(c.images) for c in bank.concepts)) as stage:
        for concept in bank.concepts:
            rows = []
            for image in concept.images:
                rows.append(trivial_features(image))
                stage.advance()
            features[concept.name] = np.array(rows)
    pairs = list(combinations(bank.concepts, 2))
    found = []
    with progress.stage("comparing pairs", len(pairs)) as stage:
        for a, b in pairs:
            found.append(_pair(a, b, features, seed=seed))
            stage.advance()
    return sorted(found, key=lambda pair: (-pair.accuracy, pair.first, pair.second))


def trivial_features(image: BankImage) -> list[float]:
    """One number for each of :data:`FEATURES`; the two of the file are 0 for generated images."""
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


def _pair(a: Concept, b: Concept, features: dict[str, NDArray[np.float64]], *, seed: int) -> PairLeak:
    x, y = features[a.name], features[b.name]
    together, alone = cross_validated(np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)]), seed=seed)
    most = int(np.argmax(alone))
    # Balanced accuracy is the mean of two shares, each with a variance of at most 1/4 over its count.
    error = 0.5 * np.sqrt(0.25 / len(x) + 0.25 / len(y))
    return PairLeak(
        first=a.name,
        second=b.name,
        n=(len(x), len(y)),
        accuracy=together,
        limit=max(0.6, 0.5 + 2 * float(error)),
        feature=FEATURES[most],
        feature_accuracy=float(alone[most]),
    )


def cross_validated(
    x: NDArray[np.float64], label: NDArray[np.int64], *, seed: int
) -> tuple[float, NDArray[np.float64]]:
    """Balanced accuracy of logistic regressions on images they were not fitted to; 0.5 is chance.

    Args:
        x: [images, features]
        label: [images] 0 or 1; at least :data:`FOLDS` of each.
        seed: draws the folds.

    Returns:
        The accuracy of all features together, and [features] that of each alone.
    """
    # Here and not above: the import takes a second, and only this check needs it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(seed)
    fold = np.zeros(len(label), np.int64)
    for value in (0, 1):  # drawn here, so that the published accuracies hold for every version
        fold[label == value] = rng.permutation(np.arange((label == value).sum()) % FOLDS)
    columns = [slice(None), *(slice(k, k + 1) for k in range(x.shape[1]))]
    hits = np.zeros((len(columns), len(label)), bool)
    for train, test in PredefinedSplit(fold).split():
        scaled = StandardScaler().fit(x[train]).transform(x)
        for row, column in zip(hits, columns, strict=True):
            model = LogisticRegression(class_weight="balanced").fit(scaled[train, column], label[train])
            row[test] = model.predict(scaled[test, column]) == label[test]
    accuracy = (hits[:, label == 0].mean(axis=1) + hits[:, label == 1].mean(axis=1)) / 2
    return float(accuracy[0]), accuracy[1:]
