"""Renders both banks: ``python -m scripts.rendered_people --out concept_banks``.

Pictures that exist are kept, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from scripts.rendered_people.identity import GROUPS, IDENTITIES, identity
from scripts.rendered_people.maker import CROPS, Maker
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
        folder = out / "presentation" / "images" / name
        wanted.setdefault((who.own_group, name), []).append((folder, who.name))
    for group in GROUPS if both else ():
        folder = out / "appearance" / "images" / group
        wanted.setdefault((group, who.own_styling), []).append((folder, who.name))
    made = 0
    for (group, name), places in wanted.items():
        missing = [p for p in places if not all((p[0] / f"{p[1]}-{crop}.jpg").is_file() for crop in CROPS)]
        if not missing:
            continue
        files = maker.pictures(who, group, name)
        for folder, stem in missing:
            folder.mkdir(parents=True, exist_ok=True)
            for crop, data in files.items():
                (folder / f"{stem}-{crop}.jpg").write_bytes(data)
        made += len(files)
    return made


if __name__ == "__main__":
    main()
