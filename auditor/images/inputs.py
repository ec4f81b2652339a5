"""From decoded pictures to model inputs, with the model's own preprocessing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from auditor.models.loaded import LoadedModel
from auditor.models.torchvision_import import prepare_torchvision


def preprocessing(model: LoadedModel) -> Any:
    """A callable from an RGB picture to [channels, height, width]: resize, centre crop, normalise.

    A model of one channel gets the picture's luminance.
    """
    prepare_torchvision()
    from timm.data import create_transform

    spec = model.input
    transform = create_transform(
        input_size=spec.size,
        interpolation=spec.interpolation,
        mean=spec.mean,
        std=spec.std,
        crop_pct=spec.crop,
        crop_mode=spec.crop_mode,
        is_training=False,
    )
    if spec.size[0] == 1:
        return lambda picture: transform(picture.convert("L"))
    return transform


def as_inputs(model: LoadedModel, pictures: Iterable[Image.Image]) -> Tensor:
    """Pictures to one batch of model inputs on the model's device, [n, channels, height, width]."""
    transform = preprocessing(model)
    batch = [transform(picture) for picture in pictures]
    if not batch:
        return torch.zeros(0, *model.input.size, device=model.device)
    return torch.stack(batch).to(model.device)
