"""How contrasts were decided before: kept here alone, so that a table can show both side by side.

A difference of the logarithm of the class's probability was claimed if its 95% interval lay beyond half
a standard deviation, no more than a tenth of the model's classes differed as much, and the class's own
weights beat 95% of 200 random permutations of them. Images of one photo counted one by one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from auditor.audit.forward import Shown
from auditor.audit.groups import Groups
from auditor.models.loaded import LoadedModel
from auditor.statistics.arrays import FloatArray, standardise_rows
from auditor.statistics.classwise import AgainstClasses
from auditor.statistics.probability import log_probabilities

MARGIN, USUAL, DRAWS = 0.5, 0.1, 200


def claimed_before(groups: Groups, shown: Shown, *, family: int = 1) -> tuple[NDArray[np.bool_], FloatArray]:
    """[classes] Whether it was claimed, but for the permuted channels; and the difference in sd.

    Args:
        groups: Of the contrast; pairs as they are now.
        shown: The photos as the model saw them.
        family: Tests corrected together, of the p-value alone.
    """
    logp = log_probabilities(shown.logits).T
    against = AgainstClasses(logp)
    rows = np.stack([against.of(k) for k in range(len(logp))])
    difference, error, df = _standardised(groups, rows)
    low = np.abs(difference) - stats.t.ppf(0.975, df) * error
    p = 2 * stats.t.sf(np.abs(difference) / np.maximum(error, 1e-12), df)
    raw = _standardised(groups, standardise_rows(logp))[0]
    distance = np.abs(raw - raw.mean())
    share = np.array([np.delete(distance >= own, k).mean() for k, own in enumerate(distance)])
    return (low > MARGIN) & (p * family <= 0.05) & (share <= USUAL), difference


def survives_permuted_channels(
    groups: Groups, shown: Shown, model: LoadedModel, class_index: int, *, seed: int
) -> bool:
    """Whether the class's weights, dealt to the wrong channels, lose the difference."""
    weights = _head(model)[class_index].astype(np.float64)
    rng = np.random.default_rng([seed, class_index])
    dealt = np.stack([weights, *(rng.permutation(weights) for _ in range(DRAWS))])
    rows = dealt @ shown.forward.last.T.astype(np.float64) - shown.logits.mean(axis=1, dtype=np.float64)
    effects = np.abs(_standardised(groups, standardise_rows(rows))[0])
    return bool(effects[0] > np.quantile(effects[1:], 0.95))


def _standardised(groups: Groups, rows: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    more, less = groups.sample.positions
    scale = np.sqrt((rows[:, more].var(axis=1, ddof=1) + rows[:, less].var(axis=1, ddof=1)) / 2)
    scale = np.maximum(scale, 1e-12)
    found = groups.sample.errors(rows)
    return found.effect[:, 0] / scale, found.error[:, 0] / scale, float(found.df[0])


def _head(model: LoadedModel) -> NDArray[np.float32]:
    import torch

    last = None
    for part in model.module.modules():
        if isinstance(part, torch.nn.Linear) and part.out_features == len(model.labels):
            last = part
    assert last is not None
    weights: NDArray[np.float32] = last.weight.detach().float().numpy()
    return weights
