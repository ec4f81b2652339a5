"""What ours is compared with: the paper's score, TCAV through Captum, and chance."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch.utils.data import DataLoader

from auditor.audit.forward import forward_pass
from auditor.statistics.mmd import paper_scores
from benchmarks.planted.banks import COUNTERFACTUAL, REFERENCE
from benchmarks.planted.estimators.interface import Estimate, without_tests
from benchmarks.planted.subject import Subject
from benchmarks.planted.training import Images, to_input


def chance(subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
    """Random numbers of either sign, and p-values uniform in (0, 1]."""
    effects = rng.standard_normal(len(subject.bank.names))
    return Estimate(effects, effects - 1.96, effects + 1.96, 2 * stats.norm.sf(np.abs(effects)))


def paper(subject: Subject, class_index: int, rng: np.random.Generator, *, runs: int = 100) -> Estimate:
    """MMD of the meta-detector's maps to random benchmark sets, summed over layers: never negative."""
    assert subject.fits is not None
    bank = subject.bank
    detectors = {
        layer: torch.from_numpy(w[class_index].mean(axis=0, keepdims=True)).float()
        for layer, w in subject.fits.importance.items()
    }
    images = bank.images[(bank.labels < COUNTERFACTUAL) & (bank.labels != REFERENCE)]
    batches = (to_input(images[i : i + 256]) for i in range(0, len(images), 256))
    maps = forward_pass(subject.model, batches, subject.layers, detectors).maps
    # Its labels know concepts and "none"; counterfactuals are no part of the paper's recipe.
    used = (bank.labels < COUNTERFACTUAL) & (bank.labels != REFERENCE)
    labels = np.maximum(bank.labels[used], -1)
    scores = paper_scores(
        {layer: values[:, 0] for layer, values in maps.items()},
        labels,
        benchmark=np.flatnonzero(labels < 0),
        runs=runs,
        rng=rng,
    )
    return without_tests(np.asarray(scores.mean, dtype=np.float64))


class Tcav:
    """Captum's TCAV with its default classifier against ``sets`` random sets, in the last two blocks.

    A concept's p-value is the two-sided t-test of its sign counts against those of random sets against
    random sets, as TCAV's authors test. Vectors do not depend on the class, so one instance of Captum's
    TCAV per subject learns them once.
    """

    def __init__(self, sets: int = 20, layers: int = 2, *, from_references: bool = False):
        self.sets = sets
        self.from_references = from_references
        self.layers = layers
        self._for: str | None = None
        self._scores: np.ndarray[Any, np.dtype[np.float64]] | None = None

    def __call__(self, subject: Subject, class_index: int, rng: np.random.Generator) -> Estimate:
        """Effects are mean sign counts minus one half."""
        if self._for != subject.name:
            self._scores = self._all_classes(subject, rng)
            self._for = subject.name
        assert self._scores is not None
        counts = self._scores[class_index]  # [concepts + 1, sets]: the last row is random against random
        effects = counts[:-1].mean(axis=1) - 0.5
        half = stats.t.ppf(0.975, self.sets - 1) * counts[:-1].std(axis=1, ddof=1) / np.sqrt(self.sets)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rows without any spread
            p = stats.ttest_ind(counts[:-1], counts[-1:], axis=1, equal_var=False).pvalue
        return Estimate(effects, effects - half, effects + half, np.nan_to_num(p, nan=1.0))

    def _all_classes(
        self, subject: Subject, rng: np.random.Generator
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        from captum.concept import TCAV, Concept

        bank = subject.bank
        size = len(bank.concepts[0])
        pool = bank.reference if self.from_references else bank.random

        def concept(number: int, name: str, images: Images) -> Any:
            return Concept(number, name, DataLoader(to_input(images), batch_size=size))  # type: ignore[arg-type]

        def random_set(number: int) -> Any:
            return concept(number, f"random {number}", pool[rng.permutation(len(pool))[:size]])

        k = len(bank.names)
        own = [
            concept(i, name, images)
            for i, (name, images) in enumerate(zip(bank.names, bank.concepts, strict=True))
        ]
        randoms = [random_set(k + i) for i in range(self.sets)]
        others = [random_set(k + self.sets + i) for i in range(self.sets)]
        pairs = [[c, r] for c in own for r in randoms] + [
            [o, r] for o, r in zip(others, randoms, strict=True)
        ]
        layers = list(subject.layers[-self.layers :])
        scores = np.zeros((subject.n_classes, len(pairs)))
        with (
            tempfile.TemporaryDirectory() as folder,
            torch.random.fork_rng(devices=[]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            torch.manual_seed(int(rng.integers(2**31)))
            tcav = TCAV(subject.model.module, layers, model_id=subject.model.sha256, save_path=folder)
            for y, images in enumerate(subject.class_images):
                found = tcav.interpret(to_input(images), pairs, target=y)
                for i, (first, second) in enumerate(pairs):
                    by_layer = found[f"{first.id}-{second.id}"]
                    scores[y, i] = np.mean([float(by_layer[layer]["sign_count"][0]) for layer in layers])
        return scores.reshape(subject.n_classes, k + 1, self.sets)
