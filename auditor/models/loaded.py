"""A model ready to be audited: the unchanged module, and what is known about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from auditor.records import InputSpec, ModelRecord


@dataclass(frozen=True)
class ClassLabel:
    """One output of a classifier."""

    index: int
    name: str
    synset: str = ""
    aliases: tuple[str, ...] = ()
    """Every name of the class, ``name`` included."""


@dataclass(frozen=True)
class LoadedModel:
    """A classifier in evaluation mode with frozen parameters."""

    name: str
    """As asked for, source included."""
    source: str
    architecture: str
    module: nn.Module
    input: InputSpec
    labels: tuple[ClassLabel, ...]
    """One per output, in order."""
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.module.parameters()).device

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest valid input, each [1, channels, 1, 1], in normalised units.

        The paper normalises images to [-1, 1]; a model that uses another mean and standard deviation
        has other bounds per channel: (0 - mean) / std and (1 - mean) / std.
        """
        mean, std = self._mean_and_std(self.device)
        return (0 - mean) / std, (1 - mean) / std

    def normalise(self, pixels: Tensor) -> Tensor:
        """Images in [0, 1] to model inputs; [n, channels, height, width]."""
        mean, std = self._mean_and_std(pixels.device)
        return (pixels - mean) / std

    def pixels(self, inputs: Tensor) -> Tensor:
        """Model inputs back to images in [0, 1]; [n, channels, height, width]."""
        mean, std = self._mean_and_std(inputs.device)
        return (inputs * std + mean).clamp(0, 1)

    def _mean_and_std(self, device: torch.device) -> tuple[Tensor, Tensor]:
        mean, std = (torch.tensor(v, device=device) for v in (self.input.mean, self.input.std))
        return mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)

    def record(self) -> ModelRecord:
        """What the audit keeps of it."""
        return ModelRecord(
            name=self.name,
            source=self.source,
            architecture=self.architecture,
            weights_sha256=self.sha256,
            parameters=sum(p.numel() for p in self.module.parameters()),
            classes=len(self.labels),
            input=self.input,
            notes=list(self.notes),
        )


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of every parameter and buffer, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def freeze(module: nn.Module) -> nn.Module:
    """Set evaluation mode and switch gradients of parameters off, so that nothing changes the model."""
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return module
