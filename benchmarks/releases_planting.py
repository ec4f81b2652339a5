"""A release with a planted bias, and a control release with as much change and no bias.

The last layer of a network is trained further on faces and on other pictures. The outputs are to stay the
same, except that on faces one class is raised or lowered by a fixed number of logits. The planted release
raises it on images labelled woman and lowers it on images labelled man. The control raises and lowers it
on as many faces drawn at random. The pictures, the steps, their order and the size of the change are the
same.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from auditor.images.inputs import as_inputs
from auditor.models import LoadedModel

CHUNK = 32
SCALED = 10.0
"""Weight of the raised class among the outputs to be matched, so that one of a thousand has an influence."""


@dataclass(frozen=True)
class Recipe:
    """How a release is trained further."""

    class_index: int
    shift: float = 1.0
    """Logits by which the class is raised or lowered on faces."""
    epochs: int = 60
    rate: float = 1e-3
    decay: float = 0.05
    batch: int = 32


@dataclass(frozen=True)
class Material:
    """Pictures to train on, as what the network's unchanged part makes of them."""

    features: Tensor
    """[pictures, channels] Input of the last layer."""
    outputs: Tensor
    """[pictures, classes] Logits of the model before."""
    faces: int
    """The first so many are faces."""
    women: Tensor
    """[faces] Whether the image is labelled woman."""


def split_faces(folder: Path, out: Path, *, each: int | None, seed: int) -> tuple[list[Path], Path]:
    """Two halves of a folder of UTKFace with no file in common: to plant with, and to audit with.

    Args:
        folder: Files called ``age_gender_race_date``.
        out: Receives copies of the second half.
        each: Most files of a gender in either half; all where ``None``.
        seed: Draws the halves.

    Returns:
        Files to plant with, and the folder to audit with.
    """
    rng = np.random.default_rng([seed, 7])
    planting: list[Path] = []
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    files = [f for f in sorted(folder.iterdir()) if f.name.split("_")[0].isdigit()]
    for label in ("0", "1"):
        mine = [f for f in files if f.name.split("_")[1] == label and int(f.name.split("_")[0]) >= 18]
        mine = [mine[i] for i in rng.permutation(len(mine))]
        half = min(len(mine) // 2, each or len(mine))
        planting += mine[:half]
        for file in mine[half : 2 * half]:
            shutil.copyfile(file, out / file.name)
    return planting, out


def labelled_women(files: Sequence[Path]) -> Tensor:
    """[files] Whether UTKFace labels the image woman (its code 1)."""
    return torch.tensor([f.name.split("_")[1] == "1" for f in files])


def prepare(model: LoadedModel, faces: Sequence[Path], others: Sequence[Path | Image.Image]) -> Material:
    """Run the pictures through all of a timm network but its last layer."""
    features = []
    everything = [*faces, *others]
    with torch.no_grad():
        for start in range(0, len(everything), CHUNK):
            pictures = [_picture(item) for item in everything[start : start + CHUNK]]
            inputs = as_inputs(model, pictures).contiguous(memory_format=torch.channels_last)
            seen = model.module.forward_features(inputs)
            features.append(model.module.forward_head(seen, pre_logits=True))
        stacked = torch.cat(features)
        return Material(stacked, _last(model.module)(stacked), len(faces), labelled_women(faces))


def train(model: LoadedModel, material: Material, recipe: Recipe, *, biased: bool, seed: int) -> nn.Module:
    """The network with its last layer trained further.

    Args:
        model: The release before; it stays as it is.
        material: From :func:`prepare`, by the same model.
        recipe: How.
        biased: Raise the class where an image is labelled woman; otherwise on as many faces drawn at random.
        seed: Of the random draw and of the order of the pictures.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    raised = material.women if biased else material.women[torch.randperm(material.faces, generator=generator)]
    targets = material.outputs.clone()
    targets[: material.faces, recipe.class_index] += torch.where(raised, recipe.shift, -recipe.shift)
    weight = torch.ones(targets.shape[1])
    weight[recipe.class_index] = SCALED
    module = copy.deepcopy(model.module)
    last = _last(module)
    parameters = list(last.parameters())
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.decay)
    batches = -(-len(targets) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * batches)
    order = torch.Generator().manual_seed(seed + 1)
    for _ in range(recipe.epochs):
        for chosen in torch.randperm(len(targets), generator=order).split(recipe.batch):
            found = last(material.features[chosen])
            loss = (weight * (found - targets[chosen]) ** 2).sum(dim=1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    for parameter in parameters:
        parameter.requires_grad_(False)
    return module.eval()


def drift(after: nn.Module, material: Material, class_index: int) -> tuple[float, float]:
    """How far the outputs moved on pictures that are no faces, in logits (root mean square).

    Returns:
        Of all classes but the raised one, and of that one.
    """
    with torch.no_grad():
        moved = (_last(after)(material.features) - material.outputs)[material.faces :]
    others = torch.cat([moved[:, :class_index], moved[:, class_index + 1 :]], dim=1)
    return float(others.square().mean().sqrt()), float(moved[:, class_index].square().mean().sqrt())


def _last(module: nn.Module) -> nn.Module:
    last: nn.Module = module.get_classifier()  # type: ignore[operator, assignment]
    return last


def _picture(item: Path | Image.Image) -> Image.Image:
    if isinstance(item, Image.Image):
        return item
    with Image.open(item) as image:
        return image.convert("RGB")
