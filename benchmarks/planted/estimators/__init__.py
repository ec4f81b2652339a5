"""Estimators of how strongly a class is associated with each concept of a bank, behind one interface."""

from __future__ import annotations

from benchmarks.planted.estimators import baselines, ours
from benchmarks.planted.estimators.interface import Estimate, Estimator

__all__ = ["Estimate", "Estimator", "all_estimators"]


def all_estimators(*, tcav_sets: int = 20) -> list[Estimator]:
    """Ours first, then what it is compared with."""
    return [
        Estimator(
            "ours, twins", ours.against_twins, what="evidence against the same pictures without the concept"
        ),
        Estimator("ours, controls", ours.against_control, what="evidence against unpaired control images"),
        Estimator("ours, median concept", ours.against_median, what="evidence against the median concept"),
        Estimator(
            "auditor run",
            ours.against_others,
            what="log-probability against the bank's other concepts, in sd",
        ),
        Estimator(
            "log-odds, no margin", ours.log_odds_against_control, what="log-odds against control images"
        ),
        Estimator(
            "paper", baselines.paper, needs_occluders=True, what="share of MMD to random benchmark sets"
        ),
        Estimator(
            "TCAV", baselines.Tcav(tcav_sets), what="Captum, default classifier, random pictures of the world"
        ),
        Estimator(
            "TCAV, controls",
            baselines.Tcav(tcav_sets, from_control=True),
            what="the same, random sets of control images",
        ),
        Estimator("chance", baselines.chance),
    ]
