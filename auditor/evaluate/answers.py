"""What the numbers of an experiment answer. Decided here, once; reports only format it."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.evaluation_records import Answer, Estimate, Table

LOST_HELDOUT, LOST_LEARNED = 0.15, 0.05
"""Most accuracy that an occluder may leave."""
KEPT = 0.85
"""Least share of clean accuracy that a check must keep."""
GOOD, AHEAD = 0.97, 0.05
"""Accuracy of a student; lead of a ranking or of weights over those that are not AfI's."""
EMERGED = 0.5
"""Share of the way from chance to certainty from which a class counts as seen in pictures; in the log-scaled
probability."""
MOST_CLASSES = 0.5
"""Least share of classes that must emerge in some layer."""
LOST, FOLLOWED, AGREED = 0.5, 0.99, 0.75
"""Rank correlations: most that may be left, least where a score must follow its label exactly, and least
between repeats."""
SUFFICIENT, DESTROYING = 0.74, 0.45
"""Share of clean accuracy that five concepts bring back, and that is lost without them."""
FEWEST_ALIKE = 5
"""Values that are all the same have no interval; so many of them decide all the same."""


def attack_answers(table: Table) -> list[Answer]:
    """Whether occluders take the class away, and nothing else does."""
    if not table.rows:
        return []
    mean = dict(zip(table.columns, table.rows[0].cells, strict=True))
    clean = mean["clean, held out"]
    answers = [
        _at_most(
            "Does the occluder hide the class on photos it was learned on?",
            mean["occluded, learned on"],
            LOST_LEARNED,
        ),
        _at_most("Does it hide the class on photos it never saw?", mean["occluded, held out"], LOST_HELDOUT),
    ]
    checks = {
        "Is the class seen under a random perturbation of that size?": "random of the same size, held out",
        "Is it seen under the occluder of another class?": "another class's occluder, held out",
    }
    for question, column in checks.items():
        if clean is not None:
            answers.append(_at_least(question, mean[column], KEPT * clean.value))
    return [answer for answer in answers if answer]


def distillation_answers(accuracies: Sequence[Table], leads: Sequence[Table]) -> list[Answer]:
    """Whether AfI's weights let a student tell the class, and better than other weights do.

    Args:
        accuracies: One table for each form; the first column is AfI's, the first row the mean of classes.
        leads: For each form, by how much AfI is ahead of every other column.
    """
    answers = []
    for accuracy, lead in zip(accuracies, leads, strict=True):
        form = accuracy.title.partition(", ")[2]
        first = accuracy.rows[0].cells[0]
        answers.append(_at_least(f"Can a student tell the class by AfI's detector, {form}?", first, GOOD))
        for name, found in zip(lead.columns, lead.rows[0].cells, strict=True):
            needed = 0.0 if name == "AfI without t" else AHEAD
            answers.append(_at_least(f"Is AfI ahead of {name}, {form}?", found, needed))
    return [answer for answer in answers if answer]


def impression_answers(emerged: Table, leads: Table) -> list[Answer]:
    """Whether pictures of meta-detectors show the class, to the model and to another one.

    Args:
        emerged: A row for each judge, the model itself first; the first column is the share of classes.
        leads: A column for each judge; the first row is the mean of classes.
    """
    answers = []
    for row, lead in zip(emerged.rows, leads.rows[0].cells, strict=True):
        own = row is emerged.rows[0]
        by = "by the model's own judgement" if own else "by the independent model's judgement"
        answers += [
            _at_least(f"Does the class emerge in some layer, {by}?", row.cells[0], MOST_CLASSES),
            _at_least(f"Does it emerge more than with permuted weights, {by}?", lead, AHEAD),
        ]
    return [answer for answer in answers if answer]


def sanity_answers(cascade: Table | None, labels: Table | None, repeats: Table | None) -> list[Answer]:
    """Whether scores depend on what they must depend on, and on nothing else.

    Args:
        cascade: Rank correlation with the intact model, a column for each share of layers randomised.
        labels: Rank correlation with outputs exchanged: with the class moved in, and with the class before.
        repeats: Rank correlation between seeds, a column for each kind of score.
    """
    answers = []
    if cascade is not None:
        fallen = cascade.rows[0].cells[-1]
        answers.append(_at_most("Do scores fall with randomised weights?", fallen, LOST))
    if labels is not None:
        moved, before = labels.rows[0].cells
        answers.append(_at_least("Do scores follow the label to the output it moved to?", moved, FOLLOWED))
        answers.append(_at_most("Do scores leave the output that the label left?", before, LOST))
    if repeats is not None:
        for name, found in zip(repeats.columns, repeats.rows[0].cells, strict=True):
            answers.append(_at_least(f"Do repeated seeds agree in {name}?", found, AGREED))
    return [answer for answer in answers if answer]


def segments_answers(tables: Sequence[Table]) -> list[Answer]:
    """Whether the first concepts of a ranking suffice and destroy, and sooner than in other orders.

    Args:
        tables: Accuracy brought back by five concepts and accuracy lost without them, with one column for
            each ranking, the two rankings asked about first and the mean of classes on top; areas; leads,
            with one row for each pair of rankings.
    """
    if not tables:
        return []
    added, lost, _, leads = tables
    answers = []
    for column, name in enumerate(added.columns[:2]):
        back, gone = added.rows[0].cells[column], lost.rows[0].cells[column]
        answers.append(_at_least(f"Do five concepts bring the class back, by {name}?", back, SUFFICIENT))
        answers.append(_at_least(f"Is the class lost without five concepts, by {name}?", gone, DESTROYING))
    for row in leads.rows:
        first, _, second = row.name.partition(" over ")
        for kind, found in zip(leads.columns, row.cells, strict=True):
            answers.append(_at_least(f"Is {first} ahead of {second}, {kind} concepts?", found, AHEAD))
    return [answer for answer in answers if answer]


def _at_least(question: str, found: Estimate | None, needed: float) -> Answer | None:
    """Held where the whole interval reaches what is needed; failed where none of it does."""
    if found is None:
        return None
    low, high = _ends(found)
    held = (
        None if low is None or high is None else True if low >= needed else False if high < needed else None
    )
    return Answer(question=question, held=held, sentence=f"{_told(found)}; needed: {needed:.2f} or more")


def _at_most(question: str, found: Estimate | None, needed: float) -> Answer | None:
    if found is None:
        return None
    low, high = _ends(found)
    held = (
        None if low is None or high is None else True if high <= needed else False if low > needed else None
    )
    return Answer(question=question, held=held, sentence=f"{_told(found)}; needed: {needed:.2f} or less")


def _ends(found: Estimate) -> tuple[float, float] | tuple[None, None]:
    """Ends of the interval; ``None`` where too little was repeated to know them."""
    if found.low is not None and found.high is not None:
        return found.low, found.high
    return (found.value, found.value) if found.n >= FEWEST_ALIKE else (None, None)


def _told(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.2f}, no interval (n = {found.n})"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
