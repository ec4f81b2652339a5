"""``auditor banks``: list, show, import, check and make concept banks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditor.cli.text import columns, show_lines

if TYPE_CHECKING:
    from auditor.banks.importing.run import Imported
    from auditor.progress import Progress

BankArgument = Annotated[
    str, typer.Argument(metavar="BANK", help="A bank's name (`auditor banks list`) or a folder.")
]
NameFlag = Annotated[str, typer.Option("--name", help="Name of the bank; by default the source's.")]
MinorsFlag = Annotated[
    bool, typer.Option("--with-minors", help="Face sets: keep images labelled younger than 18.")
]


_HELP = """Concept banks: images that carry a label, with where they come from.

`textures` is made by auditor itself. Any folder with one folder of images per concept is a bank too.
`gender` and `race` select from face sets that are fetched or imported:

    auditor banks fetch fairface

    auditor run --model bundled:efficientnet_lite0 --classes "ping-pong ball" --banks gender
"""
banks = typer.Typer(no_args_is_help=True, help=_HELP, rich_markup_mode="markdown")


@banks.command("list")
def list_() -> None:
    """List the banks that ship with auditor and those imported here."""
    from auditor.banks import list_banks
    from auditor.banks.photos import no_photos
    from auditor.banks.places import imported_root

    found = list_banks()
    rows = [(b.name, b.kind, len(b.manifest.concepts), b.manifest.title) for b in found]
    show_lines(columns(("bank", "images", "concepts", "title"), rows))
    if lacking := no_photos():
        print(f"\n{lacking.sentence}")
    print(f"\nimported banks lie in {imported_root()} (or AUDITOR_BANKS)")


@banks.command()
def show(bank: BankArgument) -> None:
    """Print a bank's concepts, contrasts, covariates, sources and datasheet. Reads no image.

    auditor banks show textures
    """
    from auditor.banks.lock import has_lock, read_lock
    from auditor.banks.manifest import read_manifest
    from auditor.banks.read.folder import subfolders
    from auditor.banks.read.loading import find_bank
    from auditor.cli.bank_text import described, described_lock
    from auditor.images.decode import list_images

    found = find_bank(bank)
    if found is None:
        root = Path(bank)
        print(f"{root.resolve().name}: a folder without bank.toml; licence and labels are not stated\n")
        rows = [(entry.name, len(list_images(root / entry.folder))) for entry in subfolders(root)]
        show_lines(columns(("concept", "image files"), rows))
        print(f"\nWrite down where the images come from: auditor banks new {bank}")
        return
    show_lines(described(read_manifest(found)))
    if has_lock(found):
        show_lines(described_lock(read_lock(found)))
    print(f"\nmanifest: {found / 'bank.toml'}")


@banks.command("import")
def import_(
    importer: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Layout: dtd, utkface, fairface, lfw, celeba, broden, folder or csv."
        ),
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder, or zip or tar archive.")],
    name: NameFlag = "",
    with_minors: MinorsFlag = False,
    table: Annotated[str, typer.Option(help="csv: file name of the table, where there are several.")] = "",
    category: Annotated[
        str, typer.Option(help="broden: texture, scene, object, part or material.")
    ] = "texture",
    coverage: Annotated[
        float,
        typer.Option(help="broden's object, part, material: least share of an image that a label covers."),
    ] = 0.1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a bank of that name and its bank.toml.")
    ] = False,
) -> None:
    """Make a bank from labelled images that are already on this machine.

    Images stay where they are. Each is decoded and measured; copies are left out, and of faces those
    labelled younger than 18. A lock file names every image by its checksum. The bank appears whole or
    not at all; importing again renews the lock and keeps what you wrote into bank.toml.

        auditor banks import utkface ~/UTKFace
    """
    from auditor.banks.importing import Options
    from auditor.banks.importing.run import import_bank
    from auditor.banks.places import imported_root

    imported = import_bank(
        importer,
        directory,
        into=imported_root(),
        name=name,
        options=Options(adults_only=not with_minors, category=category, coverage=coverage, table=table),
        replace=replace,
        progress=_progress(),
    )
    _tell(imported)


@banks.command()
def fetch(
    name: Annotated[str, typer.Argument(help="fairface, dtd, lfw or celeba.")],
    per_group: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="fairface: images of each perceived gender within each perceived race; 0 for all. "
            "Default: 200.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="fairface: of the draw.")] = 0,
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="Accept licence and terms without being asked.")
    ] = False,
    with_minors: MinorsFlag = False,
) -> None:
    """Download an image set whose owners allow it, check it and import it.

    Shows licence and terms and asks first. A transfer that broke off goes on where it stopped. FairFace is
    what the banks `gender`, `race` and `gender-race` need; a balanced part of it is kept.

        auditor banks fetch fairface
    """
    import sys

    from auditor.banks.fetch.choice import PER_GROUP, Choice
    from auditor.banks.fetch.run import need_ready, terms_of
    from auditor.cli.fetching import fetch

    choice = Choice(PER_GROUP if per_group is None else per_group, seed, adults_only=not with_minors)
    terms = terms_of(name, choice)
    need_ready(name, part=per_group is not None)
    show_lines(terms)
    asked = sys.stdin.isatty() and not accept_terms
    accepted = accept_terms or (asked and typer.confirm("Do you accept these terms?"))
    _tell(fetch(name, choice, accepted=accepted))


@banks.command()
def new(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="One folder of images per concept.")],
    name: NameFlag = "",
    title: Annotated[str, typer.Option(help="What reports call the bank.")] = "",
) -> None:
    """Start a bank of your own: writes a bank.toml beside your folders, for you to complete.

    Images that a table labels: auditor banks import csv DIR

        auditor banks new scanner-marks
    """
    from auditor.banks.manifest import read_manifest
    from auditor.banks.starting import not_stated, start_manifest

    path = start_manifest(directory, name=name, title=title)
    open_points = not_stated(read_manifest(path))
    print(f"wrote {path}; {len(open_points)} entries to complete: {', '.join(open_points[:4])} ...")
    print(f"then: auditor banks check {directory}; auditor banks preview {directory}")


@banks.command()
def check(
    bank: BankArgument,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 if a pair leaks.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every pair, not only those that leak.")] = False,
) -> None:
    """Ask whether trivial features tell a bank's concepts apart: size, quality, colour, brightness...

    For each pair of concepts a classifier on these features alone is cross-validated. 0.5 is chance;
    what is well above says that a finding about the pair may be a finding about the feature.

        auditor banks check gender
    """
    from auditor.banks import load_bank
    from auditor.banks.leakage import leakage
    from auditor.cli.bank_text import described_leaks

    pairs = leakage(load_bank(bank, min_images=10, progress=_progress()), progress=_progress())
    show_lines(described_leaks(pairs, every=every))
    if strict and any(pair.leaks for pair in pairs):
        raise typer.Exit(3)


@banks.command()
def verify(bank: BankArgument) -> None:
    """Prove that an imported bank's images are those that were imported; exit with 3 if not.

    auditor banks verify utkface
    """
    from auditor.banks.lock import changed_images, has_lock, read_lock
    from auditor.banks.read.loading import find_bank
    from auditor.errors import InputError

    found = find_bank(bank)
    if found is None or not has_lock(found):
        raise InputError(f"bank '{bank}': not an imported bank, so there is no lock file to verify")
    wrong = changed_images(found, progress=_progress())
    for skip in wrong:
        print(f"{skip.what}: {skip.reason}")
    lock = read_lock(found)
    print(f"{len(lock.images) - len(wrong)} of {len(lock.images)} images as imported; digest {lock.digest()}")
    if wrong:
        raise typer.Exit(3)


@banks.command()
def preview(
    bank: BankArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; by default BANK.html here.")] = None,
    images: Annotated[int, typer.Option(min=1, max=500, help="Of each concept.")] = 24,
) -> None:
    """Make a contact sheet of a bank, with its datasheet: one HTML file that needs nothing else.

    auditor banks preview textures -o textures.html
    """
    from auditor.banks import load_bank
    from auditor.banks.preview import contact_sheet
    from auditor.files import write_bytes

    loaded = load_bank(bank, min_images=1, progress=_progress())
    path = out or Path(f"{loaded.name.replace(':', '-')}.html")
    write_bytes(path, contact_sheet(loaded, per_concept=images, progress=_progress()).encode())
    print(f"wrote {path}" + ("" if loaded.report_images else "; it shows images that must not be published"))


def _tell(imported: Imported) -> None:
    lock = imported.lock
    print(f"{imported.folder.name}: {len(lock.images)} images imported, {len(lock.left_out)} left out")
    for label, counts in imported.counts().items():
        print(f"  {label}: " + ", ".join(f"{value} {count}" for value, count in sorted(counts.items())))
    from auditor.cli.bank_text import described_left_out

    show_lines(described_left_out(lock))
    if imported.manifest_kept:
        print("  bank.toml was kept as you left it")
    print(f"in {imported.folder}\nnext: auditor banks check {imported.folder.name}")


def _progress() -> Progress:
    import sys

    from auditor.progress import progress_for

    return progress_for(sys.stderr)
