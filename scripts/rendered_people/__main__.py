"""Renders both banks: ``python -m scripts.rendered_people --out concept_banks``.

Pictures that exist are kept, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from scripts.rendered_people.identity import GROUPS, IDENTITIES, identity
from scripts.rendered_people.maker import CROPS, MASK, Maker
from scripts.rendered_people.styling import STYLINGS


def main() -> None:
    """Reads the command line and renders."""
    parser = argparse.ArgumentParser(prog="python -m scripts.rendered_people", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the banks")
    parser.add_argument("--first", type=int, default=0, help="first identity")
    parser.add_argument("--last", type=int, default=IDENTITIES - 1, help="last identity")
    choice = parser.parse_args()
    maker = Maker()
    numbers = range(choice.first, choice.last + 1)
    # First what makes both banks whole in their style sets, so that a run that is stopped is of use.
    for first_pass in (True, False):
        for number in numbers:
            begun = time.perf_counter()
            made = render_identity(maker, number, choice.out, both=not first_pass or number % 4 in (0, 3))
            if made:
                print(f"p{number:02d}: {made} pictures, {time.perf_counter() - begun:.1f} s", flush=True)


def render_identity(maker: Maker, number: int, out: Path, *, both: bool) -> int:
    """Writes the pictures of an identity that are missing, and says how many.

    ``both``: of both banks, not of ``presentation`` alone.
    """
    who = identity(number)
    wanted: dict[tuple[str, str], list[tuple[Path, str]]] = {}
    for name in STYLINGS:
        wanted.setdefault((who.own_group, name), []).append((out / "presentation", name))
    for group in GROUPS if both else ():
        wanted.setdefault((group, who.own_styling), []).append((out / "appearance", group))
    made = 0
    for (group, name), places in wanted.items():
        files_of = [_files(bank, concept, who.name) for bank, concept in places]
        missing = [(path, part) for one in files_of for part, path in one.items() if not path.is_file()]
        if not missing:
            continue
        files = maker.pictures(who, group, name)
        for path, part in missing:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[part])
        made += len(missing)
    return made


def _files(bank: Path, concept: str, stem: str) -> dict[str, Path]:
    """Crop or mask to its file."""
    pictures = {crop: bank / "images" / concept / f"{stem}-{crop}.jpg" for crop in CROPS}
    return {**pictures, MASK: bank / "masks" / concept / f"{stem}-bust.png"}


if __name__ == "__main__":
    main()
