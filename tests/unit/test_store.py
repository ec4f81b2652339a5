from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auditor.cli import main
from auditor.errors import InputError, StorageError
from auditor.files import load_arrays, save_arrays, write_bytes
from auditor.findings import concluded
from auditor.records import FORMAT_VERSION, Audit
from auditor.store.directory import (
    audit_bytes,
    inside,
    parse_audit,
    read_audit,
    result_digest,
    write_audit,
)
from tests.sample import build


@pytest.fixture(scope="module")
def directory(sample_directory: Path) -> Path:
    return sample_directory


def test_what_is_written_is_read_again(directory: Path, audit: Audit) -> None:
    assert read_audit(directory / "audit.json") == audit
    assert audit.classes[0].name == "zebra"
    assert audit.classes[0].occluder is not None
    assert audit.classes[0].occluder.lambda_ == 100.0
    assert "lambda" in json.loads((directory / "audit.json").read_text())["classes"][0]["occluder"]


def test_the_same_audit_gives_the_same_bytes(directory: Path, tmp_path: Path) -> None:
    build(tmp_path)
    for name in ("audit.json", "arrays.npz"):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


def test_the_bytes_are_those_of_the_file(directory: Path, audit: Audit) -> None:
    assert audit_bytes(audit) == (directory / "audit.json").read_bytes()


def test_result_digest_ignores_time_and_nothing_else(audit: Audit) -> None:
    later = audit.model_copy(update={"created": "2027-01-01T00:00:00Z", "duration_s": 1.0})
    assert audit_bytes(later) != audit_bytes(audit)
    assert result_digest(later) == result_digest(audit)
    other = audit.model_copy(update={"family": "another"})
    assert result_digest(other) != result_digest(audit)


def test_floats_are_rounded_to_six_digits_and_tiny_ones_kept(audit: Audit) -> None:
    precise = audit.model_copy(update={"settings": {"x": 1 / 3, "tiny": 1.23456789e-9, "n": 1234567890}})
    settings = json.loads(audit_bytes(precise))["settings"]
    assert settings == {"x": 0.333333, "tiny": 1.23457e-09, "n": 1234567890}


def test_rewriting_what_was_read_changes_nothing(audit: Audit) -> None:
    assert audit_bytes(parse_audit(audit_bytes(audit), where="memory")) == audit_bytes(audit)


def test_rounding_never_changes_what_is_concluded(audit: Audit) -> None:
    """The stored conclusion is read, not made again; made again from the stored digits it is the same."""
    again = parse_audit(audit_bytes(audit), where="memory")
    assert [concluded(f) for f in again.findings] == again.findings
    assert {f.conclusion for f in again.findings} >= {"associated", "negatively associated", "not associated"}


def test_undecodable_names_do_not_stop_the_writing(audit: Audit) -> None:
    odd = audit.model_copy(update={"family": "caf\udce9"})
    assert json.loads(audit_bytes(odd))["family"] == "caf?"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw[: len(raw) // 2], "not complete JSON"),
        (lambda raw: b"", "not complete JSON"),
        (lambda raw: b"\xff\xfe\x00", "not complete JSON"),
        (lambda raw: b"[" * 100_000, "not complete JSON"),
        (lambda raw: b"[]", "this is not an audit"),
        (lambda raw: b"{}", "this is not an audit"),
        (lambda raw: raw.replace(b'"conclusion": "associated"', b'"conclusion": "fair"', 1), "conclusion"),
        (lambda raw: raw.replace(b'"forbids": "both"', b'"forbids": "nothing"', 1), "findings.0.checks.0"),
        (
            lambda raw: raw.replace(b'"probability_before": 0.962', b'"probability_before": 1.5', 1),
            "occluder",
        ),
        (
            lambda raw: re.sub(rb'"class_index": \d+', b'"class_index": 999', raw, count=1),
            "field 'findings.0.class_index': 999 is the 'index' of none of 'classes'",
        ),
        (lambda raw: raw.replace(b'"synset"', b'"synsett"', 1), "classes.0.synsett"),
        (lambda raw: raw.replace(b'"duration_s": 322.4', b'"duration_s": NaN', 1), "audit 'x'"),
    ],
)
def test_bad_audits_are_refused_in_one_line(directory: Path, change: Any, said: str) -> None:
    raw = (directory / "audit.json").read_bytes()
    changed = change(raw)
    assert changed != raw
    with pytest.raises(InputError) as caught:
        parse_audit(changed, where="x")
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 400


def _of_version(raw: bytes, version: str) -> bytes:
    assert raw.count(b'"format_version": 3') == 1
    return raw.replace(b'"format_version": 3', f'"format_version": {version}'.encode())


@pytest.mark.parametrize(
    ("version", "seen"),
    [("1", "1"), ("4", "4"), ("0", "0"), ("-1", "-1"), ("true", "True"), ('"2"', "'2'"), ("null", "None")],
)
def test_another_format_version_is_refused(directory: Path, version: str, seen: str) -> None:
    raw = (directory / "audit.json").read_bytes()
    with pytest.raises(InputError) as caught:
        parse_audit(_of_version(raw, version), where="x")
    said = f"audit 'x': format version {seen}; this auditor reads versions 2 and {FORMAT_VERSION}"
    assert str(caught.value).startswith(said)
    if version != "true":
        assert ("has to be made again" in str(caught.value)) == (version == "1")


def test_an_older_audit_has_to_be_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it holds: its fields are not looked at, since its conclusions rest on other rules."""
    older = {"format_version": 1, "classes": [{"concepts": [{"direction": "inhibiting"}]}], "controls": []}
    (tmp_path / "audit.json").write_text(json.dumps(older))
    for words in (["render"], ["history", str(tmp_path)], ["verify"]):
        assert main([words[0], str(tmp_path), *words[1:]]) in (2, 3)
        captured = capsys.readouterr()
        said = captured.out + captured.err
        assert "an older audit has to be made again: its conclusions rest on other rules" in said
        assert "and it stores no adjusted intervals" in said
        assert "field" not in said
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"]


def test_missing_audits_say_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no audit\.json"):
        read_audit(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_audit(tmp_path / "nothing")


def test_arrays_come_back_and_pickles_are_refused(tmp_path: Path) -> None:
    arrays = {"b": np.arange(6, dtype=np.int16).reshape(2, 3), "a/c": np.array([0.5, np.nan])}
    save_arrays(tmp_path / "x.npz", arrays)
    back = load_arrays(tmp_path / "x.npz")
    assert list(back) == ["a/c", "b"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    with pytest.raises(TypeError, match="object"):
        save_arrays(tmp_path / "y.npz", {"o": np.array([object()])})
    np.savez(tmp_path / "pickled.npz", o=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="plain numbers"):
        load_arrays(tmp_path / "pickled.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:50])
    with pytest.raises(InputError, match="plain numbers"):
        load_arrays(tmp_path / "cut.npz")
    with pytest.raises(InputError, match="no such file"):
        load_arrays(tmp_path / "none.npz")


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "audit.json"
    target.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        write_bytes(target, b"new")
    assert "No space left" in str(caught.value)
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"]


def test_audit_json_is_written_last(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "arrays.npz").mkdir()  # renaming a file over a directory fails
    with pytest.raises(StorageError, match=r"arrays\.npz"):
        write_audit(tmp_path, audit, {"a": np.zeros(3)})
    assert not (tmp_path / "audit.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["arrays.npz"]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "", ".", "link", "a\0b"])
def test_files_outside_the_directory_are_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "audit"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="outside its directory"):
        inside(root, path)


def test_files_inside_are_found_through_a_linked_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "link", "a/b.png") == tmp_path / "real" / "a" / "b.png"
