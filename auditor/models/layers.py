"""Choose the layers of a convolutional network to audit, for any architecture.

One forward pass on a blank image shows which submodule's output is the next one's input. Along this
trunk the rules are:

1. A *container* is entered: the network itself, every plain ``Sequential``, ``ModuleList`` or
   ``ModuleDict``, and every module whose children run one after the other, if at least one of them is
   itself composite (a stage of blocks).
2. A *block* is chosen: any other module with two or more convolutions (or position-wise linear maps). It
   is not entered, whatever it does inside (a residual sum, branches, concatenation). If one instance of
   a class is a block, all are.
3. A *unit* is chosen: a single convolution or fully connected layer with the normalisation and activation
   behind it. If the network has blocks, the stem's units are left out: they see edges and colours. The
   layer that makes the logits is left out: it is the output, not a middle layer.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from auditor.errors import InputError
from auditor.models.adapt import Wrapper
from auditor.models.loaded import LoadedModel
from auditor.records import LayerRecord

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # these types, not their subclasses
_MAPPINGS = (nn.Conv1d, nn.Conv2d, nn.Linear)
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class _Call:
    """What one submodule did in the traced pass."""

    order: int
    inputs: tuple[tuple[int, int], ...]
    """Address and version of every input tensor, before the call."""
    output: tuple[int, int] | None
    """The same of the output, afterwards. An in-place sum changes the version; a pass-through does not."""
    shape: tuple[int, ...]


def choose_layers(model: LoadedModel, patterns: Sequence[str] = ()) -> list[LayerRecord]:
    """Layers to audit, first to last.

    Shell-style ``patterns`` select among all layers with feature maps; without any, the rules above do.

    Raises:
        InputError: A pattern fits nothing, or the network has no convolutional feature maps.
    """
    trace = _trace(model)
    shapes = _map_shapes(trace)
    if patterns:
        chosen: set[str] = set()
        for pattern in patterns:
            hits = fnmatch.filter(shapes, pattern)
            if not hits:
                raise InputError(
                    f"layers: pattern '{pattern}' fits no layer of {model.name}; "
                    f"see: auditor layers {model.name} --all"
                )
            chosen.update(hits)
        names = [name for name in trace if name in chosen]
    else:
        names = _automatic(model.module, trace, len(model.labels))
    records = [_record(name, shapes[name]) for name in names]
    if not any(layer.height > 1 for layer in records):
        raise InputError(
            f"model '{model.name}': no layer has convolutional feature maps; auditor needs a CNN"
        )
    return records


def all_layers(model: LoadedModel) -> list[LayerRecord]:
    """Every submodule with feature maps that runs exactly once, in order of execution."""
    return [_record(name, shape) for name, shape in _map_shapes(_trace(model)).items()]


def _map_shapes(trace: dict[str, _Call]) -> dict[str, tuple[int, ...]]:
    """Shapes of the outputs that are feature maps, [n, channels] among them."""
    return {name: call.shape for name, call in trace.items() if len(call.shape) in (2, 4)}


def _record(name: str, shape: tuple[int, ...]) -> LayerRecord:
    height, width = (shape[2], shape[3]) if len(shape) == 4 else (1, 1)
    return LayerRecord(name=name, channels=shape[1], height=height, width=width)


def _trace(model: LoadedModel) -> dict[str, _Call]:
    """Submodules that ran exactly once and returned one tensor, in order of completion."""
    calls: dict[str, list[_Call]] = {}
    entered: dict[str, tuple[tuple[int, int], ...]] = {}
    alive: list[Tensor] = []  # an address identifies a tensor only while all tensors are kept

    def before(name: str, _module: nn.Module, args: Any) -> None:
        given = [part for a in args for part in (a if isinstance(a, (list, tuple)) else [a])]
        tensors = [part for part in given if isinstance(part, Tensor)]
        alive.extend(tensors)
        entered[name] = tuple((t.data_ptr(), t._version) for t in tensors)

    def after(name: str, _module: nn.Module, _args: Any, output: Any) -> None:
        order, inputs = sum(map(len, calls.values())), entered.get(name, ())
        call = _Call(order, inputs, None, ())
        if isinstance(output, Tensor):
            alive.append(output)
            call = _Call(order, inputs, (output.data_ptr(), output._version), tuple(output.shape))
        calls.setdefault(name, []).append(call)

    with ExitStack() as hooks, torch.no_grad():  # not inference mode, which keeps no tensor versions
        for name, module in model.module.named_modules():
            hooks.enter_context(module.register_forward_pre_hook(partial(before, name)))
            hooks.enter_context(module.register_forward_hook(partial(after, name)))
        model.module(torch.zeros(1, *model.input.size, device=model.device))
    convolutions = sum(isinstance(module, nn.Conv2d) for module in model.module.modules())
    if convolutions < 2 and any(
        _channels_last(call.shape, model.input.size[1:]) for found in calls.values() for call in found
    ):
        raise InputError(
            f"model '{model.name}': {convolutions} convolution, the rest sees patches; auditor needs a CNN"
        )
    once = {
        name: found[0]
        for name, found in calls.items()
        if len(found) == 1 and name and not _channels_last(found[0].shape, model.input.size[1:])
    }
    return dict(sorted(once.items(), key=lambda item: item[1].order))


def _channels_last(shape: tuple[int, ...], image: tuple[int, ...]) -> bool:
    """Whether maps of a square image lie as [n, height, width, channels], as in some transformers."""
    return len(shape) == 4 and image[0] == image[1] and shape[1] == shape[2] != shape[3]


def _automatic(network: nn.Module, trace: dict[str, _Call], classes: int) -> list[str]:
    modules = dict(network.named_modules())
    weight = {name: _mappings(name, modules, trace) for name in modules}
    blocks = {
        type(modules[n])
        for n in trace
        if weight[n] >= 2 and type(modules[n]) not in _CONTAINERS and not _in_series(n, modules, trace)
    }

    def is_block(name: str) -> bool:
        kind = type(modules[name])
        if kind in _CONTAINERS or weight[name] < 2:
            return False
        return kind in blocks or not any(weight[c] >= 2 for c in _children(name, modules))

    trunk: list[tuple[str, str]] = []

    def walk(name: str) -> None:
        for child in _children(name, modules):
            if is_block(child):
                if child in trace and trace[child].shape:
                    trunk.append((child, "block"))
            elif weight[child] >= 2 or (type(modules[child]) in _CONTAINERS and _maps(modules[child])):
                walk(child)
            elif child in trace and trace[child].shape and not isinstance(modules[child], nn.Identity):
                trunk.append((child, _kind(modules[child])))

    start, root = "", network
    while isinstance(root, Wrapper):
        start, root = f"{start}.network".lstrip("."), root.network
    walk(start)
    trunk = [item for item in trunk if len(trace[item[0]].shape) in (2, 4)]
    trunk.sort(key=lambda item: trace[item[0]].order)
    return _ends(trunk, trace, classes)


def _children(name: str, modules: dict[str, nn.Module]) -> list[str]:
    prefix = f"{name}." if name else ""
    return [prefix + child for child, _ in modules[name].named_children()]


def _maps(module: nn.Module) -> bool:
    return any(isinstance(m, _MAPPINGS) for m in module.modules())


def _mappings(name: str, modules: dict[str, nn.Module], trace: dict[str, _Call]) -> int:
    """Number of convolutions or linear maps with a spatial output in the module, itself included."""
    prefix = f"{name}." if name else ""
    return sum(
        1
        for inner, module in modules.items()
        if (inner == name or inner.startswith(prefix))
        and isinstance(module, _MAPPINGS)
        and inner in trace
        and len(trace[inner].shape) == 4
        and sum(side > 1 for side in trace[inner].shape[1:]) >= 2  # gates look at a 1x1 summary
    )


def _in_series(name: str, modules: dict[str, nn.Module], trace: dict[str, _Call]) -> bool:
    """Whether the children run one after the other and the last one's output is the module's."""
    ran = sorted((trace[c] for c in _children(name, modules) if c in trace), key=lambda call: call.order)
    if not ran or ran[-1].output != trace[name].output:
        return False
    return all(before.output in after.inputs for before, after in pairwise(ran))


def _kind(module: nn.Module) -> str:
    if _maps(module):
        return "unit"
    return "pool" if any(isinstance(m, _POOLS) for m in module.modules()) else "tail"


def _ends(trunk: list[tuple[str, str]], trace: dict[str, _Call], classes: int) -> list[str]:
    """The last module of every block and unit, without the stem's units and the logits."""
    ends: list[tuple[str, str]] = []
    closed = False
    for name, kind in trunk:
        if kind == "pool":
            closed = True
        elif kind in ("block", "unit"):
            ends.append((name, kind))
            closed = False
        elif ends and not closed and trace[name].shape == trace[ends[-1][0]].shape:
            ends[-1] = (name, ends[-1][1])  # normalisation and activation belong to the layer before them
    if (
        ends
        and ends[-1][1] == "unit"
        and (len(trace[ends[-1][0]].shape) == 2 or trace[ends[-1][0]].shape[1] == classes)
    ):
        ends.pop()  # the layer that makes the logits
    first = next((i for i, (_, kind) in enumerate(ends) if kind == "block"), 0)
    return [name for name, _ in ends[first:]]
