"""Every setting of an audit: name, default, range and meaning, checked once.

A setting comes from its default, from a TOML file, or from a flag, the later winning over the
earlier. The descriptions here are what ``auditor run --help`` prints. Nothing here imports torch.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from auditor.errors import InputError
from auditor.toml_lines import Toml, TomlSyntaxError, parse_toml, read_toml_text

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Interpolation = Literal["bicubic", "bilinear", "nearest", "lanczos"]
Head = Literal["auto", "softmax", "sigmoid"]
Format = Literal["html", "pdf", "json", "markdown", "junit", "sarif", "csv", "modelcard"]

ScanFormat = Literal["html", "pdf", "csv"]
EvaluationFormat = Literal["html", "pdf"]
Step = Literal["attack", "distillation", "segments", "impressions", "concepts", "tcav", "sanity"]
"""Experiments of an evaluation, in the order in which a report shows them."""

IMPRESSIONS = "impressions"
"""The value of ``images`` that asks for images made from the model itself."""

UNLABELLED = "unlabelled"
"""What ``audit.json`` says of images found among photos without labels."""

STATED = ("release", "purpose", "assessor")
"""What whoever audits states about the model and the audit."""

NOT_IN_NUMBERS = frozenset({"out", "formats", "strict", "overwrite", "cache", "from_scan", *STATED})
"""Settings that cannot change a number in the result."""

FOR_EXPLANATIONS = frozenset(
    {"scores_only", "images", "unlabelled", "benchmark", "layers", "n_impressions", "impression_steps"}
    | {"max_images", "heldout", "occluder_iterations", "occluder_lr", "noise", "rotation", "refits", "runs"}
    | {"importance_margin", "in_context", "paper_exact", "reference_classes"}
)
"""Settings that cannot change a score, which is read off the model's output for the banks' images."""

NOT_IN_RECORD = frozenset({"out", "overwrite", "cache", "from_scan"})
"""Settings that say where this machine keeps things; the same audit elsewhere is the same audit."""


class Settings(BaseModel):
    """All that one audit depends on besides the model's weights and the images themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    model: str = Field(
        min_length=1,
        description="Model to audit: timm:NAME, torchvision:NAME, a bare NAME (timm first), "
        "hf-hub:OWNER/NAME, hf-dir:FOLDER, file:PATH, bundled:efficientnet_lite0 (or lite1, lite2). "
        "For a file: auditor inspect PATH.",
    )
    arch: str | None = Field(
        None, min_length=1, description="Architecture whose weights file:PATH holds, such as timm:resnet50."
    )
    model_args: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="KEY=VALUE for the network's constructor, where the weights do not say it: "
        "output_stride=16.",
    )
    model_factory: str | None = Field(
        None,
        min_length=1,
        description="MODULE:FUNCTION that makes the network whose weights file:PATH holds; it is imported "
        "and run, with model_args.",
    )
    weights_key: str | None = Field(
        None,
        min_length=1,
        description="Where in file:PATH the weights are, such as state_dict; by default as timm takes them.",
    )
    head: Head = Field(
        "auto",
        description="What the outputs are passed through; auto takes a sigmoid for one output, "
        "else a softmax.",
    )
    random_weights: bool = Field(
        False, description="Leave the weights untrained: to try the machinery, never for findings."
    )
    labels: Path | None = Field(
        None, description="File with one class name a line, for models that bring no class names."
    )
    classes: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, description="Classes to audit: names, synsets (n02391049) or indices, mixed."
    )
    from_scan: Path | None = Field(
        None,
        description="Scan of the same model that the classes were taken from: its directory. The report "
        "shows what it confirmed.",
    )
    images: str = Field(
        IMPRESSIONS,
        min_length=1,
        description="Images of the classes: a folder with one folder per class, hf:DATASET[:SPLIT], or "
        "'impressions', which makes them from the model itself.",
    )
    unlabelled: Path | None = Field(
        None,
        description="Folder of any photos, without labels: those that the model itself takes for a class are "
        "its images. Classes with fewer than 8 get impressions.",
    )
    banks: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="Concept banks: names, or folders of one folder per concept. By default textures, and "
        "for perceived gender and race an imported set of photos; without photos rendered people, which only "
        "screen, for perceived gender alone.",
    )
    benchmark: Path | None = Field(
        None,
        description="Folder of random photos that the paper's score measures against; without it the "
        "bank's other concepts are taken.",
    )
    layers: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (),
        description="Layers to read, as patterns (blocks.*, layer4); none: the outputs of all blocks.",
    )
    out: Path = Field(Path("audit"), description="Directory that receives the audit.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of every random draw.")
    device: Device = Field("auto", description="Where to compute; auto takes an accelerator if there is one.")
    precision: Precision = Field(
        "auto",
        description="Arithmetic of the forward passes; auto takes what suits the device.",
    )
    batch_size: int = Field(32, ge=1, le=4096, description="Images passed through the model at once.")
    n_impressions: int = Field(
        12, ge=4, le=1024, description="Images per class to make from the model where none are given."
    )
    impression_steps: int = Field(64, ge=1, le=10_000, description="Optimisation steps of each such image.")
    max_images: int = Field(60, ge=4, le=100_000, description="Most images per class to use.")
    heldout: float = Field(
        0.25, ge=0, le=0.9, description="Share of a class's images kept out of learning, to measure on."
    )
    occluder_iterations: int = Field(
        150, ge=1, le=100_000, description="Most Adam steps for one occluder; it stops earlier when all flip."
    )
    occluder_lr: float = Field(0.02, gt=0, le=1, description="Adam's learning rate for the occluder.")
    noise: float = Field(
        0.04, ge=0, le=1, description="Half width of the uniform noise in the transformation t."
    )
    rotation: float = Field(
        5.0, ge=0, le=45, description="Largest rotation in the transformation t, in degrees."
    )
    refits: int = Field(
        3, ge=1, le=50, description="Occluders learned per class, each on another part of its images."
    )
    runs: int = Field(100, ge=2, le=10_000, description="Random benchmark draws for the paper's score.")
    permutations: int = Field(
        9999, ge=99, le=10_000_000, description="Permutations of labels on images behind each p-value."
    )
    bootstrap: int = Field(
        2000, ge=200, le=1_000_000, description="Resamples of images behind each interval."
    )
    alpha: float = Field(
        0.05, gt=0, lt=0.5, description="Largest chance of any false claim over all tests corrected together."
    )
    margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Smallest association that matters: a difference of the log-scaled class probability, "
        "which is 0 where the class has no chance and 1 where the model is certain.",
    )
    contrast_margin: float = Field(
        0.015,
        ge=0,
        le=1,
        description="Smallest difference between groups that matters, in the same unit.",
    )
    importance_margin: float = Field(
        0.025,
        ge=0,
        le=2,
        description="Smallest class-specific importance (AfI) that matters, a squared MMD. A class drawn by "
        "lot departs from others by so much in half of all concepts.",
    )
    min_images: int = Field(
        30, ge=2, le=100_000, description="Fewest independent images, or pairs, that a finding needs."
    )
    scores_only: bool = Field(
        False,
        description="Only the scores, which are read off the model's output: no occluders, no layers, no "
        "pictures of detectors. Class images are not needed. The same command with --explain adds the rest.",
    )
    in_context: bool = Field(
        False,
        description="Also paste the people of banks of groups into the class's own pictures, and measure how "
        "the answer changes with the person's group. About 600 forward passes for each class and contrast.",
    )
    paper_exact: bool = Field(
        False,
        description="The paper's score to the letter (section 4.5), and occluders learned on the images as "
        "they are instead of on random views of them.",
    )
    reference_classes: int = Field(
        8, ge=0, le=100, description="Reference classes, drawn by seed, that every class is compared with."
    )
    input_size: int | None = Field(
        None, ge=16, le=4096, description="Side of the input in pixels, instead of the model's own."
    )
    crop: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the image that the centre crop keeps, instead of the model's own.",
    )
    interpolation: Interpolation | None = Field(
        None, description="Resampling filter, instead of the model's own."
    )
    mean: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = Field(
        None, description="Mean subtracted per channel of an image scaled to [0, 1], instead of the model's."
    )
    std: tuple[Annotated[float, Field(gt=0, le=1)], ...] | None = Field(
        None, description="Standard deviation divided by per channel, instead of the model's own."
    )
    formats: tuple[Format, ...] = Field(("html", "pdf"), description="Report formats to write.")
    release: str = Field(
        "", max_length=80, description="Version of the model, such as 2.3; stands on the report's first page."
    )
    purpose: str = Field(
        "", max_length=300, description="What the model is meant for, in a sentence; stands beside it."
    )
    assessor: str = Field("", max_length=120, description="Who audits: a name and a role; stands beside it.")
    strict: bool = Field(False, description="Fail where anything that was asked for had to be skipped.")
    overwrite: bool = Field(False, description="Replace an audit with other settings that lies in 'out'.")
    cache: Path | None = Field(
        None, description="Folder for results that audits share; without it the user's cache folder."
    )

    @field_validator("model_args", mode="before")
    @classmethod
    def _from_table(cls, value: Any) -> Any:
        """A table of a config file: ``[model_args]`` with ``output_stride = 16`` in it."""
        return [f"{key}={held}" for key, held in value.items()] if isinstance(value, dict) else value

    @field_validator("model_args")
    @classmethod
    def _key_and_value(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        parse_arguments(values)
        return values

    @field_validator("classes", "banks", "layers", "formats")
    @classmethod
    def _no_duplicates(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({v for v in values if values.count(v) > 1})
        if twice:
            raise ValueError(f"{', '.join(map(repr, twice))} given twice, needed each once")
        return values

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise ValueError(
                f"mean has {len(self.mean)} values and std {len(self.std)}, needed one of each per channel"
            )
        if self.unlabelled is not None and self.images != IMPRESSIONS:
            raise ValueError(f"unlabelled and images '{self.images}' are given, needed one of them")
        if self.in_context and self.scores_only:
            raise ValueError(
                "in_context and scores_only are given, needed one of them: people are pasted into "
                "the class's images, which scores alone do not need"
            )
        for field in ("arch", "model_factory"):
            if getattr(self, field) is not None and not self.model.startswith("file:"):
                raise ValueError(f"{field} is given but model is '{self.model}', needed model = file:PATH")
        if self.arch is not None and self.model_factory is not None:
            raise ValueError("arch and model_factory are given, needed one of them")
        if self.weights_key is not None and not self.model.startswith(("file:", "hf-dir:")):
            raise ValueError(f"weights_key is given but model is '{self.model}', needed model = file:PATH")
        return self

    def digest(self, *, without: Collection[str] = ()) -> str:
        """SHA-256, in hex, over every setting that can change a number in the result.

        Args:
            without: fields to leave out as well, because the part at hand does not depend on them
                (one class's occluder does not depend on which other classes are audited).

        The labels file counts by its content, so that a changed file is a changed setting.

        Raises:
            InputError: the labels file cannot be read.
        """
        unknown = set(without) - set(type(self).model_fields)
        if unknown:
            raise ValueError(f"no such settings: {sorted(unknown)}")
        values = self.model_dump(mode="json", exclude=set(NOT_IN_NUMBERS | set(without)))
        if "labels" in values and self.labels is not None:
            try:
                values["labels"] = hashlib.sha256(self.labels.read_bytes()).hexdigest()
            except OSError as error:
                raise InputError(
                    f"labels '{self.labels}': {error.strerror}, needed a readable file"
                ) from error
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def record(self) -> dict[str, Any]:
        """The settings as they stand in ``audit.json``: all but where this machine keeps things."""
        return self.model_dump(mode="json", exclude=set(NOT_IN_RECORD))


SCANNED = (
    *("model", "arch", "model_args", "model_factory", "weights_key", "head", "random_weights", "labels"),
    *("banks", "fast", "out", "scan_formats", "overwrite", "strict", "cache"),
    *("device", "precision", "batch_size", "seed", "margin", "contrast_margin", "alpha", "min_images"),
    *("input_size", "crop", "interpolation", "mean", "std"),
)
"""Settings that a scan depends on."""

FAST_MIN_IMAGES = 12


class ScanSettings(Settings):
    """All that a scan depends on; a file of an audit's settings serves as well."""

    classes: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Not used by a scan, which looks at every class."
    )
    out: Path = Field(Path("scan"), description="Directory that receives the scan.")
    precision: Precision = Field(
        "float32",
        description="Arithmetic of the forward pass. bfloat16 is faster where the processor has it, and "
        "moves effects by up to about 0.01.",
    )
    scan_formats: tuple[ScanFormat, ...] = Field(
        ("html", "pdf", "csv"), description="Report formats to write."
    )
    fast: bool = Field(
        False,
        description="A third of the time: 24 images of a concept, 120 of a group; "
        f"min_images is {FAST_MIN_IMAGES} unless given.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fewer(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("fast") and values.get("min_images") is None:
            return {**values, "min_images": FAST_MIN_IMAGES}
        return values

    def record(self) -> dict[str, Any]:
        """The settings as they stand in ``scan.json``."""
        return self.model_dump(mode="json", include=set(SCANNED) - set(NOT_IN_RECORD))


EVALUATED = (
    *("model", "arch", "model_args", "model_factory", "weights_key", "head", "labels", "classes", "images"),
    *("banks", "steps", "seeds", "judge", "out", "evaluation_formats", "overwrite", "strict", "cache"),
    *("device", "precision", "batch_size", "seed", "alpha", "min_images", "layers"),
    *("max_images", "heldout", "occluder_iterations", "occluder_lr", "noise", "rotation", "runs"),
    *("input_size", "crop", "interpolation", "mean", "std"),
)
"""Settings that an evaluation depends on."""


class EvaluationSettings(Settings):
    """All that an evaluation depends on; a file of an audit's settings serves as well."""

    images: str = Field(
        min_length=1,
        description="Folder with one folder of photos per class. Folders of further classes of the model "
        "serve as its other classes.",
    )
    steps: tuple[Step, ...] = Field(
        get_args(Step), description="Experiments to run, as CVPR 2020 has them; see the documentation."
    )
    seeds: int = Field(5, ge=1, le=100, description="Repeats of everything that is drawn by chance.")
    judge: str | None = Field(
        None,
        min_length=1,
        description="Another model with the same classes, such as bundled:efficientnet_lite1: whether it "
        "sees the class in pictures made from this one.",
    )
    out: Path = Field(Path("evaluation"), description="Directory that receives the evaluation.")
    heldout: float = Field(
        0.33, gt=0, le=0.9, description="Share of a class's photos kept out of learning, to measure on."
    )
    refits: int = Field(1, ge=1, le=50, description="Not used by an evaluation: one occluder per class.")
    evaluation_formats: tuple[EvaluationFormat, ...] = Field(("html", "pdf"), description="Pages to write.")


def parse_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """``output_stride=16`` to ``{"output_stride": 16}``.

    A value is read as a Python literal (``16``, ``None``, ``(1, 2)``, ``true`` and ``false`` too); anything
    else is text.

    Raises:
        ValueError: no ``=``, a key that is no name, or a key given twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key.isidentifier():
            raise ValueError(f"'{text}' is not KEY=VALUE")
        if key in found:
            raise ValueError(f"'{key}' given twice, needed once")
        try:
            found[key] = ast.literal_eval(_WORDS.get(value.lower(), value))
        except (ValueError, SyntaxError):
            found[key] = value
    return found


_WORDS = {"true": "True", "false": "False", "none": "None"}


S = TypeVar("S", bound=Settings)


@overload
def load_settings(config: Path | None, flags: Mapping[str, Any]) -> Settings: ...
@overload
def load_settings(config: Path | None, flags: Mapping[str, Any], kind: type[S]) -> S: ...
def load_settings(config: Path | None, flags: Mapping[str, Any], kind: type[Settings] = Settings) -> Settings:
    """Settings from a TOML file and from flags; flags win, ``None`` means not given.

    Relative paths, in the file too, start from the directory that the command is run in.

    Args:
        config: TOML file.
        flags: Field to value.
        kind: Of an audit, or of a scan.

    Raises:
        InputError: the file cannot be read, a key is unknown, a value is out of range, or something
            required is missing. One line: where (file, line, key, or flag), what was seen, what was needed.
    """
    toml = _read(config) if config is not None else Toml({}, {})
    given = {key: value for key, value in flags.items() if value is not None}
    try:
        return kind.model_validate({**toml.data, **given})
    except ValidationError as error:
        lines = [_explain(details, config, toml, given, kind) for details in error.errors(include_url=False)]
        raise InputError("; ".join(lines)) from error


def flag_name(field: str) -> str:
    """The flag that sets a field: ``max_images`` is ``--max-images``."""
    return "--" + field.replace("_", "-")


def allowed(field: str, kind: type[Settings] = Settings) -> str:
    """What a field accepts, in words: ``one of auto, cpu, cuda, mps`` or ``a number from 0 to 0.9``."""
    schema = _properties(kind)[field]
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    return " or ".join(_allowed_of(option) for option in options)


@functools.cache
def _properties(kind: type[Settings]) -> dict[str, Any]:
    """Field to its JSON schema. Each start of the command line asks for every field's."""
    properties: dict[str, Any] = kind.model_json_schema()["properties"]
    return properties


def _allowed_of(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = schema.get("type")
    if kind == "array":
        least = " of at least one" if schema.get("minItems") else ""
        return f"a list{least}, each {_allowed_of(schema['items'])}"
    if kind in ("integer", "number"):
        noun = "a whole number" if kind == "integer" else "a number"
        bounds = [
            f"{word} {schema[key]:g}" if isinstance(schema[key], float) else f"{word} {schema[key]}"
            for key, word in (
                ("minimum", "from"),
                ("exclusiveMinimum", "above"),
                ("maximum", "to"),
                ("exclusiveMaximum", "below"),
            )
            if key in schema
        ]
        return " ".join([noun, *bounds])
    return {"boolean": "true or false", "string": "text that is not empty"}.get(str(kind), str(kind))


def _read(path: Path) -> Toml:
    try:
        return parse_toml(read_toml_text(path, where=f"config '{path}'"))
    except TomlSyntaxError as error:
        raise InputError(f"config '{path}', line {error.line}: not valid TOML: {error}") from error


def _explain(
    details: ErrorDetails,
    config: Path | None,
    toml: Toml,
    flags: Mapping[str, Any],
    kind: type[Settings],
) -> str:
    """One pydantic complaint as: where, what was seen, what was needed."""
    if not details["loc"]:
        return _message(details)
    key = str(details["loc"][0])
    if key in flags or config is None:
        where = flag_name(key)
    else:
        line = toml.line((key,))
        where = f"config '{config}', line {line}, {key}" if line else f"config '{config}', {key}"
    if details["type"] == "missing":
        where = f"{flag_name(key)} is not given" + (f" and '{config}' has no {key}" if config else "")
        return f"{where}, needed: {kind.model_fields[key].description}".rstrip(".")
    if details["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, kind.model_fields, n=3)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else "needed one of " + ", ".join(kind.model_fields)
        )
        return f"{where}: no such setting; {hint}"
    if details["type"] == "value_error":
        return f"{where}: {_message(details)}"
    return f"{where}: got {details['input']!r}, needed {allowed(key, kind)}"


def _message(details: ErrorDetails) -> str:
    return details["msg"].removeprefix("Value error, ")
