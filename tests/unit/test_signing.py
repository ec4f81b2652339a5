from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from auditor.cli import main
from auditor.errors import InputError
from auditor.store import sign as signing
from auditor.store.directory import write_audit
from tests.releases import audit_of, audited_class, concept


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    write_audit(tmp_path / "audit", audit_of(audited_class(concept())))
    return tmp_path / "audit"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return signing.new_key(tmp_path / "key")[0]


def test_a_signature_holds_for_these_bytes_and_this_key_only(tmp_path: Path, key: Path) -> None:
    signature = signing.sign(b"audit", key)
    public = tmp_path / "key.pub"
    assert signing.signature_holds(b"audit", signature)
    assert signing.signature_holds(b"audit", signature, public)
    assert not signing.signature_holds(b"Audit", signature, public)
    _, other = signing.new_key(tmp_path / "other")
    assert not signing.signature_holds(b"audit", signature, other)


@pytest.mark.parametrize("field", ["audit_sha256", "public_key", "signature"])
def test_a_changed_signature_does_not_hold(field: str, key: Path) -> None:
    signature = signing.sign(b"audit", key)
    changed = {
        "audit_sha256": "0" * 64,
        "public_key": base64.b64encode(b"x" * 32).decode(),
        "signature": base64.b64encode(b"x" * 64).decode(),
    }
    assert not signing.signature_holds(b"audit", signature.model_copy(update={field: changed[field]}))
    assert not signing.signature_holds(b"audit", signature.model_copy(update={field: "not base64 \n"}))


def test_another_key_cannot_be_named_beside_a_good_signature(tmp_path: Path, key: Path) -> None:
    signature = signing.sign(b"audit", key)
    other, _ = signing.new_key(tmp_path / "other")
    forged = signature.model_copy(update={"public_key": signing.sign(b"audit", other).public_key})
    assert not signing.signature_holds(b"audit", forged, tmp_path / "key.pub")


def test_a_private_key_is_for_its_owner_only(key: Path) -> None:
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    with pytest.raises(InputError, match="a key is never replaced"):
        signing.new_key(key)


def test_an_encrypted_key_needs_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.PASSWORD, "correct horse")
    private, public = signing.new_key(tmp_path / "key")
    assert b"ENCRYPTED" in private.read_bytes()
    assert signing.signature_holds(b"x", signing.sign(b"x", private), public)
    monkeypatch.setenv(signing.PASSWORD, "wrong")
    with pytest.raises(InputError, match="no PEM private key, or another password"):
        signing.sign(b"x", private)
    monkeypatch.delenv(signing.PASSWORD)
    with pytest.raises(InputError, match="encrypted; set AUDITOR_KEY_PASSWORD"):
        signing.sign(b"x", private)


def test_a_password_does_not_hurt_a_key_without_one(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.PASSWORD, "not needed")
    assert signing.signature_holds(b"x", signing.sign(b"x", key))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_a_key_made_by_openssl_signs_and_another_kind_does_not(tmp_path: Path) -> None:
    for name, kind in (
        ("ed", ["-algorithm", "ed25519"]),
        ("ec", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ):
        subprocess.run(
            ["openssl", "genpkey", *kind, "-out", tmp_path / name], check=True, capture_output=True
        )
    assert signing.signature_holds(b"x", signing.sign(b"x", tmp_path / "ed"))
    with pytest.raises(InputError, match="not an Ed25519 key"):
        signing.sign(b"x", tmp_path / "ec")


def test_the_commands_sign_and_verify(
    audit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "k"
    assert main(["sign", "--new-key", str(key)]) == 0
    assert main(["sign", str(audit), "--key", str(key)]) == 0
    assert main(["verify", str(audit), "--public-key", f"{key}.pub"]) == 0
    assert "✓ signature: of this audit, by the key in" in capsys.readouterr().out
    assert main(["verify", str(audit)]) == 0
    assert "by an unconfirmed key" in capsys.readouterr().out
    signing.new_key(tmp_path / "other")
    assert main(["verify", str(audit), "--public-key", str(tmp_path / "other.pub")]) == 3
    assert "✗ signature: not a signature of this audit by the key in" in capsys.readouterr().out
    (audit / "audit.sig").unlink()
    assert main(["verify", str(audit), "--public-key", f"{key}.pub"]) == 3
    (audit / "audit.sig").write_text('{"format_version": 1}')
    assert main(["verify", str(audit)]) == 3
    assert main(["verify", str(audit), "--public-key", str(audit / "audit.json")]) == 3


def test_an_audit_changed_after_signing_is_found(
    audit: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signing.sign_audit(audit, key)
    file = audit / "audit.json"
    true = file.read_text()
    assert true.count('"effect": 0.0,') == 1
    file.write_text(true.replace('"effect": 0.0,', '"effect": 0.05,'))
    assert main(["verify", str(audit), "--public-key", f"{key}.pub"]) == 3
    assert "✗ signature: not a signature of this audit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sign"], "needed AUDIT and --key FILE"),
        (["sign", "nothing", "--key", "key"], "no such file or directory"),
        (["sign", "audit", "--key", "nothing"], "key 'nothing': cannot be read"),
        (["sign", "audit", "--key", "key.pub"], "no PEM private key"),
        (["sign", "audit", "--new-key", "k2"], "leave out AUDIT"),
    ],
)
def test_what_cannot_be_signed(
    arguments: list[str],
    said: str,
    audit: Path,
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(audit.parent)
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
    assert not (audit / "audit.sig").exists()
