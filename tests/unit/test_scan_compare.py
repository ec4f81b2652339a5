"""Two scans of two releases: what is new, gone, grown, and what may not be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import auditor.scan.lots
from auditor.cli import main
from auditor.compare.scans import ScanChange, ScanComparison, compare_scans
from auditor.errors import InputError
from auditor.files import save_arrays
from auditor.findings import Claims, Moved, Numbers, conclude_moved
from auditor.models.loaded import LoadedModel
from auditor.policy.releases import compare_two_scans
from auditor.report.formats.scan_changes import MAX_ROWS, scan_comparison_json, scan_comparison_markdown
from auditor.scan_records import Scan
from auditor.store.scans import read_effects, read_scan
from tests import sample
from tests.hostile import NAMES
from tests.scans import CONCEPTS, bank, model, scanned
from tests.unit.test_scan import answers, people

RED, GREEN, REDDER = (6.0, -3.0, -3.0), (-3.0, 6.0, -3.0), (9.0, -4.5, -4.5)
CLASSES = 60
NAMED = tuple(f"class {i}" for i in range(CLASSES))

MODELS: dict[str, Callable[[], LoadedModel]] = {
    "v1": lambda: model(CLASSES),
    "v2": lambda: model(CLASSES, planted={0: RED, 1: GREEN}),
    "redder": lambda: model(CLASSES, planted={0: REDDER}),
    "other way": lambda: model(CLASSES, planted={0: (-6.0, 3.0, 3.0)}),
    "sharper": lambda: model(CLASSES, scale=2.0),
    "turned round": lambda: model(CLASSES, planted={CLASSES - 1: RED}, names=NAMED[::-1]),
    "without": lambda: model(CLASSES - 1, planted={}, names=NAMED[1:]),
    "more": lambda: model(
        CLASSES + 1, planted={0: RED, CLASSES: (9.0, 0.0, 0.0)}, names=(*NAMED, "one more")
    ),
    "twice": lambda: model(CLASSES, planted={1: RED}, names=("cat", "cat", *NAMED[2:])),
    "twice and longer": lambda: model(
        CLASSES + 1, planted={2: RED}, names=("dog", "cat", "cat", *NAMED[2:])
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """From the name of a release, and settings, to its scan; each is made once."""
    root = tmp_path_factory.mktemp("releases")

    @cache
    def make(name: str, kept: int = 10**7, **more: Any) -> Path:
        out = root / f"{name} {kept} {sorted(more.items())}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(auditor.scan.lots, "DRAWS", 1)
            patch.setattr("auditor.scan.arrays.MOST_KEPT", kept)
            scanned(out, bank(), people(shift=40.0, count=48), by=MODELS[name](), **more)
        return out

    return make


def change(comparison: ScanComparison, index: int, subject: str) -> ScanChange:
    (one,) = (c for c in comparison.changes if (c.class_index, c.subject) == (index, subject))
    return one


def test_a_scan_has_not_changed_against_itself(scan: Callable[..., Path]) -> None:
    comparison = compare_two_scans(scan("v1"), scan("v1"))
    confirmed = read_scan(scan("v1")).confirmed
    assert {c.kind for c in comparison.changes} == {"association", "contrast"}
    assert len(comparison.changes) == len(confirmed) > 2
    for one in comparison.changes:
        assert (one.status, one.difference, one.low, one.high) == ("unchanged", 0.0, 0.0, 0.0)
        assert (one.was_confirmed, one.now_confirmed, one.p_adjusted) == (True, True, 1.0)
    assert comparison.notes == []


@pytest.mark.parametrize(
    ("old", "new", "index", "subject", "status"),
    [
        ("v1", "v2", 1, "green", "new"),
        ("v2", "v1", 1, "green", "gone"),
        ("v1", "redder", 0, "women/men", "grown"),
        ("redder", "v1", 0, "women/men", "shrunk"),
        ("v1", "other way", 0, "red", "new"),
    ],
)
def test_what_was_planted_or_taken_away_is_told(
    scan: Callable[..., Path], old: str, new: str, index: int, subject: str, status: str
) -> None:
    comparison = compare_two_scans(scan(old), scan(new))
    one = change(comparison, index, subject)
    assert one.status == status
    assert one.class_name == f"class {index}"
    assert comparison.count(status) >= 1  # type: ignore[arg-type]
    assert one.low <= one.difference <= one.high
    assert comparison.changes[0].status in ("new", "grown", "gone", "shrunk"), "what changed comes first"


def test_the_change_is_measured_on_the_same_images(scan: Callable[..., Path]) -> None:
    comparison = compare_two_scans(scan("v1"), scan("v2"))
    arrays = read_effects(scan("v1"), read_scan(scan("v1")))
    label = arrays["colours/label"]
    before, after = (answers(MODELS[name](), bank())[1, arrays["colours/position"]] for name in ("v1", "v2"))
    means = np.array([(after - before)[label == k].mean() for k in range(3)])
    one = change(comparison, 1, "green")
    assert one.difference == pytest.approx(means[1] - means[[0, 2]].mean(), abs=2e-3)
    assert one.difference == pytest.approx(one.new - one.old, abs=2e-3)
    groups = change(comparison, 0, "women/men")
    assert groups.difference == pytest.approx(groups.new - groups.old, abs=2e-3)


def test_without_kept_answers_two_separate_effects_are_compared(scan: Callable[..., Path]) -> None:
    paired = change(compare_two_scans(scan("v1"), scan("v2")), 1, "green")
    apart = change(compare_two_scans(scan("v1", 0), scan("v2", 0)), 1, "green")
    assert apart.status == "new"
    assert apart.difference == pytest.approx(apart.new - apart.old, abs=1e-5)
    assert apart.difference == pytest.approx(paired.difference, abs=2e-3)
    again = change(compare_two_scans(scan("v1", 0), scan("v1", 0)), 0, "red")
    assert again.difference == 0.0, "of a class that was selected the answers are kept"


def test_images_that_confirm_in_one_release_only_count_for_nothing(scan: Callable[..., Path]) -> None:
    old, new = read_scan(scan("v1")), read_scan(scan("v2"))
    before, after = read_effects(scan("v1"), old), read_effects(scan("v2"), new)
    place = before["colours/image"]
    kept = np.arange(len(place)) % 4 != 1
    fewer = before | {
        "colours/image": place[kept],
        "colours/response": before["colours/response"][:, kept],
    }
    one = change(compare_scans(old, new, fewer, after), 1, "green")
    label = after["colours/label"][kept]
    moved = (after["colours/response"][1].astype(float) - before["colours/response"][1])[kept]
    means = np.array([moved[label == k].mean() for k in range(3)])
    assert one.difference == pytest.approx(means[1] - means[[0, 2]].mean(), abs=1e-6)

    none = before | {"colours/image": place + np.uint64(1)}
    apart = change(compare_scans(old, new, none, after), 1, "green")
    assert apart.difference == pytest.approx(apart.new - apart.old, abs=1e-6)

    place = before["faces/image"]
    kept = np.arange(len(place)) % 5 != 0
    fewer = before | {"faces/image": place[kept], "faces/response": before["faces/response"][:, kept]}
    pair = change(compare_scans(old, new, fewer, after), 0, "women/men")
    moved = after["faces/response"][0].astype(float) - before["faces/response"][0]
    more, less = (np.where(kept, side, -1) for side in after["faces/groups/0"])
    whole = np.intersect1d(more[more >= 0], less[less >= 0])
    expected = np.mean([moved[more == k].mean() - moved[less == k].mean() for k in whole])
    assert pair.difference == pytest.approx(expected, abs=1e-6)


def test_classes_are_found_by_name_wherever_they_stand(scan: Callable[..., Path]) -> None:
    comparison = compare_two_scans(scan("v1"), scan("turned round"))
    assert {c.status for c in comparison.changes} == {"unchanged"}
    assert change(comparison, CLASSES - 1, "red").class_name == "class 0"
    twice = compare_two_scans(scan("twice"), scan("twice and longer"))
    assert change(twice, 2, "red").status == "unchanged"
    assert change(twice, 2, "red").was_confirmed


def test_classes_that_came_or_went_are_noted(scan: Callable[..., Path]) -> None:
    gone = compare_two_scans(scan("v1"), scan("without"))
    assert gone.changes == []
    assert "classes with findings that the new model does not have: class 0" in gone.notes
    came = compare_two_scans(scan("v1"), scan("more"))
    assert "1 classes are new and were compared with nothing" in came.notes
    assert not any(c.class_name == "one more" for c in came.changes)


def test_a_sharper_release_is_noted_for_what_it_is(scan: Callable[..., Path]) -> None:
    comparison = compare_two_scans(scan("v1"), scan("sharper"))
    assert any("the releases differ in sharpness, which alone moves effects" in n for n in comparison.notes)


def test_scans_that_were_not_made_alike_are_refused_with_every_difference(scan: Callable[..., Path]) -> None:
    old = read_scan(scan("v1"))
    arrays = read_effects(scan("v1"), old)
    (colours, faces) = old.banks
    other = old.model_copy(
        update={
            "settings": old.settings
            | {"seed": 1, "margin": 0.2, "alpha": 0.01, "min_images": 5, "fast": True},
            "banks": [
                colours.model_copy(update={"bank": colours.bank.model_copy(update={"digest": "ef" * 32})}),
                faces.model_copy(update={"bank": faces.bank.model_copy(update={"name": "people"})}),
            ],
        }
    )
    with pytest.raises(InputError) as refused:
        compare_scans(old, other, arrays, arrays)
    for said in (
        "setting 'seed' is 0 in the old scan, 1 in the new", "setting 'margin'", "setting 'alpha'",
        "setting 'min_images'", "setting 'fast'", "bank 'colours' has other images",
        "bank 'people' is missing in the old scan", "bank 'faces' is missing in the new scan",
    ):  # fmt: skip
        assert said in str(refused.value)
    fewer = old.model_copy(update={"banks": [colours.model_copy(update={"concepts": ["red"]}), faces]})
    with pytest.raises(InputError, match="other concepts or contrasts that were measured"):
        compare_scans(old, fewer, arrays, arrays)


def test_another_seed_is_refused_on_disk(scan: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="setting 'seed' is 0 in the old scan, 1 in the new"):
        compare_two_scans(scan("v1"), scan("v1", seed=1))


# --- by numbers alone ---


@pytest.mark.parametrize(
    ("was", "now", "old", "new", "numbers", "status"),
    [
        (True, True, 0.3, 0.3, (0.0, -0.05, 0.05, 1.0), "unchanged"),
        (False, True, 0.09, 0.12, (0.03, 0.01, 0.05, 0.001), "unchanged"),
        (False, True, 0.0, 0.4, (0.4, 0.3, 0.5, 0.001), "new"),
        (True, False, 0.4, 0.0, (-0.4, -0.5, -0.3, 0.001), "gone"),
        (True, True, 0.3, -0.3, (-0.6, -0.7, -0.5, 0.001), "new"),
        (True, True, 0.3, 0.6, (0.3, 0.2, 0.4, 0.001), "grown"),
        (True, True, -0.3, -0.6, (-0.3, -0.4, -0.2, 0.001), "grown"),
        (True, True, 0.6, 0.3, (-0.3, -0.4, -0.2, 0.001), "shrunk"),
        (False, True, 0.0, 0.4, (0.4, 0.3, 0.5, 0.2), "inconclusive"),
        (False, True, 0.0, 0.4, (0.4, -0.1, 0.9, 0.04), "inconclusive"),
        (False, True, 0.0, 0.4, (0.4, None, 0.9, 0.04), "inconclusive"),
    ],
)
def test_what_may_be_said_of_a_change(
    was: bool, now: bool, old: float, new: float, numbers: tuple[float, float, float, float], status: str
) -> None:
    moved = conclude_moved(Claims(was, now, old, new), Numbers(*numbers), tolerance=0.1, alpha=0.05)
    assert moved.status == status
    assert isinstance(moved, Moved)
    assert moved.reason
    assert moved.withheld == (numbers[1] is None)


# --- in words ---


def test_a_comparison_is_a_table_and_json(
    scan: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    v1, v2 = scan("v1"), scan("v2")
    assert main(["compare", str(v1), str(v2)]) == 0
    shown = capsys.readouterr().out
    assert "## Scans compared: `test:colours` → `test:colours`" in shown
    assert "| `class 1` | `colours/green` |" in shown
    assert main(["compare", str(v1 / "scan.json"), str(v2), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert ScanComparison.model_validate(told) == compare_two_scans(v1, v2)


def test_a_scan_is_not_compared_with_an_audit(
    scan: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample.build(tmp_path / "audit")
    for pair in ((scan("v1"), tmp_path / "audit"), (tmp_path / "audit", scan("v1"))):
        assert main(["compare", *map(str, pair)]) == 2
        assert "one is a scan and the other is not; needed: two of a kind" in capsys.readouterr().err
    assert main(["compare", str(scan("v1")), str(scan("v1")), "--format", "html"]) == 2
    assert "needed one of markdown, json" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_no_name_leaves_its_cell(scan: Callable[..., Path], name: str) -> None:
    comparison = compare_two_scans(scan("v1"), scan("v2"))
    spoilt = comparison.model_copy(
        update={
            "changes": [
                c.model_copy(update={"class_name": name, "subject": name}) for c in comparison.changes
            ],
            "notes": [name],
        }
    )
    table = [line for line in scan_comparison_markdown(spoilt).split("\n") if line.startswith("|")]
    assert len(table) == 2 + sum(c.status != "unchanged" for c in comparison.changes)


def test_a_long_table_says_how_much_it_leaves_out(scan: Callable[..., Path]) -> None:
    comparison = compare_two_scans(scan("v1"), scan("v2"))
    one = change(comparison, 1, "green")
    many = comparison.model_copy(update={"changes": [one] * (MAX_ROWS + 3)})
    assert "\n3 more.\n" in scan_comparison_markdown(many)
    assert "Nothing is confirmed" in scan_comparison_markdown(comparison.model_copy(update={"changes": []}))
    assert len(json.loads(scan_comparison_json(many))["changes"]) == MAX_ROWS + 3


def test_arrays_that_were_replaced_are_not_compared(scan: Callable[..., Path], tmp_path: Path) -> None:
    held = read_scan(scan("v1"))
    (tmp_path / "scan.json").write_bytes((scan("v1") / "scan.json").read_bytes())
    save_arrays(tmp_path / held.arrays, {"a": np.zeros(3)})
    with pytest.raises(InputError, match="is not the file that the scan wrote"):
        compare_two_scans(scan("v1"), tmp_path)
    assert isinstance(held, Scan)
    assert set(CONCEPTS) == set(held.banks[0].concepts)
