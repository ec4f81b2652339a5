"""``auditor sign``: put a signature beside an audit, or make a key for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.errors import InputError


def sign(
    audit: Annotated[
        Path | None, typer.Argument(metavar="AUDIT", help="Audit directory; not needed with --new-key.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", "-k", metavar="FILE", help="Ed25519 private key, a PEM file.")
    ] = None,
    new_key: Annotated[
        Path | None,
        typer.Option(
            "--new-key", metavar="FILE", help="Make a key pair: FILE and FILE.pub. Nothing is signed."
        ),
    ] = None,
) -> None:
    """Sign an audit with a key file; `auditor verify --public-key` checks it.

    The signature is over the bytes of `audit.json` and lies beside it as `audit.sig`. Set
    AUDITOR_KEY_PASSWORD to make or to open an encrypted key.

        auditor sign --new-key reviewer

        auditor sign audit --key reviewer
    """
    from auditor.store import sign as signing

    if new_key is not None:
        if audit is not None or key is not None:
            raise InputError("--new-key makes a key and signs nothing; leave out AUDIT and --key")
        private, public = signing.new_key(new_key)
        print(f"private key: {private}; keep it secret")
        print(f"public key: {public}; give it to whoever verifies")
        return
    if audit is None or key is None:
        raise InputError("needed AUDIT and --key FILE, or --new-key FILE")
    print(f"signature: {signing.sign_audit(audit, key)}")
