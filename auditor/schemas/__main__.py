"""``python -m auditor.schemas [--write]``: print the audit's JSON Schema, or renew the published files."""

from __future__ import annotations

import sys

from auditor.files import write_bytes
from auditor.schemas import (
    bank_schema_text,
    published_bank_schema,
    published_scan_schema,
    published_schema,
    scan_schema_text,
    schema_text,
)


def main(arguments: list[str]) -> int:
    """Run the command; exit status 2 for an argument that it does not know."""
    if arguments == ["--write"]:
        for path, text in (
            (published_schema(), schema_text()),
            (published_scan_schema(), scan_schema_text()),
            (published_bank_schema(), bank_schema_text()),
        ):
            write_bytes(path, text.encode())
            print(path)
        return 0
    if arguments:
        print("usage: python -m auditor.schemas [--write]", file=sys.stderr)
        return 2
    print(schema_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
