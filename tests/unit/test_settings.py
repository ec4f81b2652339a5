"""Settings: which source wins, what an error says, what the digest covers."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.errors import InputError
from auditor.settings import (
    NOT_IN_NUMBERS,
    NOT_IN_RECORD,
    Settings,
    allowed,
    load_settings,
    parse_arguments,
)

MINIMAL = {"model": "timm:resnet18", "classes": ["zebra"]}

# For every setting a value that is allowed and is not the default.
OTHER: dict[str, object] = {
    "from_scan": "scan",
    "model": "file:a.pt",
    "arch": "timm:resnet18",
    "model_args": ["output_stride=16"],
    "model_factory": "mine:make",
    "weights_key": "state_dict",
    "head": "sigmoid",
    "random_weights": True,
    "labels": Path("labels.txt"),
    "classes": ("apron",),
    "images": "photos",
    "unlabelled": "more",
    "in_context": True,
    "release": "2.3",
    "purpose": "sorting photos of clothes",
    "assessor": "A. Reviewer",
    "banks": ("gender",),
    "benchmark": Path("random"),
    "layers": ("layer4",),
    "out": Path("elsewhere"),
    "seed": 1,
    "device": "cpu",
    "precision": "float32",
    "batch_size": 8,
    "n_impressions": 8,
    "impression_steps": 10,
    "max_images": 10,
    "heldout": 0.5,
    "occluder_iterations": 10,
    "occluder_lr": 0.1,
    "noise": 0.1,
    "rotation": 1.0,
    "refits": 1,
    "runs": 10,
    "permutations": 999,
    "bootstrap": 200,
    "alpha": 0.01,
    "margin": 0.2,
    "contrast_margin": 0.3,
    "importance_margin": 0.4,
    "min_images": 10,
    "scores_only": True,
    "paper_exact": True,
    "reference_classes": 0,
    "input_size": 64,
    "crop": 1.0,
    "interpolation": "nearest",
    "mean": (0.5,),
    "std": (0.5,),
    "formats": ("html",),
    "strict": True,
    "overwrite": True,
    "cache": Path("cache"),
}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    config = write(tmp_path / "a.toml", 'model = "timm:resnet18"\nclasses = ["zebra"]\nseed = 3\nruns = 7\n')
    settings = load_settings(config, {"seed": 4, "alpha": None})
    assert (settings.seed, settings.runs, settings.alpha) == (4, 7, Settings.model_fields["alpha"].default)


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        (
            "# a comment\nalpha = 2\n",
            {},
            "config '{config}', line 2, alpha: got 2, needed a number above 0 below 0.5",
        ),
        (
            'device = "gpu"\n',
            {},
            "config '{config}', line 1, device: got 'gpu', needed one of auto, cpu, cuda, mps",
        ),
        ("\n\nrums = 3\n", {}, "config '{config}', line 3, rums: no such setting; did you mean runs?"),
        ('banks = "zebra"\n', {}, "line 1, banks: got 'zebra', needed a list, each text that is not empty"),
        ("[occluder]\nlr = 1\n", {}, "config '{config}', line 1, occluder: no such setting; did you mean"),
        ("", {"alpha": 2.0}, "--alpha: got 2.0, needed a number above 0 below 0.5"),
        ("alpha = 2\n", {"max_images": 1}, "--max-images: got 1, needed a whole number from 4 to 100000"),
        ("alpha = \n", {}, "config '{config}', line 1: not valid TOML: Invalid value"),
        ("", {"classes": ["a", "b", "a"]}, "--classes: 'a' given twice, needed each once"),
        (
            "",
            {"mean": ["0.1", "0.2"], "std": ["1"]},
            "mean has 2 values and std 1, needed one of each per channel",
        ),
        (
            "",
            {"arch": "timm:resnet18"},
            "arch is given but model is 'timm:resnet18', needed model = file:PATH",
        ),
        ("", {"mean": ["123.675"]}, "--mean: got '123.675', needed a list, each a number from 0 to 1"),
        ("", {"std": ["58.4"]}, "--std: got '58.4', needed a list, each a number above 0 to 1"),
        ("", {"model_args": ["stride"]}, "--model-args: 'stride' is not KEY=VALUE"),
        ("", {"model_factory": "a:b"}, "model_factory is given but model is 'timm:resnet18'"),
        (
            "",
            {"images": "photos", "unlabelled": "more"},
            "unlabelled and images 'photos' are given, needed one of them",
        ),
        ("", {"formats": ["docx"]}, "--formats: got 'docx', needed a list, each one of html, pdf, json,"),
    ],
)
def test_an_error_says_where_what_was_seen_and_what_was_needed(
    tmp_path: Path, text: str, flags: dict[str, object], message: str
) -> None:
    config = write(tmp_path / "a.toml", text)
    with pytest.raises(InputError) as caught:
        load_settings(config, {**MINIMAL, **flags})
    assert message.format(config=config) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_required_is_named_with_its_meaning(tmp_path: Path) -> None:
    config = write(tmp_path / "a.toml", 'model = "x"\n')
    with pytest.raises(
        InputError, match=r"--classes is not given and '.*a.toml' has no classes, needed: Classes"
    ):
        load_settings(config, {})


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_config_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    config = tmp_path / "a.toml"
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(InputError, match=r"config '.*a\.toml': .*TOML file"):
        load_settings(config, MINIMAL)


def test_every_setting_has_another_value_here() -> None:
    assert set(OTHER) == set(Settings.model_fields)


@pytest.mark.parametrize("field", sorted(OTHER))
def test_the_digest_changes_with_every_setting_that_can_change_a_number(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "labels.txt", "a\n")
    base = {**MINIMAL, "model": "file:b.pt"}
    changed = {**base, field: OTHER[field]}
    same = load_settings(None, base).digest() == load_settings(None, changed).digest()
    assert same == (field in NOT_IN_NUMBERS)


def test_the_digest_covers_the_content_of_the_labels_file(tmp_path: Path) -> None:
    settings = load_settings(None, {**MINIMAL, "labels": write(tmp_path / "labels.txt", "a\nb\n")})
    before = settings.digest()
    write(tmp_path / "labels.txt", "b\na\n")
    assert settings.digest() != before
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(InputError, match="labels"):
        settings.digest()


def test_the_digest_can_leave_out_what_a_part_does_not_depend_on() -> None:
    one, two = (load_settings(None, {**MINIMAL, "classes": [name]}) for name in ("zebra", "apron"))
    assert one.digest() != two.digest()
    assert one.digest(without=("classes",)) == two.digest(without=("classes",))
    with pytest.raises(ValueError, match="clases"):
        one.digest(without=("clases",))


def test_the_record_holds_every_setting_but_where_this_machine_keeps_things() -> None:
    settings = load_settings(None, MINIMAL)
    record = settings.record()
    assert set(record) == set(Settings.model_fields) - NOT_IN_RECORD
    assert Settings.model_validate(record) == settings


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_says_what_it_means_and_what_it_accepts(field: str) -> None:
    assert (Settings.model_fields[field].description or "").endswith(".")
    assert "None" not in allowed(field)


def test_arguments_of_a_constructor_are_literals_or_text() -> None:
    given = ["output_stride=16", "act_layer=silu", "drop=0.5", "blur=true", "norm=None", "sizes=(1, 2)"]
    assert parse_arguments(given) == {
        "output_stride": 16, "act_layer": "silu", "drop": 0.5, "blur": True, "norm": None, "sizes": (1, 2),
    }  # fmt: skip
    with pytest.raises(ValueError, match="'a' given twice"):
        parse_arguments(["a=1", "a=2"])


def test_arguments_may_be_a_table_of_the_config(tmp_path: Path) -> None:
    config = write(tmp_path / "a.toml", "[model_args]\noutput_stride = 16\nblur = true\n")
    assert parse_arguments(load_settings(config, MINIMAL).model_args) == {"output_stride": 16, "blur": True}


def test_a_config_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    config = write(tmp_path / "a.toml", '\ufeffmodel = "x"\nclasses = ["zebra"]\n')
    assert load_settings(config, {}).model == "x"
