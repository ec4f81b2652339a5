"""Asking whether an image set may be fetched: by ``auditor banks fetch``, and where a bank lacks images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from auditor.errors import InputError
from auditor.progress import progress_for

if TYPE_CHECKING:
    from auditor.banks.fetch.choice import Choice
    from auditor.banks.importing.run import Imported

ACCEPT_TERMS = typer.Option(
    "--accept-terms",
    help="Where a bank of faces has no images, fetch FairFace without asking; accepts its licence and terms.",
    rich_help_panel="What to audit",
)


def fetch_lacking(banks: Sequence[str], *, accept_terms: bool) -> None:
    """Offers the face set that banks lack, and fetches it once its terms are accepted.

    A question is asked on a terminal only, and Enter means no. Where no bank is named, rendered people stand
    in for photos, so that nothing has to be fetched.

    Raises:
        InputError: a bank lacks images and nothing may be fetched.
        AuditorError: the set cannot be fetched.
    """
    from auditor.banks.read.loading import FETCHED, IN_PLACE_OF, lacking_images

    named = bool(banks)
    why = next(filter(None, map(lacking_images, banks or IN_PLACE_OF)), "")
    if not why or (not named and not accept_terms and not on_terminal()):
        return
    if not accept_terms and not on_terminal():
        raise InputError(f"{why}; or --accept-terms, which fetches it here")
    from auditor.banks.fetch.run import offer_of

    try:
        offer = offer_of(FETCHED)
    except InputError as error:  # a package is missing, so there is nothing to offer
        if not named:
            return
        raise InputError(f"{why}; {error}") from error
    print(why.partition(";")[0], file=sys.stderr)
    if accept_terms:
        print(f"{offer}: accepted by --accept-terms", file=sys.stderr)
    elif not typer.confirm(f"{offer}: fetch now?", default=False, err=True):
        if not named:
            print("nothing was fetched; rendered people stand in, which only screen", file=sys.stderr)
            return
        raise InputError(f"{why}; nothing was fetched")
    imported = fetch(FETCHED)
    print(f"{FETCHED}: {len(imported.lock.images)} images in {imported.folder}", file=sys.stderr)


def fetch(name: str, choice: Choice | None = None, *, accepted: bool = True) -> Imported:
    """The set, downloaded to the cache and imported where banks of this user lie.

    Raises:
        AuditorError: as :func:`auditor.banks.fetch.run.fetch_bank` says.
    """
    from auditor.banks.fetch.run import fetch_bank
    from auditor.banks.places import cache_root, imported_root

    return fetch_bank(
        name,
        accepted=accepted,
        into=imported_root(),
        downloads=cache_root() / "downloads",
        choice=choice,
        progress=progress_for(sys.stderr),
    )


def on_terminal() -> bool:
    """Whether somebody can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()
