"""Evaluation: the paper's experiments on the user's model."""

from __future__ import annotations

from auditor.evaluate.run import run_evaluation

__all__ = ["run_evaluation"]
