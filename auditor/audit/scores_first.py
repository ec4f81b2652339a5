"""Scores come first: an audit whose explanations are still to come, and how the same command adds them."""

from __future__ import annotations

from auditor.banks.read.loading import default_banks
from auditor.errors import InputError
from auditor.records import Audit
from auditor.settings import FOR_EXPLANATIONS, NOT_IN_NUMBERS, Settings
from auditor.store.directory import read_audit

NOT_ASKED = "not asked for: the audit was run with --scores-only"
NOT_YET = "not yet: scores come first; the same command goes on with the explanation"


def held_scores(settings: Settings) -> Audit | None:
    """The audit in ``out`` that has the scores of the one asked for and no explanations; else ``None``.

    It was made with ``--scores-only``, or the explanations were interrupted. Nothing in it is lost when the
    audit asked for takes its place.
    """
    if settings.scores_only:
        return None
    try:
        held = read_audit(settings.out)
    except InputError:
        return None
    if any(one.explanation.measured or one.explanation.reason not in _WITHOUT for one in held.classes):
        return None
    banks = settings.banks or default_banks()
    wanted = settings.model_copy(update={"banks": banks}).record()
    return held if _of_scores(held.settings) == _of_scores(wanted) else None


_WITHOUT = (NOT_ASKED, NOT_YET)


def _of_scores(record: dict[str, object]) -> dict[str, object]:
    """The settings that the scores depend on."""
    return {key: value for key, value in record.items() if key not in NOT_IN_NUMBERS | FOR_EXPLANATIONS}
