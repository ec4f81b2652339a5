"""Signing an audit: Ed25519 over the digest of ``audit.json``, key files, no service.

Needs the extra ``sign``. A signature says that whoever holds the key signed these very bytes. It
says nothing about what is in them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from auditor.errors import InputError, StorageError
from auditor.files import write_bytes
from auditor.records import Record
from auditor.store.directory import AUDIT_FILE, read_audit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_FILE = "audit.sig"
PASSWORD = "AUDITOR_KEY_PASSWORD"  # noqa: S105 (the name of a variable)
"""Environment variable that opens an encrypted private key."""

_CONTEXT = b"auditor audit signature v1\0"
"""Before what is signed, so that a signature cannot be taken for one of something else."""


class Signature(Record):
    """Content of ``audit.sig``."""

    format_version: Literal[1] = 1
    algorithm: Literal["ed25519"] = "ed25519"
    audit_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    public_key: str
    """The raw 32 bytes in base64. Whose it is, only a key file from elsewhere can say."""
    signature: str
    """The raw 64 bytes in base64."""


def new_key(path: Path) -> tuple[Path, Path]:
    """Make a key pair: ``path`` (private, for the owner's eyes) and ``path`` with ``.pub``.

    Raises:
        InputError: One of the files exists, or the extra is missing.
        StorageError: They could not be written.
    """
    _needs_library()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    public_path = path.with_name(path.name + ".pub")
    for taken in (path, public_path):
        if taken.exists():
            raise InputError(f"key '{taken}': exists already; a key is never replaced")
    key = ed25519.Ed25519PrivateKey.generate()
    password = os.environ.get(PASSWORD)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        locked = serialization.BestAvailableEncryption(password.encode())
    private = key.private_bytes(pem, form, locked)
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never readable by others, not even for a moment.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
    except OSError as error:
        raise StorageError(f"cannot write '{path}': {error.strerror or error}") from error
    write_bytes(public_path, public)
    return path, public_path


def sign(content: bytes, key_file: Path) -> Signature:
    """Sign the bytes of an ``audit.json``.

    Raises:
        InputError: The key cannot be read, is not Ed25519, or is encrypted and its password is not
            in the environment.
    """
    key = _private_key(key_file)
    digest = hashlib.sha256(content).hexdigest()
    return Signature(
        audit_sha256=digest,
        public_key=base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        signature=base64.b64encode(key.sign(_CONTEXT + digest.encode())).decode(),
    )


def sign_audit(directory: Path, key_file: Path) -> Path:
    """Sign the audit in a directory; the signature lies beside it as ``audit.sig``.

    Raises:
        InputError: As :func:`sign`; or there is no readable audit.
    """
    read_audit(directory)
    try:
        content = (directory / AUDIT_FILE).read_bytes()
    except OSError as error:
        raise InputError(f"audit '{directory}': cannot be read: {error.strerror}") from error
    path = directory / SIGNATURE_FILE
    write_bytes(path, (sign(content, key_file).model_dump_json(indent=2) + "\n").encode())
    return path


def read_signature(path: Path) -> Signature:
    """Read an ``audit.sig``.

    Raises:
        InputError: It cannot be read or is not a signature.
    """
    try:
        return Signature.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"signature '{path}': cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "file"
        raise InputError(f"signature '{path}': {field}: {first['msg']}") from None


def signature_holds(content: bytes, signature: Signature, public_key: Path | None = None) -> bool:
    """Whether the signature is of these bytes, by the key given or else by the one it names.

    Raises:
        InputError: The public key cannot be read or is not Ed25519.
    """
    _needs_library()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        named = base64.b64decode(signature.public_key, validate=True)
        raw = base64.b64decode(signature.signature, validate=True)
        key: Ed25519PublicKey = (
            _public_key(public_key) if public_key else ed25519.Ed25519PublicKey.from_public_bytes(named)
        )
        digest = hashlib.sha256(content).hexdigest()
        key.verify(raw, _CONTEXT + digest.encode())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return digest == signature.audit_sha256 and key.public_bytes_raw() == named


def key_fingerprint(signature: Signature) -> str:
    """SHA-256 of the public key, shortened, so that people can compare it by voice."""
    return hashlib.sha256(signature.public_key.encode()).hexdigest()[:16]


def _needs_library() -> None:
    if importlib.util.find_spec("cryptography") is None:
        raise InputError("signing needs the package 'cryptography': pip install cryptography")


def _private_key(path: Path) -> Ed25519PrivateKey:
    _needs_library()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    password = os.environ.get(PASSWORD)
    raw = _key_bytes(path)
    try:
        key = serialization.load_pem_private_key(raw, password.encode() if password else None)
    except TypeError as error:
        # Raised for a password that is missing as well as for one that is not needed.
        try:
            key = serialization.load_pem_private_key(raw, None)
        except (TypeError, ValueError):
            raise InputError(f"key '{path}': encrypted; set {PASSWORD} to its password") from error
    except ValueError as error:
        raise InputError(f"key '{path}': no PEM private key, or another password") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError(f"key '{path}': not an Ed25519 key")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        key = serialization.load_pem_public_key(_key_bytes(path))
    except ValueError as error:
        raise InputError(f"key '{path}': no PEM public key") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise InputError(f"key '{path}': not an Ed25519 key")
    return key


def _key_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"key '{path}': cannot be read: {error.strerror}") from error
