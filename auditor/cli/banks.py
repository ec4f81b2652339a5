"""``auditor banks``: list, show, import, check and make concept banks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.text import columns

if TYPE_CHECKING:
    from auditor.banks.manifest import Manifest

BankArgument = Annotated[
    str, typer.Argument(metavar="BANK", help="A bank's name (`auditor banks list`) or a folder.")
]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, help=_HELP)
    group.command("list")(list_)
    group.command()(show)
    app.add_typer(group, name="banks")


_HELP = """Concept banks: images that carry a label, with where they come from.

The bank `textures` is made by auditor itself. Any folder with one folder of images per concept
is a bank too:

    auditor run --model bundled:efficientnet_lite0 --classes zebra --banks textures
"""


def list_() -> None:
    """List the banks that ship with auditor and those imported here."""
    from auditor.banks import list_banks

    rows = [(b.name, b.kind, b.concepts, b.title) for b in list_banks()]
    for line in columns(("bank", "images", "concepts", "title"), rows):
        print(line)


def show(bank: BankArgument) -> None:
    """Print a bank's concepts, sources and datasheet. Reads no image.

    auditor banks show textures
    """
    from pathlib import Path

    from auditor.banks.folder import subfolders
    from auditor.banks.loading import find_bank
    from auditor.banks.manifest import read_manifest
    from auditor.images.decode import list_images

    found = find_bank(bank)
    if found is not None:
        for line in described(read_manifest(found)):
            print(line)
        print(f"\nmanifest: {found / 'bank.toml'}")
        return
    root = Path(bank)
    print(f"{root.resolve().name}: a folder without bank.toml; licence and labels are not stated\n")
    rows = [(entry.name, len(list_images(root / entry.folder))) for entry in subfolders(root)]
    for line in columns(("concept", "image files"), rows):
        print(line)
    print("\nWrite down where the images come from: auditor banks new")


def described(manifest: Manifest) -> list[str]:
    """A manifest as lines for a terminal."""
    lines = [manifest.title, "=" * len(manifest.title), ""]
    if manifest.generator:
        size = manifest.generator.size
        lines.append(f"{manifest.generator.images} images of {size} x {size} for each concept, generated")
    lines.append(f"smallest number of images: {manifest.min_images}")
    lines.append(f"a report may show its images: {'yes' if manifest.report_images else 'no'}")
    lines += ["", f"Concepts ({len(manifest.concepts)})"]
    width = max(len(concept.name) for concept in manifest.concepts)
    for concept in manifest.concepts:
        labels = ", ".join(f"{key} = {value}" for key, value in concept.where.items())
        text = concept.definition + (f" [{labels}]" if labels else "")
        hanging = " " * (width + 4)
        lines += textwrap.wrap(f"  {concept.name.ljust(width)}  {text}", 100, subsequent_indent=hanging)
    if manifest.contrasts:
        lines += ["", "Contrasts"]
        for contrast in manifest.contrasts:
            matched = f", matched on {', '.join(contrast.match)}" if contrast.match else ", not matched"
            lines.append(f"  {contrast.more} against {contrast.less}{matched}")
    if manifest.covariates:
        lines += ["", "Covariates"]
        for name, covariate in manifest.covariates.items():
            lines += _paragraph(f"{name} ({covariate.kind})", covariate.description)
    for source in manifest.sources:
        lines += ["", f"Source: {source.name}"]
        for key, text in source.model_dump(exclude={"name"}).items():
            if text:
                lines += _paragraph(key.replace("_", " "), text)
    lines += ["", "Datasheet"]
    for key, text in manifest.datasheet.model_dump().items():
        lines += _paragraph(key.replace("_", " "), text)
    if manifest.control:
        lines += _paragraph("control pool", manifest.control.description)
    return lines


def _paragraph(heading: str, text: str) -> list[str]:
    return textwrap.wrap(f"  {heading}: {text}", 100, subsequent_indent="    ") if text else [f"  {heading}"]
