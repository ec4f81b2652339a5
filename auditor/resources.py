"""Where the data that ships with the project lies: templates, concept banks.

In a wheel they travel inside the package; in a checkout (editable install) they are the top-level
folders of the repository. This is the only place that knows both.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The shipped folder or file called ``name``, such as ``"templates"``.

    Raises:
        FileNotFoundError: neither the wheel nor the checkout has it; the installation is broken.
    """
    candidates = (_PACKAGE / "_data" / name, _PACKAGE.parent / name)
    for candidate in candidates:
        if candidate.exists():
            return candidate
    looked = " or ".join(str(c) for c in candidates)
    raise FileNotFoundError(f"auditor's own data '{name}' is missing: looked at {looked}; reinstall auditor")
