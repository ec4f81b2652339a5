"""Class names of a model: from its own configuration, from what a file states, or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auditor.errors import InputError
from auditor.models.loaded import ClassLabel

TO_INDEX = ("class_to_idx", "label2id", "class_to_index", "cls_to_idx")
TO_NAME = ("idx_to_class", "id2label", "index_to_class", "idx2label")


def from_timm_config(config: Mapping[str, Any], count: int) -> tuple[ClassLabel, ...]:
    """Labels that a timm model carries: its own names, else ImageNet-1k's for 1000 outputs."""
    names = config.get("label_names")
    if names and len(names) == count:
        described = config.get("label_descriptions")
        words = described if isinstance(described, Mapping) else {}
        return tuple(_label(i, words.get(n, n), synset_of(n)) for i, n in enumerate(names))
    return imagenet() if count == 1000 else numbered(count)


def from_categories(categories: Sequence[str], count: int) -> tuple[ClassLabel, ...]:
    """Labels of a torchvision model; ImageNet-1k's where it has 1000 outputs, for the synsets."""
    if len(categories) != count:
        return numbered(count)
    return imagenet() if count == 1000 else tuple(_label(i, c, "") for i, c in enumerate(categories))


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
    """Labels of classes without names: ``class 0``, ``class 1`` ..."""
    return tuple(ClassLabel(i, f"class {i}", "", (f"class {i}",)) for i in range(count))


def stated(
    names: Sequence[tuple[Any, str]], outputs: int, *, one_logit: bool = False
) -> tuple[tuple[ClassLabel, ...], list[str]]:
    """Labels from the first statement of names that fits the model's outputs.

    Args:
        names: Names in any form that :func:`named` reads, and where they stand, the best first. A key in
            quotes there gives the direction, as ``'class_to_idx'`` does.
        outputs: Outputs of the model.
        one_logit: The two outputs stand for one logit, so that one name is enough.

    Returns:
        One label per output, and notes for the reader.

    Raises:
        InputError: Two statements give the same names in different orders.
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
            found = with_negation(found)
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


def with_negation(names: list[str]) -> list[str]:
    """A single name of one output becomes two classes: ``not zebra``, ``zebra``."""
    return [f"not {names[0]}", *names] if len(names) == 1 else names


def labelled(names: Sequence[str]) -> tuple[ClassLabel, ...]:
    """Labels of classes whose names are known, in order of the outputs.

    A name with commas stays whole, unless these are a thousand lists of synonyms, as ImageNet's are:
    "t-shirt, red" and "t-shirt, blue" are two classes.
    """
    firsts = {plain(name.split(",")[0]) for name in names}
    synonyms = len(names) == 1000 and len(firsts) == len({plain(name) for name in names})
    found = []
    for i, name in enumerate(names):
        synset = synset_of(name.split()[0]) if name.split() else ""
        label = _label(i, name, synset)
        if not synonyms and len(label.aliases) > 1:
            label = ClassLabel(i, name, synset, (name, *label.aliases))
        found.append(label)
    return tuple(found)


def named(data: Any, *, key: str = "") -> list[str]:
    """Names in order of their index.

    Args:
        data: A list of names; index to name (``{"0": "cat"}``, as in ``id2label``); or name to index
            (``{"cat": 0}``, as in ``class_to_idx``).
        key: What the data was called, which may give the direction.

    Raises:
        ValueError: Another form, indices that are not 0, 1, 2 ..., or both directions are possible.
    """
    if isinstance(data, (list, tuple)):
        if not _all_names(data):
            raise ValueError("a list of something else than names")
        return [str(name) for name in data]
    if not isinstance(data, Mapping) or not data:
        raise ValueError("no list and no object")
    last = key.split(".")[-1]
    keys, values = list(data), list(data.values())
    readings = [in_order(keys, values)] if last not in TO_INDEX else []
    readings += [in_order(values, keys)] if last not in TO_NAME else []
    return only_reading(
        readings,
        several="keys and values could both be the indices",
        none=f"no indices from 0 to {len(data) - 1}, each once",
    )


def only_reading(readings: Sequence[list[str] | None], *, several: str, none: str) -> list[str]:
    """The one reading that is possible.

    Raises:
        ValueError: With the message ``several`` for readings that differ, ``none`` where there is none.
    """
    possible = [names for names in readings if names is not None]
    if any(names != possible[0] for names in possible):
        raise ValueError(several)
    if not possible:
        raise ValueError(none)
    return possible[0]


def in_order(indices: Sequence[Any], names: Sequence[Any]) -> list[str] | None:
    """The names in order of their indices; ``None`` if these are not 0, 1, 2 ... or those are no names."""
    found = {_index(index): name for index, name in zip(indices, names, strict=True)}
    if None in found or sorted(i for i in found if i is not None) != list(range(len(names))):
        return None
    return [str(found[i]) for i in range(len(names))] if _all_names(names) else None


def _all_names(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (str, int)) and not isinstance(value, bool) for value in values)


def _index(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and is_number(value) else None


def _label(index: int, description: str, synset: str) -> ClassLabel:
    aliases = tuple(part.strip() for part in description.split(",") if part.strip()) or (description,)
    return ClassLabel(index, aliases[0], synset, aliases)


def synset_of(name: str) -> str:
    """The name if it is a WordNet synset such as ``n02391049``, else nothing."""
    return name if len(name) == 9 and name[0] == "n" and name[1:].isdigit() else ""


def is_number(name: str) -> bool:
    """Whether the name is made of the digits 0 to 9 alone."""
    return name.isascii() and name.isdigit()


def plain(name: str) -> str:
    """A name for comparisons: case, hyphens, underscores and repeated blanks do not count."""
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())
