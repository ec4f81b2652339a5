"""Class names: from the model's own configuration, or from a file; and how a user's words find them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from auditor.errors import InputError
from auditor.models.loaded import ClassLabel


def from_timm_config(config: Mapping[str, Any], count: int) -> tuple[ClassLabel, ...]:
    """Labels that a timm model carries: its own names, else ImageNet-1k's for 1000 outputs."""
    names = config.get("label_names")
    if names and len(names) == count:
        described = config.get("label_descriptions") or {}
        return tuple(
            _label(i, described.get(n, n) if isinstance(described, Mapping) else n, _synset(n))
            for i, n in enumerate(names)
        )
    return imagenet() if count == 1000 else numbered(count)


def from_categories(categories: Sequence[str], count: int) -> tuple[ClassLabel, ...]:
    """Labels of a torchvision model; ImageNet-1k's where it has 1000 outputs, for the synsets."""
    if count == 1000 and len(categories) == 1000:
        return imagenet()
    return (
        tuple(_label(i, c, "") for i, c in enumerate(categories))
        if len(categories) == count
        else numbered(count)
    )


def imagenet() -> tuple[ClassLabel, ...]:
    """The 1000 classes of ImageNet-1k (ILSVRC2012) in the usual order, with their synsets."""
    from auditor.models.torchvision_import import prepare_torchvision

    prepare_torchvision()  # timm imports torchvision
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    return tuple(
        _label(i, info.index_to_description(i), info.index_to_label_name(i))
        for i in range(info.num_classes())
    )


def numbered(count: int) -> tuple[ClassLabel, ...]:
    """Nothing is known: ``class 0``, ``class 1`` ..."""
    return tuple(ClassLabel(i, f"class {i}", "", (f"class {i}",)) for i in range(count))


def from_file(path: Path, count: int) -> tuple[ClassLabel, ...]:
    """A text file with one name a line in order of the outputs, or JSON: a list, or index to name."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise InputError(f"labels '{path}': cannot be read as UTF-8 text ({failure})") from failure
    if path.suffix == ".json":
        try:
            data = json.loads(text)
            names = (
                [str(data[str(i)]) for i in range(len(data))]
                if isinstance(data, dict)
                else [str(n) for n in data]
            )
        except (ValueError, KeyError, TypeError) as failure:
            raise InputError(
                f'labels \'{path}\': needs a JSON list of names, or an object from "0", "1" ... to names'
            ) from failure
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != count:
        raise InputError(f"labels '{path}': {len(names)} names, the model has {count} outputs")
    return tuple(
        _label(i, name, _synset(name.split()[0]) if name.split() else "") for i, name in enumerate(names)
    )


def _label(index: int, description: str, synset: str) -> ClassLabel:
    aliases = tuple(part.strip() for part in description.split(",") if part.strip()) or (description,)
    return ClassLabel(index, aliases[0], synset, aliases)


def _synset(name: str) -> str:
    return name if len(name) == 9 and name[0] == "n" and name[1:].isdigit() else ""


def find_classes(labels: Sequence[ClassLabel], queries: Iterable[str]) -> list[ClassLabel]:
    """The classes that names, synsets or indices (mixed) stand for, without repeats, in order.

    Raises:
        InputError: a query fits no class, or several; the nearest are listed.
    """
    found: dict[int, ClassLabel] = {}
    for query in queries:
        label = _find_one(labels, query.strip())
        found.setdefault(label.index, label)
    if not found:
        raise InputError("classes: none named; needed: at least one name, synset or index")
    return list(found.values())


def _find_one(labels: Sequence[ClassLabel], query: str) -> ClassLabel:
    if query.isdigit():
        if int(query) < len(labels):
            return labels[int(query)]
        raise InputError(f"class '{query}': the model has indices 0 to {len(labels) - 1}")
    if _synset(query):
        hits = [c for c in labels if c.synset == query]
        if hits:
            return hits[0]
        raise InputError(f"class '{query}': no class has this synset")
    wanted = plain(query)
    for names in (lambda c: (c.name,), lambda c: c.aliases):
        hits = [c for c in labels if wanted in {plain(n) for n in names(c)}]
        if len(hits) > 1:  # ImageNet's "Cardigan" is a dog, its "cardigan" is worn
            hits = [c for c in hits if query in names(c)] or hits
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise InputError(
                f"class '{query}': ambiguous, it fits {_shown(hits)}; needed: an index or a synset"
            )
    near = search(labels, query)[:5]
    raise InputError(
        f"class '{query}': the model has no class of that name"
        + (f"; nearest: {_shown(near)}" if near else "")
    )


def search(labels: Sequence[ClassLabel], query: str) -> list[ClassLabel]:
    """Classes whose index, synset or name holds the query, then those spelt alike, best first."""
    wanted = plain(query)
    holding = [c for c in labels if wanted in plain(" ".join(c.aliases)) or query in (str(c.index), c.synset)]
    spelt: dict[str, ClassLabel] = {}
    for label in labels:
        for alias in label.aliases:
            spelt.setdefault(plain(alias), label)
    close = [spelt[name] for name in difflib.get_close_matches(wanted, list(spelt), n=6, cutoff=0.55)]
    return list({c.index: c for c in [*holding, *close]}.values())


def plain(name: str) -> str:
    """A name as it is compared: case, hyphens, underscores and repeated blanks do not count."""
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


def _shown(labels: Iterable[ClassLabel]) -> str:
    return ", ".join(f"{c.name} ({c.index}{' ' + c.synset if c.synset else ''})" for c in labels)
