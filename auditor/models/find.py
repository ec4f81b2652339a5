"""How a user's words find a class of a model."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from auditor.errors import InputError
from auditor.models.labels import is_number, plain, synset_of
from auditor.models.loaded import ClassLabel


def find_classes(labels: Sequence[ClassLabel], queries: Iterable[str]) -> list[ClassLabel]:
    """The classes that names, synsets or indices (mixed) stand for, without repeats, in order.

    Raises:
        InputError: A query fits no class, or several; the nearest are listed.
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
    if is_number(query):
        called = [c for c in labels if query in (c.name, *c.aliases)]
        if called and int(query) < len(labels) and called != [labels[int(query)]]:
            raise InputError(
                f"class '{query}': ambiguous, {_shown(called)} by name and {_shown([labels[int(query)]])} by "
                f"index; needed: name:{query} or index:{query}"
            )
        return _by_name(labels, query) if called else _by_index(labels, query)
    if synset_of(query):
        hits = [c for c in labels if c.synset == query]
        if hits:
            return hits[0]
        raise InputError(f"class '{query}': no class has this synset")
    return _by_name(labels, query)


def _by_index(labels: Sequence[ClassLabel], query: str) -> ClassLabel:
    if is_number(query) and int(query) < len(labels):
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
    """Classes whose index, synset or name holds the query, then those of similar spelling, best first."""
    found = [*holding(labels, query), *similar(labels, query)]
    return list({label.index: label for label in found}.values())


def holding(labels: Sequence[ClassLabel], query: str) -> list[ClassLabel]:
    """Classes of which a name holds the query, or whose index or synset it is."""
    wanted = plain(query)
    return [c for c in labels if wanted in plain(" ".join(c.aliases)) or query in (str(c.index), c.synset)]


def similar(labels: Sequence[ClassLabel], query: str) -> list[ClassLabel]:
    """At most six classes with a name spelt like the query, best first."""
    spelt: dict[str, ClassLabel] = {}
    for label in labels:
        for alias in label.aliases:
            spelt.setdefault(plain(alias), label)
    near = difflib.get_close_matches(plain(query), list(spelt), n=6, cutoff=0.55)
    return list({spelt[name].index: spelt[name] for name in near}.values())


def no_class(labels: Sequence[ClassLabel], query: str) -> str:
    """That no class matches the query, and what comes near."""
    if is_number(query):
        return f"none matches '{query}': the indices are 0 to {len(labels) - 1}"
    near = similar(labels, query)
    return f"none matches '{query}'" + (f"; nearest: {_shown(near)}" if near else ", nor comes near")


def _shown(labels: Iterable[ClassLabel]) -> str:
    return ", ".join(f"{c.name} ({c.index}{' ' + c.synset if c.synset else ''})" for c in labels)
