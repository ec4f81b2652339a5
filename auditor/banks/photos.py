"""What there are no photos for, and what an audit left out: in one sentence that every command repeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from auditor.banks import places
from auditor.banks.manifest import read_manifest
from auditor.banks.read.loading import FETCHED, sets_for

SUBJECTS = ("gender", "race")
"""Banks that select from imported photos, named after what of people they are about, as it is perceived."""

GET = f"auditor banks fetch {FETCHED}"
"""The command that gets photos for all of them."""


def perceived(subjects: Iterable[str]) -> str:
    """``perceived gender and race``."""
    return f"perceived {' and '.join(subjects)}"


@dataclass(frozen=True)
class NoPhotos:
    """What there are no photos for on this machine."""

    subjects: tuple[str, ...]

    @property
    def seen(self) -> str:
        """Without the command."""
        return f"no photos for {perceived(self.subjects)}"

    @property
    def sentence(self) -> str:
        """With the command that gets them."""
        return f"{self.seen}; get some: {GET}"


def no_photos(names: Iterable[str] = SUBJECTS) -> NoPhotos | None:
    """Those of the banks ``names`` that have no photos; ``None`` where all have. Reads no image."""
    subjects = tuple(name for name in names if not sets_for(name))
    return NoPhotos(subjects) if subjects else None


def not_audited(used: Iterable[str]) -> str:
    """What banks of these names say nothing of, and how to get it, in one line; empty where nothing is left.

    Args:
        used: Names as in ``audit.json``: ``textures``, ``gender:utkface``.
    """
    covered: set[str] = set()
    screened = False
    for name in used:
        folder = {**places.imported(), **places.shipped()}.get(name.partition(":")[0])
        if folder is None:
            continue
        manifest = read_manifest(folder)
        screened |= manifest.screening
        if not manifest.screening:
            covered |= {label for concept in manifest.concepts for label in concept.where}
    open_ones = [name for name in SUBJECTS if name not in covered]
    here = {name: sets_for(name) for name in open_ones if sets_for(name)}
    parts = []
    if here:
        banks = ",".join(name if len(sets) == 1 else f"{name}:{sets[0]}" for name, sets in here.items())
        parts.append(f"{perceived(here)}; add: --banks {banks}")
    if lacking := no_photos(name for name in open_ones if name not in here):
        parts.append(lacking.sentence)
    if not parts:
        return ""
    return f"not audited{' (rendered people only screen)' if screened else ''}: {'; '.join(parts)}"
