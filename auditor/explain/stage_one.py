"""Stage one for one class: its images, its occluders, and what they do to every channel.

A :class:`StageOne` is all that stage two needs to know about a class. It can be saved and read back,
so that a stopped audit goes on where it was and reference classes are learned once per model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.explain import occluder as occ
from auditor.explain.channels import channel_importance, neuron_scores
from auditor.files import load_arrays, save_arrays, write_bytes
from auditor.images.class_images import ImageRequest, ImageSet, collect
from auditor.images.impressions import PRIOR, RECIPE, ImpressionSettings
from auditor.models.loaded import ClassLabel, LoadedModel
from auditor.progress import Progress
from auditor.records import ClassImages, OccluderRecord, Skipped
from auditor.settings import IMPRESSIONS, Settings


@dataclass(frozen=True)
class StageOne:
    """What stage one learned about a class.

    Row 0 of every array is the occluder learned on all images kept for learning; rows 1, 2, ... are
    refits on disjoint parts of them.
    """

    label: ClassLabel
    images: ImageSet
    perturbations: NDArray[np.float32]
    """[1 + refits, channels, height, width], normalised units."""
    importance: dict[str, NDArray[np.float32]]
    """Layer to channel importance, equation 8: [1 + refits, channels], each in [0, 1]."""
    signed: dict[str, NDArray[np.float32]]
    """Layer to mean change per channel before the positive part is taken (equation 6):
    [1 + refits, channels]."""
    clean: dict[str, NDArray[np.float32]]
    """Layer to the mean of each channel over the images and positions: [1 + refits, channels]."""
    occluder: OccluderRecord

    def save(self, stem: Path) -> None:
        """Write ``stem.npz`` and then ``stem.json``; a fit exists once the latter does."""
        arrays: dict[str, NDArray[np.generic]] = {
            "pixels": self.images.pixels,
            "perturbations": self.perturbations,
        }
        for layer in self.importance:
            arrays[f"importance/{layer}"] = self.importance[layer]
            arrays[f"signed/{layer}"] = self.signed[layer]
            arrays[f"clean/{layer}"] = self.clean[layer]
        save_arrays(stem.with_suffix(".npz"), arrays)
        words = {
            "label": [self.label.index, self.label.name, self.label.synset, list(self.label.aliases)],
            "names": list(self.images.names),
            "images": self.images.record.model_dump(mode="json"),
            "skipped": [s.model_dump(mode="json") for s in self.images.skipped],
            "occluder": self.occluder.model_dump(mode="json", by_alias=True),
            "layers": list(self.importance),
        }
        write_bytes(stem.with_suffix(".json"), json.dumps(words).encode())

    @classmethod
    def load(cls, stem: Path) -> StageOne | None:
        """A saved fit, or ``None`` where there is none."""
        if not stem.with_suffix(".json").exists():
            return None
        words = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        arrays = load_arrays(stem.with_suffix(".npz"))
        index, name, synset, aliases = words["label"]
        return cls(
            label=ClassLabel(index, name, synset, tuple(aliases)),
            images=ImageSet(
                pixels=arrays["pixels"],
                names=tuple(words["names"]),
                record=ClassImages.model_validate(words["images"]),
                skipped=tuple(Skipped.model_validate(s) for s in words["skipped"]),
            ),
            perturbations=arrays["perturbations"],
            importance={layer: arrays[f"importance/{layer}"] for layer in words["layers"]},
            signed={layer: arrays[f"signed/{layer}"] for layer in words["layers"]},
            clean={layer: arrays[f"clean/{layer}"] for layer in words["layers"]},
            occluder=OccluderRecord.model_validate(words["occluder"]),
        )


# What one class's fit does not depend on.
_ELSEWHERE = {
    "model", "arch", "labels", "classes", "banks", "benchmark", "runs", "permutations", "bootstrap", "alpha",
    "margin", "contrast_margin", "min_images", "reference_classes",
}  # fmt: skip


def stage_one_key(
    model: LoadedModel,
    label: ClassLabel,
    layers: Sequence[str],
    settings: Settings,
    *,
    prior: float = PRIOR,
) -> str:
    """Name of a fit by content: the model and its input, the layers, the settings and the class."""
    parts = [model.sha256, model.architecture, model.input.model_dump_json()]
    parts += [settings.digest(without=_ELSEWHERE), *layers]
    parts += [str(model.device.type), str(torch.get_num_threads())]
    if settings.images == IMPRESSIONS:
        parts.append(f"impressions {RECIPE}, prior {prior}")
    return f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}-{label.index}"


def run_stage_one(
    model: LoadedModel,
    label: ClassLabel,
    layers: Sequence[str],
    *,
    settings: Settings,
    precision: str,
    progress: Progress,
    prior: float = PRIOR,
) -> StageOne:
    """Collect the class's images, learn its occluders, read channel importance off them.

    ``prior`` is the weight of what impressions are held to (:class:`ImpressionSettings`).

    Raises:
        InputError: the images cannot be had, or too few are recognised as the class.
    """
    generator = torch.Generator().manual_seed(_class_seed(settings.seed, label.index))
    impressions = ImpressionSettings(
        count=settings.n_impressions,
        steps=settings.impression_steps,
        prior=prior,
        batch=settings.batch_size,
        precision=precision,
    )
    made = settings.images == IMPRESSIONS
    batches = -(-settings.n_impressions // settings.batch_size)
    with progress.stage(
        f"{label.name}: images", settings.impression_steps * batches if made else None
    ) as stage:
        wanted_images = ImageRequest(
            source=settings.images,
            most=settings.max_images,
            heldout=settings.heldout,
            noise=settings.noise,
            rotation=settings.rotation,
            batch=settings.batch_size,
            impressions=impressions,
        )
        images = collect(wanted_images, model, label, generator=generator, on_step=stage.advance)
    inputs = images.inputs(model)
    learned, heldout = inputs[: images.record.learned], inputs[images.record.learned :]
    parts = [learned, *_folds(learned, settings.refits)]
    wanted = occ.OccluderSettings(
        iterations=settings.occluder_iterations,
        learning_rate=settings.occluder_lr,
        noise=settings.noise,
        rotation=settings.rotation,
        batch=settings.batch_size,
        precision=precision,
    )
    fits: list[occ.Occluder] = []
    importance: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
    signed: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
    clean: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
    with progress.stage(f"{label.name}: occluders", settings.occluder_iterations * len(parts)) as stage:
        for part in parts:
            fitted = occ.learn(
                model, part, label.index, settings=wanted, generator=generator, on_step=stage.advance
            )
            stage.advance(settings.occluder_iterations - fitted.iterations)
            fits.append(fitted)
            found = neuron_scores(model, part, fitted.perturbation, layers, batch=settings.batch_size)
            for layer, neurons in found.items():
                importance[layer].append(channel_importance(neurons.scores).cpu().numpy())
                signed[layer].append(neurons.scores.mean(dim=(1, 2)).cpu().numpy())
                clean[layer].append(neurons.clean.mean(dim=(1, 2)).cpu().numpy())
    return StageOne(
        label=label,
        images=images,
        perturbations=np.stack([f.perturbation.cpu().numpy() for f in fits]).astype(np.float32),
        importance={layer: np.stack(rows) for layer, rows in importance.items()},
        signed={layer: np.stack(rows) for layer, rows in signed.items()},
        clean={layer: np.stack(rows) for layer, rows in clean.items()},
        occluder=_describe(model, label.index, learned, heldout, fits, settings, generator),
    )


def _class_seed(seed: int, index: int) -> int:
    """A class's draws do not depend on which other classes are audited."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{index}".encode()).digest()[:6], "big")


def _folds(learned: Tensor, refits: int) -> list[Tensor]:
    """Disjoint parts of at least two images each; none where only one could be made."""
    count = min(refits, learned.shape[0] // 2)
    return [learned[start::count] for start in range(count)] if count > 1 else []


def _describe(
    model: LoadedModel,
    index: int,
    learned: Tensor,
    heldout: Tensor,
    fits: list[occ.Occluder],
    settings: Settings,
    generator: torch.Generator,
) -> OccluderRecord:
    """Measure the main occluder in full precision."""
    main = fits[0]
    measured = heldout if len(heldout) else learned
    random = occ.random_like(main.perturbation, generator)
    before = _probabilities(model, measured, index, settings.batch_size)
    after = _probabilities(model, occ.occlude(model, measured, main.perturbation), index, settings.batch_size)
    on_learned = _probabilities(
        model, occ.occlude(model, learned, main.perturbation), index, settings.batch_size
    )
    by_chance = _probabilities(model, occ.occlude(model, measured, random), index, settings.batch_size)
    low, high = model.bounds()
    share = (
        torch.from_numpy(main.perturbation.cpu().numpy()).abs().mean(dim=(1, 2))
        / (high - low).flatten().cpu()
    ).mean()
    return OccluderRecord(
        success_learned=on_learned.lost,
        success_heldout=after.lost if len(heldout) else None,
        success_transformed=main.success_transformed,
        success_random=by_chance.lost,
        probability_before=before.probability,
        probability_after=after.probability,
        l1=main.l1,
        l1_share=float(share),
        iterations=main.iterations,
        evaluations=sum(f.evaluations for f in fits),
        lambda_=main.lambda_,
        converged=main.converged,
        refits=len(fits),
    )


@dataclass(frozen=True)
class _Outcome:
    probability: float
    lost: float


def _probabilities(model: LoadedModel, inputs: Tensor, index: int, batch: int) -> _Outcome:
    with torch.inference_mode():
        logits = torch.cat([model.module(part).float() for part in inputs.split(batch)])
    return _Outcome(
        probability=float(logits.softmax(1)[:, index].mean().clamp(0, 1)),
        lost=float((logits.argmax(1) != index).float().mean()),
    )


def cached_stage_one(
    model: LoadedModel,
    label: ClassLabel,
    layers: Sequence[str],
    *,
    settings: Settings,
    precision: str,
    progress: Progress,
    folder: Path,
    prior: float = PRIOR,
) -> StageOne:
    """A fit from ``folder`` where it lies there, else learned now and left there."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / stage_one_key(model, label, layers, settings, prior=prior)
    found = StageOne.load(stem)
    if found is not None:
        progress.note(f"{label.name}: learned before, taken from {folder.name}")
        return replace(found, label=label)
    fit = run_stage_one(
        model, label, layers, settings=settings, precision=precision, progress=progress, prior=prior
    )
    fit.save(stem)
    return fit
