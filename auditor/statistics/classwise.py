"""One class compared with other classes of the same model, on the same images.

Some images raise nearly every class (busy textures, faces of one group). The difference between a class and
the others is specific to the class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from auditor.statistics.arrays import FloatArray, as_responses, standardise_rows

FEWEST_CLASSES = 50
"""Fewest classes of a model for which a class can be compared with the others."""


class AgainstClasses:
    """Responses of every class to the same images, for one class less the mean of the others."""

    def __init__(self, responses: ArrayLike) -> None:
        """Standardise ``responses`` [classes, images] over images, so that classes have equal weights."""
        rows = np.atleast_2d(np.asarray(responses, dtype=np.float64))
        self._rows = standardise_rows(as_responses(rows, rows.shape[-1]))
        self._total = self._rows.sum(axis=0)

    def of(self, class_index: int) -> FloatArray:
        """[images] Response of one class less the mean over all others (double centring)."""
        own = self._rows[class_index]
        return np.asarray(own - (self._total - own) / max(1, len(self._rows) - 1))
