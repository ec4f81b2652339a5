"""Wrappers that turn a network's outputs into logits of classes, and the check that it has such outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from auditor.errors import InputError, one_line
from auditor.records import InputSpec


class Wrapper(nn.Module):
    """A module around ``network`` that leaves its answers as they are."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap a network that is in evaluation mode."""
        super().__init__()
        self.network = network


class OneLogit(Wrapper):
    """A network of one output z as one of two classes, with the logits -z/2 and z/2.

    Their softmax is the sigmoid of z: p(second class) = exp(z/2) / (exp(-z/2) + exp(z/2)). Both logits move
    with z, so that an occluder can be learned for either class.
    """

    def forward(self, images: Tensor) -> Tensor:
        """[images, 2]."""
        half = self.network(images).reshape(-1, 1) / 2
        return torch.cat([-half, half], dim=1)


class LogitsAlone(Wrapper):
    """Only the logits of a network that returns more."""

    def forward(self, images: Tensor) -> Tensor:
        """[images, classes]."""
        output = self.network(images)
        found = logits_in(output)
        if found is None:
            raise TypeError(f"no logits in {type(output).__name__}")
        return found


class LogOfProbabilities(Wrapper):
    """The logarithm of a network that ends in a softmax: its softmax is the network's answer."""

    def forward(self, images: Tensor) -> Tensor:
        """[images, classes], at most 0."""
        probabilities: Tensor = self.network(images)
        return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def logits_in(output: Any) -> Tensor | None:
    """The logits in what a network returns; ``None`` if there are none or several candidates."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, dict):
        inner = output.get("logits", output.get("out"))
    else:
        inner = getattr(output, "logits", None)
        if inner is None and isinstance(output, (list, tuple)):
            flat = [part for part in output if isinstance(part, Tensor) and part.ndim == 2]
            inner = flat[0] if len(flat) == 1 else None
    return inner if isinstance(inner, Tensor) else None


def adapted(
    where: str, network: nn.Module, spec: InputSpec, *, head: str
) -> tuple[nn.Module, int, tuple[str, ...]]:
    """The network as one that maps images to logits of two classes or more.

    ``head`` is what its outputs are passed through: ``auto``, ``softmax`` or ``sigmoid``.

    Returns:
        The network, its number of outputs, and notes for the reader.

    Raises:
        InputError: A weight or an answer is not finite, the network fails on such images, or its outputs
            cannot be read as logits.
    """
    _check_weights(where, network)
    answer = _answer(where, network, spec)
    logits = logits_in(answer)
    if logits is None:
        raise InputError(
            f"{where}: returns {type(answer).__name__}, in which no logits were found; needed: a tensor "
            "[images, classes], or --model-factory with a function that makes such a network"
        )
    outputs = _outputs(where, logits)
    notes: list[str] = []
    if logits is not answer:
        network = LogitsAlone(network)
        notes.append("the network returns more than its logits; the rest is left out")
    if outputs == 1:
        if head == "softmax":
            raise InputError(
                f"{where}: has one output, and a softmax over one is always 1; needed: --head sigmoid"
            )
        notes.append("one output: its sigmoid is the probability of the second of two classes")
        return OneLogit(network), 2, tuple(notes)
    if head == "sigmoid":
        raise InputError(
            f"{where}: --head sigmoid with {outputs} outputs, each a question of its own; auditor's score is "
            "defined for classes that exclude each other; needed: a model of one output, or a softmax over "
            "classes"
        )
    if bool((logits >= 0).all()) and bool(torch.isclose(logits.sum(1), torch.ones(()), atol=1e-4).all()):
        network = LogOfProbabilities(network)
        notes.append("the outputs are probabilities; their logarithms are used as logits")
    return network, outputs, tuple(notes)


def _check_weights(where: str, network: nn.Module) -> None:
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise InputError(
                f"{where}: tensor '{name}' has {bad} of {tensor.numel()} values that are not finite; "
                "needed: weights without NaN and infinity"
            )


def _outputs(where: str, logits: Tensor) -> int:
    """Number of outputs, from the logits of two images."""
    shape = tuple(logits.shape)
    if not (len(shape) == 2 and shape[0] == 2) and shape not in ((2,), (2, 1)):
        raise InputError(
            f"{where}: returns {list(shape)} for two images; needed: [2, classes], one logit per class"
        )
    if not bool(torch.isfinite(logits).all()):
        raise InputError(f"{where}: its answer to a grey image is not finite; needed: finite logits")
    outputs = 1 if len(shape) == 1 else shape[1]
    if outputs == 0:
        raise InputError(f"{where}: has no outputs; needed: a classifier's head")
    return outputs


def _answer(where: str, network: nn.Module, spec: InputSpec) -> Any:
    """What the network returns for a grey image and one of noise."""
    generator = torch.Generator().manual_seed(0)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (spec.mean, spec.std))
    pixels = torch.cat([torch.full((1, *spec.size), 0.5), torch.rand(1, *spec.size, generator=generator)])
    try:
        with torch.no_grad():
            return network((pixels - mean) / std)
    except Exception as failure:  # a network may raise anything
        raise InputError(
            f"{where}: can't be run on an image of {spec.size[0]} channels, {spec.size[1]} x {spec.size[2]} "
            f"({one_line(failure)}); needed: the size that it was trained on (--input-size), or the network "
            "as it was made (--model-factory)"
        ) from failure
