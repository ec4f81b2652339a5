"""What ``auditor run`` says to requests that cannot be carried out: one line, status 2, nothing written."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from auditor.cli import main

ZEBRA = 340
SMALL = (
    *("--min-images", "4", "--permutations", "999", "--bootstrap", "200", "--runs", "2", "--refits", "1"),
    *(
        "--reference-classes",
        "0",
        "--occluder-iterations",
        "2",
        "--n-impressions",
        "4",
        "--impression-steps",
        "2",
    ),
    *("--formats", "html", "--device", "cpu", "--max-images", "8"),
)


def picture(rng: np.random.Generator, side: int = 32) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a bank of three concepts."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for concept in ("dull", "plain", "quiet"):
        (tmp_path / "bank" / concept).mkdir(parents=True)
        for i in range(5):
            picture(rng).save(tmp_path / "bank" / concept / f"{i}.png")
    return tmp_path


def run(*more: str | Path, model: str = "timm:test_resnet", classes: str = "zebra") -> int:
    """``auditor run`` with everything small; later flags win over earlier ones."""
    weights = [] if model.startswith("file:") else ["--random-weights"]
    fixed = ["run", "-m", model, "-c", classes, "-o", "audit", "--cache", "cache", *weights, *SMALL]
    return main([*fixed, *([] if "--banks" in more else ["--banks", "bank"]), *map(str, more)])


def files_in(place: Path) -> set[Path]:
    """All but the cache, which is shared between audits and may keep what is whole."""
    cache = place / "cache"
    return {path for path in place.rglob("*") if path.is_file() and not path.is_relative_to(cache)}


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls ``run``, checks that it was refused as it must be, and returns what was said."""

    def call(*more: str | Path, **options: str) -> str:
        before = files_in(place)
        assert run(*more, **options) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(said) == 1
        assert files_in(place) == before, "nothing half-written"
        return said[0].removeprefix("error: ")

    return call


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("timm:resnet5000", "resnet5000"),
        ("resnet5000", "resnet5000"),
        ("torchvision:resnet51", "resnet5"),
        ("bundled:efficientnet_lite9", "efficientnet_lite0"),
        ("keras:resnet50", "unknown source 'keras'"),
        ("timm:", "no name behind 'timm:'"),
        ("file:none.safetensors", "none.safetensors"),
    ],
)
def test_an_unknown_model(refused: Any, model: str, said: str) -> None:
    more = ["--arch", "timm:test_resnet"] if model.startswith("file:") else []
    assert said in refused(*more, model=model)


def test_a_pickled_module_is_refused_with_the_reason(refused: Any, place: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), place / "whole.pt")
    said = refused("--arch", "timm:test_resnet", model="file:whole.pt")
    assert "whole.pt" in said
    assert "state dict" in said


def test_weights_that_are_no_weights(refused: Any, place: Path) -> None:
    (place / "text.safetensors").write_text("hello")
    assert "text.safetensors" in refused("--arch", "timm:test_resnet", model="file:text.safetensors")


@pytest.mark.parametrize(
    ("classes", "said"), [("zebr", "zebra"), ("1000", "0 to 999"), ("n00000000", "n00000000")]
)
def test_an_unknown_class(refused: Any, classes: str, said: str) -> None:
    assert said in refused(classes=classes)


def test_an_unknown_bank(refused: Any) -> None:
    said = refused("--banks", "textuers")
    assert "textuers" in said
    assert "textures" in said, "the nearest is named"


def test_an_unknown_layer(refused: Any) -> None:
    said = refused("--layers", "layer9.*")
    assert "layer9.*" in said
    assert "auditor layers" in said


def test_too_few_permutations_for_so_many_tests(refused: Any) -> None:
    assert "permutations" in refused("--permutations", "99", "--alpha", "0.01")


def test_no_folder_of_the_class(refused: Any, place: Path) -> None:
    (place / "photos").mkdir()
    assert "zebra" in refused("--images", "photos")
    assert "nowhere" in refused("--images", "nowhere")


def test_no_image_that_the_model_takes_for_the_class_leaves_the_scores(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = place / "photos" / "zebra"
    folder.mkdir(parents=True)
    for i in range(5):
        picture(np.random.default_rng(i)).save(folder / f"{i}.png")
    assert run("--images", "photos") == 0
    assert "recognises 0 of 5" in capsys.readouterr().err
    audit = json.loads((place / "audit" / "audit.json").read_text())
    assert "recognises 0 of 5" in audit["classes"][0]["explanation"]["reason"]
    assert all(finding["effect"] is not None for finding in audit["findings"])
    assert run("--images", "photos", "--strict", "--overwrite") == 2
    assert "--strict: 1 skipped" in capsys.readouterr().err


def test_a_directory_that_holds_another_audit_is_left_alone(refused: Any, place: Path) -> None:
    (place / "audit").mkdir()
    (place / "audit" / "audit.json").write_text("{}")
    assert "--overwrite" in refused()
    assert (place / "audit" / "audit.json").read_text() == "{}"


def test_an_output_that_is_a_file(refused: Any, place: Path) -> None:
    (place / "audit").write_text("mine")
    assert "'audit'" in refused()


def test_a_device_that_is_not_there(refused: Any) -> None:
    missing = next(name for name in ("mps", "cuda") if not getattr(torch, name).is_available())
    assert f"device '{missing}'" in refused("--device", missing)


@pytest.fixture
def always_zebra(place: Path) -> str:
    """A model that takes everything for a zebra, so that every image that can be decoded is used."""
    from auditor.models import Request, load_model

    state = load_model("timm:test_resnet", request=Request(random_weights=True)).module.state_dict()
    state["fc.bias"][ZEBRA] = 50.0
    torch.save(state, place / "zebra.pt")
    return "file:zebra.pt"


def awkward_images(folder: Path) -> list[str]:
    """Writes a file of each kind that goes wrong somewhere; returns those that cannot be used."""
    rng = np.random.default_rng(1)
    good = picture(rng)
    good.quantize(16).save(folder / "palette.png")
    good.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(rng.integers(0, 65536, (32, 32), dtype=np.uint16)).save(folder / "deep.png")
    good.save(folder / "moving.gif", save_all=True, append_images=[picture(rng)])
    good.save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:200])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no picture")
    Image.new("L", (20_000, 20_000)).save(folder / "huge.png")
    return ["cut.png", "empty.jpg", "text.jpg", "huge.png", "moving.gif"]


@pytest.mark.slow
def test_images_that_cannot_be_used_are_skipped_and_listed(
    always_zebra: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = place / "photos" / "zebra"
    folder.mkdir(parents=True)
    bad = awkward_images(folder)
    for i in range(2):
        picture(np.random.default_rng(i)).save(folder / f"good{i}.png")
    status = run("--images", "photos", "--arch", "timm:test_resnet", model=always_zebra)
    assert status == 0, capsys.readouterr().err
    audit = json.loads((place / "audit" / "audit.json").read_text())
    (result,) = audit["classes"]
    assert result["images"]["dropped_unreadable"] == len(bad)
    listed = " ".join(skip["what"] for skip in result["skipped"])
    assert all(name in listed for name in bad)
    assert result["images"]["used"] == result["images"]["found"] - len(bad) >= 4
    assert (place / "audit" / "report.html").is_file()


@pytest.mark.slow
def test_interrupted_the_same_command_goes_on(
    always_zebra: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import auditor.audit.run
    from auditor.explain.stage_one import run_stage_one

    learned: list[str] = []

    def counted(context: Any, label: Any, **options: Any) -> Any:
        learned.append(label.name)
        return run_stage_one(context, label, **options)

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("auditor.explain.stage_one.run_stage_one", counted)
    arch = ("--arch", "timm:test_resnet")
    with monkeypatch.context() as patch:
        patch.setattr(auditor.audit.run, "with_detectors", interrupt)  # the class is learned by then
        assert run(*arch, model=always_zebra) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("interrupted; what is done is kept")
    assert (place / "audit" / "audit.json").is_file(), "the scores are there already"
    assert learned == ["zebra"]
    assert run(*arch, model=always_zebra) == 0
    assert learned == ["zebra"], "the class that was done is not learned again"
    assert (place / "audit" / "audit.json").is_file()


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_no_audit(
    always_zebra: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert run("--arch", "timm:test_resnet", model=always_zebra) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert "space" in last
    assert not (place / "audit" / "audit.json").exists()
    assert not list(place.rglob("*.part"))
