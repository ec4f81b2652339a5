"""Give a file's tensors the architecture's own names, whatever wrapped the network when it was saved.

Lightning, ``torch.compile``, DataParallel and the like put words before or between the names. The comparison
with the architecture's names finds these words. No tensor that may affect the answer is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from auditor.errors import InputError
from auditor.models.checkpoint import few

WRAPPERS = frozenset({"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Words that wrappers put into names."""

ALIKE = 0.9
"""Another prefix with this share of the best prefix's tensors is a second network."""

LEAST = 0.5
"""A file with less than this share of the architecture's tensors is of another architecture."""
_COUNTERS = ("n_averaged",)  # torch's AveragedModel
_HARMLESS = re.compile(
    r"loss|criterion|metric|accuracy|(^|_)(acc|f1|auroc|train|val|test|n_averaged)(_|$)|^class_weights?$"
)
"""First words of names that belong to losses, metrics and counters, which do not affect the answer."""
_LEGACY_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")


def renamed(
    where: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors under the architecture's own names.

    Args:
        where: Names the model in errors.
        state: As saved.
        wanted: As the architecture names them.

    Returns:
        The tensors, and notes on what was left out or changed.

    Raises:
        InputError: The file holds several networks, two different tensors of one name, or tensors beside the
            network that may affect the answer.
    """
    state = {k: v for k, v in state.items() if k not in _COUNTERS}
    found = _by_prefix(state, wanted)
    if max(map(len, found.values()), default=0) < LEAST * len(wanted):
        return state, []
    prefix = max(found, key=lambda p: (len(found[p]), -len(p)))
    most = len(found[prefix])
    used = _keys(found[prefix])
    alike = [p for p in found if len(found[p]) >= ALIKE * most and not _keys(found[p]) & used]
    if alike:
        names = ", ".join(f"'{p.rstrip('.')}'" for p in (prefix, *alike))
        raise InputError(f"{where}: holds several networks ({names}); needed: --weights-key, one of them")
    taken: dict[str, Tensor] = {}
    for name, keys in found[prefix].items():
        first, *others = (state[key] for key in keys)
        if any(other.shape != first.shape or not torch.equal(other, first) for other in others):
            raise InputError(f"{where}: '{keys[0]}' and '{keys[1]}' are both '{name}' and differ")
        taken[name] = first
    beside = []
    for key, value in state.items():
        if key in used:
            continue
        bare = without_wrappers(key)
        if bare.startswith(prefix):
            taken[bare.removeprefix(prefix)] = value
        else:
            beside.append(key)
    doubtful = [key for key in beside if not _HARMLESS.search(without_wrappers(key).split(".")[0].lower())]
    if doubtful:
        raise InputError(
            f"{where}: holds {few(doubtful)} beside the network, which may affect its answer; needed: "
            "--model-factory MODULE:FUNCTION, which makes the network as you did, or a file without them"
        )
    notes = [f"names of tensors: '{prefix}' before them left out"] if prefix else []
    return taken, [*notes, *([f"tensors beside the network left out: {few(beside)}"] if beside else [])]


def without_wrappers(name: str) -> str:
    """``model._orig_mod.conv1.weight`` to ``model.conv1.weight``."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def modern(name: str) -> str:
    """``denselayer1.norm.1.weight``, as torchvision once wrote it, to ``denselayer1.norm1.weight``."""
    return _LEGACY_DENSENET.sub(r"\1\2", name)


def _by_prefix(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, dict[str, list[str]]]:
    """For every prefix of names, the architecture's names that follow it and the keys they come from."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key in state:
        if key in wanted:
            found[""][key].append(key)
            continue
        parts = without_wrappers(key).split(".")
        for cut in range(len(parts)):
            name = ".".join(parts[cut:])
            name = name if name in wanted else modern(name)
            if name in wanted:
                found[".".join(parts[:cut]) + ("." if cut else "")][name].append(key)
    return found


def _keys(found: dict[str, list[str]]) -> set[str]:
    return {key for keys in found.values() for key in keys}
