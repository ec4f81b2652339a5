"""One model, many classes, one bank: the score of every concept by every estimator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.afi.detector import Probe
from auditor.afi.responses import evidence
from auditor.banks import ConceptBank
from auditor.fitting import ClassFit, fit_key
from auditor.models.loaded import LoadedModel
from auditor.probing import lay_out, probe_bank
from auditor.progress import Progress
from auditor.scoring import BankLayout
from auditor.settings import Settings
from auditor.statistics.mmd import paper_scores
from auditor.store import load_arrays, save_arrays

PAPER = "paper's score"
TCAV = "TCAV (Captum, default classifier)"

OURS = "auditor"


@dataclass(frozen=True)
class Measured:
    """What is needed to score every class on one bank."""

    layout: BankLayout
    probe: Probe
    fits: Mapping[int, ClassFit]
    layers: tuple[str, ...]

    def scores(self, index: int, *, runs: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Estimator to [concepts]; ours alone without layers. The paper's score draws ``runs`` sets."""
        own = evidence(self.probe.logits)[None, :, index]
        found = {OURS: self.layout.effects(own)[0]}
        if not self.layers:
            return found
        place = list(self.fits).index(index)
        maps = {layer: values[:, place].astype(np.float64) for layer, values in self.probe.maps.items()}
        mean = paper_scores(maps, self.layout.labels, benchmark=None, runs=runs, rng=rng).mean
        found[PAPER] = np.nan_to_num(mean)
        return found


def measure(
    model: LoadedModel,
    bank: ConceptBank,
    layers: Sequence[str],
    fits: Sequence[ClassFit],
    *,
    settings: Settings,
    cache: Path,
    progress: Progress,
) -> Measured:
    """Show the bank to the model, or read from the cache what it made of it."""
    keys = [fit_key(model, fit.label, layers, settings) for fit in fits]
    key = hashlib.sha256("|".join([model.sha256, bank.digest, *layers, *keys]).encode()).hexdigest()[:24]
    path = cache / f"probe-{key}.npz"
    if path.exists():
        arrays = load_arrays(path)
        probe = Probe(
            channels={layer: arrays[f"channels/{layer}"] for layer in layers},
            maps={layer: arrays[f"maps/{layer}"] for layer in layers if f"maps/{layer}" in arrays},
            logits=arrays["logits"],
        )
        layout = lay_out(bank)
    else:
        layout, probe = probe_bank(
            model, bank, [], layers, fits, batch=settings.batch_size, progress=progress
        )
        save_arrays(
            path,
            {
                **{f"channels/{layer}": values for layer, values in probe.channels.items()},
                **{f"maps/{layer}": values for layer, values in probe.maps.items()},
                "logits": probe.logits,
            },
        )
    return Measured(layout, probe, {fit.label.index: fit for fit in fits}, tuple(layers))
