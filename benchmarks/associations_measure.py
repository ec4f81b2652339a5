"""One model, many classes, one bank: the score of every concept by every estimator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.audit.forward import ForwardPass, Shown, show_bank
from auditor.audit.layout import BankLayout, lay_out
from auditor.banks import ConceptBank
from auditor.context import AuditContext
from auditor.explain.stage_one import StageOne, stage_one_key
from auditor.files import load_arrays, save_arrays
from auditor.models.loaded import LoadedModel
from auditor.progress import Progress
from auditor.records import LayerRecord
from auditor.settings import Settings
from auditor.statistics.mmd import paper_scores
from auditor.statistics.probability import log_scaled

PAPER = "paper's score"
TCAV = "TCAV (Captum, default classifier)"

OURS = "auditor"


@dataclass(frozen=True)
class Measured:
    """What is needed to score every class on one bank."""

    shown: Shown
    fits: Mapping[int, StageOne]
    layers: tuple[str, ...]

    @property
    def layout(self) -> BankLayout:
        """Labels and clusters of the bank's images."""
        return self.shown.layout

    def scores(self, index: int, *, runs: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        """Estimator to [concepts]; ours alone without layers. The paper's score draws ``runs`` sets."""
        own = log_scaled(self.shown.logits)[None, :, index]
        found = {OURS: self.layout.sample.errors(own).effect[0]}
        if not self.layers:
            return found
        place = list(self.fits).index(index)
        maps = {
            layer: values[:, place].astype(np.float64) for layer, values in self.shown.forward.maps.items()
        }
        mean = paper_scores(maps, self.layout.labels, benchmark=None, runs=runs, rng=rng).mean
        found[PAPER] = np.nan_to_num(mean)
        return found


def measure(
    model: LoadedModel,
    bank: ConceptBank,
    layers: Sequence[LayerRecord],
    fits: Sequence[StageOne],
    *,
    settings: Settings,
    cache: Path,
    progress: Progress,
) -> Measured:
    """Show the bank to the model, or read from the cache what it made of it."""
    names = tuple(layer.name for layer in layers)
    context = AuditContext(
        model=model,
        settings=settings,
        classes=tuple(fit.label for fit in fits),
        layers=tuple(layers),
        precision="float32",
        progress=progress,
        cache=cache,
    )
    keys = [stage_one_key(context, fit.label) for fit in fits]
    key = hashlib.sha256("|".join([model.sha256, bank.digest, *names, *keys]).encode()).hexdigest()[:24]
    path = cache / f"shown-{key}.npz"
    if path.exists():
        shown = _read(path, bank, names)
    else:
        shown = show_bank(context, bank, fits)
        _keep(path, shown)
    return Measured(shown, {fit.label.index: fit for fit in fits}, names)


def _keep(path: Path, shown: Shown) -> None:
    forward = shown.forward
    save_arrays(
        path,
        {
            **{f"channels/{layer}": values for layer, values in forward.channels.items()},
            **{f"maps/{layer}": values for layer, values in forward.maps.items()},
            "logits": forward.logits,
            "last": forward.last,
            "technical": shown.technical,
            "clusters": shown.layout.clusters,
        },
    )


def _read(path: Path, bank: ConceptBank, layers: Sequence[str]) -> Shown:
    arrays = load_arrays(path)
    layout = lay_out(bank)
    return Shown(
        layout=replace(layout, sample=replace(layout.sample, clusters=arrays["clusters"])),
        forward=ForwardPass(
            channels={layer: arrays[f"channels/{layer}"] for layer in layers},
            maps={layer: arrays[f"maps/{layer}"] for layer in layers if f"maps/{layer}" in arrays},
            logits=arrays["logits"],
            last=arrays["last"],
        ),
        technical=arrays["technical"],
        clusters="as in the first run",
    )
