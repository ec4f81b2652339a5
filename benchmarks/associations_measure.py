"""One model, many classes, one bank: the score of every concept by every estimator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.afi.detector import Probe
from auditor.afi.responses import Responses, class_responses, evidence, late_layers
from auditor.banks import ConceptBank
from auditor.fitting import ClassFit, fit_key
from auditor.models.loaded import LoadedModel
from auditor.panel import Panel
from auditor.probing import probe_bank
from auditor.progress import Progress
from auditor.scoring import BankLayout
from auditor.settings import Settings
from auditor.statistics.classwise import class_effects
from auditor.statistics.mmd import paper_scores
from auditor.store import load_arrays, save_arrays

PAPER = "paper's score"
TCAV = "TCAV (Captum, default classifier)"

OURS = "auditor"
DETECTOR = "late layers' detector"


@dataclass(frozen=True)
class Measured:
    """What is needed to score every class on one bank."""

    layout: BankLayout
    probe: Probe
    fits: Mapping[int, ClassFit]
    panel: Panel
    layers: tuple[str, ...]

    def responses(self, index: int) -> Responses:
        """The responses of a class as the audit makes them."""
        fit = self.fits[index]

        def refits(rows: NDArray[np.float32]) -> NDArray[np.float32]:
            return rows[1:] if len(rows) > 1 else rows

        return class_responses(
            self.probe.channels,
            self.probe.logits,
            index,
            profile={layer: refits(fit.clean[layer]) for layer in self.layers},
            reference={layer: self.panel.clean(layer) for layer in self.layers},
        )

    def scores(self, index: int, *, runs: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Estimator to [concepts]; ours alone without layers. The paper's score draws ``runs`` sets."""
        labels, concepts = self.layout.labels, len(self.layout.names)
        if not self.layers:
            own = evidence(self.probe.logits)[None, :, index]
            return {OURS: self.layout.effects(own)[0]}
        responses, weights = self.responses(index), late_layers(self.layers)
        late = np.sum([weight * responses.by_layer[layer] for layer, weight in weights.items()], axis=0)
        found = {
            OURS: self.layout.effects(responses.evidence[None])[0],
            DETECTOR: class_effects(late, labels, concepts=concepts).mean(axis=0),
        }
        place = list(self.fits).index(index)
        maps = {layer: values[:, place].astype(np.float64) for layer, values in self.probe.maps.items()}
        mean = paper_scores(maps, labels, benchmark=None, runs=runs, rng=rng).mean
        found[PAPER] = np.nan_to_num(mean)
        return found


def measure(
    model: LoadedModel,
    bank: ConceptBank,
    layers: Sequence[str],
    fits: Sequence[ClassFit],
    panel: Panel,
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
        labels = arrays["labels"].astype(np.int64)
        layout = BankLayout(bank=bank, labels=labels, compared=np.ones(len(labels), dtype=bool))
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
                "labels": layout.labels,
            },
        )
    return Measured(layout, probe, {fit.label.index: fit for fit in fits}, panel, tuple(layers))
