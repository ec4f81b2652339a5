"""``auditor inspect``: what is in a checkpoint, and the command that audits it."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from auditor.cli import main
from auditor.models import Request
from auditor.models.checkpoint import Checkpoint, read_checkpoint
from auditor.models.index import TABLE, candidates, fingerprint_of, made_with
from auditor.models.inspect import inspect_file
from auditor.models.libraries import build
from auditor.models.torchvision_import import prepare_torchvision
from tests.unit.test_docs import load_script


def saved(path: Path, network: str, *, prefix: str = "", **beside: object) -> Path:
    torch.manual_seed(0)
    made = build(network, {"num_classes": 3}).module
    torch.save({"state_dict": {prefix + k: v for k, v in made.state_dict().items()}, **beside}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module.", "model._orig_mod."])
@pytest.mark.parametrize("arch", ["torchvision:squeezenet1_1", "timm:test_resnet"])
def test_the_architecture_is_found_by_its_shapes(arch: str, prefix: str, tmp_path: Path) -> None:
    found = inspect_file(saved(tmp_path / "w.pth", arch, prefix=prefix), Request())
    assert arch in [fit.arch for fit in found.fits if fit.model is not None]


def test_the_command_at_the_end_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"cat": 0, "owl, barn": 1, "it's": 2}
    path = saved(tmp_path / "my weights.pth", "torchvision:squeezenet1_1", class_to_idx=names)
    assert main(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "architecture   torchvision:squeezenet1_1" in shown
    assert "classes        3: cat, owl, barn, it's" in shown
    words = shlex.split(shown.strip().splitlines()[-1])
    assert words[:2] == ["auditor", "run"]
    model, arch = words[words.index("--model") + 1], words[words.index("--arch") + 1]
    assert main(["classes", model, "owl", "--arch", arch]) == 0
    assert "owl, barn" in capsys.readouterr().out
    assert words[words.index("--classes") + 1] == 'cat,"owl, barn"'


def test_several_that_fit_are_told_apart_by_what_they_compute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing in these weights says whether the network blurs."""
    assert main(["inspect", str(saved(tmp_path / "w.pth", "timm:resnet18"))]) == 0
    shown = capsys.readouterr().out
    assert "several fit; name yours with --arch" in shown
    assert "timm:resnet18, torchvision:resnet18" in shown
    assert "another function: timm:resnetblur18" in shown
    assert "If it was trained as timm:resnet18:" in shown


def test_what_the_file_states_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "w.pth", "timm:resnet18", args=Namespace(model="resnet18", model_ema=False))
    assert main(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "architecture   timm:resnet18\n" in shown
    assert "architecture as the file states it: timm:resnet18" in shown


def test_the_manual_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = load_script("docs_output")
    (tmp_path / pages.WORK).mkdir()
    pages._checkpoint(tmp_path)
    monkeypatch.chdir(tmp_path / pages.WORK)
    assert main(["inspect", "model_best.pth.tar"]) == 0
    manual = (Path(__file__).parents[2] / "docs" / "how-to.md").read_text(encoding="utf-8")
    assert f"$ auditor inspect model_best.pth.tar\n{capsys.readouterr().out}```" in manual


def test_a_folder_of_the_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = build("timm:test_resnet", {"num_classes": 3}).module
    save_file(made.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": "test_resnet", "label_names": ["a", "b", "c"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(["inspect", str(tmp_path)]) == 0
    assert f"auditor run --model hf-dir:{tmp_path} --classes a,b" in capsys.readouterr().out


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(path: Path, *, key: str | None) -> Checkpoint:
        read.append(path)
        return read_checkpoint(path, key=key)

    monkeypatch.setattr("auditor.models.files.read_checkpoint", counted)
    path = saved(tmp_path / "w.pth", "timm:resnet18")
    assert len(inspect_file(path, Request()).fits) > 1
    assert read == [path]


def test_what_fits_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({f"layer{i}.weight": torch.zeros(4, 4, 3, 3) for i in range(5)}, tmp_path / "w.pth")
    assert main(["inspect", str(tmp_path / "w.pth")]) == 2
    shown = " ".join(capsys.readouterr().out.split())
    assert "has these convolutions; needed: --arch, or --model-factory" in shown
    assert main(["inspect", str(tmp_path / "none.pth")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_a_wrong_architecture_is_answered_with_those_that_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "w.pth", "torchvision:squeezenet1_1")
    assert main(["inspect", str(path), "--arch", "timm:test_resnet"]) == 0
    shown = capsys.readouterr().out
    assert "stated         timm:test_resnet: does not fit" in shown
    assert "architecture   torchvision:squeezenet1_1" in shown


SAMPLE = ("timm:resnet18", "timm:mobilenetv3_small_100", "torchvision:squeezenet1_0", "torchvision:alexnet")


@pytest.mark.parametrize("name", SAMPLE)
def test_the_table_is_what_the_command_writes(name: str) -> None:
    prepare_torchvision()
    import timm
    import torchvision.models as zoo

    library, _, bare = name.partition(":")
    make = timm.create_model if library == "timm" else zoo.get_model
    held = json.loads(TABLE.read_text(encoding="utf-8"))
    if held[library] != made_with()[library]:
        pytest.skip("the table was made with another version")
    assert held["architectures"][name] == fingerprint_of(make, bare)
    with torch.device("meta"):
        assert name in candidates(make(bare).state_dict())
