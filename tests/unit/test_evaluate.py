"""An evaluation: photos, attack, distillation, answers, going on after a stop, the file and its pages."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pypdf
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from auditor.cli import main
from auditor.errors import InputError
from auditor.evaluate import answers as rules
from auditor.evaluate import attack as attack_module
from auditor.evaluate import distillation as distillation_module
from auditor.evaluate import run as run_module
from auditor.evaluate.attack import attack
from auditor.evaluate.bench import Bench, Subject
from auditor.evaluate.distillation import distillation
from auditor.evaluate.photos import other_classes, read_photos
from auditor.evaluate.run import run_evaluation
from auditor.evaluate.short import short_form
from auditor.evaluation_records import (
    Answer,
    CurveLine,
    Curves,
    Estimate,
    Evaluation,
    Experiment,
    Gallery,
    Shot,
    ShotRow,
    Table,
    TableRow,
)
from auditor.files import write_bytes
from auditor.records import Environment, Skipped
from auditor.report.formats.evaluation import evaluation_html, evaluation_pdf
from auditor.report.words import interval, number
from auditor.settings import EvaluationSettings
from auditor.store.evaluations import read_evaluation, write_evaluation
from tests.benches import save_photos, tiny_bench, tiny_settings, wide_model
from tests.tiny import SIDE, tiny_model


def estimates(table: Table, start: str) -> dict[str, float | None]:
    row = next(row for row in table.rows if row.name.startswith(start))
    return {
        column: None if cell is None else cell.value
        for column, cell in zip(table.columns, row.cells, strict=True)
    }


# --- photos ---


def test_photos_are_divided_the_same_way_every_time(tmp_path: Path) -> None:
    first, second = (tiny_bench(tmp_path).photos[0] for _ in range(2))
    np.testing.assert_array_equal(first.learn, second.learn)
    assert (~first.learn).sum() == 6  # a third of 18
    other = tiny_bench(tmp_path, seed=1).photos[0]
    assert not np.array_equal(first.learn, other.learn)


def test_held_out_photos_are_never_learned_on(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path)
    for subject in bench.subjects:
        photos, images = subject.photos, subject.stage_one.images
        of_name = dict(zip(photos.names, photos.learn, strict=True))
        part = [of_name[name] for name in images.names]
        assert part == [True] * images.record.learned + [False] * images.record.heldout
        assert images.record.heldout > 0


def test_a_photo_that_cannot_be_read_is_skipped(tmp_path: Path) -> None:
    folder = save_photos(tmp_path / "photos")
    (folder / "vertical" / "005.png").write_bytes(b"no picture")
    photos = tiny_bench(tmp_path).photos[0]
    assert len(photos.pixels) == 17
    assert "005.png" in photos.skipped[0].what
    record = photos.image_set().record
    assert (record.found, record.dropped_unreadable) == (18, 1)


def test_a_class_without_photos_is_left_out_with_the_reason(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path, classes=("vertical", "bright"))
    assert [photos.label.name for photos in bench.photos] == ["vertical"]
    assert bench.skipped[0].what == "class 'bright'"
    with pytest.raises(InputError, match="bright"):
        read_photos(bench.context, bench.context.classes[1])


def test_too_few_recognised_photos_are_no_subject(tmp_path: Path) -> None:
    save_photos(tmp_path / "photos", vertical=2)
    bench = tiny_bench(tmp_path)
    assert [subject.label.name for subject in bench.subjects] == ["horizontal"]
    assert "recognises" in bench.skipped[0].reason


def test_other_classes_are_those_of_the_folder_not_evaluated(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path, classes=("vertical",))
    assert [label.name for label in other_classes(bench.context)] == ["horizontal"]


# --- attack ---

WAVE = np.where(np.arange(SIDE) // 2 % 2 == 0, 1.0, -1.0)


def swap(*, vertical: bool) -> NDArray[np.float32]:
    """An occluder that takes away one kind of stripes and leaves the other kind in its place."""
    own = np.broadcast_to(WAVE[None, :] if vertical else WAVE[:, None], (3, SIDE, SIDE))
    other = np.broadcast_to(WAVE[:, None] if vertical else WAVE[None, :], (3, SIDE, SIDE))
    return (0.6 * own - 0.6 * other).astype(np.float32)


def with_occluders(bench: Bench, made: dict[str, NDArray[np.float32]]) -> Bench:
    subjects = [
        Subject(photos, SimpleNamespace(perturbations=made[photos.label.name][None]))  # type: ignore[arg-type]
        for photos in bench.photos
    ]
    bench.__dict__["subjects"] = tuple(subjects)
    return bench


def test_an_occluder_that_exchanges_stripes_takes_everything(tmp_path: Path) -> None:
    made = {"vertical": swap(vertical=True), "horizontal": swap(vertical=False)}
    found = attack(with_occluders(tiny_bench(tmp_path), made))
    for name in ("vertical", "horizontal", "mean of classes"):
        assert list(estimates(found.tables[0], name).values()) == [1, 0, 1, 0, 1, 1]
    assert len(found.answers) == 4


def test_an_occluder_that_does_nothing_takes_nothing(tmp_path: Path) -> None:
    nothing = np.zeros((3, SIDE, SIDE), np.float32)
    found = attack(with_occluders(tiny_bench(tmp_path), {"vertical": nothing, "horizontal": nothing}))
    assert list(estimates(found.tables[0], "vertical").values()) == [1, 1, 1, 1, 1, 1]


def test_photos_that_the_model_gets_wrong_count(tmp_path: Path) -> None:
    folder = save_photos(tmp_path / "photos")
    for path in sorted((folder / "horizontal").iterdir())[:6]:
        path.rename(folder / "vertical" / f"h{path.name}")
    made = {"vertical": swap(vertical=True), "horizontal": swap(vertical=False)}
    bench = with_occluders(tiny_bench(tmp_path), made)
    right = bench.photos[0].right
    assert right.sum() == 18
    found = estimates(attack(bench).tables[0], "vertical")
    clean = right[~bench.photos[0].learn].mean()
    assert found["clean, held out"] == pytest.approx(clean)


def test_one_class_has_no_other_occluder(tmp_path: Path) -> None:
    bench = with_occluders(tiny_bench(tmp_path, classes=("vertical",)), {"vertical": swap(vertical=True)})
    found = attack(bench)
    assert estimates(found.tables[0], "vertical")["another class's occluder, held out"] is None
    assert len(found.answers) == 3


# --- distillation ---


def with_importance(
    bench: Bench, made: dict[str, NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> Bench:
    subjects = tuple(
        Subject(photos, SimpleNamespace(importance={"act": made[photos.label.name][None]}))  # type: ignore[arg-type]
        for photos in bench.photos
    )
    bench.__dict__["subjects"] = subjects
    monkeypatch.setattr(bench, "learned", lambda _context: subjects)
    return bench


def one_hot(channel: int, channels: int) -> NDArray[np.float32]:
    return np.eye(channels, dtype=np.float32)[channel]


def test_a_student_tells_the_class_by_its_channel_and_not_by_one_drawn_by_lot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"vertical": one_hot(0, 24), "horizontal": one_hot(1, 24)}
    found = distillation(
        with_importance(tiny_bench(tmp_path, model=wide_model(), seeds=2), made, monkeypatch)
    )
    assert len(found.tables) == 4
    for table, lead in zip(found.tables[:2], found.tables[2:], strict=True):
        means = estimates(table, "mean of classes")
        assert means["AfI"] == 1
        permuted = means["AfI's weights permuted"]
        assert permuted is not None
        assert permuted < 0.8
        assert estimates(lead, "mean of classes")["AfI's weights permuted"] == pytest.approx(1 - permuted)


def test_equal_weights_are_not_ahead_of_equal_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dict.fromkeys(("vertical", "horizontal"), np.ones(3, np.float32))
    found = distillation(with_importance(tiny_bench(tmp_path, seeds=1), made, monkeypatch))
    lead = estimates(found.tables[2], "mean of classes")
    assert lead["uniform weights"] == 0
    assert lead["AfI's weights permuted"] == 0
    ahead = [a for a in found.answers if "ahead of uniform weights, as in the paper" in a.question]
    assert [answer.held for answer in ahead] == [None]


def test_a_class_with_too_few_photos_to_compare_with_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photos(tmp_path / "photos", horizontal=3)
    bench = tiny_bench(tmp_path, classes=("vertical",))
    found = distillation(with_importance(bench, {"vertical": one_hot(0, 3)}, monkeypatch))
    assert not found.measured
    assert len(found.skipped) == 2
    assert found.skipped[0].reason.startswith("2 and 1 photos that the model gets right")


def test_the_short_form_learns_nothing_and_takes_references_as_others(tmp_path: Path) -> None:
    bench = tiny_bench(tmp_path)
    own, reference = (subject.stage_one for subject in bench.subjects)
    attacked, distilled = short_form(bench.context, [own], [reference])
    found = estimates(attacked.tables[0], "vertical")
    assert found["clean, learned on"] == found["clean, held out"] == 1
    assert found["another class's occluder, held out"] is not None
    assert [row.name for row in attacked.tables[0].rows] == ["mean of classes", "vertical"]
    assert estimates(distilled.tables[0], "vertical")["AfI without t"] is None
    assert short_form(bench.context, [], [reference]) == []


def test_few_keeps_the_largest_weights() -> None:
    weights = np.array([0.1, 0.9, 0.5], np.float32)
    assert distillation_module._few(weights).tolist() == [0.0, pytest.approx(0.9), 0.0]
    assert (distillation_module._few(np.arange(100, dtype=np.float32)) > 0).sum() == 2


# --- answers ---


@pytest.mark.parametrize(
    ("low", "high", "least", "most"),
    [
        (0.5, 0.9, True, None),
        (0.49, 0.9, None, None),
        (0.1, 0.49, False, True),
        (0.1, 0.5, None, True),
        (0.51, 0.9, True, False),
        (0.5, 0.5, True, True),
    ],
)
def test_an_answer_needs_the_whole_interval(
    low: float, high: float, least: bool | None, most: bool | None
) -> None:
    found = Estimate(value=(low + high) / 2, low=low, high=high, n=9)
    for rule, expected in ((rules._at_least, least), (rules._at_most, most)):
        answer = rule("q", found, 0.5)
        assert answer is not None
        assert answer.held is expected
        assert f"[{low:.2f}, {high:.2f}]; needed: 0.50" in answer.sentence


@pytest.mark.parametrize(("n", "held"), [(1, None), (4, None), (5, True)])
def test_without_an_interval_only_many_equal_values_decide(n: int, held: bool | None) -> None:
    answer = rules._at_least("q", Estimate(value=1.0, n=n), 0.5)
    assert answer is not None
    assert answer.held is held
    assert f"no interval (n = {n})" in answer.sentence
    assert rules._at_least("q", None, 0.5) is None
    assert rules._at_most("q", None, 0.5) is None


def sure(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=9)


def table_of(columns: list[str], cells: list[Estimate | None], title: str = "t, form") -> Table:
    row = TableRow(name="mean of classes", cells=cells)
    return Table(title=title, unit="u", rows_are="class", columns=columns, rows=[row])


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([1, 0.05, 0.9, 0.15, 0.765, 0.765], [True, True, True, True]),
        ([1, 0.06, 0.9, 0.16, 0.76, 0.76], [False, False, False, False]),
        ([1, 0.05, 0.5, 0.15, 0.43, 0.42], [True, True, True, False]),  # a share of clean accuracy
    ],
)
def test_attack_answers_at_their_borders(values: list[float], held: list[bool]) -> None:
    table = table_of(list(attack_module.COLUMNS), [sure(value) for value in values])
    assert [answer.held for answer in rules.attack_answers(table)] == held


def test_without_a_class_attack_answers_nothing() -> None:
    empty = Table(title="", unit="", rows_are="", columns=list(attack_module.COLUMNS), rows=[])
    assert rules.attack_answers(empty) == []


def test_distillation_answers_at_their_borders() -> None:
    columns = list(distillation_module.SCHEMES[1:])

    def held(accuracy: float, lead: float) -> list[bool | None]:
        first = table_of(["AfI"], [sure(accuracy)])
        leads = table_of(columns, [sure(lead)] * len(columns))
        return [answer.held for answer in rules.distillation_answers([first], [leads])]

    assert held(0.97, 0.05) == [True] * 5
    assert held(0.96, 0.04) == [False, True, False, False, False]  # of t, it must only not be behind
    assert held(0.96, -0.01) == [False] * 5


# --- going on after a stop ---


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "load_audited", lambda _settings, _progress: tiny_model())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Steps that were made and not read back; each is quick and leaves a picture."""
    done: list[str] = []

    def step(bench: Bench) -> Experiment:
        done.append("attack")
        bench.pictures["pictures/one.jpg"] = b"one"
        return Experiment(step="attack", title="Attack", about="", source="Table 1")

    monkeypatch.setattr(attack_module, "attack", step)
    return done


def attack_only(tmp_path: Path, **more: object) -> EvaluationSettings:
    save_photos(tmp_path / "photos")
    return tiny_settings(tmp_path, steps=("attack",), evaluation_formats=("html",), **more)


def work_files(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / "out").rglob("attack-*.json")


@pytest.mark.usefixtures("_tiny")
def test_a_finished_experiment_is_read_back(tmp_path: Path, made: list[str]) -> None:
    settings = attack_only(tmp_path)
    first, second = run_evaluation(settings), run_evaluation(settings)
    assert made == ["attack"]
    assert first.experiments == second.experiments
    assert (tmp_path / "out" / "pictures" / "one.jpg").read_bytes() == b"one"
    run_evaluation(settings.model_copy(update={"noise": 0.1}))
    assert made == ["attack"] * 2  # other settings, another experiment


@pytest.mark.usefixtures("_tiny")
def test_a_half_written_work_file_is_made_again(tmp_path: Path, made: list[str]) -> None:
    settings = attack_only(tmp_path)
    run_evaluation(settings)
    (path,) = work_files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    run_evaluation(settings)
    assert made == ["attack"] * 2
    assert Experiment.model_validate_json(path.read_bytes()).title == "Attack"


@pytest.mark.usefixtures("_tiny")
def test_what_cannot_be_done_is_skipped_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_bench: Bench) -> Experiment:
        raise InputError("photos: gone; needed: photos")

    monkeypatch.setattr(attack_module, "attack", refuse)
    found = run_evaluation(attack_only(tmp_path))
    assert found.experiments[0].skipped[0].reason == "photos: gone; needed: photos"
    assert list(work_files(tmp_path)) == []


@pytest.mark.usefixtures("_tiny")
def test_an_evaluation_of_the_planted_network_is_whole(tmp_path: Path) -> None:
    found = run_evaluation(attack_only(tmp_path))
    kept = read_evaluation(tmp_path / "out")
    assert [one.step for one in kept.experiments] == ["attack"]
    assert kept.classes == ["vertical", "horizontal"]
    assert len(found.experiments[0].answers) == 4
    assert (tmp_path / "out" / "evaluation.html").is_file()


# --- the file ---


def evaluation(directory: Path) -> Evaluation:
    """An evaluation with numbers that stand nowhere else."""
    model = tiny_model().record()
    pixels = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 20, 20)).save(pixels, "JPEG")
    write_bytes(directory / "pictures" / "a.jpg", pixels.getvalue())
    cells: list[Estimate | None] = [
        Estimate(value=0.3141, low=0.2718, high=0.3717, n=7),
        Estimate(value=-0.4669, n=1),
        None,
    ]
    points = [Estimate(value=0.1732, low=0.1414, high=0.2236, n=5), Estimate(value=0.6931, n=1)]
    one = Experiment(
        step="sanity",
        title="Sanity checks",
        about="What is done.",
        source="",
        answers=[Answer(question="Does it hold?", held=None, sentence="0.57 [0.11, 0.91]")],
        tables=[
            Table(
                title="First",
                unit="share of photos",
                rows_are="class",
                columns=["one", "two", "three"],
                rows=[TableRow(name="a <b> class", cells=cells)],
                note="A note.",
            )
        ],
        curves=[
            Curves(
                title="Second",
                x=[0.0, 1.0],
                x_title="share",
                y_title="correlation",
                lines=[CurveLine(name="mean", points=points)],
            )
        ],
        galleries=[
            Gallery(
                title="Third",
                rows=[
                    ShotRow(
                        name="row",
                        shots=[Shot(path="pictures/a.jpg", alt="Red", caption="red", width=8, height=8)],
                    )
                ],
            )
        ],
        skipped=[Skipped(what="a thing", reason="for a reason")],
    )
    return Evaluation(
        created="2026-11-27T12:00:00+00:00",
        duration_s=1.0,
        model=model,
        settings={"images": "photos"},
        environment=Environment(
            auditor="0", python="3", platform="x", packages={}, device="cpu", precision="float32", threads=1
        ),
        classes=["a <b> class"],
        experiments=[one],
        skipped=[],
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", None, "needed the directory of an evaluation or its evaluation.json"),
        ("{", "", "not complete JSON"),
        ('"kind": "evaluation"', '"kind": "audit"', "its 'kind' is not 'evaluation'"),
        ('"format_version": 1', '"format_version": 99', "format version 99; this auditor reads version 1"),
        ('"step": "sanity"', '"step": "other"', "step"),
        ('"classes":', '"unknown": 1, "classes":', "unknown"),
    ],
)
def test_a_file_that_is_no_evaluation_is_refused_by_name(
    tmp_path: Path, old: str, new: str | None, said: str
) -> None:
    write_evaluation(tmp_path, evaluation(tmp_path))
    path = tmp_path / "evaluation.json"
    if new is None:
        path.unlink()
    else:
        text = re.sub(r'"(\w+)":(?=\S)', r'"\1": ', path.read_text())
        assert old in text
        path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        read_evaluation(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert said in str(caught.value)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = evaluation(tmp_path)
    write_evaluation(tmp_path, made)
    assert read_evaluation(tmp_path) == made == read_evaluation(tmp_path / "evaluation.json")


# --- pages ---


def numbers(of: Evaluation) -> Iterator[str]:
    """Every number of the tables as a page writes it."""
    for one in of.experiments:
        for table in one.tables:
            for cell in (cell for row in table.rows for cell in row.cells if cell is not None):
                yield number(cell.value)
                if cell.low is not None:
                    yield interval(cell.low, cell.high)


def test_the_page_has_every_number_of_the_tables(tmp_path: Path) -> None:
    of = evaluation(tmp_path)
    page = evaluation_html(of, tmp_path).decode()
    for text in numbers(of):
        assert text in page
    assert "not measured" in page
    for text in ("First", "A note.", "Does it hold?", "0.57 [0.11, 0.91]", "a thing: for a reason", "0.69"):
        assert text in page
    assert "a &lt;b&gt; class" in page
    assert "<b> class" not in page
    assert 'alt="Red"' in page
    assert "<script" not in page


def test_the_pdf_has_every_number_of_the_tables_and_the_file_itself(tmp_path: Path) -> None:
    of = evaluation(tmp_path)
    write_evaluation(tmp_path, of)
    reader = pypdf.PdfReader(io.BytesIO(evaluation_pdf(of, tmp_path)))
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))
    for expected in numbers(of):
        assert expected in text
    for expected in ("Does it hold?", "a <b> class", "a thing: for a reason"):
        assert expected in text
    attached = reader.attachments["evaluation.json"][0]
    assert attached == (tmp_path / "evaluation.json").read_bytes()


# --- the command ---


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    said = capsys.readouterr().out
    for flag in ("--steps", "--seeds", "--judge", "--images"):
        assert flag in said


def asked(tmp_path: Path, *more: str) -> list[str]:
    out = str(tmp_path / "out")
    return ["evaluate", "-m", "timm:resnet18", "-c", "zebra", "-o", out, *more]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--images", "NOWHERE"], "there is no such folder"),
        ([], "--images is not given"),
        (["--images", "HERE", "--steps", "magic"], "--steps"),
        (["--images", "HERE", "--judge", "file:/nowhere.pt"], "nowhere.pt"),
    ],
)
def test_a_request_that_cannot_be_met_has_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    places = {"NOWHERE": str(tmp_path / "none"), "HERE": str(tmp_path)}
    assert main(asked(tmp_path, *(places.get(word, word) for word in more))) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("_tiny")
def test_the_command_says_every_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photos(tmp_path / "photos")
    words = ["--images", str(tmp_path / "photos"), "--steps", "attack", "--formats", "html"]
    words += ["--occluder-iterations", "5", "-c", "vertical"]
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", "-m", "timm:resnet18", "-o", "out", *words]
    assert main(command) == 0
    said: Any = capsys.readouterr().out
    for answer in read_evaluation(tmp_path / "out").experiments[0].answers:
        assert answer.question in said
    assert "evaluation.html" in said
    assert torch.is_grad_enabled()
