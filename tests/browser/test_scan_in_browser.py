"""The page of a scan in a real browser: search, links into profiles, phones, and readers of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from auditor.report.formats.scan import scan_html
from auditor.scan_records import Scan
from tests.browser.pages import NARROW, Opened
from tests.scan_pages import CLASSES, findings, scan_of, stored

pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def written(directory: Path, scan: Scan | None = None) -> str:
    found = stored(directory, scan)
    (directory / "scan.html").write_bytes(scan_html(found, directory))
    return (directory / "scan.html").as_uri()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("scan"))


@pytest.fixture
def opened(browser: Any, report: str) -> Iterator[Any]:
    with page_of(browser, report) as page:
        yield page


@contextmanager
def page_of(browser: Any, address: str, **context: Any) -> Iterator[Any]:
    """A page that complains about nothing and asks the network for nothing."""
    with Opened(browser, address, **context) as opened:
        yield opened.page


def shown(page: Any) -> list[str]:
    return [name.inner_text() for name in page.locator("li[data-search]:visible .who bdi").all()]


def test_searching_finds_classes_and_concepts(opened: Any) -> None:
    field = opened.get_by_label("Find")
    for typed, expected, said in (
        ("WOVEN", ["spider web"], "1 with something confirmed, 0 with nothing confirmed"),
        ("banded", ["zebra"], "1 with something confirmed, 1 with nothing confirmed"),
        ("bow women", ["bow tie"], "1 with something confirmed, 0 with nothing confirmed"),
        ("crane", ["crane"], "0 with something confirmed, 1 with nothing confirmed"),
        ("nothing at all", [], "0 with something confirmed, 0 with nothing confirmed"),
    ):
        field.fill(typed)
        assert shown(opened) == expected
        assert opened.locator("[data-scan-count]").inner_text() == said
    field.fill("")
    assert shown(opened)[:3] == ["spider web", "bow tie", "zebra"]
    assert opened.locator("[data-scan-count]").inner_text() == "4 classes with something selected"


def test_the_map_and_the_strip_lead_to_profiles(opened: Any) -> None:
    opened.get_by_label("Find").fill("spider")
    opened.locator("#map-1 svg a", has_text="zebra").first.click()
    assert opened.locator("#class-2").is_visible()
    assert opened.get_by_label("Find").input_value() == ""
    assert not opened.locator("#class-4").is_visible()
    opened.locator("#strip-1 svg a").first.focus()
    opened.keyboard.press("Enter")
    opened.locator("#class-4").wait_for()
    assert opened.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_a_row_opens_from_the_keyboard(opened: Any) -> None:
    summary = opened.locator("summary", has_text="spider web")
    summary.focus()
    opened.keyboard.press("Enter")
    assert opened.locator("#class-0 svg").is_visible()


def test_complete_without_javascript(browser: Any, report: str) -> None:
    with page_of(browser, report, java_script_enabled=False) as page:
        assert shown(page) == ["spider web", "bow tie", "zebra"]
        assert page.locator(".needs-js:visible").count() == 0
        page.locator("summary", has_text="zebra").click()
        assert page.locator("#class-2").is_visible()


def test_printing_leaves_no_row_out(opened: Any) -> None:
    opened.get_by_label("Find").fill("spider")
    opened.emulate_media(media="print")
    assert shown(opened) == ["spider web", "bow tie", "zebra"]
    assert not opened.locator("nav").is_visible()


def many() -> Scan:
    """Every class and concept confirmed, with endless names."""
    endless = "x" * 400
    found = [one.model_copy(update={"class_name": endless + one.class_name}) for one in findings()]
    scan = scan_of(classes=[endless + name for name in CLASSES], findings=found)
    return scan.model_copy(update={"model": scan.model.model_copy(update={"name": endless})})


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scan", [scan_of(), many()], ids=["plain", "endless"])
def test_nothing_but_the_map_scrolls_sideways(browser: Any, tmp_path: Path, scan: Scan, width: int) -> None:
    with page_of(browser, written(tmp_path, scan), viewport={"width": width, "height": 900}) as page:
        for summary in page.locator("summary:visible").all():
            summary.click()
        wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": NARROW}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_serious(browser: Any, report: str, options: dict[str, Any]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with page_of(browser, report, bypass_csp=True, **options) as page:
        for summary in page.locator(".classes summary:visible").all():
            summary.click()
        violations = axe.Axe().run(page).response["violations"]
        bad = [
            f"{v['id']} ({v['impact']}): {v['help']}: {v['nodes'][0]['html'][:200]}"
            for v in violations
            if v["impact"] in ("serious", "critical", "moderate")
        ]
        assert bad == []


@pytest.mark.parametrize(
    "attack", ["<img src=x onerror=alert(1)>", "</title></svg></style><svg onload=alert(1)>"]
)
def test_hostile_names_run_nothing(browser: Any, tmp_path: Path, attack: str) -> None:
    found = [one.model_copy(update={"class_name": attack}) for one in findings()]
    scan = scan_of(classes=[attack for _ in CLASSES], findings=found)
    # Without the policy as well: escaping must hold by itself.
    with page_of(browser, written(tmp_path, scan), bypass_csp=True) as page:
        page.wait_for_timeout(200)
        assert page.locator("script").count() == 1
        assert page.locator("img[src='x'], svg[onload]").count() == 0
        assert attack in page.locator(".who").first.inner_text()
