"""Class names: from the model's own configuration, or from a file; and how a user's words find them."""

from __future__ import annotations

import codecs
import csv
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
    """Class names out of a file, in order of the outputs.

    Args:
        path: text with one name a line; JSON in a form of :func:`named`; CSV with or without a header, with
            or without a column of indices.
        count: outputs of the model.

    Raises:
        InputError: unreadable, ambiguous, or another number of names.
    """
    where = f"labels '{path}'"
    text = _text(path)
    if path.suffix.lower() == ".json":
        try:
            names = named(json.loads(text))
        except ValueError as failure:
            raise InputError(
                f"{where}: {failure}; needed: a JSON list of names, or an object from index to name or from "
                "name to index"
            ) from failure
    elif path.suffix.lower() in (".csv", ".tsv"):
        names = _from_table(where, text, count, "\t" if path.suffix.lower() == ".tsv" else ",")
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != count:
        raise InputError(f"{where}: {len(names)} names, the model has {count} outputs")
    return labelled(names)


def stated(names: Sequence[tuple[Any, str]], outputs: int) -> tuple[tuple[ClassLabel, ...], list[str]]:
    """Labels of a model out of a file, from the first statement that fits its outputs.

    Args:
        names: names in any form of :func:`named`, and where they stand, the best first.
        outputs: of the model.

    Returns:
        One label per output, and what a reader must know about them.
    """
    notes = []
    for held, where in names:
        try:
            found = named(held)
        except ValueError as failure:
            notes.append(f"class names in {where} not used: {failure}")
            continue
        if len(found) == 1 and outputs == 2:
            found = [f"not {found[0]}", *found]
        if len(found) == outputs:
            return labelled(found), [*notes, f"class names from {where}"]
        notes.append(f"class names in {where} not used: {len(found)} names for {outputs} outputs")
    if outputs == 1000:
        return imagenet(), [
            *notes,
            "no class names in the file: those of ImageNet-1k assumed for 1000 outputs",
        ]
    return numbered(outputs), [*notes, "no class names in the file: --labels gives them"]


def labelled(names: Sequence[str]) -> tuple[ClassLabel, ...]:
    """Labels of classes whose names are known, in order of the outputs.

    A name with commas stays whole, unless these are a thousand lists of synonyms, as ImageNet's are:
    "t-shirt, red" and "t-shirt, blue" are two classes.
    """
    firsts = {plain(name.split(",")[0]) for name in names}
    synonyms = len(names) == 1000 and len(firsts) == len({plain(name) for name in names})
    found = []
    for i, name in enumerate(names):
        synset = _synset(name.split()[0]) if name.split() else ""
        label = _label(i, name, synset)
        if not synonyms and len(label.aliases) > 1:
            label = ClassLabel(i, name, synset, (name, *label.aliases))
        found.append(label)
    return tuple(found)


def named(data: Any) -> list[str]:
    """Names in order of their index, from any form that they are kept in.

    Args:
        data: a list of names; index to name (``{"0": "cat"}``, as in ``id2label``); or name to index
            (``{"cat": 0}``, as in ``class_to_idx``). A text of digits as the key of a number is a name.

    Raises:
        ValueError: none of these, or indices that are not 0, 1, 2 ...
    """
    if isinstance(data, (list, tuple)):
        if not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in data):
            raise ValueError("a list of something else than names")
        return [str(name) for name in data]
    if not isinstance(data, Mapping) or not data:
        raise ValueError("no list and no object")
    by_index = {_index(key): value for key, value in data.items()}
    if all(isinstance(value, str) for value in data.values()) and None not in by_index:
        pairs = {index: str(name) for index, name in by_index.items() if index is not None}
    else:
        pairs = {}
        for name, value in data.items():
            index = _index(value)
            if index is None or index in pairs:
                raise ValueError(f"'{name}' has {value!r}, which is no index of its own")
            pairs[index] = str(name)
    if sorted(pairs) != list(range(len(pairs))):
        raise ValueError(f"indices {_few(sorted(pairs))}, which are not 0 to {len(pairs) - 1}")
    return [pairs[i] for i in range(len(pairs))]


def _index(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _few(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values[:4])) + (" ..." if len(values) > 4 else "")


def _text(path: Path) -> str:
    """UTF-8, with or without a byte-order mark."""
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise InputError(f"labels '{path}': cannot be read ({failure.strerror})") from failure
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise InputError(f"labels '{path}': is UTF-16; needed: UTF-8 (save it again with that encoding)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise InputError(
            f"labels '{path}': not UTF-8 at byte {failure.start}; needed: UTF-8 text"
        ) from failure


def _from_table(where: str, text: str, count: int, delimiter: str) -> list[str]:
    """Names from rows of one column, or of two of which one holds the indices."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=delimiter)]
    rows = [row for row in rows if any(row)]
    if len(rows) == count + 1:
        rows = rows[1:]  # a header
    if not rows or len({len(row) for row in rows}) != 1:
        raise InputError(f"{where}: rows of different length; needed: a name in each, or an index and a name")
    wide = len(rows[0])
    if wide == 1:
        return [row[0] for row in rows]
    for column in range(wide):
        indices = [_index(row[column]) for row in rows]
        if None not in indices and sorted(i for i in indices if i is not None) == list(range(len(rows))):
            rest = [c for c in range(wide) if c != column]
            if len(rest) == 1:
                found = dict(zip(indices, (row[rest[0]] for row in rows), strict=True))
                return [found[i] for i in range(len(rows))]
    raise InputError(f"{where}: {wide} columns; needed: a name in each row, or an index and a name")


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
    how, colon, rest = query.partition(":")
    if colon and how in ("index", "name"):
        return _by_index(labels, rest.strip()) if how == "index" else _by_name(labels, rest.strip())
    if query.isascii() and query.isdigit():
        called = [c for c in labels if query in (c.name, *c.aliases)]
        if called and int(query) < len(labels) and called != [labels[int(query)]]:
            raise InputError(
                f"class '{query}': ambiguous, {_shown(called)} by name and {_shown([labels[int(query)]])} by "
                f"index; needed: name:{query} or index:{query}"
            )
        return _by_name(labels, query) if called else _by_index(labels, query)
    if _synset(query):
        hits = [c for c in labels if c.synset == query]
        if hits:
            return hits[0]
        raise InputError(f"class '{query}': no class has this synset")
    return _by_name(labels, query)


def _by_index(labels: Sequence[ClassLabel], query: str) -> ClassLabel:
    if query.isascii() and query.isdigit() and int(query) < len(labels):
        return labels[int(query)]
    raise InputError(f"class '{query}': the model has indices 0 to {len(labels) - 1}")


def _by_name(labels: Sequence[ClassLabel], query: str) -> ClassLabel:
    wanted = plain(query)
    for names in (lambda c: (c.name,), lambda c: c.aliases):
        hits = [c for c in labels if wanted in {plain(n) for n in names(c)}]
        if len(hits) > 1:  # ImageNet's "Cardigan" is a dog, its "cardigan" is worn
            hits = [c for c in hits if query in names(c)] or hits
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise InputError(
                f"class '{query}': ambiguous, it fits {_shown(hits)}; needed: an index (index:"
                f"{hits[0].index}) or a synset"
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
