"""Make a network and a set of weights fit each other, without guessing what the weights do not say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from auditor.errors import InputError

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Heads that torchvision's googlenet and inception_v3 use in training alone."""

_BESIDE = ("n_averaged",)
"""Tensors that a wrapper keeps for itself: torch's AveragedModel counts in it."""
_WRAPPERS = ("_orig_mod", "module")
_LEGACY_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")
FACTORY = "needed: --model-factory MODULE:FUNCTION, which makes the network as you did"


@dataclass(frozen=True)
class Shape:
    """How the network must differ from the architecture's default."""

    classes: int | None = None
    channels: int | None = None


def renamed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors under the architecture's own names.

    What wraps a network (Lightning, ``torch.compile``, DataParallel, in any order) puts words before the
    names or between them. They are found by comparing with the architecture's names.

    Returns:
        The tensors, and what was left out or changed.
    """
    notes: list[str] = []
    plain: dict[str, Tensor] = {}
    for key, value in state.items():
        if key in _BESIDE:
            continue
        name = key
        if name not in wanted:
            name = ".".join(part for part in name.split(".") if part != "_orig_mod")
        plain[_modern(name, wanted)] = value
    prefix = _prefix(plain, wanted)
    inside = {k.removeprefix(prefix): v for k, v in plain.items() if k.startswith(prefix)}
    outside = [k for k in plain if not k.startswith(prefix)]
    found = {}
    for key, value in inside.items():
        name = _modern(_without_wrappers(key, wanted), wanted)
        found[name] = value
    if prefix:
        notes.append(f"names of tensors: '{prefix}' before them left out")
    if outside:
        notes.append(f"tensors beside the network left out: {_few(outside)}")
    return found, notes


def _prefix(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """The words before most of the architecture's names; the shortest such."""
    votes: Counter[str] = Counter()
    for key in state:
        parts = key.split(".")
        for cut in range(len(parts)):
            rest = _modern(_without_wrappers(".".join(parts[cut:]), wanted), wanted)
            if rest in wanted:
                votes[".".join(parts[:cut]) + ("." if cut else "")] += 1
    return max(votes, key=lambda p: (votes[p], -len(p))) if votes else ""


def _without_wrappers(name: str, wanted: Mapping[str, Tensor]) -> str:
    if name in wanted:
        return name
    bare = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
    return bare if bare in wanted else name


def _modern(name: str, wanted: Mapping[str, Tensor]) -> str:
    newer = modern(name)
    return newer if name not in wanted and newer in wanted else name


def modern(name: str) -> str:
    """``denselayer1.norm.1.weight``, as torchvision once wrote it, to ``denselayer1.norm1.weight``."""
    return _LEGACY_DENSENET.sub(r"\1\2", name)


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

    A chain of linear layers and batch normalisations is rebuilt. Between two linear layers that are not
    neighbours stood something without weights, most likely an activation; nothing tells which.

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
    missing = [k for k in wanted if k not in state and not k.endswith("num_batches_tracked")]
    surplus = [k for k in state if k not in wanted]
    if not missing or not surplus:
        return ""
    place = _common([*missing, *surplus])
    if not place or place not in dict(network.named_modules()):
        return ""
    inside = {k.removeprefix(f"{place}."): v for k, v in state.items() if k.startswith(f"{place}.")}
    old = [m for m in network.get_submodule(place).modules() if isinstance(m, nn.Linear)]
    if not old:
        return ""
    shown = f"{where}: its head '{place}' is its own ({_few(list(inside))})"
    made = _chain(shown, inside)
    if made[0] is None:
        return ""
    first = next(m for m in made[0].modules() if isinstance(m, (nn.Linear, nn.BatchNorm1d)))
    takes = first.in_features if isinstance(first, nn.Linear) else first.num_features
    if takes != old[0].in_features:
        raise InputError(
            f"{shown} and takes {takes} features, the architecture gives {old[0].in_features}; {FACTORY}"
        )
    parent, _, last = place.rpartition(".")
    setattr(network.get_submodule(parent), last, made[0])
    return f"head '{place}' rebuilt from its tensors: {made[1]}"


def own_tensors(network: nn.Module) -> dict[str, Tensor]:
    """What a network's answer depends on: its tensors without the auxiliary heads of training."""
    return {k: v for k, v in network.state_dict().items() if not k.startswith(AUXILIARY)}


def _chain(shown: str, inside: Mapping[str, Tensor]) -> tuple[nn.Module | None, str]:
    """The module that such tensors belong to, and its words."""
    if set(inside) <= {"weight", "bias"} and "weight" in inside:
        linear = _linear(inside)
        return (linear, "one linear layer") if linear is not None else (None, "")
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
        if position - before > 1:
            if words:
                raise InputError(
                    f"{shown}, and between its layers {before} and {position} stood something without "
                    f"weights, such as an activation: nothing says which; {FACTORY}"
                )
            if position:
                words.append("something without weights (taken for dropout, which does nothing here)")
        layer = _linear(parts[position]) or _batch_norm(parts[position])
        if layer is None:
            raise InputError(f"{shown}, and its layer {position} is neither linear nor batch norm; {FACTORY}")
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
        What was left out.

    Raises:
        InputError: A tensor is missing, is not known to the architecture or has another shape.
    """
    wanted = own_tensors(network)
    held = {k: v for k, v in state.items() if not k.startswith(AUXILIARY)}
    missing = sorted(k for k in wanted.keys() - held.keys() if not k.endswith("num_batches_tracked"))
    surplus = sorted(held.keys() - wanted.keys())
    if missing or surplus:
        raise InputError(
            f"{where}: does not fit {arch}: {len(missing)} tensors missing{_first(missing)}, "
            f"{len(surplus)} not known to it{_first(surplus)}; `auditor inspect` says what fits"
        )
    for key, value in held.items():
        if value.shape != wanted[key].shape:
            raise InputError(
                f"{where}: tensor '{key}' has shape {tuple(value.shape)}, {arch} needs "
                f"{tuple(wanted[key].shape)}"
            )
    network.load_state_dict(held, strict=False)  # checked above; what is missing are counters of training
    notes = []
    half = sorted({str(v.dtype).removeprefix("torch.") for v in held.values() if v.is_floating_point()})
    if half != ["float32"]:
        notes.append(f"weights are kept as {', '.join(half)} and computed with in float32")
    if len(held) < len(state):
        notes.append("auxiliary heads, which only training uses, left out")
    return notes


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _first(names: list[str]) -> str:
    return f" (first: {names[0]})" if names else ""
