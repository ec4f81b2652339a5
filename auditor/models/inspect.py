"""What is in a checkpoint, which architectures it fits, and what an audit of it would assume."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from auditor.errors import InputError
from auditor.models.checkpoint import Checkpoint
from auditor.models.files import Saved, saved_file, saved_folder
from auditor.models.index import candidates, made_with
from auditor.models.libraries import Request
from auditor.models.load import ready, same_draws
from auditor.models.loaded import LoadedModel

TRIED = 12
"""Most architectures with the right convolutions that are built to see whether all weights fit."""


@dataclass(frozen=True)
class Fit:
    """One architecture that was tried."""

    arch: str
    model: LoadedModel | None
    refused: str = ""
    """Why it does not fit."""


@dataclass(frozen=True)
class Inspection:
    """What was found."""

    spec: str
    """What ``--model`` is to be given."""
    checkpoint: Checkpoint
    stated: Fit | None
    """The architecture that was asked for, or that the file or its configuration states."""
    fits: tuple[Fit, ...]
    """Architectures with the same convolutions that were tried, those that fit first."""
    untried: tuple[str, ...]
    """The others."""

    @property
    def chosen(self) -> Fit | None:
        """The architecture for the command at the end: the stated one, else the first that fits."""
        if self.stated is not None and self.stated.model is not None:
            return self.stated
        return next((fit for fit in self.fits if fit.model is not None), None)

    @property
    def alike(self) -> list[list[str]]:
        """Architectures that fit, grouped by the function they compute on the same images."""
        groups: list[tuple[Tensor, list[str]]] = []
        for fit in self.fits:
            if fit.model is None:
                continue
            answer = _answer(fit.model)
            for known, names in groups:
                if known.shape == answer.shape and torch.allclose(known, answer, rtol=1e-3, atol=1e-4):
                    names.append(fit.arch)
                    break
            else:
                groups.append((answer, [fit.arch]))
        return [names for _, names in groups]

    @property
    def certain(self) -> bool:
        """Whether no other architecture fits as well."""
        return self.chosen is not None and (
            self.stated is not None
            or sum(fit.model is not None for fit in self.fits) + len(self.untried) == 1
        )


def _answer(model: LoadedModel) -> Tensor:
    side = max(model.input.size[1:])
    images = torch.randn(2, model.input.size[0], side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        answer: Tensor = model.module(images)
    return answer


def inspect_file(path: Path, request: Request) -> Inspection:
    """Look into a file, or a folder as the Hugging Face hub has it. It is read once.

    Args:
        path: safetensors, a file of torch, or a folder with ``config.json``.
        request: Architecture to try, where the weights are, and arguments for the constructor.

    Raises:
        InputError: The file cannot be read, or holds no weights.
    """
    read, source = (saved_folder, "hf-dir") if path.is_dir() else (saved_file, "file")
    spec, saved = f"{source}:{path}", read(path, key=request.weights_key)
    stated = None
    if request.arch or request.factory or saved.states_architecture:
        stated = _try(spec, saved, request)
        if stated.model is not None:
            return Inspection(spec, saved.checkpoint, stated, (), ())
    names = candidates(saved.checkpoint.state)
    fits = [_try(spec, saved, replace(request, arch=name, factory=None)) for name in names[:TRIED]]
    fits.sort(key=lambda fit: fit.model is None)
    return Inspection(spec, saved.checkpoint, stated, tuple(fits), tuple(names[TRIED:]))


def _try(spec: str, saved: Saved, request: Request) -> Fit:
    asked = request.arch or request.factory
    try:
        with same_draws():
            raw = saved.network(request)
        model = ready(spec, raw, raw.input, head=request.head)
    except InputError as refused:
        reason = str(refused).partition(": ")[2] or str(refused)
        return Fit(asked or "as the file states it", None, reason.partition("; `auditor inspect`")[0])
    return Fit(asked or raw.arch, model)


def not_found(inspection: Inspection) -> str:
    """Why no architecture was found, and what to do."""
    if inspection.fits:
        return "; ".join(f"{fit.arch}: {fit.refused}" for fit in inspection.fits[:3])
    versions = ", ".join(f"{name} {number}" for name, number in made_with().items())
    return (
        f"no convolutional network of {versions} has these convolutions; needed: --arch, or --model-factory "
        "MODULE:FUNCTION that makes the network"
    )


def size_words(state: dict[str, Tensor]) -> str:
    """``122 tensors, 11.2 million values, float32``."""
    kinds = Counter(str(v.dtype).removeprefix("torch.") for v in state.values() if v.is_floating_point())
    values = sum(v.numel() for v in state.values()) / 1e6
    return f"{len(state)} tensors, {values:.1f} million values, {', '.join(sorted(kinds)) or 'no floats'}"
