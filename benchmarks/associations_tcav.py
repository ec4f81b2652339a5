"""TCAV through Captum, as its users get it: the default classifier, one random set, the last two layers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.banks import ConceptBank
from auditor.images.inputs import as_inputs
from auditor.models.loaded import LoadedModel
from auditor.progress import Progress


def tcav_scores(
    model: LoadedModel,
    bank: ConceptBank,
    layers: Sequence[str],
    classes: Sequence[tuple[int, Tensor]],
    *,
    images: int,
    seed: int,
    cache: Path,
    progress: Progress,
) -> dict[int, NDArray[np.float64]]:
    """TCAV's sign count for every class and concept, mean over layers, ties broken by the magnitude.

    One concept activation vector for each concept and layer, against one random set of as many images
    of the bank's other concepts (textures against textures, the kinder choice for TCAV).

    Args:
        model: the audited model.
        bank: the concepts.
        layers: where the vectors are learned.
        classes: index of each class and its images, normalised.
        images: most images of a concept to learn from.
        seed: of the random sets; Captum's own split and classifier draw from torch's and NumPy's
            global generators, which are seeded here and put back.
        cache: folder for Captum's vectors, kept by content.
        progress: notified of every class.

    Returns:
        Class index to [concepts].
    """
    from captum.concept import TCAV
    from captum.concept import Concept as Captums
    from torch.utils.data import DataLoader

    rng = np.random.default_rng(seed)
    shown = [as_inputs(model, [image.load() for image in c.images[:images]]) for c in bank.concepts]
    everything = torch.cat(shown)
    of = np.repeat(np.arange(len(shown)), [len(s) for s in shown])
    sets = []
    for c, own in enumerate(shown):
        others = torch.from_numpy(rng.choice(np.flatnonzero(of != c), len(own), replace=False))
        pair = []
        for place, pictures in enumerate((own, everything[others])):
            loader: Any = DataLoader(pictures, batch_size=32)  # type: ignore[arg-type]
            pair.append(Captums(id=2 * c + place, name=f"{c}-{place}", data_iter=loader))
        sets.append(pair)
    key = hashlib.sha256(f"{model.sha256}|{bank.digest}|{images}|{seed}|{layers}".encode()).hexdigest()[:16]
    with torch.random.fork_rng(devices=[]):
        before = np.random.get_state()  # noqa: NPY002  scikit-learn's default draws from it
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            tcav = TCAV(model.module, list(layers), model_id=key, save_path=str(cache / "tcav"))
            result = {}
            with progress.stage(f"TCAV: {bank.name}", len(classes)) as stage:
                for index, inputs in classes:
                    found = tcav.interpret(inputs, sets, target=index)
                    result[index] = np.array(
                        [_score(found[f"{pair[0].id}-{pair[1].id}"], layers) for pair in sets]
                    )
                    stage.advance()
        finally:
            np.random.set_state(before)  # noqa: NPY002
    return result


def _score(by_layer: Any, layers: Sequence[str]) -> float:
    """Sign count of the concept, and a trifle of its magnitude where counts tie."""
    count = float(np.mean([float(by_layer[layer]["sign_count"][0]) for layer in layers]))
    magnitude = float(np.mean([float(by_layer[layer]["magnitude"][0]) for layer in layers]))
    return count + 1e-4 * float(np.tanh(magnitude))
