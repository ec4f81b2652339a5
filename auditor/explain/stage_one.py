"""Stage one for one class: its images, its occluders, and what they do to every channel.

A :class:`StageOne` is all that stage two needs to know about a class. It is saved and read back, so that
a stopped audit goes on where it was and reference classes are learned once per model.
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

from auditor.context import AuditContext
from auditor.errors import InputError
from auditor.explain import occluder as occ
from auditor.explain.channels import channel_importance, neuron_scores
from auditor.files import load_arrays, save_arrays, write_bytes
from auditor.images.class_images import ImageRequest, ImageSet, collect, collect_unlabelled
from auditor.images.impressions import PRIOR, RECIPE, ImpressionSettings
from auditor.images.transforms import Views
from auditor.images.unlabelled import Unlabelled, look_through
from auditor.models.loaded import ClassLabel, LoadedModel
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
        """Write ``stem.npz`` and then ``stem.json``; it counts as saved once the latter exists."""
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
        """Stage one as saved, or ``None`` where there is none."""
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


# What the stage one of a class does not depend on.
_ELSEWHERE = {
    "model", "arch", "labels", "classes", "banks", "benchmark", "runs", "permutations", "bootstrap", "alpha",
    "margin", "contrast_margin", "importance_margin", "min_images", "reference_classes", "scores_only",
    "in_context",
}  # fmt: skip


def stage_one_key(
    context: AuditContext, label: ClassLabel, *, prior: float = PRIOR, images: ImageSet | None = None
) -> str:
    """Name by content: the model and its input, the layers, the settings, the class, and images at hand."""
    model, settings = context.model, context.settings
    parts = [model.sha256, model.architecture, model.input.model_dump_json()]
    elsewhere = _ELSEWHERE | {"unlabelled"} | set(type(settings).model_fields) - set(Settings.model_fields)
    parts += [settings.digest(without=elsewhere), *context.layer_names]
    parts += [f"unlabelled {settings.unlabelled}"] if settings.unlabelled else []
    parts += [str(model.device.type), str(torch.get_num_threads()), f"occluder {occ.RECIPE}"]
    if settings.images == IMPRESSIONS:
        parts.append(f"impressions {RECIPE}, prior {prior}")
    if images is not None:
        parts.append(f"images {images.record.digest}, learned {images.record.learned}")
    return f"{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}-{label.index}"


def cached_stage_one(
    context: AuditContext,
    label: ClassLabel,
    folder: Path,
    *,
    prior: float = PRIOR,
    images: ImageSet | None = None,
) -> StageOne:
    """Stage one of a class read from ``folder``, or learned now and saved there.

    With ``images`` it is learned from these; otherwise they are collected as the settings say.

    Raises:
        InputError: The images cannot be had, or too few are recognised as the class.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / stage_one_key(context, label, prior=prior, images=images)
    found = StageOne.load(stem)
    if found is not None:
        context.progress.note(f"{label.name}: learned before, taken from {folder.name}")
        return replace(found, label=label)
    if images is None:
        found = run_stage_one(context, label, prior=prior)
    else:
        found = learn_from(context, label, images)
    found.save(stem)
    return found


def run_stage_one(context: AuditContext, label: ClassLabel, *, prior: float = PRIOR) -> StageOne:
    """Collect the class's images, learn its occluders, read channel importance off them.

    Args:
        context: The audit.
        label: The class.
        prior: Weight of what impressions are held to (:class:`ImpressionSettings`).

    Raises:
        InputError: The images cannot be had, or too few are recognised as the class.
    """
    generator = _class_generator(context.settings.seed, label.index)
    images = class_images(context, label, prior=prior, generator=generator)
    return learn_from(context, label, images, generator=generator)


def learn_from(
    context: AuditContext, label: ClassLabel, images: ImageSet, *, generator: torch.Generator | None = None
) -> StageOne:
    """Learn a class's occluders from the images at hand, and read channel importance off them.

    Args:
        context: The audit.
        label: The class.
        images: Of the class, recognised by the model.
        generator: Draws batches, views and t; the class's own where ``None``.
    """
    model, settings = context.model, context.settings
    generator = generator or _class_generator(settings.seed, label.index)
    inputs = images.inputs(model)
    learned, heldout = inputs[: images.record.learned], inputs[images.record.learned :]
    parts = [learned, *_folds(learned, settings.refits)]
    occluders: list[occ.Occluder] = []
    channels: list[dict[str, _Channels]] = []
    with context.progress.stage(
        f"{label.name}: occluders", settings.occluder_iterations * len(parts)
    ) as stage:
        for part in parts:
            occluder = occ.learn(
                model,
                part,
                label.index,
                settings=_occluder_settings(context),
                generator=generator,
                on_step=stage.advance,
            )
            stage.advance(settings.occluder_iterations - occluder.iterations)
            occluders.append(occluder)
            channels.append(_channels(context, part, occluder.perturbation))
    shares = _Shares.measure(context, label.index, learned, heldout, occluders[0], generator)
    return StageOne(
        label=label,
        images=images,
        perturbations=np.stack([o.perturbation.cpu().numpy() for o in occluders]).astype(np.float32),
        importance=_stacked(channels, "importance"),
        signed=_stacked(channels, "signed"),
        clean=_stacked(channels, "clean"),
        occluder=_record(model, occluders, shares),
    )


def class_images(
    context: AuditContext,
    label: ClassLabel,
    *,
    prior: float = PRIOR,
    generator: torch.Generator | None = None,
) -> ImageSet:
    """The images of a class from where the settings say, with progress; those that the model recognises.

    Args:
        context: The audit.
        label: The class.
        prior: As for :func:`run_stage_one`.
        generator: Source of impressions and of t; the class's own where ``None``.

    Raises:
        InputError: The images cannot be had, or too few are recognised as the class.
    """
    settings = context.settings
    generator = generator or _class_generator(settings.seed, label.index)
    photos = unlabelled_photos(context)
    batches = -(-settings.n_impressions // settings.batch_size)
    steps = settings.impression_steps * batches if settings.images == IMPRESSIONS else None
    with context.progress.stage(f"{label.name}: images", steps) as stage:
        wanted = ImageRequest(
            source=settings.images,
            most=settings.max_images,
            heldout=settings.heldout,
            noise=settings.noise,
            rotation=settings.rotation,
            batch=settings.batch_size,
            impressions=ImpressionSettings(
                count=settings.n_impressions,
                steps=settings.impression_steps,
                prior=prior,
                batch=settings.batch_size,
                precision=context.precision,
            ),
        )
        missed: Skipped | None = None
        if photos is not None:
            own = _class_generator(settings.seed, label.index)  # impressions do not depend on this search
            try:
                return collect_unlabelled(photos, wanted, context.model, label, generator=own)
            except InputError as failure:
                missed = _missed(context, label, failure)
        try:
            found = collect(wanted, context.model, label, generator=generator, on_step=stage.advance)
        except InputError as failure:
            raise InputError(f"{missed.reason}; {failure}" if missed else str(failure)) from failure
    return replace(found, skipped=(missed, *found.skipped)) if missed else found


def _missed(context: AuditContext, label: ClassLabel, failure: InputError) -> Skipped:
    """Says that impressions take the place of photos without labels, and why."""
    context.progress.note(f"{label.name}: impressions in place of photos: {failure}")
    return Skipped(
        what=f"photos without labels for class '{label.name}'",
        reason=f"{failure}; impressions take their place",
    )


def unlabelled_photos(context: AuditContext) -> Unlabelled | None:
    """The photos without labels and what the model takes them for; ``None`` where none were given.

    The first call passes them through the model; later ones read the cache.

    Raises:
        InputError: There is no such folder.
        StorageError: The cache cannot be written.
    """
    settings = context.settings
    if settings.unlabelled is None:
        return None
    return look_through(
        context.model,
        settings.unlabelled,
        batch=settings.batch_size,
        cache=context.cache,
        progress=context.progress,
        built_with=(*settings.model_args, settings.model_factory or "", settings.head),
    )


def _occluder_settings(context: AuditContext) -> occ.OccluderSettings:
    settings = context.settings
    return occ.OccluderSettings(
        iterations=settings.occluder_iterations,
        learning_rate=settings.occluder_lr,
        noise=settings.noise,
        rotation=settings.rotation,
        batch=min(settings.batch_size, occ.BATCH),
        views=None if settings.paper_exact else Views(),
        precision=context.precision,
    )


@dataclass(frozen=True)
class _Channels:
    """One layer under one occluder: [channels] each, as the fields of :class:`StageOne`."""

    importance: NDArray[np.float32]
    signed: NDArray[np.float32]
    clean: NDArray[np.float32]


def _channels(context: AuditContext, images: Tensor, perturbation: Tensor) -> dict[str, _Channels]:
    found = neuron_scores(
        context.model, images, perturbation, context.layer_names, batch=context.settings.batch_size
    )
    return {
        layer: _Channels(
            importance=channel_importance(neurons.scores).cpu().numpy(),
            signed=neurons.scores.mean(dim=(1, 2)).cpu().numpy(),
            clean=neurons.clean.mean(dim=(1, 2)).cpu().numpy(),
        )
        for layer, neurons in found.items()
    }


def _stacked(channels: Sequence[dict[str, _Channels]], field: str) -> dict[str, NDArray[np.float32]]:
    return {layer: np.stack([getattr(found[layer], field) for found in channels]) for layer in channels[0]}


def _class_generator(seed: int, index: int) -> torch.Generator:
    """A class's draws do not depend on which other classes are audited."""
    own = int.from_bytes(hashlib.sha256(f"{seed}|{index}".encode()).digest()[:6], "big")
    return torch.Generator().manual_seed(own)


def _folds(learned: Tensor, refits: int) -> list[Tensor]:
    """Disjoint parts of at least two images each; none where only one could be made."""
    count = min(refits, learned.shape[0] // 2)
    return [learned[start::count] for start in range(count)] if count > 1 else []


@dataclass(frozen=True)
class _Shares:
    """What the main occluder does, in full precision."""

    learned: float
    """Share of the images learned on that lose the class."""
    heldout: float | None
    random: float
    """The same for its values in random order and sign, on held-out images where there are any."""
    before: float
    """Mean probability of the class on these images."""
    after: float

    @classmethod
    def measure(
        cls,
        context: AuditContext,
        index: int,
        learned: Tensor,
        heldout: Tensor,
        occluder: occ.Occluder,
        generator: torch.Generator,
    ) -> _Shares:
        model = context.model
        measured = heldout if len(heldout) else learned
        random = occ.random_like(occluder.perturbation, generator)

        def passed(inputs: Tensor) -> tuple[float, float]:
            """Mean probability of the class, and the share of images that another class takes."""
            with torch.inference_mode():
                batches = inputs.split(context.settings.batch_size)
                logits = torch.cat([model.module(part).float() for part in batches])
            probability = logits.softmax(1)[:, index].mean().clamp(0, 1)
            return float(probability), float((logits.argmax(1) != index).float().mean())

        after, lost = passed(occ.occlude(model, measured, occluder.perturbation))
        return cls(
            learned=passed(occ.occlude(model, learned, occluder.perturbation))[1],
            heldout=lost if len(heldout) else None,
            random=passed(occ.occlude(model, measured, random))[1],
            before=passed(measured)[0],
            after=after,
        )


def _record(model: LoadedModel, occluders: Sequence[occ.Occluder], shares: _Shares) -> OccluderRecord:
    main = occluders[0]
    low, high = model.bounds()
    used = main.perturbation.abs().mean(dim=(1, 2)).cpu() / (high - low).flatten().cpu()
    return OccluderRecord(
        success_learned=shares.learned,
        success_heldout=shares.heldout,
        success_transformed=main.success_transformed,
        success_random=shares.random,
        probability_before=shares.before,
        probability_after=shares.after,
        l1=main.l1,
        l1_share=float(used.mean()),
        iterations=main.iterations,
        evaluations=sum(occluder.evaluations for occluder in occluders),
        lambda_=main.lambda_,
        converged=main.converged,
        refits=len(occluders),
    )
