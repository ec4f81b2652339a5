"""Load a file's weights into a network, whose head and first layer are changed to match them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from torch import Tensor, nn

from auditor.errors import InputError
from auditor.models.checkpoint import few

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Heads that googlenet and inception_v3 of the libraries use in training alone."""
COUNTER = "num_batches_tracked"
"""Batch norms count their batches in a tensor of this name; it does not affect the answer."""
LIBRARIES = ("torchvision.models.", "timm.models.")
FACTORY = "needed: --model-factory MODULE:FUNCTION, which makes the network as you did"


@dataclass(frozen=True)
class Shape:
    """How the network must differ from the architecture's default."""

    classes: int | None = None
    channels: int | None = None


DEFAULT = Shape()


def shape_of(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Shape:
    """Number of classes and of image channels, from the tensors that differ in nothing else.

    ``state`` are the file's tensors, ``wanted`` those of the architecture by default.
    """
    heads: set[int] = set()
    channels: set[int] = set()
    for key, slot in wanted.items():
        held = state.get(key)
        if held is None or held.shape == slot.shape or held.ndim != slot.ndim or held.ndim == 0:
            continue
        if held.shape[1:] == slot.shape[1:]:
            heads.add(int(held.shape[0]))
        elif held.ndim == 4 and slot.shape[1] == 3 and held.shape[0] == slot.shape[0]:
            channels.add(int(held.shape[1]))
    return Shape(heads.pop() if len(heads) == 1 else None, channels.pop() if len(channels) == 1 else None)


def first_convolution(network: nn.Module, channels: int) -> None:
    """Give the network's first convolution another number of input channels; its weights are to be loaded."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if first is not None:
        first.in_channels = channels
        first.weight = nn.Parameter(first.weight.detach()[:, :1].repeat(1, channels, 1, 1))


def own_head(where: str, network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Replace the architecture's head by the file's own, if its tensors describe it completely.

    A linear layer is rebuilt, with batch normalisations before or behind it. Between two linear layers
    there was a layer without weights, most likely an activation, and the tensors do not say which.

    Returns:
        What was done to ``network``; empty if the file has the architecture's head.

    Raises:
        InputError: The head's tensors do not say how they are used.
    """
    wanted = own_tensors(network)
    held = {k: v for k, v in state.items() if not k.startswith(auxiliary(network))}
    differing = [k for k in wanted if k not in held]
    differing += [k for k in held if k not in wanted or held[k].shape != wanted[k].shape]
    differing = [k for k in differing if not k.endswith(COUNTER)]
    place = _common_module(differing) if differing else ""
    if not place or place not in dict(network.named_modules()):
        return ""
    parts = list(network.get_submodule(place).modules())
    old = next((m for m in parts if isinstance(m, nn.Linear)), None)
    inside = {k.removeprefix(f"{place}."): v for k, v in held.items() if k.startswith(f"{place}.")}
    if old is None or not inside or any(isinstance(m, nn.Conv2d) for m in parts):
        return ""
    shown = f"{where}: its head '{place}' is its own ({few(inside)})"
    made, words = _head(shown, inside)
    first = next(m for m in made.modules() if isinstance(m, (nn.Linear, nn.BatchNorm1d)))
    takes = first.in_features if isinstance(first, nn.Linear) else first.num_features
    if takes != old.in_features:
        raise InputError(
            f"{shown} and takes {takes} features, the architecture gives {old.in_features}; {FACTORY}"
        )
    parent, _, last = place.rpartition(".")
    setattr(network.get_submodule(parent), last, made)
    return f"head '{place}' rebuilt from its tensors: {words}; nothing without weights is assumed behind it"


def auxiliary(network: nn.Module) -> tuple[str, ...]:
    """Prefixes of tensors that do not affect the answer; a network of the user's own has none."""
    return AUXILIARY if type(network).__module__.startswith(LIBRARIES) else ("\0",)


def own_tensors(network: nn.Module) -> dict[str, Tensor]:
    """A network's tensors without the auxiliary heads of training."""
    left_out = auxiliary(network)
    held = network.state_dict().items()
    return {k: v for k, v in held if isinstance(v, Tensor) and not k.startswith(left_out)}


def _head(shown: str, inside: Mapping[str, Tensor]) -> tuple[nn.Module, str]:
    """The module that such tensors belong to, and its description."""
    alone = _linear(inside)
    if alone is not None:
        return alone, "one linear layer"
    parts: dict[int, dict[str, Tensor]] = {}
    for key, value in inside.items():
        place, _, name = key.partition(".")
        if not place.isdigit() or "." in name or not name:
            raise InputError(f"{shown} and no chain of layers; {FACTORY}")
        parts.setdefault(int(place), {})[name] = value
    layers: list[nn.Module] = []
    words: list[str] = []
    for position in sorted(parts):
        layer = _linear(parts[position]) or _batch_norm(parts[position])
        if layer is None:
            raise InputError(f"{shown}, and its layer {position} is neither linear nor batch norm; {FACTORY}")
        gap = ""
        if any(isinstance(m, nn.Linear) for m in layers) and isinstance(layer, nn.Linear):
            gap = "its linear layers"
        elif position > len(layers):
            gap = f"its layers {len(layers) - 1} and {position}" if layers else ""
            words.append("a layer without weights (taken for dropout, which does nothing here)")
        if gap:
            raise InputError(
                f"{shown}, and between {gap} there was a layer without weights, such as an activation: the "
                f"tensors do not say which; {FACTORY}"
            )
        layers += [nn.Identity()] * (position - len(layers)) + [layer]
        words.append("linear" if isinstance(layer, nn.Linear) else "batch norm")
    return nn.Sequential(*layers), ", ".join(words)


def _linear(tensors: Mapping[str, Tensor]) -> nn.Linear | None:
    weight = tensors.get("weight")
    if weight is None or weight.ndim != 2 or not set(tensors) <= {"weight", "bias"}:
        return None
    return nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in tensors)


def _batch_norm(tensors: Mapping[str, Tensor]) -> nn.BatchNorm1d | None:
    if "running_mean" not in tensors or "running_var" not in tensors:
        return None
    return nn.BatchNorm1d(tensors["running_mean"].shape[0], affine="weight" in tensors)


def _common_module(names: list[str]) -> str:
    """The deepest module that holds all of the tensors."""
    levels = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return ".".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def load(where: str, arch: str, network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Put the weights into the network.

    Returns:
        Notes on what was left out or changed.

    Raises:
        InputError: A tensor is missing, is not known to the architecture, or has another shape or kind.
    """
    wanted = own_tensors(network)
    held = {k: v for k, v in state.items() if not k.startswith(auxiliary(network))}
    missing = sorted(k for k in wanted.keys() - held.keys() if not k.endswith(COUNTER))
    surplus = sorted(held.keys() - wanted.keys())
    if missing or surplus:
        raise InputError(
            f"{where}: does not fit {arch}: {len(missing)} tensors missing{_first(missing)}, "
            f"{len(surplus)} not known to it{_first(surplus)}; `auditor inspect` lists what fits"
        )
    for key, value in held.items():
        slot = wanted[key]
        if key.endswith(COUNTER):
            continue
        if value.shape != slot.shape:
            raise InputError(
                f"{where}: tensor '{key}' has shape {tuple(value.shape)}, {arch} needs {tuple(slot.shape)}"
            )
        if value.is_floating_point() != slot.is_floating_point() or value.is_complex() != slot.is_complex():
            raise InputError(
                f"{where}: tensor '{key}' is of {_kind(value)}, {arch} needs {_kind(slot)}; "
                "needed: weights that are not quantised"
            )
    filled = network.state_dict()  # with its versions, which some networks ask for
    for key, value in held.items():
        if value.shape == filled[key].shape:
            filled[key] = value
    network.load_state_dict(filled)
    notes = []
    kinds = sorted({_kind(v) for v in held.values() if v.is_floating_point()} - {"float32"})
    if kinds:
        notes.append(f"weights are kept as {', '.join(kinds)} and computed with in float32")
    if len(held) < len(state):
        notes.append("auxiliary heads, which only training uses, left out")
    return notes


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _first(names: list[str]) -> str:
    return f" (first: {names[0]})" if names else ""
