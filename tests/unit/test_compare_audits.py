"""Two audits that the pipeline itself made, of two tiny networks: compared image by image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import auditor.audit
from auditor.banks import ConceptBank, load_bank
from auditor.banks.bank import GroupContrast
from auditor.cli import main
from auditor.models import LoadedModel
from auditor.releases import compare_releases
from auditor.store import load_arrays
from tests.tiny import tiny_model
from tests.unit.test_audit import bank as bank  # the bank that the tiny network tells apart
from tests.unit.test_audit import settings

pytestmark = pytest.mark.slow


def _release(change: float) -> LoadedModel:
    loaded = tiny_model()
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in loaded.module.parameters():
            parameter += change * torch.randn(parameter.shape, generator=noise)
    return loaded


def _with_contrast(*given: Any, **more: Any) -> ConceptBank:
    """The bank, with shades that stripes and dots have to be matched on."""
    bank = load_bank(*given, **more)
    concepts = tuple(
        replace(
            concept,
            images=tuple(
                replace(image, covariates={"shade": "dark" if i % 2 else "light"})
                for i, image in enumerate(concept.images)
            ),
        )
        for concept in bank.concepts
    )
    return replace(bank, concepts=concepts, contrasts=(GroupContrast("stripes", "dots", ("shade",)),))


@pytest.fixture(scope="module")
def releases(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("releases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditor.audit, "load_bank", _with_contrast)
        for name, change in (("v1", 0.0), ("v2", 0.02)):
            patch.setattr(
                auditor.audit, "load_model", lambda *_args, _change=change, **_more: _release(_change)
            )
            auditor.audit.run_audit(settings(bank, root / name, formats=("html",)))
    return root / "v1", root / "v2"


def test_the_arrays_of_real_audits_make_the_comparison_paired(releases: tuple[Path, Path]) -> None:
    comparison = compare_releases(*releases)
    concepts = [change for change in comparison.changes if change.kind == "association"]
    assert len(concepts) == 3
    assert {change.matched for change in comparison.changes if change.kind == "contrast"} == {True, False}
    assert all(change.paired for change in comparison.changes)
    assert any(change.difference != 0 for change in comparison.changes)
    for change in comparison.changes:
        assert change.difference_low is not None
        assert change.difference is not None
        assert change.difference_low <= change.difference


def test_pairs_and_what_contrasts_are_made_from_are_stored(releases: tuple[Path, Path]) -> None:
    stored = [load_arrays(path / "arrays.npz") for path in releases]
    (key,) = [name for name in stored[0] if name.startswith("bank/") and "/pair/" in name]
    bank = key.split("/")[1]
    assert key == f"bank/{bank}/pair/stripes/dots"
    assert (stored[0][key] == stored[1][key]).all()
    assert sorted(stored[0][key][stored[0][key] >= 0]) == sorted([*range(12)] * 2)
    crossbars = stored[0][f"bank/{bank}/label"] == 0
    assert (stored[0][key][crossbars] == -1).all()
    assert stored[0][f"class/2/contrast/{bank}"].shape == stored[0][f"class/2/response/{bank}"].shape


def test_a_real_audit_is_gated_with_its_own_first_policy(
    releases: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    assert main(["policy", "init", str(releases[0]), "--out", str(policy)]) == 0
    assert main(["policy", "check", str(policy)]) == 0
    assert main(["gate", str(releases[1]), "--policy", str(policy), "--baseline", str(releases[0])]) in (
        0,
        3,
        4,
    )
    assert "gate " in capsys.readouterr().out
    assert main(["verify", str(releases[0])]) == 0
