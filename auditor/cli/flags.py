"""Command-line flags made from the settings, so that a setting's name, help and range exist once."""

from __future__ import annotations

import csv
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic_core import PydanticUndefined

from auditor.errors import InputError
from auditor.settings import IMPRESSIONS, Settings, allowed, flag_name, parse_arguments

if typing.TYPE_CHECKING:
    from auditor.models import Request

WHERE_TO = "Where to, and in which form"

GROUPS: dict[str, tuple[str, ...]] = {
    "What to audit": (
        *("model", "classes", "from_scan", "images", "unlabelled", "banks"),
        *("scores_only", "in_context"),
    ),
    "Stated in the report": ("release", "purpose", "assessor"),
    WHERE_TO: ("out", "formats", "overwrite", "strict", "cache"),
    "Computing": ("device", "precision", "batch_size", "seed"),
    "A model of your own": (
        *("arch", "model_args", "model_factory", "weights_key", "labels", "head", "random_weights"),
    ),
    "Expert: preprocessing, instead of the model's own": (
        *("input_size", "crop", "interpolation", "mean", "std"),
    ),
    "Expert: class images, layers and occluder": (
        *("n_impressions", "impression_steps", "max_images", "heldout", "layers", "occluder_iterations"),
        *("occluder_lr", "noise", "rotation", "refits", "paper_exact"),
    ),
    "Expert: statistics": (
        *("margin", "contrast_margin", "importance_margin", "alpha", "min_images", "permutations"),
        *("bootstrap", "benchmark", "runs", "reference_classes"),
    ),
}
"""Settings under their headings in ``--help``, in the order shown."""

OPPOSITE = {"scores_only": "--explain"}
"""Setting to the flag that unsets it, where "no" before its name would be less clear."""
SHORT = {"model": "-m", "classes": "-c", "out": "-o"}
LONG = {"scan_formats": "formats", "evaluation_formats": "formats"}
"""Settings whose flag has another name."""


ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help=f"{Settings.model_fields['model'].description}")
]
LabelsFlag = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help=f"{Settings.model_fields['labels'].description}"),
]


@dataclass(frozen=True)
class SourceFlags:
    """The flags that describe how to read a model's file, as typed."""

    arch: str | None = None
    model_args: list[str] | None = None
    model_factory: str | None = None
    weights_key: str | None = None

    def request(self) -> Request:
        """What the flags ask of a model's source.

        Raises:
            InputError: An argument is not KEY=VALUE.
        """
        from auditor.models import Request

        try:
            args = parse_arguments([part for text in self.model_args or () for part in split(text)])
        except ValueError as error:
            raise InputError(f"--model-args: {error}") from error
        return Request(self.arch, args, self.weights_key, self.model_factory)


def with_source_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the fields of :class:`SourceFlags` as options in place of its parameter ``source``."""
    names = [field.name for field in fields(SourceFlags)]

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        return command(source=SourceFlags(**{name: given.pop(name) for name in names}), **given)

    shown: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        shown += [_source_parameter(name) for name in names] if parameter.name == "source" else [parameter]
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run


def _source_parameter(field: str) -> inspect.Parameter:
    info = Settings.model_fields[field]
    given = _plain_type(info.annotation)
    option = typer.Option(flag_name(field), metavar=_metavar(field, given), help=info.description)
    return keyword(field, given, option)


def keyword(name: str, given: Any, option: Any) -> inspect.Parameter:
    """A parameter for a flag of this type that may be left out."""
    annotation = Annotated[given | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def parameters(
    groups: Mapping[str, tuple[str, ...]] = GROUPS, kind: type[Settings] = Settings
) -> list[inspect.Parameter]:
    """For every setting a keyword-only parameter with a Typer option, in the order of ``--help``.

    Args:
        groups: Heading to settings.
        kind: Whose settings.
    """
    return [_parameter(field, title, kind) for title, group in groups.items() for field in group]


def settings_from_flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for :class:`Settings` from the flags that were given."""
    chosen: dict[str, Any] = {}
    for field, value in values.items():
        if value is None or value == []:
            continue
        chosen[field] = [part for text in value for part in split(text)] if isinstance(value, list) else value
    return chosen


def split(text: str) -> list[str]:
    """``zebra, "tench, Tinca tinca"`` to its parts; quotes keep a comma inside a name."""
    return [part.strip() for part in next(csv.reader([text], skipinitialspace=True), []) if part.strip()]


def _parameter(field: str, title: str, kind: type[Settings]) -> inspect.Parameter:
    info = kind.model_fields[field]
    given = _plain_type(info.annotation)
    is_list = typing.get_origin(given) is list
    flag = flag_name(LONG.get(field, field))
    names = [flag, *([SHORT[field]] if field in SHORT else [])]
    if given is bool:
        names = [f"{flag}/{OPPOSITE.get(field, '--no-' + flag.removeprefix('--'))}"]
    option = typer.Option(
        *names,
        help=_help(field, kind, is_list=is_list),
        metavar=None if given is bool else _metavar(field, given, kind),
        rich_help_panel=title,
        show_default=False,  # every default here is None, "not given"; the help states the setting's own
    )
    return keyword(field, given, option)


def _plain_type(annotation: Any) -> Any:
    """The type that a flag is parsed as; the settings check ranges and choices."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return _plain_type(next(a for a in typing.get_args(annotation) if a is not type(None)))
    if typing.get_origin(annotation) is tuple:
        return list[str]
    if typing.get_origin(annotation) is Literal:
        return str
    return annotation


def _help(field: str, kind: type[Settings], *, is_list: bool) -> str:
    text = kind.model_fields[field].description or ""
    schema = allowed(field, kind)
    if "number from" in schema or "number above" in schema:
        text += f" {schema[0].upper()}{schema[1:]}."
    if is_list:
        if choices(field, kind):
            text += f" Of {', '.join(choices(field, kind))}."
        text += " Several: comma between them, or the flag again."
    default = _default(kind.model_fields[field].default)
    return f"{text} Default: {default}." if default else text


def choices(field: str, kind: type[Settings] = Settings) -> tuple[str, ...]:
    """The words that a setting accepts; empty where it takes any."""
    _, one_of, words = allowed(field, kind).partition("one of ")
    return tuple(words.split(", ")) if one_of else ()


def _metavar(field: str, given: Any, kind: type[Settings] = Settings) -> str:
    if choices(field, kind):
        return "|".join(choices(field, kind)) if given is str else "LIST"
    if field in ("labels",):
        return "FILE"
    if given is Path:
        return "DIR"
    names = {
        "model": "MODEL",
        "arch": "NAME",
        "model_factory": "NAME",
        "weights_key": "KEY",
        "images": f"DIR|hf:NAME|{IMPRESSIONS}",
    }
    return names.get(field, {int: "N", float: "X"}.get(given, "LIST"))


def _default(default: Any) -> str:
    if default is PydanticUndefined or default is None or default is False or default == ():
        return ""
    return ", ".join(default) if isinstance(default, tuple) else str(default)
