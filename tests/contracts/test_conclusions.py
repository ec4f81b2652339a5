"""No output states what another withholds: every format, the gate, the comparison and the trackers.

Many audits are made, in which checks fail in every combination. Each output is read back by a reader of its
own, from what its user sees. What it states must be what the audit may say, by a rule that is written out
here once more, and its numbers must be the audit's up to their rounding.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.cli.run import summary
from auditor.compare import Change, Comparison, compare
from auditor.files import load_arrays
from auditor.findings import conclude_variant, concluded
from auditor.policy import Policy, Ruling, judge
from auditor.records import Audit, Check, ContrastDetail, Explanation, Finding, Probe, Skipped, Variant
from auditor.report import FORMATS, render_format
from auditor.report.formats import comparison as comparison_report
from auditor.report.formats import history
from auditor.report.formats.mlflow import metrics, tags
from auditor.report.view.standing import standings
from auditor.settings import Settings
from auditor.store.pdf import read_pdf
from tests.readers import (
    CLAIMS,
    NOWHERE,
    SENTENCE,
    Key,
    Names,
    Said,
    Short,
    agree,
    cells_of,
    csv_findings,
    history_findings,
    history_page,
    html_charts,
    html_rows,
    html_summaries,
    json_findings,
    junit_findings,
    key_of,
    markdown_findings,
    markdown_rows,
    p_agrees,
    page_of,
    pdf_chapters,
    pdf_rows,
    plain_markdown,
    rendered,
    sarif_claims,
    sentences,
    summarised,
    tracked,
    words_of,
)
from tests.releases import (
    another_model,
    audit_of,
    audited_class,
    concept,
    contrast,
    failed,
    in_context,
    write_release,
)

DAY = date(2026, 11, 23)

# What may be said, by a rule of this file's own.


def allowed(finding: Finding) -> tuple[str, bool]:
    """The conclusion that numbers and checks allow, and whether a check stands in its way."""
    ends, p = (finding.adjusted_low, finding.adjusted_high), finding.p_adjusted
    if finding.effect is None or ends[0] is None or ends[1] is None or p is None:
        return "not measured", False
    forbidden = {check.forbids for check in finding.checks if check.passed is False}
    if ends[0] > finding.margin or ends[1] < -finding.margin:
        if forbidden & {"effect", "both"}:
            return "inconclusive", True
        if p > finding.alpha:
            return "inconclusive", False
        if "verdict" in forbidden:
            return "screening", False
        return ("associated" if ends[0] > 0 else "negatively associated"), False
    if max(abs(ends[0]), abs(ends[1])) <= finding.margin:
        if forbidden & {"absence", "both"}:
            return "inconclusive", True
        return ("inconclusive" if "verdict" in forbidden else "not associated"), False
    return "inconclusive", "both" in forbidden


def key(one: Finding | Ruling | Change) -> Key:
    return key_of(one.class_name, one.bank, one.subject, one.kind)


def conclusions(audit: Audit) -> dict[Key, str]:
    return {key(f): allowed(f)[0] for f in audit.findings}


def claims(audit: Audit) -> dict[Key, str]:
    return {about: word for about, word in conclusions(audit).items() if word in CLAIMS}


# Audits in which checks fail in every combination.

LEVELS = {
    "up": (0.3, 0.2, 0.4),
    "down": (-0.31, -0.42, -0.2),
    "within": (0.013, -0.06, 0.086),
    "across": (0.117, 0.05, 0.184),
    "below": (-0.117, -0.184, -0.05),
    "unsure": (0.2, 0.15, 0.25),  # the interval would claim it, the test does not
    "missing": (None, None, None),
}
"""Concept to effect and adjusted interval; the margin is 0.1."""

PAIRS = {
    ("women", "men"): (0.05, 0.035, 0.065),
    ("old", "young"): (-0.051, -0.072, -0.03),
    ("tall", "small"): (0.0021, -0.008, 0.0122),
    ("near", "far"): (0.02, 0.006, 0.034),
    ("left", "right"): (None, None, None),
}
"""Groups to difference and interval; the margin is 0.015."""

PASTED = {
    ("women", "men"): (-0.053, -0.067, -0.039),
    ("old", "young"): (0.0365, 0.0215, 0.0515),
    ("tall", "small"): (0.0253, 0.0091, 0.0415),
    ("near", "far"): (0.0014, -0.0092, 0.012),
    ("left", "right"): (None, None, None),
}
"""The same groups in the class's own pictures, of which something else is said wherever both are measured."""

RENDERED = {
    ("suit", "gown"): ((0.0281, 0.0171, 0.0391), (-0.037, -0.0495, -0.0245)),
    ("smooth", "curly"): ((-0.0012, -0.0114, 0.009), (0.0014, -0.0092, 0.012)),
}
"""Of a bank that only screens: alone and in context."""

SCREENS = Check(name="photos", passed=False, forbids="verdict", reason="the bank only screens")

P = {"up": 0.0004, "down": 0.012, "within": 0.7123, "across": 0.03, "below": 0.03, "unsure": 0.2}


def _numbers(level: tuple[float | None, float | None, float | None], p: float | None) -> dict[str, Any]:
    effect, low, high = level
    if effect is None or low is None or high is None:
        return dict.fromkeys(("effect", "low", "high", "p_value", "p_adjusted", "q_value"))
    half = (high - low) / 2
    return {
        "effect": effect,
        # The plain interval is narrower: what is shown in place of the adjusted one is found.
        "low": effect - half / 1.6,
        "high": effect + half / 1.6,
        "adjusted_low": low,
        "adjusted_high": high,
        "p_value": p and p / 7,
        "p_adjusted": p,
        "q_value": p,
    }


def _moved(margin: float) -> list[Variant]:
    """The finding in two other ways, of which one would be claimed whatever the finding says."""
    return [
        Variant(
            name=name, effect=e, low=low, high=high, conclusion=conclude_variant(e, low, high, margin=margin)
        )
        for name, e, low, high in (("temperature 0.67", 0.5, 0.4, 0.6), ("temperature 1.50", 0.0, -0.5, 0.5))
    ]


def findings_of(sign: int = 1) -> list[Finding]:
    """One finding of every level and kind; with ``sign`` -1 all of them turned round."""

    def turned(level: tuple[float | None, ...]) -> tuple[float | None, float | None, float | None]:
        effect, low, high = level
        if effect is None or low is None or high is None or sign == 1:
            return effect, low, high
        return -effect, -high, -low

    found = [
        concept(name, **_numbers(turned(level), P.get(name)), variants=_moved(0.1))
        for name, level in LEVELS.items()
    ]
    found.append(concept("red", bank="colours", **_numbers(turned(LEVELS["up"]), 0.0004)))
    alone = [
        contrast(more, less, matched=more == "old", **_numbers(turned(level), 0.0312), variants=_moved(0.015))
        for (more, less), level in PAIRS.items()
    ]
    pasted = [
        in_context(more, less, **_numbers(turned(level), 0.0271), variants=_moved(0.015))
        for (more, less), level in PASTED.items()
    ]
    # A summary names two of the groups' claims: of one class alone, of the other in context.
    found += [*alone, *pasted] if sign == 1 else [*pasted, *alone]
    for (more, less), levels in RENDERED.items():
        for made, level in zip((contrast, in_context), levels, strict=True):
            numbers = _numbers(turned(level), 0.0044) | {"variants": _moved(0.015), "checks": [SCREENS]}
            found.append(made(more, less, bank="rendered", **numbers))
    return found


@dataclass(frozen=True)
class Failure:
    """A check that fails, and the findings that it is about."""

    name: str
    forbids: str
    about: Callable[[Finding], bool]

    def on(self, finding: Finding) -> Finding:
        if not self.about(finding):
            return finding
        checks = [*finding.checks, failed(self.name, forbids=self.forbids)]
        return finding.model_copy(update={"checks": checks})


FAILURES = (
    Failure("random concept", "both", lambda f: (f.class_name, f.bank) == ("zebra", "textures")),
    Failure("another association", "effect", lambda f: f.class_name == "lynx" and f.kind == "association"),
    Failure("below the scale", "absence", lambda f: True),
    Failure("groups told apart", "both", lambda f: f.class_name == "zebra" and f.of_groups),
    Failure("other classes", "effect", lambda f: f.class_name == "lynx" and f.of_groups),
)


def failing(audit: Audit, failures: tuple[Failure, ...]) -> Audit:
    """The audit with these checks failed, and concluded again."""
    found = audit.findings
    for failure in failures:
        found = [failure.on(finding) for finding in found]
    return audit.model_copy(update={"findings": [concluded(f) for f in found]})


def whole() -> Audit:
    """Two classes that say the opposite of each other, with every kind of finding."""
    zebra, lynx = (
        audited_class(*findings_of()),
        audited_class(*findings_of(-1), index=287, name="lynx", synset=""),
    )
    probe = Probe(auc=0.93, low=0.88, high=0.96, p_value=0.001)
    details = [ContrastDetail(bank="faces", more=more, less=less, apart=probe) for more, less in PAIRS]
    audit = audit_of((zebra[0].model_copy(update={"contrasts": details}), zebra[1]), lynx)
    banks = [bank.model_copy(update={"screening": bank.name == "rendered"}) for bank in audit.banks]
    return audit.model_copy(update={"banks": banks})


@cache
def subsets() -> list[tuple[str, Audit]]:
    """Every subset of the failures, by name."""
    return [
        (" + ".join(f.name for f in chosen) or "nothing failed", failing(whole(), chosen))
        for n in range(len(FAILURES) + 1)
        for chosen in itertools.combinations(FAILURES, n)
    ]


def test_the_audits_hold_everything_that_can_be_said_and_withheld() -> None:
    seen, words = set(), set()
    for _, audit in subsets():
        words |= {(f.kind, f.conclusion, f.withheld) for f in audit.findings}
        seen.add(tuple(sorted(claims(audit).items())))
    for kind in ("association", "contrast", "in context"):
        assert {(k, w, h) for k, w, h in words if k == kind} >= {
            *((kind, word, False) for word in ("associated", "negatively associated", "not associated")),
            (kind, "inconclusive", False),
            (kind, "inconclusive", True),
        }
        assert (kind, "not measured", False) in words
        assert ((kind, "screening", False) in words) == (kind != "association")
    assert len(subsets()) == 32
    assert len(seen) == 16  # one of the five checks forbids no claim


def test_an_audit_claims_what_its_numbers_and_checks_allow() -> None:
    for name, audit in subsets():
        for finding in audit.findings:
            word, held = allowed(finding)
            assert (finding.conclusion, finding.withheld) == (word, held), (name, key(finding))
            assert finding.claimed == (word in CLAIMS)
        assert audit.of_class(340) + audit.of_class(287) == audit.findings


def check_numbers(audit: Audit, seen: Mapping[Key, Said], *, where: str, exact: bool = False) -> None:
    """Effect, adjusted interval and corrected p of what is shown are those of the audit.

    Args:
        audit: The audit.
        seen: What an output shows.
        where: For the message.
        exact: Whether six digits are promised, instead of two decimals, or three of a contrast.
    """
    known = {key(f): f for f in audit.findings}
    for about, said in seen.items():
        finding = known[about]
        least = 0 if exact else 3 if finding.of_groups else 2
        numbers = [(said.effect, finding.effect)]
        low, high = said.interval or ("–", "–")
        numbers += [(low, finding.adjusted_low), (high, finding.adjusted_high)]
        for text, value in numbers:
            value = None if finding.effect is None else value
            assert agree(text, value, least=least), (where, about, text, value)
        if said.p is not None:
            assert p_agrees(said.p, finding.p_adjusted), (where, about, said.p, finding.p_adjusted)


def check_whole(audit: Audit, seen: Mapping[Key, Said], *, where: str, exact: bool = False) -> None:
    """An output that shows every finding says of each what may be said, and nothing else."""
    assert {about: said.word for about, said in seen.items()} == conclusions(audit), where
    check_numbers(audit, seen, where=where, exact=exact)


def check_first(audit: Audit, seen: Mapping[Key, Said], *, where: str, most: int = 3) -> None:
    """An output that puts the strongest claims first shows claims alone, and as many as it may."""
    known = claims(audit)
    assert {about: said.word for about, said in seen.items()}.items() <= known.items(), where
    assert len(seen) == min(most, len(known)), where
    owners = {owner for owner, *_ in known}
    assert len({owner for owner, *_ in seen}) >= min(len(owners), 3), where
    if any("/" in subject for *_, subject in known):
        assert any("/" in subject for *_, subject in seen), where
    check_numbers(audit, seen, where=where)


def check_short(audit: Audit, seen: Mapping[str, Short], *, where: str) -> None:
    """A class's summary names claims alone, counts all of them, and counts the rest by what they are."""
    assert list(seen) == [c.name for c in audit.classes], where
    for result in audit.classes:
        short, own = seen[result.name], audit.of_class(result.index)
        known = {about: word for about, word in claims(audit).items() if about[0] == result.name}
        assert short.named.items() <= known.items(), where
        for word in CLAIMS:
            alone = [f for f in own if f.kind == "association" and allowed(f)[0] == word]
            assert short.counted[word] == len(alone), (where, result.name, word)
        pairs = [about for about in known if "/" in about[2]]
        assert len([about for about in short.named if "/" in about[2]]) == min(2, len(pairs)), where
        asking = {key(f): f for f in own if allowed(f)[0] == "screening"}
        mine = {about: word for about, word in short.screened.items() if about[0] == result.name}
        assert len(mine) == min(2, len(asking)), where
        for about, word in mine.items():
            assert (word == "associated") == ((asking[about].effect or 0.0) > 0.0), where
        rest: dict[tuple[str, str], int] = {}
        for finding in own:
            word, held = allowed(finding)
            if word not in (*CLAIMS, "screening") and not held:
                rest[finding.kind, word] = rest.get((finding.kind, word), 0) + 1
        hidden = sum(allowed(f)[1] for f in own)
        if any(allowed(f)[0] != "not measured" for f in own):
            assert dict(short.others) == rest, (where, result.name)
            assert short.withheld == hidden, (where, result.name)


# One test for every output.


def _html(audit: Audit, case: str) -> None:
    names, root = Names(audit), page_of(rendered(audit, "html"))
    check_whole(audit, html_rows(root, names), where=case)
    charted = html_charts(root, names)
    drawn = {
        about: word
        for about, word in conclusions(audit).items()
        if "/" not in about[2] or word != "not measured"
    }
    assert {about: said.word for about, said in charted.items()} == drawn, case
    check_numbers(audit, charted, where=case)
    for short in html_summaries(root, names):
        check_short(audit, short, where=case)
    found = next(s for s in root.iter("section") if s.get("id") == "found")
    listed = found.find("ol")
    check_first(audit, sentences(words_of(listed), names) if listed is not None else {}, where=case)
    anchors = {e.get("id"): e for e in root.iter("tr") if e.get("id")}
    for item in listed if listed is not None else ():
        (link,) = item.iter("a")
        seen = SENTENCE.match(words_of(link))
        assert seen is not None
        head = anchors[link.get("href")[1:]].find("th")
        title = (head.text or "").strip() or words_of(head.find("a[@class='to-chart']"))
        owner, _, label, how, first_group, pasted, second_group = seen.groups()
        named = {label} if label else {first_group, second_group}
        assert set(title.strip().split(" against ")) == named, (case, owner, how)
        assert ("-in-context-" in link.get("href")) == bool(pasted), case


def _markdown(audit: Audit, case: str) -> None:
    for name, most in (("markdown", 3), ("modelcard", 10)):
        text, names = rendered(audit, name), Names(audit)
        seen = markdown_findings(text, names)
        known = conclusions(audit)
        assert {about: said.word for about, said in seen.items()}.items() <= known.items(), case
        check_numbers(audit, seen, where=case)
        for result in audit.classes:
            own = [
                f for f in audit.of_class(result.index) if f.kind == "association" and f.effect is not None
            ]
            own.sort(key=lambda f: -abs(f.effect or 0.0))
            shown = [about for about in seen if about[0] == result.name and "/" not in about[2]]
            assert shown == [key(f) for f in own[:5]], case
        listed = plain_markdown(text).partition("Strongest effects of each class")[0]
        check_first(audit, sentences(listed, names), where=case, most=most)


def _junit(audit: Audit, case: str) -> None:
    text = rendered(audit, "junit")
    check_whole(audit, junit_findings(text), where=case)
    root = ElementTree.fromstring(text)  # noqa: S314 (our own)
    # An audit alone forbids nothing: only a sanity check can fail.
    failed_checks = sum(check.passed is False for result in audit.classes for check in result.sanity_checks)
    assert (root.get("failures"), root.get("errors")) == (str(failed_checks), "0"), case


def _sarif(audit: Audit, case: str) -> None:
    seen = sarif_claims(rendered(audit, "sarif"))
    assert {about: said.word for about, said in seen.items()} == claims(audit), case
    check_numbers(audit, seen, where=case)


def _mlflow(audit: Audit, case: str) -> None:
    seen = tracked(audit)
    assert {about: said.word for about, said in seen.items() if said.word} == claims(audit), case
    assert seen.keys() == conclusions(audit).keys(), case
    check_numbers(audit, seen, where=case, exact=True)
    told = metrics(audit)
    assert told["audit/claims"] == len(claims(audit)), case
    assert told["audit/withheld"] == sum(allowed(f)[1] for f in audit.findings), case
    words = list(conclusions(audit).values())
    assert told["audit/inconclusive"] == words.count("inconclusive"), case
    # The headline that goes with it counts the classes of which something is claimed.
    owners = {owner for owner, *_ in claims(audit)}
    heard = re.findall(
        r"(\d+|all)(?: of \d+ class(?:es)?)? (?:an|only a negative) ", tags(audit)["auditor.headline"]
    )
    assert sum(len(audit.classes) if n == "all" else int(n) for n in heard) == len(owners), case


def _terminal(audit: Audit, case: str) -> None:
    names = Names(audit)
    lines = summary(audit, Settings(model="m", classes=("c",)))
    seen = {}
    for result in audit.classes:
        (line,) = [line for line in lines if line.startswith(f"{result.name}: ")]
        seen[result.name] = summarised(result.name, line, names)
    check_short(audit, seen, where=case)


def _notebook(audit: Audit, case: str) -> None:
    root = page_of(audit._repr_html_())
    listed = root.find(".//ul")
    claimed = sentences(words_of(listed), Names(audit)) if listed is not None else {}
    check_first(audit, claimed, where=case)
    assert ("Nothing is claimed" in words_of(root)) == (not claims(audit)), case


def _frame(audit: Audit, case: str) -> None:
    if importlib.util.find_spec("pandas") is None:
        pytest.skip("needs the extra 'frame'")
    seen = {
        key_of(row["class_name"], row["bank"], row["subject"], row["kind"]): (
            row["conclusion"],
            row["withheld"],
        )
        for row in audit.to_frame().to_dict("records")
    }
    assert seen == {key(f): allowed(f) for f in audit.findings}, case


def _history(audit: Audit, case: str) -> None:
    pair = [before(audit), audit]
    check_history(pair, history_findings(history.history_markdown(pair)), case)


def before(audit: Audit) -> Audit:
    """The same numbers in an earlier release, of which nothing is withheld."""
    return another_model(
        failing(audit.model_copy(update={"findings": [_bare(f) for f in audit.findings]}), ())
    )


def check_history(releases: list[Audit], seen: list[dict[Key, Said]], case: str) -> None:
    """Everything that was measured, with the sign of what each release may say of it."""
    for audit, told in zip(releases, seen, strict=True):
        measured = {key(f) for f in audit.findings if f.effect is not None}
        expected = {about: word for about, word in conclusions(audit).items() if about in measured}
        assert {about: said.word for about, said in told.items()} == expected, case
        check_numbers(audit, told, where=case)


def _bare(finding: Finding) -> Finding:
    return finding.model_copy(update={"checks": []})


def _top(audit: Audit, case: str) -> None:
    """The verdicts at the top of every report count what is withheld."""
    scores = next(s for s in standings(audit) if s.kind == "Scores")
    held = sum(allowed(f)[1] for f in audit.findings)
    missing = sum(allowed(f)[0] == "not measured" for f in audit.findings)
    total = len(audit.findings)
    expected = "not usable" if held + missing == total else "usable in part" if held + missing else "usable"
    assert scores.word == expected, case
    if expected == "usable in part":
        assert scores.text.startswith(f"Checks withhold {held} of {total} findings"), case


OUTPUTS: dict[str, Callable[[Audit, str], None]] = {
    "json": lambda a, case: check_whole(a, json_findings(rendered(a, "json")), where=case, exact=True),
    "csv": lambda a, case: check_whole(a, csv_findings(rendered(a, "csv")), where=case, exact=True),
    "markdown and model card": _markdown,
    "junit": _junit,
    "sarif": _sarif,
    "mlflow": _mlflow,
    "terminal": _terminal,
    "notebook": _notebook,
    "frame": _frame,
    "history": _history,
    "standings": _top,
}
"""Those that take no time; HTML and PDF have tests of their own."""


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_states_what_the_audit_claims(output: str) -> None:
    for case, audit in subsets():
        OUTPUTS[output](audit, case)


@pytest.mark.slow
def test_the_page_states_what_the_audit_claims() -> None:
    for case, audit in subsets():
        _html(audit, case)


def test_the_page_of_a_history_states_what_each_audit_claims() -> None:
    for case, audit in subsets()[::8]:
        pair = [before(audit), audit]
        root = page_of(history.history_html(pair))
        check_history(pair, history_page(root), case)


def test_charts_of_releases_round_as_tables_do() -> None:
    """What a table shows as 0.050 is 0.05 to who hears the chart described."""
    pair = [before(whole()), whole()]
    pages = (history.history_html(pair), comparison_report.comparison_html(compare(*pair)))
    for page in pages:
        texts = [words_of(e) for e in page_of(page).iter("{http://www.w3.org/2000/svg}desc")]
        numbers = re.findall(r"faces/women/men \(not matched\)[^;]*? (0\.\d+)", " ".join(texts))
        assert numbers
        assert all(agree(n, 0.05, least=3) for n in numbers), numbers


@pytest.mark.slow
@pytest.mark.parametrize("position", [0, 1, 2, 4, 5, 31])
def test_the_pdf_states_what_the_audit_claims(position: int) -> None:
    case, audit = subsets()[position]
    names = Names(audit)
    pdf = read_pdf(render_format(audit, NOWHERE, name="pdf"), where="report.pdf")
    text = " ".join(pdf.pages)
    first = text.partition("Not tested:")[0]
    check_first(audit, sentences(first, names), where=case)
    check_whole(audit, pdf_rows(audit, text), where=case)
    heads = {owner: summarised(owner, chapter.partition("Concepts: ")[0], names)
             for owner, chapter in pdf_chapters(audit, text).items()}  # fmt: skip
    check_short(audit, heads, where=case)
    # And what is attached is the audit.
    check_whole(audit, json_findings(pdf.attachments["audit.json"].decode()), where=case, exact=True)


GRID = st.sampled_from([-0.4, -0.2, -0.11, -0.1, -0.02, -0.015, 0.0, 0.01, 0.015, 0.02, 0.1, 0.11, 0.2, 0.4])
"""Ends of intervals, among them the margins themselves."""


@st.composite
def any_findings(draw: st.DrawFn) -> list[Finding]:
    """Concepts and contrasts, alone and in context, with any interval, p-value and checks."""
    found = []
    for i in range(draw(st.integers(1, 7))):
        bank = draw(st.sampled_from(["textures", "colours"]))
        found.append(concept(f"c{i}", bank=bank, **draw(any_numbers())))
    for i in range(draw(st.integers(0, 4))):
        numbers = draw(any_numbers("verdict"))
        found.append(contrast(f"g{i}", f"h{i}", matched=draw(st.booleans()), **numbers))
        if draw(st.booleans()):
            found.append(in_context(f"g{i}", f"h{i}", **draw(any_numbers("verdict"))))
    return found


@st.composite
def any_numbers(draw: st.DrawFn, *also: str) -> dict[str, Any]:
    """``also``: what checks may forbid besides an effect, its absence, or both."""
    low, high = sorted((draw(GRID), draw(GRID)))
    p = draw(st.sampled_from([0.001, 0.05, 0.0500001, 0.3, 1.0]))
    forbids = draw(st.lists(st.sampled_from(["effect", "absence", "both", *also]), max_size=2))
    passed = draw(st.sampled_from([True, False, False, None]))
    checks = [
        failed(f"check {i}", forbids=f).model_copy(update={"passed": passed}) for i, f in enumerate(forbids)
    ]
    if draw(st.integers(0, 9)) == 0:
        return _numbers((None, None, None), None) | {"checks": checks}
    return _numbers(((low + high) / 2, low, high), p) | {"checks": checks}


@settings(max_examples=60, deadline=None)
@given(any_findings(), any_findings())
def test_every_output_states_what_any_audit_claims(zebra: list[Finding], lynx: list[Finding]) -> None:
    # One concept in one bank: a title leads to one place.
    banks = {f.subject: f.bank for f in zebra if f.kind == "association"}
    lynx = [f.model_copy(update={"bank": banks.get(f.subject, f.bank)}) for f in lynx]
    audit = audit_of(audited_class(*zebra), audited_class(*lynx, index=287, name="lynx", synset=""))
    for output, check in OUTPUTS.items():
        check(audit, output)


# The sample audit, whose banks have titles and whose classes have pictures.


def with_checks(audit: Audit, outcomes: Mapping[tuple[int, str], bool]) -> Audit:
    """The audit with the outcomes of checks set by class and name, and concluded again."""

    def again(finding: Finding) -> Finding:
        checks = [
            c.model_copy(update={"passed": outcomes.get((finding.class_index, c.name), c.passed)})
            for c in finding.checks
        ]
        return concluded(finding.model_copy(update={"checks": checks}))

    return audit.model_copy(update={"findings": [again(f) for f in audit.findings]})


TOGGLES = (
    (340, "random concept"),
    (574, "random concept"),
    (574, "enough independent images"),
    (629, "comparable pictures"),
)


@pytest.mark.slow
@pytest.mark.parametrize("outcomes", list(itertools.product([False, True], repeat=len(TOGGLES))))
def test_the_sample_states_the_same_everywhere(audit: Audit, outcomes: tuple[bool, ...]) -> None:
    changed = with_checks(audit, dict(zip(TOGGLES, outcomes, strict=True)))
    case = str(outcomes)
    for check in (*OUTPUTS.values(), _html):
        check(changed, case)
    owners = {owner for owner, *_ in claims(changed)}
    assert ("zebra" in owners) == outcomes[0]
    assert ("golf ball" in owners) == (outcomes[1] and outcomes[2])
    assert ("lipstick" in owners) == outcomes[3]


# From one release to the next.

STEPS = {
    "new": (0.0, 0.3),
    "gone": (0.3, 0.0),
    "grown": (0.3, 0.6),
    "shrunk": (-0.6, -0.3),
    "unchanged": (0.3, 0.31),
    "turned": (-0.3, 0.3),
    "vague": (0.3, 0.5),
}
"""Effect before and after; of contrasts a sixth. What is vague has wide intervals."""

IN_CONTEXT = dict(zip(STEPS, [*list(STEPS)[1:], *list(STEPS)[:1]], strict=True))
"""Name of a pair to the step that it makes in context: another than alone."""

STATUSES = {name: {"turned": "new", "vague": "inconclusive"}.get(name, name) for name in STEPS}


def _level(effect: float, half: float) -> dict[str, Any]:
    return _numbers((effect, effect - half, effect + half), 0.0004)


def release(which: int, failures: tuple[Failure, ...]) -> Audit:
    """The old release (0) or the new one (1), each with checks of its own failed."""
    found = []
    for name, steps in STEPS.items():
        half = 0.18 if name == "vague" else 0.02
        found.append(concept(name, **_level(steps[which], half)))
        found.append(contrast(name, f"not {name}", **_level(steps[which] / 6, half / 6)))
        other = IN_CONTEXT[name]
        half = 0.18 if other == "vague" else 0.02
        found.append(in_context(name, f"not {name}", **_level(STEPS[other][which] / 6, half / 6)))
    audit = audit_of(audited_class(*found), audited_class(*found, index=287, name="lynx", synset=""))
    return failing(another_model(audit) if which else audit, failures)


@cache
def releases() -> dict[tuple[str, ...], tuple[Audit, Audit]]:
    """Names of the failures to the old and the new release in which they fail."""
    return {
        tuple(f.name for f in chosen): (release(0, chosen), release(1, chosen))
        for n in range(len(FAILURES) + 1)
        for chosen in itertools.combinations(FAILURES, n)
    }


def planted(one: Finding | Ruling) -> str:
    """The step that a finding makes from one release to the next."""
    name = one.subject.partition("/")[0]
    return IN_CONTEXT[name] if one.kind.startswith("in context") else name


def statuses(old: Audit, new: Audit) -> dict[Key, str]:
    """What may be said of each change: the planted, unless a check stands in the way in either release."""
    held = {key(f) for audit in (old, new) for f in audit.findings if allowed(f)[1]}
    return {key(f): "inconclusive" if key(f) in held else STATUSES[planted(f)] for f in new.findings}


def changes(comparison: Comparison) -> dict[Key, Change]:
    return {key(c): c for c in comparison.changes}


@pytest.mark.slow
def test_a_change_of_what_is_withheld_is_never_stated() -> None:
    everything = releases()
    for before, after in itertools.product(everything, everything):
        old, new = everything[before][0], everything[after][1]
        held = {key(f) for audit in (old, new) for f in audit.findings if allowed(f)[1]}
        seen = changes(compare(old, new))
        assert {about: c.status for about, c in seen.items()} == statuses(old, new), (before, after)
        assert {about for about, c in seen.items() if c.withheld} == held, (before, after)
        for about, change in seen.items():
            assert (change.old_conclusion, change.new_conclusion) == (
                conclusions(old)[about],
                conclusions(new)[about],
            )


def test_a_change_of_what_was_not_measured_is_never_stated() -> None:
    for position in (0, 1):
        pair = [release(0, ()), release(1, ())]
        missing = _numbers((None, None, None), None)
        gone = [concluded(f.model_copy(update=missing)) for f in pair[position].findings]
        pair[position] = pair[position].model_copy(update={"findings": gone})
        for change in compare(*pair).changes:
            assert (change.status, change.withheld) == ("inconclusive", True)


SHOWN = {
    "new": "✚ new", "gone": "✖ gone", "grown": "▲ grown", "shrunk": "▼ shrunk", "unchanged": "● unchanged",
    "inconclusive": "? inconclusive",
}  # fmt: skip


def _changed_in_markdown(text: str) -> dict[Key, str]:
    table = plain_markdown(text).partition("| class |")[2].partition("\n\n")[0]
    found = {}
    for line in table.splitlines()[2:]:
        owner, name, *_, status = line.strip("| ").split(" | ")
        bank, _, subject = name.strip("`").removesuffix(" (not matched)").partition("/")
        found[owner.strip("`"), bank, subject] = status
    return found


def _changed_in_html(text: str) -> dict[Key, str]:
    found = {}
    for section in page_of(text).iter("section"):
        if "class-changes" in (section.get("class") or ""):
            for row in section.find(".//table").find("tbody").findall("tr"):
                name = row.find("th").text.strip().removesuffix(" (not matched)")
                bank, _, subject = name.partition("/")
                found[words_of(section.find("h2")), bank, subject] = cells_of(row)["Status"]
    return found


def test_reports_of_a_comparison_state_its_changes() -> None:
    pages = 0
    for number, (name, (_, new)) in enumerate(releases().items()):
        old = releases()[()][0]
        found = compare(old, new)
        expected = {about: SHOWN[status] for about, status in statuses(old, new).items()}
        loud = {a: s for a, s in expected.items() if s not in (SHOWN["unchanged"], SHOWN["inconclusive"])}
        assert _changed_in_markdown(comparison_report.comparison_markdown(found)) == loud, name
        told = json.loads(comparison_report.comparison_json(found))["changes"]
        seen = {key_of(c["class_name"], c["bank"], c["subject"], c["kind"]): SHOWN[c["status"]] for c in told}
        assert seen == expected, name
        if number % 6 == 0:  # a page takes a quarter of a second
            assert _changed_in_html(comparison_report.comparison_html(found)) == expected, name
            pages += 1
    assert pages == 6


@pytest.mark.parametrize("sharpness", [1.0, 2.0])
def test_a_withheld_change_stays_so_when_the_same_images_tell_it(tmp_path: Path, sharpness: float) -> None:
    """With arrays, and with a new model that is twice as sharp, whose findings are concluded again."""
    audits = [
        write_release(
            tmp_path / name, shift=shift, noise=np.random.default_rng(noise),
            images=np.random.default_rng(3), sharpness=sharper,
        )
        for name, shift, noise, sharper in (("old", 0.0, 1, 1.0), ("new", 3.0, 2, sharpness))
    ]  # fmt: skip
    arrays = [load_arrays(tmp_path / name / "arrays.npz") for name in ("old", "new")]

    def status(old: Audit, new: Audit) -> tuple[str, bool, bool]:
        found = compare(old, new, old_arrays=arrays[0], new_arrays=arrays[1])
        change = changes(found)["zebra", "textures", "banded"]
        return change.status, change.withheld, change.paired

    failure = Failure("random concept", "both", lambda f: f.subject == "banded")
    held = [failing(audit, (failure,)) for audit in audits]
    assert status(*audits) == ("new", False, True)
    assert status(audits[0], held[1]) == ("inconclusive", True, True)
    assert status(held[0], audits[1]) == ("inconclusive", True, True)


# The gate.

TOLERANCES = ((0.05, 0.005), (0.1, 0.015), (0.25, 0.04), (0.5, 0.1))
"""Of associations and of contrasts: within the margin, at it, across claimed intervals, and beyond all."""

SIDES = ("either", "associated", "negatively associated")


def policy_of(tolerances: tuple[float, float], **rule: Any) -> Policy:
    shared = {k: v for k, v in rule.items() if k != "side"}
    return Policy.model_validate(
        {
            "format_version": 2,
            "association": [{"largest_effect": tolerances[0], **rule}],
            "contrast": [
                {"largest_difference": tolerances[1], "pictures": pictures, **shared}
                for pictures in ("alone", "in context")
            ],
        }
    )


def reach(finding: Finding, side: str) -> tuple[float, float]:
    """The nearest and the farthest that the adjusted interval lies from zero, on the side that is limited."""
    low, high = float(finding.adjusted_low or 0.0), float(finding.adjusted_high or 0.0)
    up, down = (low, high), (-high, -low)
    if side == "associated":
        return up
    if side == "negatively associated":
        return down
    return max(up[0], down[0]), max(up[1], down[1])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("tolerances", TOLERANCES)
def test_the_gate_fails_on_claims_alone_and_passes_nothing_that_is_hidden(
    tolerances: tuple[float, float], side: str
) -> None:
    policy, outcomes = policy_of(tolerances, side=side), set()
    for case, audit in subsets():
        known = {key(f): f for f in audit.findings if f.bank != "rendered"}  # which only screens
        found = judge(audit, policy, today=DAY)
        assert [key(ruling) for ruling in found.rulings if ruling.kind != "coverage"] == [
            *(about for kind in ("association", "contrast", "in context")
              for about, finding in known.items() if finding.kind == kind)
        ]  # fmt: skip
        assert len(found.rulings) == len(known)
        for ruling in found.rulings:
            finding = known[key(ruling)]
            limited = side if finding.kind == "association" else "either"
            tolerance = tolerances[finding.of_groups]
            nearest, farthest = reach(finding, limited)
            forbidden = {c.forbids for c in finding.checks if c.passed is False}
            fails = allowed(finding)[0] in CLAIMS and nearest > tolerance
            passes = (
                finding.effect is not None and farthest <= tolerance and not forbidden & {"absence", "both"}
            )
            expected = (
                "inconclusive"
                if finding.withheld
                else "fail"
                if fails
                else "pass"
                if passes
                else "inconclusive"
            )
            assert ruling.outcome == expected, (case, key(finding), ruling.reason)
            outcomes.add((ruling.outcome, allowed(finding)[1]))
            assert agree(None if ruling.effect is None else repr(ruling.effect), finding.effect, least=0)
        kinds = {r.outcome for r in found.rulings}
        assert found.outcome == ("fail" if "fail" in kinds else "inconclusive")
    # Every kind of answer was asked for, but for what the tolerance leaves no room for.
    assert {("inconclusive", True), ("inconclusive", False)} <= outcomes
    assert (("fail", False) in outcomes) == (tolerances[0] <= 0.1)
    assert (("pass", False) in outcomes) == (tolerances[0] >= 0.1 or side != "either")
    assert ("fail", True) not in outcomes


@pytest.mark.parametrize("forbids", ["both", "absence", "effect"])
def test_the_gate_passes_nothing_that_a_check_withholds(forbids: str) -> None:
    """``What a failed check withholds never passes and never fails``, as every new policy says at its top."""
    held = Failure("any check", forbids, lambda f: True)
    audit = failing(whole(), (held,))
    assert any(f.withheld for f in audit.findings)
    for tolerances in TOLERANCES:
        for answer in ("warn", "pass"):
            ruled = judge(audit, policy_of(tolerances, inconclusive=answer), today=DAY).rulings
            known = {key(f): f for f in audit.findings}
            for ruling in ruled:
                if known[key(ruling)].withheld:
                    assert ruling.outcome == "inconclusive", (tolerances, answer, ruling.subject)


def test_growth_of_what_is_withheld_neither_fails_nor_passes() -> None:
    policy = Policy.model_validate(
        {
            "format_version": 2,
            "inconclusive": "pass",
            "association": [{"largest_growth": 0.1}],
            "contrast": [{"largest_growth": 0.015}, {"largest_growth": 0.015, "pictures": "in context"}],
        }
    )
    # Of the old effect nothing is left where the direction turned: all of the new one is growth.
    expected = {
        "new": "fail", "grown": "fail", "turned": "fail",
        "gone": "pass", "shrunk": "pass", "unchanged": "pass",
        "vague": "pass",  # not settled, and this policy lets that pass
    }  # fmt: skip
    for before, after in itertools.product(releases(), releases()):
        if len(before) + len(after) > 2:
            continue
        old, new = releases()[before][0], releases()[after][1]
        held = {key(f) for audit in (old, new) for f in audit.findings if allowed(f)[1]}
        for ruling in judge(new, policy, today=DAY, baseline=old, comparison=compare(old, new)).rulings:
            about = key(ruling)
            outcome = "inconclusive" if about in held else expected[planted(ruling)]
            assert ruling.outcome == outcome, (before, after, about, ruling.reason)
            assert ruling.trusted == (about not in held)


# A class without images, and models of few classes.


def without_images(audit: Audit) -> Audit:
    """The first class as the pipeline leaves it where there were no images: scores alone."""
    failure = "class 'zebra': 9 of 30 impressions are recognised, need 20"
    result = audit.classes[0]
    bare = [
        d.model_copy(update={"paper_score": None, "paper_score_sd": None, "layers": []})
        for d in result.concepts
    ]
    changed = result.model_copy(
        update={
            "explanation": Explanation(measured=False, reason=f"the class has no usable images ({failure})"),
            "images": None, "occluder": None, "layers": [], "concepts": bare, "pictures": [],
            "specific": None,
            "sanity_checks": [c for c in result.sanity_checks if c.concerns == "associations"],
            "skipped": [Skipped(what="explanation of class 'zebra'", reason=failure)],
        }
    )  # fmt: skip
    return audit.model_copy(update={"classes": [changed, *audit.classes[1:]]})


def test_a_class_without_images_states_the_same_everywhere(audit: Audit) -> None:
    bare = without_images(audit)
    assert claims(bare) == claims(audit) != {}
    for check in (*OUTPUTS.values(), _html):
        check(bare, "without images")


@pytest.mark.parametrize(
    "name", [n for n in FORMATS if n != "pdf"] + [pytest.param("pdf", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("alone", [False, True])
def test_a_class_without_images_is_in_every_format(
    audit: Audit, sample_directory: Path, name: str, alone: bool
) -> None:
    bare = without_images(audit)
    if alone:
        bare = bare.model_copy(update={"classes": bare.classes[:1], "findings": bare.of_class(340)})
    content = render_format(bare, sample_directory, name=name)
    text = " ".join(read_pdf(content, where=name).pages) if name == "pdf" else content.decode()
    assert "zebra" in text
    if name in ("html", "pdf"):
        text = words_of(page_of(text)) if name == "html" else text
        assert "There are no images of the class." in text
        assert "and the paper's score: not measured. The class has no usable" in text
        assert ("Class images none" in text or "Class imagesnone" in text) == alone
    if name == "markdown":
        row = markdown_rows(text, "Checks, explanations and images of each class</summary>")[0]
        assert (row[0], row[3]) == ("`zebra`", "none")
        assert row[2].startswith("not measured: the class has no usable images")
