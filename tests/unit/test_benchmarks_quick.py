"""The benchmark commands in their quick form, as a whole: they run, and say what the documents say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*arguments: str, cache: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "AUDITOR_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_planted_truth_is_found_better_than_by_the_others(tmp_path: Path) -> None:
    pytest.importorskip("captum")  # of the dependency group benchmarks
    out = tmp_path / "figures.json"
    text = run("benchmarks.planted", "--quick", "--threads", "2", "--out", str(out), cache=tmp_path)
    figures = json.loads(out.read_text())["all"]
    for ours in ("auditor, counterfactual pairs", "auditor, reference images", "auditor, other concepts"):
        assert figures[ours]["Spearman"]["value"] > figures["TCAV"]["Spearman"]["value"]
        assert figures[ours]["Spearman"]["value"] > figures["paper"]["Spearman"]["value"] + 0.2
        assert figures[ours]["confident sign errors"]["value"] == 0
        assert figures[ours]["FPR 0.05"]["value"] <= 0.2
    assert "Split test, seed 0" in text


def test_the_scores_error_rates_hold(tmp_path: Path) -> None:
    text = run("benchmarks.calibration", "--only-score", "--repetitions", "20", cache=tmp_path)
    rows = [line.split("|") for line in text.splitlines() if line.startswith(("| 1000", "| 6"))]
    assert len(rows) == 12
    for row in rows:
        level, covered, claimed = (float(row[column].split("±")[0]) for column in (2, 4, 6))
        assert claimed <= 0.02, row
        assert level <= 0.1, row
        if "near chance" in row[1]:
            assert 0.88 <= covered <= 1.0, row


@pytest.mark.shared
def test_groups_drawn_by_lot_are_not_told_apart(shared: Path, tmp_path: Path) -> None:
    """The quick form: two draws, undegraded and with one group compressed."""
    faces = shared / "data" / "utkface"
    text = run("benchmarks.claims", "--faces", str(faces), "--quick", cache=tmp_path)
    found = re.search(r"after (\d+) claimed, (\d+) wrong, (\d+) said not", text)
    assert found is not None, text
    claimed, wrong, denied = map(int, found.groups())
    assert claimed >= 15
    assert wrong == denied == 0
    lots = re.findall(
        r"^\| (as it is|JPEG 20|labels shuffled[^|]*) \| [^|]* \| ([0-9.]+) \[", text, re.MULTILINE
    )
    assert len(lots) == 3
    assert all(float(claims) <= 1.0 for _, claims in lots), lots


@pytest.mark.weights
def test_undisputed_associations_come_first_more_often_than_not(tmp_path: Path) -> None:
    pairs = ROOT / "benchmarks" / "pairs" / "development.csv"
    text = run("benchmarks.associations", "--pairs", str(pairs), "--quick", "--only-ours", cache=tmp_path)
    found = re.search(r"^\| auditor \| ([0-9.]+) ", text, re.MULTILINE)
    assert found is not None, text
    assert float(found[1]) > 0.6
