"""The HTML report in a real browser: every control used, nothing on the console, readable for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from auditor.records import Audit
from auditor.report.formats import html
from tests.browser.pages import NARROW, Opened
from tests.sample import hostile

pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(audit: Audit, sample_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(audit, sample_directory), encoding="utf-8")
    return path.as_uri()


def lipstick(audit: Audit) -> Audit:
    """The class that has every kind of section, alone."""
    (result,) = audit.classes[1:2]
    return audit.model_copy(update={"classes": [result], "findings": audit.of_class(result.index)})


def names(page: Any, table: Any) -> list[str]:
    return [
        row.inner_text().split("\n")[0].split("#")[0].strip()
        for row in table.locator("tbody tr:not([hidden]) th").all()
    ]


def test_sorting(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        table = opened.page.locator("#class-1 table[data-sortable]")
        assert names(opened.page, table)[0] == "Banded"
        head = table.locator("th", has_text="Effect").first
        for order, first in (("descending", "Banded"), ("ascending", "Dotted")):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == order
            assert names(opened.page, table)[0] == first
        concept = table.locator("th", has_text="Concept").first
        concept.get_by_role("button").press("Enter")
        assert names(opened.page, table) == sorted(names(opened.page, table))
        assert head.get_attribute("aria-sort") is None
        paper = table.locator("th", has_text="Paper's score").first
        paper.get_by_role("button").click()
        values = [float(cell.get_attribute("data-value")) for cell in table.locator("tbody td.paper").all()]
        assert values == sorted(values, reverse=True)


def test_filtering(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        section = opened.page.locator("#class-1 [data-concepts]")
        table = section.locator("table")
        section.get_by_label("Find").fill("BAND")
        assert names(opened.page, table) == ["Banded"]
        assert section.locator("[data-count]").inner_text() == "1 of 13 concepts"
        section.get_by_label("Find").fill("")
        conclusion = section.get_by_label("Conclusion")
        for word, expected in (
            ("negatively associated", ["Dotted"]),
            ("associated", ["Banded", "Zigzagged"]),
            ("inconclusive", ["Fibrous", "Woven", "Chequered"]),
        ):
            conclusion.select_option(word)
            assert names(opened.page, table) == expected
        offered = conclusion.locator("option").all_inner_texts()
        assert offered == ["all", "associated", "inconclusive", "negatively associated", "not associated"]
        conclusion.select_option("")
        assert len(names(opened.page, table)) == 13


def test_switching_scores(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        section = opened.page.locator("#class-1 [data-concepts]")

        def shown() -> set[str]:
            kinds = ("score", "importance", "responses")
            return {kind for kind in kinds if section.locator(f".of-{kind}").is_visible()}

        assert shown() == {"score"}
        for label, expected in (
            ("importance (AfI)", {"importance"}),
            ("responses", {"responses"}),
            ("all", {"score", "importance", "responses"}),
            ("effects", {"score"}),
        ):
            section.locator(".switch label", has_text=label).last.click()
            assert shown() == expected
        section.get_by_role("radio", name="effects").focus()
        opened.page.keyboard.press("ArrowRight")
        assert shown() == {"importance"}


def test_what_was_not_measured_is_not_offered(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        article = opened.page.locator("#class-3")  # its occluder does not hold
        labels = article.locator("[data-concepts] .switch label").all_inner_texts()
        assert [label.strip() for label in labels] == ["effects", "responses", "all"]
        assert article.locator(".layer-card, [data-layers]").count() == 0
        assert article.locator("th", has_text="Paper's score").count() == 0
        assert article.get_by_text("the paper's score: not measured.").is_visible()
        assert opened.page.locator("#class-1 th", has_text="Paper's score").count() == 1
        # Sorting still finds its columns, of which there is one less.
        table = article.locator("table[data-sortable]")
        table.locator("th", has_text="Effect").first.get_by_role("button").click()
        assert names(opened.page, table)[0] == "Honeycombed"


def test_switching_layers(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        opened.page.locator("#class-2-more > summary").click()
        section = opened.page.locator("#class-2 [data-layers]")
        visible = section.locator(".layer-card:not([hidden]) h4")
        assert visible.count() == 1
        section.get_by_role("combobox", name="Layer").select_option(label="blocks.4.2")
        assert visible.inner_text().startswith("blocks.4.2")
        section.get_by_role("combobox", name="Layer").select_option(label="all layers")
        assert visible.count() == 4


def test_copying_a_link_that_leads_to_the_finding(browser: Any, report: str) -> None:
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    with Opened(browser, report, **options) as opened:
        opened.page.get_by_role("button", name="Copy the link to this finding").first.click()
        opened.page.get_by_text("Link copied").wait_for()
        link = opened.page.evaluate("navigator.clipboard.readText()")
        assert link.startswith(report + "#class-1-concept-")
        opened.page.goto(link)
        assert "Banded" in opened.page.locator(":target").inner_text()


def test_dark_light_and_the_switch_between(browser: Any, report: str) -> None:
    def page_colour(page: Any) -> str:
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour

    with (
        Opened(browser, report, color_scheme="light") as light,
        Opened(browser, report, color_scheme="dark") as dark,
    ):
        bright, dim = page_colour(light.page), page_colour(dark.page)
        assert bright != dim
        chart = "document.querySelector('#class-1 .of-score svg text')"
        inks = [o.page.evaluate(f"getComputedStyle({chart}).fill") for o in (light, dark)]
        assert inks[0] != inks[1]
        light.page.get_by_role("button", name="Switch to dark colours").click()
        assert page_colour(light.page) == dim
        light.page.get_by_role("button", name="Switch to light colours").click()
        assert page_colour(light.page) == bright


@pytest.mark.parametrize("options", [{"viewport": NARROW}, {"viewport": {"width": 320, "height": 640}}])
def test_a_phone_need_not_scroll_sideways(browser: Any, report: str, options: dict[str, Any]) -> None:
    with Opened(browser, report, **options) as opened:
        wide, inner = opened.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner


def test_complete_without_javascript(browser: Any, report: str) -> None:
    with Opened(browser, report, java_script_enabled=False) as opened:
        page = opened.page
        for kind in ("score", "importance", "responses"):
            assert page.locator(f"#class-1 .of-{kind}").is_visible()
        page.locator("#class-1-more > summary").click()
        assert (
            page.locator("#class-1 .layer-card").count()
            == page.locator("#class-1 .layer-card:visible").count()
            == 4
        )
        assert page.locator(".needs-js:visible").count() == 0


def test_paper_holds_what_decides(browser: Any, report: str, tmp_path: Path) -> None:
    with Opened(browser, report) as opened:
        page = opened.page
        page.locator("#class-1").get_by_label("Find").fill("nothing")
        page.emulate_media(media="print")
        rows = page.locator("#class-1 .concept-table tbody tr:visible")
        assert 3 <= rows.count() < 13  # claims and the largest effects, whatever is searched for on screen
        assert page.locator("#class-1 .of-score").is_visible()
        assert not page.locator("nav").is_visible()
        assert page.locator("details.more:visible").count() == 0
        page.pdf(path=tmp_path / "printed.pdf")
        assert len(PdfReader(tmp_path / "printed.pdf").pages) <= 12


def test_a_part_that_was_opened_is_printed(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        opened.page.locator("#glossary summary").click()
        opened.page.emulate_media(media="print")
        assert opened.page.locator("#glossary dl").is_visible()


def test_a_link_opens_the_part_it_leads_to(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        assert not opened.page.locator("#glossary dl").is_visible()
        opened.page.locator("nav a[href='#glossary']").click()
        opened.page.wait_for_function("document.querySelector('#glossary').open")
        assert opened.page.locator("#glossary dl").is_visible()


def test_a_row_of_a_chart_leads_to_its_row_of_the_table_and_back(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        page = opened.page
        name = page.locator("#class-1 .of-score svg a").first
        target = name.get_attribute("href")
        name.click()
        assert page.locator("#class-1 .concept-table tr:target").get_attribute("id") == target[1:]
        page.locator("#class-1 .concept-table tr:target .to-chart").click()
        assert page.locator("#class-1 .of-score :target").count() == 1


def test_a_row_is_at_most_one_stop_of_the_tab_key(browser: Any, report: str) -> None:
    with Opened(browser, report) as opened:
        stops = opened.page.evaluate(
            "[...document.querySelectorAll('tbody tr')].map(row => [...row.querySelectorAll("
            "'a[href], button, input, select, textarea, [tabindex]')].filter(e => e.tabIndex >= 0).length)"
        )
        assert max(stops) == 1
        in_charts = "document.querySelectorAll('.plot svg a:not([tabindex=\"-1\"])').length"
        assert opened.page.evaluate(in_charts) == 0


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": NARROW}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_serious(browser: Any, report: str, options: dict[str, Any]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    # Axe is put into the page by the test, which the page's own policy would refuse.
    with Opened(browser, report, bypass_csp=True, **options) as opened:
        assert violations(axe, opened.page) == []


def violations(axe: Any, page: Any) -> list[str]:
    """What axe finds with every part of the appendix open."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in axe.Axe().run(page).response["violations"]
        if v["impact"] in ("serious", "critical", "moderate")
    ]


def renamed(audit: Audit, position: int, n: int) -> Audit:
    """A class as often as asked for, each time under another name."""
    one = audit.classes[position]
    classes = [one.model_copy(update={"index": i, "name": f"{one.name} {i}"}) for i in range(n)]
    findings = [
        finding.model_copy(update={"class_index": result.index, "class_name": result.name})
        for result in classes
        for finding in audit.of_class(one.index)
    ]
    return audit.model_copy(update={"classes": classes, "findings": findings})


@pytest.mark.parametrize(("position", "n"), [(0, 2), (1, 20), (2, 1)], ids=["two", "twenty", "failing"])
def test_axe_finds_nothing_serious_in_audits_of_every_size(
    browser: Any, audit: Audit, sample_directory: Path, tmp_path: Path, position: int, n: int
) -> None:
    """Two classes that were found, twenty with groups of people compared, and one that a check withholds."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = tmp_path / "report.html"
    path.write_text(html.render(renamed(audit, position, n), sample_directory), encoding="utf-8")
    with Opened(browser, path.as_uri(), bypass_csp=True) as opened:
        assert violations(axe, opened.page) == []


def test_a_phone_shows_the_text_of_charts_at_a_size_that_can_be_read(browser: Any, report: str) -> None:
    with Opened(browser, report, viewport=NARROW) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        sizes = opened.page.evaluate(
            "[...document.querySelectorAll('svg.chart')].filter((svg) => svg.checkVisibility())"
            ".flatMap((svg) => "
            "[...svg.querySelectorAll('text')].map((text) => parseFloat(getComputedStyle(text).fontSize) * "
            "svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"
        )
        assert len(sizes) > 50
        assert min(sizes) > 9.9


@pytest.mark.parametrize(
    "attack",
    [
        "<img src=x onerror=alert(1)>",
        '"><script>alert(1)</script>',
        "</title></svg></style><svg onload=alert(1)>",
    ],
)
def test_hostile_names_run_nothing(
    browser: Any, audit: Audit, sample_directory: Path, tmp_path: Path, attack: str
) -> None:
    evil = hostile(lipstick(audit), attack)
    path = tmp_path / "evil.html"
    path.write_text(html.render(evil, sample_directory), encoding="utf-8")
    # Without the policy as well: escaping must hold by itself.
    with Opened(browser, path.as_uri(), bypass_csp=True) as opened:
        opened.page.wait_for_timeout(300)
        assert opened.page.locator("script").count() == 1
        assert opened.page.locator("img[src='x'], svg[onload]").count() == 0
        assert attack in opened.page.locator("h1").inner_text()


@pytest.mark.parametrize("width", [390, 1280])
def test_endless_names_do_not_break_the_layout(
    browser: Any, audit: Audit, sample_directory: Path, tmp_path: Path, width: int
) -> None:
    endless = hostile(lipstick(audit), "x" * 400)
    path = tmp_path / "endless.html"
    path.write_text(html.render(endless, sample_directory), encoding="utf-8")
    with Opened(browser, path.as_uri(), viewport={"width": width, "height": 900}) as opened:
        wide, inner = opened.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner
