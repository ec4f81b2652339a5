"""``import auditor`` in a notebook: names, summary, data frame."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import auditor
from auditor.errors import InputError
from auditor.records import ContrastDetail, Probe
from auditor.report.formats.csv import COLUMNS
from auditor.store.directory import write_audit
from tests.hostile import NAMES, hostile
from tests.releases import audit_of, audited_class, concept, contrast, failed

STRONG = concept(effect=0.3, low=0.25, high=0.35, p_adjusted=0.0004)
PAIR = contrast(effect=0.05, low=0.03, high=0.07, matched=True)


def test_every_public_name_exists_and_stays_what_it_is() -> None:
    code = (
        "import auditor, sys\n"
        "first = {name: getattr(auditor, name) for name in auditor.__all__}\n"
        # A module of the same name would take the place of what it was imported for.
        "assert all(getattr(auditor, name) is thing for name, thing in first.items())\n"
        "assert all(callable(thing) for thing in first.values())\n"
        "assert set(auditor.__all__) <= set(dir(auditor))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'run_adit'"):
        auditor.run_adit  # noqa: B018


def test_importing_costs_nothing_and_judging_needs_no_torch() -> None:
    code = (
        "import auditor, sys\n"
        "assert not {'numpy', 'pydantic', 'torch'} & set(sys.modules)\n"
        "auditor.read_audit, auditor.gate_release, auditor.compare_releases, auditor.write_reports\n"
        "assert 'torch' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_release_is_judged_and_compared_from_python(tmp_path: Path) -> None:
    write_audit(tmp_path / "v1", audit_of(audited_class(STRONG)))
    (tmp_path / "p.toml").write_text("format_version = 2\n[[association]]\nlargest_effect = 0.1\n")
    assert auditor.gate_release(tmp_path / "v1", tmp_path / "p.toml").outcome == "fail"
    assert auditor.compare_releases(tmp_path / "v1", tmp_path / "v1").changes[0].status == "unchanged"


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, len(attrs)))


def test_a_notebook_shows_what_was_found() -> None:
    page = audit_of(audited_class(STRONG))._repr_html_()
    assert "associated with images labelled" in page
    assert "effect 0.30 [0.25, 0.35], corrected p &lt; 0.001, 60 independent images" in page
    assert "zebra" in page


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_no_name(name: str) -> None:
    audit = audit_of(audited_class(STRONG, PAIR))
    assert _Tags(hostile(audit, NAMES[name])._repr_html_()).found == _Tags(audit._repr_html_()).found


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="needs the extra 'frame'")
def test_a_frame_has_one_row_for_every_finding() -> None:
    missing = concept("grid", **dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted")))
    held = concept("dotted", effect=0.3, low=0.2, high=0.4, checks=[failed()])
    frame = audit_of(audited_class(STRONG, held, missing, PAIR)).to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["subject"]) == ["banded", "dotted", "grid", "women/men"]
    assert list(frame["conclusion"]) == ["associated", "inconclusive", "not measured", "associated"]
    assert list(frame["withheld"]) == [False, True, False, False]
    assert frame["effect"].dtype == float
    assert list(frame["effect"].isna()) == [False, False, True, False]
    assert frame.loc[0, "p_adjusted"] == 0.0004


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="needs the extra 'frame'")
def test_a_frame_has_how_well_groups_are_told_apart() -> None:
    result, findings = audited_class(STRONG, PAIR)
    probe = Probe(auc=0.93, low=0.88, high=0.97, p_value=0.001)
    detail = ContrastDetail(bank="faces", more="women", less="men", apart=probe)
    frame = audit_of((result.model_copy(update={"contrasts": [detail]}), findings)).to_frame()
    told = frame[["probe_auc", "probe_low", "probe_high", "probe_p"]]
    assert told.loc[0].isna().all()
    assert list(told.loc[1]) == [0.93, 0.88, 0.97, 0.001]


def test_without_pandas_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        audit_of(audited_class(STRONG)).to_frame()
