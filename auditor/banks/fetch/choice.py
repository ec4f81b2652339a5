"""What a fetch is asked for, and what it hands to the import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PER_GROUP = 200
"""Images of each group that are kept where nothing else is asked for."""


@dataclass(frozen=True)
class Choice:
    """Which images of a set to keep; for sets whose layout allows to fetch a part."""

    per_group: int = PER_GROUP
    """Images of each perceived gender within each perceived race; 0 for all."""
    seed: int = 0
    """Of the draw."""
    adults_only: bool = True
    """Draw only among images labelled adult."""


@dataclass(frozen=True)
class Fetched:
    """What has been downloaded, ready to be imported."""

    source: Path
    """An archive, or a folder in the set's own layout."""
    beside: tuple[Path, ...] = ()
    """Files that belong beside what the archive holds."""
    spent: tuple[Path, ...] = ()
    """Files that nobody needs once the bank is imported."""
