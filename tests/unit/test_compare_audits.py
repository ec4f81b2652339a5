"""Audits that the pipeline itself made, of tiny networks: compared image by image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import auditor.audit.prepare
from auditor.audit import run_audit
from auditor.banks import ConceptBank, load_bank
from auditor.banks.bank import GroupContrast
from auditor.cli import main
from auditor.files import load_arrays
from auditor.models import LoadedModel
from auditor.policy.releases import compare_releases
from auditor.statistics.probability import TEMPERATURES
from auditor.store.directory import read_audit
from tests.tiny import tiny_model
from tests.unit.test_audit import bank as bank  # the bank that the tiny network tells apart
from tests.unit.test_audit import settings

pytestmark = pytest.mark.slow

INDEX = 2
"""Of the class audited, "bright"."""


def _trained_on(module: nn.Module) -> None:
    noise = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter += 0.02 * torch.randn(parameter.shape, generator=noise)


def _sharper(module: nn.Module) -> None:
    for parameter in module.fc.parameters():  # type: ignore[union-attr]
        parameter *= 1.5


RELEASES: dict[str, Callable[[nn.Module], None]] = {
    "v1": lambda module: None,
    "v2": _trained_on,
    "sharper": _sharper,
}


def _release(change: Callable[[nn.Module], None]) -> LoadedModel:
    loaded = tiny_model()
    with torch.no_grad():
        change(loaded.module)
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
def releases(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("releases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditor.audit.prepare, "load_bank", _with_contrast)
        for name, change in RELEASES.items():
            patch.setattr(
                auditor.audit.prepare, "load_model", lambda *_args, _change=change, **_more: _release(_change)
            )
            run_audit(settings(bank, root / name, reference_classes=0, refits=1))
    return root


def test_the_arrays_of_real_audits_make_the_comparison_paired(releases: Path) -> None:
    comparison = compare_releases(releases / "v1", releases / "v2")
    found = [(c.kind, c.subject, c.matched) for c in comparison.changes]
    assert found == [("association", "crossbars", None), ("contrast", "stripes/dots", True)]
    assert comparison.temperature is not None
    for change in comparison.changes:
        assert change.paired
        assert change.difference not in (None, 0.0)
        assert change.adjusted_low is not None
        assert change.adjusted_high is not None
        assert change.adjusted_low < (change.difference or 0.0) < change.adjusted_high


def test_a_real_audit_has_not_changed_against_itself(releases: Path) -> None:
    comparison = compare_releases(releases / "v1", releases / "v1")
    assert comparison.temperature == 1.0
    assert comparison.notes == ["both audits are of the same weights"]
    for change in comparison.changes:
        assert change.paired
        assert (change.difference, change.adjusted_low, change.adjusted_high) == (0.0, 0.0, 0.0)
        assert change.status == ("inconclusive" if change.withheld else "unchanged")
    assert not comparison.changes[0].withheld


def test_a_network_whose_logits_were_scaled_is_told_at_the_old_temperature(releases: Path) -> None:
    comparison = compare_releases(releases / "v1", releases / "sharper")
    assert comparison.temperature == pytest.approx(1.5, rel=1e-4)
    audited = {f.subject: f.effect for f in read_audit(releases / "sharper").findings}
    for change in comparison.changes:
        assert change.paired
        assert change.difference == pytest.approx(0.0, abs=1e-4)
        assert change.new == pytest.approx(change.old, abs=1e-4)
        assert change.new_as_audited == audited[change.subject]
    assert any(c.new_as_audited != pytest.approx(c.old, abs=1e-3) for c in comparison.changes)


def test_what_contrasts_are_made_from_is_stored(releases: Path) -> None:
    stored = [load_arrays(releases / name / "arrays.npz") for name in ("v1", "v2")]
    audit = read_audit(releases / "v1")
    (name,) = (bank.name for bank in audit.banks)
    (finding,) = (f for f in audit.findings if f.kind == "contrast")
    names = [concept.name for concept in audit.banks[0].concepts]
    label = stored[0][f"bank/{name}/label"]
    for side, group in (("more", "stripes"), ("less", "dots")):
        key = f"bank/{name}/contrast/stripes/dots/{side}"
        assert np.array_equal(stored[0][key], stored[1][key])
        pairs = stored[0][key]
        assert sorted(set(pairs[pairs >= 0])) == list(range(finding.independent))
        assert set(label[pairs >= 0]) == {names.index(group)}
    for arrays in stored:
        assert arrays[f"class/{INDEX}/response/{name}"].shape == (len(TEMPERATURES), len(label))


def test_a_contrast_can_be_made_again_from_the_arrays(releases: Path) -> None:
    audit, arrays = read_audit(releases / "v1"), load_arrays(releases / "v1" / "arrays.npz")
    (finding,) = (f for f in audit.findings if f.kind == "contrast")
    e = arrays[f"class/{INDEX}/response/{finding.bank}"][list(arrays["temperatures"]).index(1.0)]
    more, less = (arrays[f"bank/{finding.bank}/contrast/stripes/dots/{side}"] for side in ("more", "less"))
    by_pair = [e[more == pair].mean() - e[less == pair].mean() for pair in range(finding.independent)]
    assert finding.effect == pytest.approx(np.mean(by_pair), abs=1e-6)


def test_a_real_audit_is_gated_with_its_own_first_policy(
    releases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    assert main(["policy", "init", str(releases / "v1"), "--out", str(policy)]) == 0
    assert main(["policy", "check", str(policy)]) == 0
    capsys.readouterr()
    status = main(["gate", str(releases / "v2"), "--policy", str(policy), "--baseline", str(releases / "v1")])
    words = {0: "gate passed", 3: "gate failed", 4: "gate inconclusive"}
    assert capsys.readouterr().out.startswith(words[status])
    assert main(["verify", str(releases / "v1")]) == 0
