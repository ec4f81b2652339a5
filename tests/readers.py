"""What a reader takes from each output of an audit: of every finding the conclusion and the numbers.

One small reader for every format. None of them asks the audit what it concluded.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import tinyhtml5

from auditor.records import Audit
from auditor.report import render_format
from auditor.report.formats.mlflow import metrics
from auditor.store.pdf import read_pdf

Key = tuple[str, str, str]
"""Class, bank, subject; of people pasted into the class's own pictures the subject ends in ``PASTED``."""

PASTED = " (in context)"

NOWHERE = Path("nowhere")
"""An audit directory without pictures."""

CLAIMS = ("associated", "negatively associated")
SIGNS = {
    "associated": "▲",
    "negatively associated": "▼",
    "not associated": "●",
    "screening": "◇",
    "inconclusive": "○",
    "not measured": "–",
}


def key_of(owner: str, bank: str, subject: str, kind: str) -> Key:
    """The key of a finding, a ruling or a change of that kind."""
    return owner, bank, subject + (PASTED if kind.startswith("in context") else "")


def rendered(audit: Audit, name: str, directory: Path = NOWHERE) -> str:
    """The text of a format; of a PDF, that of its pages."""
    content = render_format(audit, directory, name=name)
    return " ".join(read_pdf(content, where=name).pages) if name == "pdf" else content.decode()


@dataclass(frozen=True)
class Said:
    """One finding as an output shows it: a conclusion, and the texts of its numbers."""

    word: str
    effect: str | None = None
    interval: tuple[str, str] | None = None
    p: str | None = None


class Names:
    """From the titles that a reader sees to banks and subjects. No two banks share a title here."""

    def __init__(self, audit: Audit) -> None:
        self.banks = {b.title: b.name for b in audit.banks}
        self.of = {c.title: (b.name, c.name) for b in audit.banks for c in b.concepts}
        self.pairs = {(f.bank, f.more, f.less, f.kind == "in context") for f in audit.findings if f.of_groups}

    def pair(self, first: str, second: str, *, pasted: bool) -> tuple[str, str, bool]:
        """Bank and subject of a contrast, and whether the first group is the one it names first."""
        (bank, one), (_, other) = self.of[first], self.of[second]
        end = PASTED if pasted else ""
        if (bank, one, other, pasted) in self.pairs:
            return bank, f"{one}/{other}{end}", True
        assert (bank, other, one, pasted) in self.pairs
        return bank, f"{other}/{one}{end}", False


def groups_of(subject: str) -> tuple[str, str]:
    """Both groups of a contrast's subject."""
    more, less = subject.removesuffix(PASTED).split("/")
    return more, less


def spaced(text: str) -> str:
    return " ".join(text.split())


def words_of(element: Any) -> str:
    return spaced("".join(element.itertext()))


def meaning(text: str, more: str = "", less: str = "") -> str:
    """A conclusion as it is worded, of a contrast by its groups."""
    named = {f"more with {more}": "associated", f"more with {less}": "negatively associated"}
    named |= {f"screening: {text}": "screening" for text in named}
    word = {**named, "no difference": "not associated"}.get(text, text) if more else text
    assert word in SIGNS, text
    return word


def signed(text: str, more: str = "", less: str = "") -> str:
    """The same with its sign before it, which must be the conclusion's."""
    sign, _, rest = text.partition(" ")
    word = meaning(rest, more, less)
    assert sign == SIGNS[word], text
    return word


def ends(text: str) -> tuple[str, str] | None:
    """The ends of an interval; ``None`` for a dash."""
    if text == "–":
        return None
    low, high = text.removeprefix("[").removesuffix("]").split(", ")
    return low, high


SENTENCE = re.compile(
    r"The class “([^”]+)” is (?:(negatively )?associated with images labelled “([^”]+)”"
    r"|(associated more|answered more in its own pictures) with images labelled “([^”]+)”( pasted in)? "
    r"than with images labelled “([^”]+)”)[.:]"
)
EVIDENCE = re.compile(r"[Ee]ffect (\S+) \[(\S+), (\S+)\], corrected p (?:= )?(\S+|[<>] \S+?),")


def sentences(text: str, names: Names) -> dict[Key, Said]:
    """The claims of a list, as sentences with their evidence behind them."""
    found: dict[Key, Said] = {}
    for seen in SENTENCE.finditer(text):
        owner, negatively, label, how, first, pasted, second = seen.groups()
        if label is not None:
            about, positive = names.of[label], not negatively
        else:
            assert ("own pictures" in how) == bool(pasted)
            bank, subject, positive = names.pair(first, second, pasted=bool(pasted))
            about = bank, subject
        effect, low, high, p = EVIDENCE.search(text, seen.end()).groups()  # type: ignore[union-attr]
        word = CLAIMS[0] if positive else CLAIMS[1]
        assert (owner, *about) not in found
        found[owner, *about] = Said(word, effect, (low, high), p.replace(" ", ""))
    return found


@dataclass(frozen=True)
class Short:
    """What a class's summary names, and how many more of a direction it counts."""

    named: Mapping[Key, str]
    screened: Mapping[Key, str]
    """What asks for a look with photos, by direction."""
    counted: Mapping[str, int]
    others: Mapping[tuple[str, str], int]
    """Kind and conclusion to the number of findings without a claim."""
    withheld: int


def summarised(owner: str, text: str, names: Names) -> Short:
    """A class in a sentence or two."""
    named: dict[Key, str] = {}
    counted = dict.fromkeys(CLAIMS, 0)
    for start, labels in re.findall(r"(Associated|Negatively associated) with images labelled (.+?)\.", text):
        word = start.lower()
        titles = re.findall(r"“([^”]+)”", labels)
        named |= {(owner, *names.of[title]): word for title in titles}
        more = re.search(r"(\d+) more$", labels)
        counted[word] += len(titles) + (int(more[1]) if more else 0)
    screened: dict[Key, str] = {}
    for screening, how, first, pasted, second in re.findall(
        r"(Screening: )?([Aa]ssociated more|[Aa]nswered more in its own pictures) with images labelled "
        r"“([^”]+)”( pasted in)? than with images labelled “([^”]+)”",
        text,
    ):
        assert ("own pictures" in how) == bool(pasted)
        bank, subject, positive = names.pair(first, second, pasted=bool(pasted))
        (screened if screening else named)[owner, bank, subject] = CLAIMS[0] if positive else CLAIMS[1]
    others = {
        (
            {"concept": "association", "contrast": "in context" if pasted else "contrast"}[noun],
            word.replace("without a difference", "not associated"),
        ): int(n)
        for n, noun, pasted, word in re.findall(
            r"(\d+) (concept|contrast)s?( in context)? "
            r"(not associated|without a difference|inconclusive|not measured)",
            text,
        )
    }
    hidden = re.search(r"(\d+) findings? withheld:", text)
    return Short(named, screened, counted, others, int(hidden[1]) if hidden else 0)


def page_of(text: str) -> Any:
    return tinyhtml5.parse(text, namespace_html_elements=False)


def cells_of(row: Any) -> dict[str, str]:
    return {cell.get("data-label"): words_of(cell) for cell in row.findall("td")}


def html_rows(root: Any, names: Names) -> dict[Key, Said]:
    """The tables of concepts and of contrasts, class by class."""
    found: dict[Key, Said] = {}
    for article in root.iter("article"):
        owner = words_of(article.find("header/h2"))
        for section in article.findall("section"):
            label = section.get("aria-label") or ""
            concepts, pasted = label.startswith("Concepts of "), label.startswith("Contrasts in context")
            if not concepts and not pasted and not label.startswith("Contrasts between groups"):
                continue
            bank = names.banks[words_of(section.find("h3")).removeprefix("Concepts: ")] if concepts else ""
            table = section.find("div[@role='region']/table")
            for row in table.find("tbody").findall("tr"):
                head, cells = row.find("th"), cells_of(row)
                # A row that is drawn in the chart leads there.
                title = (head.text or "").strip() or words_of(head.find("a[@class='to-chart']"))
                if concepts:
                    assert row.get("data-direction") == cells["Conclusion"].partition(" ")[2]
                    said = signed(cells["Conclusion"])
                    place, digits = (owner, bank, names.of[title][1]), ("Effect", "Interval")
                else:
                    first, _, second = title.partition(" against ")
                    bank, subject, positive = names.pair(first, second, pasted=pasted)
                    assert positive
                    aside = words_of(row.find("th/span[@class='aside']"))
                    assert bool(re.search(r"of the class|the class's own pictures", aside)) == pasted
                    said = signed(cells["Conclusion"], *groups_of(subject))
                    place, digits = (owner, bank, subject), ("Difference", "Adjusted interval")
                found[place] = Said(said, cells[digits[0]], ends(cells[digits[1]]), cells["Corrected p"])
    return found


def html_charts(root: Any, names: Names) -> dict[Key, Said]:
    """What the charts of effects and contrasts say to who cannot see them."""
    found: dict[Key, Said] = {}
    for article in root.iter("article"):
        owner = words_of(article.find("header/h2"))
        for drawn in article.iter("{http://www.w3.org/2000/svg}svg"):
            heading, text = (words_of(drawn.find(f"{{*}}{name}")) for name in ("title", "desc"))
            start, _, items = text.removesuffix(".").partition(": ")
            if start == "Ranked from largest to smallest effect":
                for item in items.split("; "):
                    title, effect, interval, word = re.match(r"(.+?) (\S+) (\[.+\]|–), (.+)$", item).groups()  # type: ignore[union-attr]
                    found[owner, *names.of[title]] = Said(meaning(word), effect, ends(interval))
            elif start == "Each with its interval":
                pasted = heading.startswith("Contrasts in context")
                assert pasted or heading.startswith("Contrasts between groups")
                for item in items.split("; "):
                    first, second, effect, interval, word = re.match(
                        r"(\S+) against (\S+), .*?: (\S+) (\[.+\]|–), (.+)$", item
                    ).groups()  # type: ignore[union-attr]
                    bank, subject, _ = names.pair(first, second, pasted=pasted)
                    found[owner, bank, subject] = Said(
                        meaning(word, *groups_of(subject)), effect, ends(interval)
                    )
    return found


def html_summaries(root: Any, names: Names) -> list[dict[str, Short]]:
    """Each class in words: in the table on the first page, and at the head of its section."""
    table = next(t for t in root.iter("table") if "verdicts" in (t.get("class") or ""))
    first = {words_of(row.find("th")): cells_of(row)["In words"] for row in table.find("tbody").findall("tr")}
    heads = {
        words_of(article.find("header/h2")): words_of(article.find("header/p[@class='lead']"))
        for article in root.iter("article")
    }
    return [
        {owner: summarised(owner, text, names) for owner, text in seen.items()} for seen in (first, heads)
    ]


def pdf_chapters(audit: Audit, text: str) -> dict[str, str]:
    """Class to the text of its chapter."""
    total = len(audit.classes)
    starts = [text.index(f"Class {i + 1} of {total} · index") for i in range(total)]
    stops = [*starts[1:], text.rindex("Method and limits")]
    return {c.name: text[a:b] for c, a, b in zip(audit.classes, starts, stops, strict=True)}


def pdf_rows(audit: Audit, text: str) -> dict[Key, Said]:
    """Every concept from the appendix, and every contrast from its class's chapter."""
    names = Names(audit)
    interval = r"(\[[^\]]+\]|–)"
    word = "(associated|negatively associated|not associated|screening|inconclusive|not measured"
    signs = "[▲▼●◇○–]"
    found: dict[Key, Said] = {}
    tables = re.split(r"(\w+): every concept of \w+, largest effect first", text)
    for owner, table in zip(tables[1::2], tables[2::2], strict=True):
        row = rf"(\w+) ({signs}) {word}) (\S+) {interval} (\S+) \S+ \S+ [\d,]+ \S+"
        for title, sign, said, effect, between, p in re.findall(row, table):
            found[owner, *names.of[title]] = Said(signed(f"{sign} {said}"), effect, ends(between), p)
    alone = r"not matched|matched, \d+ independent pairs"
    pasted = r"in \d+ pictures of the class, \d+ independent pairs|in the class's own pictures"
    for owner, chapter in pdf_chapters(audit, text).items():
        row = rf"(\w+) ({signs}) {word}) (\S+) {interval} (<?[01]\S*|–)"
        concepts = chapter.partition("Contrasts between groups")[0]
        for title, sign, said, effect, between, p in re.findall(row, concepts):
            # The chapter's table has some of these rows, and they say the same.
            assert found[owner, *names.of[title]] == Said(signed(f"{sign} {said}"), effect, ends(between), p)
        row = (
            rf"(\w+) against (\w+) (?:(?:{alone})(?:, told apart \(AUC [^)]+\))?|({pasted})) ({signs}) "
            rf"{word}|no difference|(?:screening: )?more with \w+) \S+ / \S+ (\S+) {interval} (\S+)"
        )
        for first, second, how, sign, said, effect, between, p in re.findall(row, chapter):
            bank, subject, positive = names.pair(first, second, pasted=bool(how))
            assert positive
            about = (owner, bank, subject)
            assert about not in found
            found[about] = Said(signed(f"{sign} {said}", *groups_of(subject)), effect, ends(between), p)
    return found


def json_findings(text: str) -> dict[Key, Said]:
    return {
        key_of(f["class_name"], f["bank"], f["subject"], f["kind"]): Said(
            f["conclusion"],
            *(("", None, "") if f["effect"] is None else (
                str(f["effect"]), (str(f["adjusted_low"]), str(f["adjusted_high"])), str(f["p_adjusted"])
            )),
        )
        for f in json.loads(text)["findings"]
    }  # fmt: skip


def csv_findings(text: str) -> dict[Key, Said]:
    return {
        key_of(row["class_name"], row["bank"], row["subject"], row["kind"]): Said(
            row["conclusion"],
            row["effect"],
            (row["adjusted_low"], row["adjusted_high"]) if row["effect"] else None,
            row["p_adjusted"],
        )
        for row in csv.DictReader(io.StringIO(text))
    }


def plain_markdown(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).replace("&lt;", "<").replace("&gt;", ">")


def markdown_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    table = plain_markdown(text).partition(heading)[2].strip().partition("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def markdown_findings(text: str, names: Names) -> dict[Key, Said]:
    found: dict[Key, Said] = {}
    rows = markdown_rows(text, "Strongest effects of each class</summary>")
    for owner, about, said, effect, interval, p, *_ in rows:
        how = r"( \(not matched\)| in context)?(, told apart .+)?"
        pair = re.fullmatch(rf"`(.+)/(.+)` against `(.+?)`{how}", about)
        if pair:
            bank, more, less, how = pair[1], pair[2], pair[3], (pair[4] or "").strip()
            place, word = key_of(owner.strip("`"), bank, f"{more}/{less}", how), signed(said, more, less)
        else:
            bank, _, subject = about.strip("`").partition("/")
            place, word = (owner.strip("`"), bank, subject), signed(said)
        assert place not in found
        found[place] = Said(word, effect, ends(interval), p)
    return found


def junit_findings(text: str) -> dict[Key, Said]:
    found: dict[Key, Said] = {}
    for case in ElementTree.fromstring(text).iter("testcase"):  # noqa: S314 (our own)
        name = case.get("name") or ""
        if name.startswith("sanity check"):
            continue
        bank, _, subject = name.partition("/")
        pair = re.fullmatch(r"(.+) against (.+) \(((?:not )?matched|in context)\)", subject)
        more, less = (pair[1], pair[2]) if pair else ("", "")
        said = case.find("system-out")
        stated = said is not None
        text_of = (said if stated else case.find("skipped")).text or ""  # type: ignore[union-attr]
        word, effect, interval, p = re.match(
            r"(.+?): effect (\S+) (\[.+?\]|–), corrected p (?:= )?([<>] [\d.]*\d|not measured|[\d.]*\d)",
            text_of,
        ).groups()  # type: ignore[union-attr]
        word = meaning(word, more, less)
        # What is not settled is skipped, so that no dashboard shows it green.
        assert stated == (word not in ("screening", "inconclusive", "not measured"))
        subject = f"{more}/{less}" if pair else subject
        about = key_of(case.get("classname") or "", bank, subject, pair[3] if pair else "")
        assert about not in found
        found[about] = Said(word, effect, ends(interval), p.replace("not measured", "–").replace(" ", ""))
    return found


def sarif_claims(text: str) -> dict[Key, Said]:
    found: dict[Key, Said] = {}
    for result in json.loads(text)["runs"][0]["results"]:
        if result["kind"] != "informational":
            continue
        owner, bank, subject = result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].split(
            " / "
        )
        subject = subject.removesuffix(" (in context)")
        more, _, less = subject.partition("/")
        message = result["message"]["text"].replace("\\", "")
        word, effect, interval, p = re.search(
            r": (.+), effect (\S+) (\[.+?\]), corrected p (?:= )?(.+?)(?:; (?:importance|told apart) .*)?$",
            message,
        ).groups()  # type: ignore[union-attr]
        assert message.startswith(f"{owner}, images labelled {more}")
        word = meaning(word, *((more, less) if less else ("", "")))
        assert (result["ruleId"] == "association") == (not less)
        pasted = "pasted into the class's own pictures" in message
        assert pasted == (result["ruleId"] == "in-context")
        about = key_of(owner, bank, subject, "in context" if pasted else "")
        assert about not in found
        found[about] = Said(word, effect, ends(interval), p.replace(" ", ""))
    return found


def tracked(audit: Audit) -> dict[Key, Said]:
    """What MLflow is told, by the names under which it is told."""
    found: dict[Key, Said] = {}
    told = metrics(audit)
    for name, claimed in told.items():
        place, _, last = name.rpartition("/")
        if last != "claimed":
            continue
        assert claimed in (0.0, 1.0)
        owner, bank, subject = place.split("/")
        pair = re.fullmatch(r"(.+) - (.+) ((?:un)?matched|in context)", subject)
        about = key_of(owner, bank, f"{pair[1]}/{pair[2]}", pair[3]) if pair else (owner, bank, subject)
        numbers = [told.get(f"{place}/{n}") for n in ("effect", "low", "high", "p_adjusted")]
        effect, low, high, p = ("" if n is None else repr(n) for n in numbers)
        sign = "" if not claimed else CLAIMS[0] if told[f"{place}/effect"] > 0 else CLAIMS[1]
        found[about] = Said(sign, effect, (low, high) if low else None, p)
    return found


def history_findings(text: str) -> list[dict[Key, Said]]:
    """The conclusions of each release in the tables of ``auditor history``."""
    releases: list[dict[Key, Said]] = [{}, {}]
    parts = plain_markdown(text).split("### ")[1:]
    for part in parts:
        owner = part.splitlines()[0].strip("`")
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
        for name, *cells in rows:
            bank, _, subject = re.sub(r" \((not )?matched\)$", "", name.strip("`")).partition("/")
            for release, cell in zip(releases, cells, strict=True):
                sign, effect, interval = cell.split(" ", 2)
                word = next(w for w, s in SIGNS.items() if s == sign)
                release[owner, bank, subject] = Said(word, effect, ends(interval))
    return releases


def history_page(root: Any) -> list[dict[Key, Said]]:
    """The same of its page."""
    releases: list[dict[Key, Said]] = [{}, {}]
    for section in root.iter("section"):
        heading = section.find("h2")
        if heading is None:
            continue
        for row in section.find(".//table").find("tbody").findall("tr"):
            name = re.sub(r" \((not )?matched\)$", "", words_of(row.find("th")))
            bank, _, subject = name.partition("/")
            for release, cell in zip(releases, row.findall("td"), strict=True):
                sign, effect, interval = words_of(cell).split(" ", 2)
                word = next(w for w, s in SIGNS.items() if s == sign)
                release[words_of(heading), bank, subject] = Said(word, effect, ends(interval))
    return releases


def agree(text: str | None, value: float | None, *, least: int) -> bool:
    """Whether a number as it is shown is the value, to ``least`` decimals or more; of 0, to six digits."""
    if value is None:
        return text in ("–", "", None)
    assert text is not None
    shown = text.replace("−", "-")
    if shown == "≈0":
        return abs(value) < 10.0 ** -(least + 2)
    if least == 0:
        return abs(float(shown) - value) <= 5e-6 * abs(value)  # six significant digits
    decimals = len(shown.partition(".")[2])
    return decimals >= least and abs(float(shown) - value) <= 0.5 * 10.0**-decimals + 1e-12


def p_agrees(text: str | None, value: float | None) -> bool:
    if value is None or text is None:
        return text in ("–", "", None)
    if text[0] in "<>":
        return value < float(text[1:]) if text[0] == "<" else value > float(text[1:])
    return abs(float(text) - value) <= 5e-4
