"""Makes an SVG that a chart library wrote fit for a report: small, safe, readable, in the page's colours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

TIP = "tip:"
"""Begins the identifier of a mark whose rest is shown where a pointer rests on it."""
PLACE = "place:"
"""Begins the identifier of a mark that a link of the page leads to; the rest is its id."""
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_GEOMETRY = ("d", "x", "y", "width", "height", "transform", "points", "cx", "cy", "r")
_KEPT_STYLES = frozenset(
    (
        "fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray",
        "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "opacity", "text-anchor", "font-size",
        "font-weight",
    )
)  # fmt: skip


def tidy(svg: bytes, *, key: str, title: str, description: str, colours: Mapping[str, str], font: str) -> str:
    """Rewrite a chart.

    Styles become attributes (a strict Content-Security-Policy allows no style attribute), ids get
    ``key`` in front so that charts on one page do not collide, stand-in colours become the page's,
    and the chart gets a title and a description for readers who cannot see it.

    Args:
        svg: As the chart library wrote it; trusted to be well-formed, its texts are not.
        key: Unique on the page, letters, digits and hyphens.
        title: Short name of the chart.
        description: What it shows, in a sentence.
        colours: Stand-in (``#010203``, lower case) to a CSS colour.
        font: Value of ``font-family`` for the chart's texts.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own chart library's output, not an untrusted file
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child) in ("metadata", "style", "title", "desc"):
                parent.remove(child)
    for element in list(root.iter()):
        if (name := element.get("id", "")).startswith(TIP):
            del element.attrib["id"]
            shown = ElementTree.Element(f"{{{SVG}}}title")
            shown.text = name.removeprefix(TIP)
            element.insert(0, shown)
    for element in root.iter():
        if _local(element) == "a":
            # For a pointer only: the table's row, which it leads to, is one stop of the tab key already.
            target = element.attrib.pop(f"{{{XLINK}}}href", "")
            element.attrib.pop("target", None)
            element.attrib.update({"href": target, "tabindex": "-1"})
        _styles_to_attributes(element)
        for name, value in list(element.attrib.items()):
            element.set(name, colours.get(value.lower(), value))
            if name in _GEOMETRY:
                element.set(name, _NUMBER.sub(lambda m: f"{float(m.group()):.2f}", value).replace("\n", " "))
    _prefix_ids(root, key)
    _drop_empty(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update(
        {
            "class": "chart",
            # A picture may hold no links.
            "role": "img" if root.find(f".//{{{SVG}}}a") is None else "group",
            "aria-labelledby": f"{key}-title {key}-desc",
            "font-family": font,
            "stroke-linejoin": "round",
            "stroke-linecap": "butt",
        }
    )
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{key}-{tag}"})
        element.text = text
        root.insert(position, element)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _styles_to_attributes(element: ElementTree.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # the shorthand: "10px 'DejaVu Sans', sans-serif" or "bold 10px ..."
            size = re.search(r"([\d.]+)px", value)
            if size:
                element.set("font-size", size.group(1))
            if re.match(r"(bold|[67]00)\b", value):
                element.set("font-weight", "600")
        elif name in _KEPT_STYLES:
            element.set(name, value.removesuffix("px"))


def _prefix_ids(root: ElementTree.Element, key: str) -> None:
    used: set[str] = set()
    for element in root.iter():
        for value in element.attrib.values():
            used.update(_REFERENCE.findall(value))
        target = element.get(f"{{{XLINK}}}href", "")
        if target.startswith("#"):
            used.add(target[1:])
    names = {old: f"{key}-{i}" for i, old in enumerate(sorted(used))}
    for element in root.iter():
        own = element.attrib.pop("id", "")
        if own in names:
            element.set("id", names[own])
        elif own.startswith(PLACE):
            element.set("id", own.removeprefix(PLACE))
        for name, value in list(element.attrib.items()):
            if name == f"{{{XLINK}}}href":
                element.set(name, f"#{names[value[1:]]}")
            elif "url(#" in value:
                element.set(name, _REFERENCE.sub(lambda m: f"url(#{names[m.group(1)]})", value))


def _drop_empty(root: ElementTree.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child) in ("g", "defs") and len(child) == 0 and not (child.text or "").strip():
                parent.remove(child)
