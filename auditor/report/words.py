"""Numbers and names as a reader sees them: rounding that never misleads, words beside every symbol."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from auditor.records import Conclusion, Finding, Importance, Probe

if TYPE_CHECKING:
    from auditor.compare import Change
    from auditor.scan_records import ScanFinding

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"

# Line feeds and tabs become spaces; other controls, lone surrogates and the marks that reverse the
# direction of text (which can make a name read as another) become visible.
_SPACES = re.compile(r"[\t\n\r\v\f\u2028\u2029]+")


@dataclass(frozen=True)
class Word:
    """An outcome as text, sign and tone; the sign and the text each suffice without the colour."""

    text: str
    symbol: str
    tone: str
    """Name of a colour in the style sheets: ``found``, ``against``, ``none``, ``open``, ``bad``, ``good``."""


CONCLUSIONS: dict[Conclusion, Word] = {
    "associated": Word("associated", "▲", "found"),
    "negatively associated": Word("negatively associated", "▼", "against"),
    "not associated": Word("not associated", "●", "none"),
    "screening": Word("screening", "◇", "open"),
    "inconclusive": Word("inconclusive", "○", "open"),
    "not measured": Word("not measured", DASH, "open"),
}
CHECKS = {
    True: Word("passed", "✓", "good"),
    False: Word("failed", "✗", "bad"),
    None: Word("not run", DASH, "open"),
}


def said(finding: Finding | Importance | ScanFinding) -> Word:
    """The conclusion as a reader sees it; of a contrast, which group it is."""
    word = CONCLUSIONS[finding.conclusion]
    if isinstance(finding, Importance) or finding.kind == "association":
        return word
    further = clean(finding.less if (finding.effect or 0.0) < 0.0 else finding.more)
    texts: dict[Conclusion, str] = {
        "associated": f"more with {clean(finding.more)}",
        "negatively associated": f"more with {clean(finding.less)}",
        "not associated": "no difference",
        "screening": f"screening: more with {further}",
    }
    return Word(texts.get(finding.conclusion, word.text), word.symbol, word.tone)


def clean(text: str) -> str:
    """Untrusted text on one line, without signs that XML forbids or that act unseen."""

    def visible(sign: str) -> str:
        unseen = unicodedata.category(sign) in ("Cc", "Cs", "Cn") or "\u202a" <= sign <= "\u202e"
        return "\N{REPLACEMENT CHARACTER}" if unseen or "\u2066" <= sign <= "\u2069" else sign

    return "".join(map(visible, _SPACES.sub(" ", text)))


def capital(text: str) -> str:
    """With a capital first letter; nothing stays nothing."""
    return f"{text[:1].upper()}{text[1:]}"


def number(value: float | None, *, digits: int = 2) -> str:
    """A score. Values that would round to zero keep one significant digit."""
    if value is None:
        return DASH
    text = f"{abs(value):.{digits}f}"
    if value != 0 and float(text) == 0:
        text = f"{abs(value):.1g}" if abs(value) >= 10 ** -(digits + 2) else f"<{10 ** -(digits + 2):g}"
        if text.startswith("<"):
            return "≈0"
    return (MINUS if value < 0 and float(text) != 0 else "") + text


def interval(low: float | None, high: float | None, *, digits: int = 2) -> str:
    """``[0.12, 0.50]``, or a dash where it was not measured."""
    if low is None or high is None:
        return DASH
    return f"[{number(low, digits=digits)}, {number(high, digits=digits)}]"


def digits_of(kind: str) -> int:
    """Decimals of an effect: differences between groups matter at smaller sizes."""
    return 2 if kind.startswith("association") else 3


def effect_text(finding: Finding) -> str:
    """The effect of a finding."""
    return number(finding.effect, digits=digits_of(finding.kind))


def importance_text(one: Importance | None) -> str:
    """``importance (AfI) 0.080 [0.010, 0.150], corrected p = 0.02; seen in: both``; empty where none."""
    if one is None:
        return ""
    ends = interval(one.adjusted_low, one.adjusted_high, digits=3)
    return (
        f"importance (AfI) {number(one.effect, digits=3)} {ends}, "
        f"{p_phrase(one.p_adjusted, name='corrected p')}; seen in: {one.views}"
    )


def apart_text(probe: Probe | None, alpha: float) -> str:
    """``told apart (AUC 0.93 [0.88, 0.97])``, or ``not told apart`` with the same; empty where none.

    Args:
        probe: Of a contrast.
        alpha: Level of the contrast; the groups are told apart where the probe's p-value is at most that.
    """
    if probe is None:
        return ""
    word = "told apart" if probe.p_value <= alpha else "not told apart"
    return f"{word} (AUC {number(probe.auc)} {interval(probe.low, probe.high)})"


def interval_text(finding: Finding) -> str:
    """The adjusted interval of a finding, on which its conclusion rests."""
    return interval(finding.adjusted_low, finding.adjusted_high, digits=digits_of(finding.kind))


def unit_share(value: float | None) -> str:
    """A share or probability in [0, 1] to two decimals; 0 and 1 only where exact."""
    if value is None:
        return DASH
    if value in (0, 1):
        return str(int(value))
    if value < 0.005:
        return "<0.01"
    return ">0.99" if value > 0.995 else f"{value:.2f}"


def percent(value: float | None) -> str:
    """A share as a percentage; 0% and 100% only where exact."""
    if value is None:
        return DASH
    if value in (0, 1):
        return f"{value:.0%}"
    if value < 0.005:
        return "<1%"
    return ">99%" if value > 0.995 else f"{value * 100:.0f}%"


def p_text(value: float | None) -> str:
    """A p-value for a table cell: ``<0.001``, ``0.012``, ``>0.999``; never 0.000."""
    if value is None:
        return DASH
    if value < 0.001:
        return "<0.001"
    return ">0.999" if 0.9995 <= value < 1 else f"{value:.3f}" if value < 1 else "1"


def p_phrase(value: float | None, *, name: str = "p") -> str:
    """A p-value in a sentence: ``p < 0.001`` or ``p = 0.012``."""
    text = p_text(value)
    if value is None:
        return f"{name} not measured"
    return f"{name} {text[0]} {text[1:]}" if text[0] in "<>" else f"{name} = {text}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """``1 image``, ``1,024 images``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def first_few(items: list[str], most: int, more: str = "{} more") -> list[str]:
    """The first ``most`` items, then how many more there are; ``more`` words it."""
    rest = len(items) - most
    return items if rest <= 0 else [*items[:most], more.format(rest)]


def moment(created: str) -> str:
    """An ISO 8601 time as ``23 November 2026, 09:41 UTC``; left as it is if it is none."""
    when = instant(created)
    return f"{when.day} {when:%B %Y, %H:%M} UTC" if when else clean(created)


def instant(created: str) -> datetime | None:
    """An ISO 8601 time in UTC; ``None`` if it is none."""
    try:
        when = datetime.fromisoformat(created)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def subject_words(one: Finding | Change) -> str:
    """``portraits/women/men (matched)``."""
    matched = {True: " (matched)", False: " (not matched)", None: ""}[one.matched]
    matched = " (in context)" if one.kind == "in context" else matched
    return clean(f"{one.bank}/{one.subject}{matched}")


def duration_words(seconds: float) -> str:
    """``48 s``, ``5 min 22 s``, ``2 h 3 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def quoted(name: str) -> str:
    """A name in typographic quotes."""
    return f"“{clean(name)}”"
