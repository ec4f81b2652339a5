"""``auditor scan``, and ``auditor run --from-scan``, as people call them."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import auditor.scan.lots
from auditor.cli import main
from auditor.cli.run import MOST_SCANNED, with_scanned_classes
from auditor.cli.scan import scan as command
from auditor.errors import InputError
from auditor.scan_records import Scan
from auditor.settings import SCANNED, ScanSettings, load_settings
from auditor.store.directory import read_audit
from auditor.store.scans import STRONGEST, read_scan, scan_bytes, scan_summary, write_scan
from tests.scans import bank, finding, model, scan_of, scanned, using


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(auditor.scan.lots, "DRAWS", 2)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan in which class 0 likes red; not to be changed."""
    out = tmp_path_factory.mktemp("plain") / "scan"
    scanned(out, by=model(60))
    return out


def call(*more: str) -> int:
    fixed = ("scan", "-m", "test:colours", "--banks", "colours", "--formats", "csv", "--device", "cpu")
    with using(model(60), bank()):
        return main([*fixed, "--min-images", "10", "--cache", "cache", *more])


def test_help_shows_every_setting_of_a_scan_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Scan every class of a model against concept banks, worst first." in shown
    for flag in ("--model", "--banks", "--fast", "--formats", "--margin", "--min-images", "--overwrite"):
        assert flag in shown
    for flag in ("--classes", "--runs", "--reference-classes", "--images", "--scan-formats"):
        assert flag not in shown
    given = set(inspect.signature(command).parameters) - {"config", "accept_terms"}
    assert given == set(SCANNED)


def test_a_scan_is_summed_up_at_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 0
    shown = capsys.readouterr().out
    scan = read_scan(Path("scan"))
    assert "3 associations confirmed, of 3 selected and 180 looked at in 60 classes" in shown
    assert "with labels drawn by lot, 0 of 2 scans confirm an association" in shown
    first = scan.findings[0]
    assert f"colours: {first.subject}" in shown
    assert "csv: scan/scan.csv" in shown
    assert "scan: scan/scan.json" in shown
    assert sorted(p.name for p in Path("scan").iterdir()) == [
        "arrays.npz", "pictures", "scan.csv", "scan.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--formats", "word"], "--scan-formats"),
        (["--margin", "2"], "--margin"),
        (["--classes", "zebra"], "No such option: --classes"),
        (["--banks", "textures,textures"], "'textures' given twice"),
        (["--config", "none.toml"], "none.toml"),
        (["--config", "typo.toml"], "no such setting; did you mean margin"),
    ],
)
def test_a_request_that_makes_no_sense_is_status_2_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("typo.toml").write_text("margn = 0.2\n")
    assert call(*arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not Path("scan").exists()


def test_the_settings_file_of_an_audit_serves_as_well() -> None:
    Path("audit.toml").write_text(
        'model = "x"\nclasses = ["zebra"]\nruns = 7\nmargin = 0.2\nmin_images = 20\n'
    )
    held = load_settings(Path("audit.toml"), {"fast": True}, ScanSettings)
    assert (held.margin, held.min_images, held.out) == (0.2, 20, Path("scan"))
    assert load_settings(None, {"model": "x", "fast": True}, ScanSettings).min_images == 12
    assert load_settings(None, {"model": "x", "fast": False}, ScanSettings).min_images == 30


def test_strict_refuses_what_was_skipped_and_keeps_the_scan(capsys: pytest.CaptureFixture[str]) -> None:
    one = bank()
    short = bank(*one.concepts[:2], one.concepts[2].__class__("blue", one.concepts[2].images[:1]))
    with using(model(8), short):
        fixed = ["scan", "-m", "test:colours", "--banks", "colours", "--formats", "csv", "--device", "cpu"]
        assert main([*fixed, "--min-images", "10", "--strict"]) == 2
    captured = capsys.readouterr()
    assert "--strict: 1 skipped, needed none; first: concept 'colours/blue'" in captured.err
    assert "skipped: 1; first: concept 'colours/blue': 1 independent image, need 2" in captured.out
    assert read_scan(Path("scan")).confirmed


# --- audits of the worst classes ---


def several() -> Scan:
    found = [finding(class_index=i, class_name=f"c{i}", effect=0.9 - i / 100) for i in range(12)]
    found.append(finding("dotted", class_index=3, class_name="c3"))
    found.append(finding(class_index=12, class_name="c12", conclusion="inconclusive"))
    return scan_of(*found, classes=[f"c{i}" for i in range(13)])


def test_the_worst_classes_and_the_banks_of_the_scan_are_audited() -> None:
    write_scan(Path("s"), several(), {})
    flags = with_scanned_classes({"from_scan": Path("s"), "model": "x"}, 3)
    assert flags["classes"] == ["index:0", "index:1", "index:2"]
    assert flags["banks"] == ["textures", "faces"], "as they were given to the scan"
    assert len(with_scanned_classes({"from_scan": Path("s")}, None)["classes"]) == MOST_SCANNED
    every = with_scanned_classes({"from_scan": Path("s"), "banks": ["mine"]}, 99)
    assert every["classes"] == [f"index:{i}" for i in range(12)]
    assert every["banks"] == ["mine"]
    named = {"from_scan": Path("s"), "classes": ["zebra"]}
    assert with_scanned_classes(named, None) == named
    assert with_scanned_classes({"model": "x"}, None) == {"model": "x"}


def test_worst_is_another_way_to_say_top() -> None:
    write_scan(Path("s"), several(), {})
    given = {"from_scan": Path("s"), "model": "x"}
    assert with_scanned_classes({**given, "classes": ["worst:3"]}, None) == with_scanned_classes(given, 3)


@pytest.mark.parametrize(
    ("flags", "top"),
    [
        ({"classes": ["worst:3"]}, None),
        ({"classes": ["worst:3"], "from_scan": Path("s")}, 2),
        ({"classes": ["worst:0"], "from_scan": Path("s")}, None),
        ({"classes": ["zebra", "worst:3"], "from_scan": Path("s")}, None),
    ],
)
def test_worst_needs_a_scan_and_nothing_beside_it(flags: dict[str, Any], top: int | None) -> None:
    with pytest.raises(InputError, match=r"--classes worst:[03]: needs --from-scan"):
        with_scanned_classes(flags, top)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda data: data["findings"][1].update(class_index=13),
            "field 'findings.1.class_index': class index 13",
        ),
        (lambda data: data.update(silent=[0, 99]), "field 'silent.1': class index 99"),
    ],
)
@pytest.mark.parametrize("words", [["compare", "s", "s"], ["run", "-m", "x", "--from-scan", "s"]])
def test_a_class_index_that_no_class_has_is_named(
    change: Callable[[dict[str, Any]], Any],
    said: str,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_scan(Path("s"), several(), {})
    data = json.loads(Path("s/scan.json").read_text())
    change(data)
    Path("s/scan.json").write_text(json.dumps(data))
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: scan 's/scan.json': {said}, but 'classes' lists 13")


def test_a_bank_in_a_folder_is_found_again() -> None:
    scan = several()
    held = scan.model_copy(update={"settings": scan.settings | {"banks": ["my/textures"]}})
    write_scan(Path("s"), held, {})
    assert with_scanned_classes({"from_scan": Path("s")}, None)["banks"] == ["my/textures"]


@pytest.mark.parametrize(
    "flags", [{}, {"classes": ["zebra"]}, {"classes": ["zebra"], "from_scan": Path("s")}]
)
def test_top_needs_a_scan_and_no_classes(flags: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--top: needs --from-scan, and no --classes beside it"):
        with_scanned_classes(flags, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--top", "3", "--classes", "zebra"], "--top: needs --from-scan"),
        (["--from-scan", "s", "--top", "0"], "--top"),
        (["--from-scan", "none"], "needed a scan's directory or its scan.json"),
        (["--from-scan", "empty"], "nothing is confirmed in it; needed: --classes"),
    ],
)
def test_a_scan_that_gives_no_classes_is_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scan(Path("s"), several(), {})
    write_scan(Path("empty"), scan_of(), {})
    assert main(["run", "-m", "test:colours", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1


def audit(plain: Path, *more: str, **of_model: Any) -> int:
    fixed = (
        *("run", "-m", "test:colours", "--from-scan", str(plain), "--scores-only", "--formats", "csv"),
        *("--device", "cpu", "--min-images", "10", "--permutations", "199", "--bootstrap", "200"),
    )
    with using(model(60, **of_model), bank()):
        return main([*fixed, *more])


def test_an_audit_keeps_what_the_scan_confirmed(plain: Path) -> None:
    scan = read_scan(plain)
    assert audit(plain, "-o", "a") == 0
    kept = read_audit(Path("a"))
    assert [c.name for c in kept.classes] == ["class 0"]
    summary = kept.scan
    assert summary is not None
    assert summary.sha256 == hashlib.sha256((plain / "scan.json").read_bytes()).hexdigest()
    assert summary.sha256 == hashlib.sha256(scan_bytes(scan)).hexdigest()
    assert (summary.classes, summary.confirmed, summary.classes_confirmed) == (60, 3, 1)
    assert (summary.looked_at, summary.banks) == (180, ["colours"])
    assert [row.subject for row in summary.strongest] == [f.subject for f in scan.confirmed]
    assert all(row.audited for row in summary.strongest)
    assert "from_scan" not in kept.settings
    assert audit(plain, "-o", "b", "--classes", "class 5", "--banks", "colours") == 0
    other = read_audit(Path("b")).scan
    assert other is not None
    assert not any(row.audited for row in other.strongest)


def test_a_scan_of_another_model_is_refused(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(plain, "-o", "a", scale=2.0) == 2
    assert "a scan of test:colours with weights" in capsys.readouterr().err
    assert not Path("a").exists()


def test_an_audit_never_lands_in_a_scan(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (plain / "arrays.npz").read_bytes()
    assert audit(plain, "-o", str(plain), "--overwrite") == 2
    assert "holds a scan, whose arrays an audit would overwrite" in capsys.readouterr().err
    assert (plain / "arrays.npz").read_bytes() == before


def test_a_class_whose_name_is_a_number_is_audited_by_its_index(tmp_path: Path) -> None:
    names = tuple(str(9 - i) for i in range(10))
    scanned(tmp_path / "s", by=model(10, names=names))
    with using(model(10, names=names), bank()):
        fixed = ["run", "-m", "test:colours", "--from-scan", "s", "--top", "1", "--scores-only", "-o", "a"]
        more = ["--formats", "csv", "--device", "cpu", "--permutations", "199", "--bootstrap", "200"]
        assert main([*fixed, *more]) == 0
    assert [(c.index, c.name) for c in read_audit(Path("a")).classes] == [(0, "9")]


def test_a_summary_keeps_the_strongest_only() -> None:
    many = [finding(f"s{i}") for i in range(STRONGEST + 5)]
    scan = scan_of(*many)
    write_scan(Path("s"), scan, {})
    summary = scan_summary(Path("s"), scan.model, {1})
    assert (len(summary.strongest), summary.confirmed) == (STRONGEST, STRONGEST + 5)
