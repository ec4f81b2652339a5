"""Concept attribution as Figure 4: planted concepts, the figure, and what cannot be measured."""

from __future__ import annotations

import mmap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from auditor.audit.forward import show_bank
from auditor.evaluate import audited as audited_module
from auditor.evaluate import concepts as module
from auditor.evaluate import cost as cost_module
from auditor.evaluate.answers import first_concept_answer
from auditor.evaluate.bench import Bench
from auditor.evaluate.concepts import STRONGEST, concepts
from auditor.evaluate.cost import measured
from auditor.evaluation_records import Bar, BarGroup, Bars, Estimate, Experiment, Table
from auditor.report.charts.evaluation import MOST_BARS, bars_chart
from auditor.report.charts.style import PRINT, Sheet
from auditor.report.formats.evaluation import experiment_charts
from auditor.report.view.evaluation import experiment_view
from auditor.statistics import mmd
from tests.benches import graded_bank, save_photos, striped_bank, tiny_bench
from tests.tiny import save_striped, tiny_model

FAST = {"permutations": 99, "bootstrap": 200}


def bench_of(tmp_path: Path, **more: Any) -> Bench:
    """A bench whose occluders are learned; the paper's score by its default draws."""
    bench = tiny_bench(tmp_path, **FAST, **more)
    assert bench.subjects is not None
    bench.context = bench.with_settings(paper_exact=False)
    bench.settings = bench.context.settings  # type: ignore[assignment]
    return bench


def table(found: Experiment, start: str) -> Table:
    return next(one for one in found.tables if one.title.startswith(start))


def cells(of: Table, name: str) -> list[float | None]:
    row = next(one for one in of.rows if one.name == name)
    return [None if cell is None else cell.value for cell in row.cells]


def test_the_planted_concept_is_first_by_both(tmp_path: Path) -> None:
    found = concepts(bench_of(tmp_path, banks=[striped_bank()]))
    for name, own, other in (("vertical", "upright", "level"), ("horizontal", "level", "upright")):
        of = table(found, f"{name}: images labelled in bank 'stripes'")
        assert of.rows[0].name == own
        effects = {row.name: row.cells[2].value for row in of.rows if row.cells[2]}
        assert max(effects, key=lambda one: effects[one]) == own
        assert effects[own] > 0.1 > 0 > effects[other]
        interval = of.rows[0].cells[2]
        assert interval is not None
        assert interval.low is not None
        assert interval.low > 0
        assert sum(cells(of, row.name)[0] or 0 for row in of.rows) == pytest.approx(1)
        assert {len(of.rows), len(of.columns)} == {4, 3}
    assert [answer.held for answer in found.answers] == [True, True]
    assert "“upright”" in found.answers[0].sentence
    assert found.skipped == []


def test_numbers_are_those_of_the_audit(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, banks=[striped_bank()])
    found = table(concepts(bench), "vertical")
    for row in found.rows:
        finding = bench.audited.findings[0, "stripes", row.name]
        effect = row.cells[2]
        assert effect is not None
        assert (effect.value, effect.low, effect.high) == (finding.effect, finding.low, finding.high)
    scores = bench.audited.paper[0, "stripes"]
    assert [cells(found, name)[:2] for name in bench.audited.shown[0].layout.names] == [
        [mean, sd] for mean, sd in zip(scores.mean.tolist(), scores.sd.tolist(), strict=True)
    ]


def test_the_figure_shows_the_strongest_with_their_deviation(tmp_path: Path) -> None:
    found = concepts(bench_of(tmp_path, banks=[graded_bank(10)]))
    (bars,) = found.bars
    assert [group.name for group in bars.groups] == ["vertical", "horizontal"]
    for group in bars.groups:
        values = [bar.value for bar in group.bars]
        assert len(values) == STRONGEST == MOST_BARS
        assert values == sorted(values, reverse=True)
        assert all(bar.sd for bar in group.bars)
    assert len(table(found, "vertical").rows) == 10
    assert "no uncertainty of the concept: all sets are compared with the same concept images" in bars.note
    assert "5 random sets" in bars.note


def test_to_the_letter_other_things_are_drawn_and_said(tmp_path: Path) -> None:
    found = concepts(tiny_bench(tmp_path, banks=[striped_bank()], **FAST))
    assert "one random set" in found.bars[0].note
    assert "all draws are from the same concept images" in found.bars[0].note


def test_every_bank_passes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = []

    def count(context: Any, bank: Any, held: Any) -> Any:
        passed.append((bank.name, len(held)))
        return show_bank(context, bank, held)

    monkeypatch.setattr(audited_module, "show_bank", count)
    bench = bench_of(tmp_path, banks=[striped_bank(), striped_bank(name="again")])
    found = concepts(bench)
    assert passed == [("stripes", 2), ("again", 2)]
    assert concepts(bench) == found
    assert len(passed) == 2
    assert [bars.title.split("'")[1] for bars in found.bars] == ["stripes", "again"]


def test_groups_are_contrasted_and_have_no_effect_of_their_own(tmp_path: Path) -> None:
    found = concepts(bench_of(tmp_path, banks=[striped_bank(12, groups=True)]))
    groups = table(found, "vertical: groups of 'stripes'")
    assert {row.name for row in groups.rows} == {"upright", "level"}
    assert groups.columns == ["the paper's score", "sd over random sets"]
    assert {row.name for row in table(found, "vertical: images").rows} == {"noise", "more noise"}
    contrast = table(found, "Differences between groups of bank 'stripes'")
    assert contrast.columns == ["images labelled “upright” less images labelled “level”"]
    assert "images labelled so in bank 'stripes'" in contrast.note
    up, down = (row.cells[0] for row in contrast.rows)
    assert up is not None
    assert down is not None
    assert up.low is not None
    assert down.high is not None
    assert up.low > 0 > down.high


def test_a_class_never_predicted_has_its_effect_and_no_score(tmp_path: Path) -> None:
    save_striped(tiny_model(), save_photos(tmp_path / "photos") / "bright", 8, vertical=True)
    found = concepts(bench_of(tmp_path, classes=("vertical", "bright"), banks=[striped_bank()]))
    assert [(s.what, s.reason) for s in found.skipped] == [
        ("the paper's score for class 'bright'", "no occluder could be learned for the class")
    ]
    of = table(found, "bright")
    assert cells(of, "level")[:2] == [None, None]
    assert cells(of, "level")[2] is not None
    assert [group.name for group in found.bars[0].groups] == ["vertical"]
    assert len(found.answers) == 1


def test_an_occluder_that_does_not_hold_gives_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = SimpleNamespace(measured=False, reason="the occluder changed nothing")
    monkeypatch.setattr(audited_module, "explanation_of", lambda one: said)
    found = concepts(bench_of(tmp_path, banks=[striped_bank()]))
    assert {skip.reason for skip in found.skipped} == {"the occluder changed nothing"}
    assert found.bars == found.answers == []


def test_one_photo_of_a_class_is_too_few_for_an_occluder(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", vertical=1)
    found = concepts(bench_of(tmp_path, banks=[striped_bank()]))
    assert [skip.what for skip in found.skipped] == ["the paper's score for class 'vertical'"]


def test_a_concept_of_one_image_has_no_score_and_the_reason_is_said(tmp_path: Path) -> None:
    found = concepts(bench_of(tmp_path, banks=[striped_bank(1)]))
    assert found.tables == found.bars == found.answers == []
    assert "need at least 2" in found.skipped[0].reason


def test_many_classes_take_several_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLASSES_A_FIGURE", 1)
    found = concepts(bench_of(tmp_path, banks=[striped_bank()]))
    assert [len(bars.groups) for bars in found.bars] == [1, 1]


def test_random_photos_serve_as_in_an_audit(tmp_path: Path) -> None:
    save_photos(tmp_path / "random")
    photos = tmp_path / "random" / "horizontal"
    plain = bench_of(tmp_path, banks=[striped_bank()]).audited
    against = bench_of(tmp_path, banks=[striped_bank()], benchmark=photos).audited
    assert not (plain.paper[0, "stripes"].mean == against.paper[0, "stripes"].mean).all()
    assert plain.findings == against.findings


def test_constant_maps_are_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = mmd.PaperScores(torch.full((4,), torch.nan).numpy(), torch.zeros(4).numpy(), 8)
    monkeypatch.setattr(audited_module, "class_paper_scores", lambda *_: nothing)
    found = concepts(bench_of(tmp_path, banks=[striped_bank()]))
    assert found.bars == found.answers == []
    assert cells(table(found, "vertical"), "upright")[0] is None


# --- answers ---


def between(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, n=9)


@pytest.mark.parametrize(
    ("effects", "held"),
    [
        ({"a": (0.5, 0.7), "b": (0.1, 0.4), "c": (-0.2, 0.0)}, True),
        ({"a": (0.3, 0.7), "b": (0.1, 0.4), "c": (-0.2, 0.0)}, None),
        ({"a": (0.1, 0.2), "b": (0.3, 0.4), "c": (0.2, 0.35)}, False),
        ({"a": (0.1, 0.32), "b": (0.3, 0.4), "c": (0.2, 0.25)}, None),
    ],
)
def test_the_largest_is_decided_where_intervals_are_apart(
    effects: dict[str, tuple[float, float]], held: bool | None
) -> None:
    ends = {name: between(*found) for name, found in effects.items()}
    answer = first_concept_answer("zebra", {"a": 0.6, "b": 0.3, "c": 0.1}, ends)
    assert answer is not None
    assert answer.held is held
    assert "“a”" in answer.sentence
    assert "“b”" in answer.sentence


def test_a_single_concept_is_no_ranking() -> None:
    assert first_concept_answer("zebra", {"a": 1.0}, {"a": between(0, 1)}) is None
    unknown = {"a": Estimate(value=0.5), "b": Estimate(value=0.1)}
    answer = first_concept_answer("zebra", {"a": 0.6, "b": 0.4}, unknown)
    assert answer is not None
    assert answer.held is None


# --- the figure ---


def bars_of(*groups: int) -> Bars:
    made = [
        BarGroup(
            name=f"class <{g}>", bars=[Bar(name=f"k{b}", value=0.5 / (b + 1), sd=0.01) for b in range(n)]
        )
        for g, n in enumerate(groups)
    ]
    return Bars(title="Importance", unit="share", groups=made, note="Said so.")


def test_bars_are_drawn_with_names_and_told(tmp_path: Path) -> None:
    chart = bars_chart(bars_of(9, 3, 1), Sheet("", PRINT), key="k")
    assert "class <1>: k0 0.50 (sd 0.01), k1 0.25 (sd 0.01)" in chart.description
    assert "k7" in chart.svg
    assert "k8" not in chart.svg
    assert "class &lt;2&gt;" in chart.svg
    assert bars_chart(bars_of(9, 3, 1), Sheet("", PRINT), key="k").svg == chart.svg


def test_an_error_bar_is_said_to_be_a_deviation() -> None:
    one = Experiment(step="concepts", title="T", about="", source="", bars=[bars_of(2)])
    assert one.measured
    ((chart, note),) = experiment_charts(experiment_view(one), Sheet("", PRINT))
    assert note == "Bars: share. An error bar is the standard deviation over runs. Said so."
    assert chart.key == "concepts-bars-0"


# --- cost ---


def test_the_memory_of_a_piece_of_work_is_measured() -> None:
    with measured() as cost:
        held = mmap.mmap(-1, 64 * 2**20)  # pages that the process did not hold before
        held.write(b"x" * len(held))
    assert cost.seconds > 0
    assert cost.memory is None or 60 < cost.memory < 400


def test_a_system_that_does_not_tell_is_not_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cost_module, "RESET", tmp_path / "missing" / "file")
    with measured() as cost:
        pass
    assert cost.memory is None
