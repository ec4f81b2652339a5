"""Class names: from the model's own configuration, or from a file; and how a user's words find them."""

from __future__ import annotations

import codecs
import csv
import difflib
import json
import re
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


def from_file(path: Path, count: int, *, one_logit: bool = False) -> tuple[ClassLabel, ...]:
    """Class names out of a file, in order of the outputs.

    Args:
        path: text with one name a line, an index before each or not; JSON in a form of :func:`named`; CSV
            with or without a header, with or without a column of indices.
        count: outputs of the model.
        one_logit: two outputs stand for one logit; one name is enough then.

    Raises:
        InputError: unreadable, ambiguous, or another number of names.
    """
    where = f"labels '{path}'"
    text = _text(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".json" or text.lstrip()[:1] in ("[", "{"):
            names = named(json.loads(text))
        elif suffix in (".csv", ".tsv"):
            names = _from_table(text, "\t" if suffix == ".tsv" else ",")
        else:
            names = _from_lines([line.strip() for line in text.splitlines() if line.strip()])
    except (ValueError, RecursionError, csv.Error) as failure:
        raise InputError(
            f"{where}: {failure}; needed: a name a line, a JSON list or object of names and indices, or CSV "
            "of names, with a column of indices or without"
        ) from failure
    if one_logit and len(names) == 1:
        names = [f"not {names[0]}", *names]
    if len(names) != count:
        raise InputError(f"{where}: {len(names)} names, the model has {count} outputs")
    return labelled(names)


def _from_lines(lines: Sequence[str]) -> list[str]:
    """Names of a text file, whose lines may begin with their indices."""
    before = [re.match(r"(\d+)[\s,:;]+(.+)", line) for line in lines]
    if lines and all(before):
        pairs = [(m[1], m[2]) for m in before if m]
        ordered = _ordered([index for index, _ in pairs], [name for _, name in pairs])
        if ordered is not None:
            return ordered
    behind = [re.match(r"(.+?)[\s,:;]+(\d+)$", line) for line in lines]
    if len(lines) > 1 and all(behind):
        indices = [m[2] for m in behind if m]
        if _ordered(indices, lines) not in (None, list(lines)):
            raise ValueError("each line ends with a number, which may be its index")
    return list(lines)


def stated(
    names: Sequence[tuple[Any, str]], outputs: int, *, one_logit: bool = False
) -> tuple[tuple[ClassLabel, ...], list[str]]:
    """Labels of a model out of a file, from the first statement that fits its outputs.

    Args:
        names: names in any form of :func:`named`, and where they stand, the best first. A key in quotes there
            tells the direction, as ``'class_to_idx'`` does.
        outputs: of the model.
        one_logit: the model has one output, which stands for two classes.

    Returns:
        One label per output, and what a reader must know about them.

    Raises:
        InputError: two statements give the same names in different orders.
    """
    notes: list[str] = []
    fitting: list[tuple[list[str], str]] = []
    for held, where in names:
        try:
            found = named(held, key=where.split("'")[1] if "'" in where else "")
        except ValueError as failure:
            notes.append(f"class names in {where} not used: {failure}")
            continue
        if len(found) == 1 and one_logit:
            notes.append(f"the other class of the one output is called 'not {found[0]}'")
            found = [f"not {found[0]}", *found]
        if len(found) == outputs:
            fitting.append((found, where))
        else:
            notes.append(f"class names in {where} not used: {len(found)} names for {outputs} outputs")
    if fitting:
        best, where = fitting[0]
        for other, at in fitting[1:]:
            if other != best and sorted(other) == sorted(best):
                raise InputError(
                    f"class names in {where} and in {at} are in different orders ('{best[0]}' and "
                    f"'{other[0]}' first); needed: --labels"
                )
        return labelled(best), [*notes, f"class names from {where}"]
    if outputs == 1000:
        return imagenet(), [*notes, "no class names for the outputs: those of ImageNet-1k assumed for 1000"]
    return numbered(outputs), [*notes, "no class names for the outputs: --labels gives them"]


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


TO_INDEX = ("class_to_idx", "label2id", "class_to_index", "cls_to_idx")
TO_NAME = ("idx_to_class", "id2label", "index_to_class", "idx2label")


def named(data: Any, *, key: str = "") -> list[str]:
    """Names in order of their index, from any form that they are kept in.

    Args:
        data: a list of names; index to name (``{"0": "cat"}``, as in ``id2label``); or name to index
            (``{"cat": 0}``, as in ``class_to_idx``).
        key: what it was called, which may tell the direction.

    Raises:
        ValueError: none of these, indices that are not 0, 1, 2 ..., or both directions are possible.
    """
    if isinstance(data, (list, tuple)):
        if not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in data):
            raise ValueError("a list of something else than names")
        return [str(name) for name in data]
    if not isinstance(data, Mapping) or not data:
        raise ValueError("no list and no object")
    last = key.split(".")[-1]
    ways = [_ordered(list(data), list(data.values()))] if last not in TO_INDEX else []  # index to name
    ways += [_ordered(list(data.values()), list(data))] if last not in TO_NAME else []
    return _the_one(
        ways,
        several="keys and values could both be the indices",
        none=f"no indices from 0 to {len(data) - 1}, each once",
    )


def _the_one(ways: Sequence[list[str] | None], *, several: str, none: str) -> list[str]:
    """The one reading that is possible; the messages say what is wrong with several, or with none.

    Raises:
        ValueError: several that differ, or none.
    """
    possible = [way for way in ways if way is not None]
    if any(way != possible[0] for way in possible):
        raise ValueError(several)
    if not possible:
        raise ValueError(none)
    return possible[0]


def _ordered(indices: Sequence[Any], names: Sequence[Any]) -> list[str] | None:
    """The names in order of their indices; None where these are not 0, 1, 2 ... or those are no names."""
    found = {_index(index): name for index, name in zip(indices, names, strict=True)}
    if None in found or sorted(i for i in found if i is not None) != list(range(len(names))):
        return None
    if not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in names):
        return None
    return [str(found[i]) for i in range(len(names))]


def _index(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _text(path: Path) -> str:
    """UTF-8, with or without a byte-order mark."""
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise InputError(f"labels '{path}': cannot be read ({failure.strerror})") from failure
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in data:
        raise InputError(f"labels '{path}': is UTF-16 or UTF-32; needed: UTF-8 (save it again with that)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise InputError(
            f"labels '{path}': not UTF-8 at byte {failure.start}; needed: UTF-8 text"
        ) from failure


_NAME_HEADERS = frozenset({"name", "names", "label", "labels", "class", "classes", "class name", "category"})
_INDEX_HEADERS = frozenset({"index", "idx", "id", "class id", "label id", "class index", "number"})


def _from_table(text: str, delimiter: str) -> list[str]:
    """Names from rows of one column, or of two of which one holds the indices.

    Raises:
        ValueError: no such table, or both columns could hold the indices.
    """
    lines = text.splitlines()
    if delimiter == "," and lines and all(";" in line for line in lines if line.strip()):
        delimiter = ";"
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    rows = [row for row in rows if any(row)]
    if not rows or len({len(row) for row in rows}) != 1:
        raise ValueError("rows of different length")
    head = [plain(cell) for cell in rows[0]]
    headed = bool(set(head) & (_NAME_HEADERS | _INDEX_HEADERS))
    rows = rows[1:] if headed else rows
    if len(head) == 1:
        return [row[0] for row in rows]
    if len(head) != 2:
        raise ValueError(f"{len(head)} columns")
    columns = [0, 1]
    if headed and any(cell in _INDEX_HEADERS for cell in head):
        columns = [i for i in columns if head[i] in _INDEX_HEADERS]
    ways = [_ordered([row[i] for row in rows], [row[1 - i] for row in rows]) for i in columns]
    return _the_one(
        ways,
        several="both columns could hold the indices; a header 'index,name' would tell",
        none=f"no column of indices from 0 to {len(rows) - 1}",
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
