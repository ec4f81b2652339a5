"""The architecture's own names for a file's tensors, whatever was put around the network when it was saved.

Lightning, ``torch.compile``, DataParallel and the like put words before the names or between them. They are
found by comparing with the architecture's names. Nothing that may belong to the answer is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from auditor.errors import InputError

WRAPPERS = frozenset({"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Words that a wrapper puts between names."""

ALIKE = 0.9
"""Share of the best prefix's tensors from which on another prefix is a network as well."""

LEAST = 0.5
"""Share of the architecture's tensors below which a file is of another one."""
_COUNTERS = ("n_averaged",)  # torch's AveragedModel
_HARMLESS = re.compile(
    r"loss|criterion|metric|accuracy|(^|_)(acc|f1|auroc|train|val|test|n_averaged)(_|$)|^class_weights?$"
)
"""First words of names of what stands beside a network and does not answer: losses, metrics, counters."""
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
        The tensors, and what was left out or changed.

    Raises:
        InputError: The file holds several networks, two different tensors of one name, or tensors beside the
            network that may belong to the answer.
    """
    state = {k: v for k, v in state.items() if k not in _COUNTERS}
    found = _by_prefix(state, wanted)
    if max(map(len, found.values()), default=0) < LEAST * len(wanted):
        return state, []
    prefix = max(found, key=lambda p: (len(found[p]), -len(p)))
    most = len(found[prefix])
    alike = [p for p in found if len(found[p]) >= ALIKE * most and not _shared(found[p], found[prefix])]
    if alike:
        names = ", ".join(f"'{p.rstrip('.')}'" for p in (prefix, *alike))
        raise InputError(f"{where}: holds several networks ({names}); needed: --weights-key, one of them")
    taken: dict[str, Tensor] = {}
    for name, keys in found[prefix].items():
        first, *others = (state[key] for key in keys)
        if any(other.shape != first.shape or not torch.equal(other, first) for other in others):
            raise InputError(f"{where}: '{keys[0]}' and '{keys[1]}' are both '{name}' and differ")
        taken[name] = first
    used = {key for keys in found[prefix].values() for key in keys}
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
            f"{where}: holds {_few(doubtful)} beside the network, which may belong to its answer; needed: "
            "--model-factory MODULE:FUNCTION, which makes the network as you did, or a file without them"
        )
    notes = [f"names of tensors: '{prefix}' before them left out"] if prefix else []
    return taken, [*notes, *([f"tensors beside the network left out: {_few(beside)}"] if beside else [])]


def without_wrappers(name: str) -> str:
    """``model._orig_mod.conv1.weight`` to ``model.conv1.weight``."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def modern(name: str) -> str:
    """``denselayer1.norm.1.weight``, as torchvision once wrote it, to ``denselayer1.norm1.weight``."""
    return _LEGACY_DENSENET.sub(r"\1\2", name)


def _by_prefix(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, dict[str, list[str]]]:
    """For every beginning of names the architecture's names behind it, and the keys that they come from."""
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


def _shared(one: dict[str, list[str]], best: dict[str, list[str]]) -> bool:
    """Whether two beginnings are of the same tensors."""
    first = {key for keys in one.values() for key in keys}
    return bool(first & {key for keys in best.values() for key in keys})


def _few(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
