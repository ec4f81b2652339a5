"""Make the table of fingerprints by which ``auditor inspect`` finds architectures.

``python scripts/architectures.py --write`` builds every network of timm and torchvision, most without memory
for weights, and writes ``auditor/models/architectures.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from importlib.metadata import version

from auditor.models.index import LIBRARIES, TABLE, fingerprint_of
from auditor.models.torchvision_import import prepare_torchvision


def every_architecture() -> Iterator[tuple[str, str]]:
    """Name and fingerprint of every convolutional network of the libraries, without memory for weights."""
    prepare_torchvision()
    import timm
    import torchvision.models as zoo

    makers = [(f"timm:{name}", timm.create_model, name) for name in timm.list_models()]
    makers += [(f"torchvision:{name}", zoo.get_model, name) for name in zoo.list_models(module=zoo)]
    for shown, make, name in makers:
        try:
            yield shown, fingerprint_of(make, name)
        except Exception as failure:  # some need packages that are not installed
            print(f"{shown}: left out ({' '.join(str(failure).split())[:100]})", file=sys.stderr)


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name} instead of printing it")
    asked = parser.parse_args()
    found = {name: mark for name, mark in every_architecture() if mark}
    text = (
        json.dumps({**{name: version(name) for name in LIBRARIES}, "architectures": found}, indent=0) + "\n"
    )
    if asked.write:
        TABLE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
