"""Estimators of how strongly a class is associated with each concept of a bank, behind one interface."""

from __future__ import annotations

from benchmarks.planted.estimators import baselines, ours
from benchmarks.planted.estimators.features import Importance
from benchmarks.planted.estimators.interface import Estimate, Estimator

__all__ = ["Estimate", "Estimator", "all_estimators", "ours"]


def all_estimators(*, tcav_sets: int = 20) -> list[Estimator]:
    """Ours first, then what it is compared with."""
    return [
        Estimator(
            "auditor, counterfactual pairs",
            ours.against_counterfactuals,
            what="against the same pictures without the concept",
        ),
        Estimator(
            "auditor, reference images",
            ours.against_references,
            what="against other pictures of the same kind",
        ),
        Estimator("auditor, other concepts", ours.against_others, what="against the bank's other concepts"),
        Estimator(
            "importance (AfI)",
            Importance(),
            needs_occluders=True,
            what="signed MMD importance less that of the other classes",
        ),
        Estimator(
            "paper", baselines.paper, needs_occluders=True, what="share of MMD to random benchmark sets"
        ),
        Estimator(
            "TCAV", baselines.Tcav(tcav_sets), what="Captum, default classifier, random pictures of the world"
        ),
        Estimator(
            "TCAV, reference images",
            baselines.Tcav(tcav_sets, from_references=True),
            what="the same, random sets of reference images",
        ),
        Estimator("chance", baselines.chance),
    ]
