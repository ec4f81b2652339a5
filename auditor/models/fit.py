"""Make a network and a set of weights fit each other, without guessing what the weights do not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from auditor.errors import InputError

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Heads that googlenet and inception_v3 of the libraries use in training alone."""
LIBRARIES = ("torchvision.models.", "timm.models.")
FACTORY = "needed: --model-factory MODULE:FUNCTION, which makes the network as you did"


@dataclass(frozen=True)
class Shape:
    """How the network must differ from the architecture's default."""

    classes: int | None = None
    channels: int | None = None


def shape_of(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Shape:
    """Number of classes and of image channels, read off the tensors that differ in just that.

    Args:
        state: Tensors of the file.
        wanted: Tensors of the architecture with its default classes and channels.
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
    """Give the network's first convolution another number of input channels."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            parent, _, last = name.rpartition(".")
            made = nn.Conv2d(
                channels,
                module.out_channels,
                module.kernel_size,  # type: ignore[arg-type]
                stride=module.stride,  # type: ignore[arg-type]
                padding=module.padding,  # type: ignore[arg-type]
                dilation=module.dilation,  # type: ignore[arg-type]
                bias=module.bias is not None,
                padding_mode=module.padding_mode,
            )
            setattr(network.get_submodule(parent), last, made)
            return


def own_head(where: str, network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Put the file's own head in place of the architecture's, where its tensors say what it is.

    A linear layer, and batch normalisations before or behind it, are rebuilt. Between two linear layers stood
    something without weights, most likely an activation; nothing tells which.

    Args:
        where: Names the model in errors.
        network: Is changed.
        state: The file's tensors under the architecture's names.

    Returns:
        What was done; empty where the head is the architecture's.

    Raises:
        InputError: The head's tensors do not say how they are used.
    """
    wanted = own_tensors(network)
    held = {k: v for k, v in state.items() if not k.startswith(auxiliary(network))}
    differing = [k for k in wanted if k not in held and not k.endswith("num_batches_tracked")]
    differing += [k for k in held if k not in wanted or held[k].shape != wanted[k].shape]
    differing = [k for k in differing if not k.endswith("num_batches_tracked")]
    place = _common(differing) if differing else ""
    if not place or place not in dict(network.named_modules()):
        return ""
    old = [m for m in network.get_submodule(place).modules() if isinstance(m, nn.Linear)]
    if not old or any(m for m in network.get_submodule(place).modules() if isinstance(m, nn.Conv2d)):
        return ""
    inside = {k.removeprefix(f"{place}."): v for k, v in held.items() if k.startswith(f"{place}.")}
    if not inside:
        return ""
    shown = f"{where}: its head '{place}' is its own ({_few(list(inside))})"
    made, words = _chain(shown, inside)
    first = next(m for m in made.modules() if isinstance(m, (nn.Linear, nn.BatchNorm1d)))
    takes = first.in_features if isinstance(first, nn.Linear) else first.num_features
    if takes != old[0].in_features:
        raise InputError(
            f"{shown} and takes {takes} features, the architecture gives {old[0].in_features}; {FACTORY}"
        )
    parent, _, last = place.rpartition(".")
    setattr(network.get_submodule(parent), last, made)
    return f"head '{place}' rebuilt from its tensors: {words}; nothing without weights is assumed behind it"


def auxiliary(network: nn.Module) -> tuple[str, ...]:
    """Beginnings of names that do not belong to the network's answer: none in a network of the user's own."""
    return AUXILIARY if type(network).__module__.startswith(LIBRARIES) else ("\0",)


def own_tensors(network: nn.Module) -> dict[str, Tensor]:
    """What a network's answer depends on: its tensors without the auxiliary heads of training."""
    left_out = auxiliary(network)
    held = network.state_dict().items()
    return {k: v for k, v in held if isinstance(v, Tensor) and not k.startswith(left_out)}


def _chain(shown: str, inside: Mapping[str, Tensor]) -> tuple[nn.Module, str]:
    """The module that such tensors belong to, and its words."""
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
    before = -1
    for position in sorted(parts):
        layer = _linear(parts[position]) or _batch_norm(parts[position])
        if layer is None:
            raise InputError(f"{shown}, and its layer {position} is neither linear nor batch norm; {FACTORY}")
        if any(isinstance(m, nn.Linear) for m in layers) and isinstance(layer, nn.Linear):
            raise InputError(
                f"{shown}, and between its linear layers stood something without weights, such as an "
                f"activation: nothing says which; {FACTORY}"
            )
        if position - before > 1:
            if words:
                raise InputError(
                    f"{shown}, and between its layers {before} and {position} stood something without "
                    f"weights, such as an activation: nothing says which; {FACTORY}"
                )
            words.append("something without weights (taken for dropout, which does nothing here)")
        while len(layers) < position:
            layers.append(nn.Identity())
        layers.append(layer)
        words.append("linear" if isinstance(layer, nn.Linear) else "batch norm")
        before = position
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


def _common(names: list[str]) -> str:
    """The deepest module that holds all of them."""
    parts = [name.split(".")[:-1] for name in names]
    common = []
    for at in zip(*parts, strict=False):
        if len(set(at)) > 1:
            break
        common.append(at[0])
    return ".".join(common)


def load(where: str, arch: str, network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Put the weights into the network.

    Returns:
        What was left out or changed.

    Raises:
        InputError: A tensor is missing, is not known to the architecture, or has another shape or kind.
    """
    wanted = own_tensors(network)
    held = {k: v for k, v in state.items() if not k.startswith(auxiliary(network))}
    missing = sorted(k for k in wanted.keys() - held.keys() if not k.endswith("num_batches_tracked"))
    surplus = sorted(held.keys() - wanted.keys())
    if missing or surplus:
        raise InputError(
            f"{where}: does not fit {arch}: {len(missing)} tensors missing{_first(missing)}, "
            f"{len(surplus)} not known to it{_first(surplus)}; `auditor inspect` says what fits"
        )
    for key, value in held.items():
        slot = wanted[key]
        if key.endswith("num_batches_tracked"):
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


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _first(names: list[str]) -> str:
    return f" (first: {names[0]})" if names else ""
