"""The page and the PDF of a scan say what scan.json says, to everybody, whatever things are called."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pypdf
import pytest
import tinyhtml5
from scipy import stats

from auditor.errors import InputError
from auditor.report.charts.scan import _bars
from auditor.report.formats.scan import PAGES, RENDERERS, scan_html, scan_pdf, write_scan_reports
from auditor.report.view.scan import ScanView, build_scan_view
from auditor.report.words import digits_of, interval, number
from auditor.scan_records import Scan, ScanFinding
from auditor.store.scans import read_effects, scan_bytes
from tests.hostile import NAMES
from tests.scan_pages import CLASSES, EFFECTS, LEVEL, families, findings, scan_of, stored

UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202e]")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scan")


@pytest.fixture(scope="module")
def scan(folder: Path) -> Scan:
    return stored(folder)


@pytest.fixture(scope="module")
def page(scan: Scan, folder: Path) -> str:
    return scan_html(scan, folder).decode()


@pytest.fixture(scope="module")
def root(page: str) -> Any:
    return tinyhtml5.parse(page, namespace_html_elements=False)


@pytest.fixture(scope="module")
def reader(scan: Scan, folder: Path) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(scan_pdf(scan, folder)))


def view_of(scan: Scan, folder: Path, **limits: int) -> ScanView:
    return build_scan_view(scan, read_effects(folder, scan), digest="0" * 64, **limits)


def words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def rows(root: Any) -> dict[str, Any]:
    """The rows of the list by the anchor of their profile."""
    return {
        row.find(".//div[@class='profile']").get("id"): row
        for row in root.iter("li")
        if row.get("data-search")
    }


def numbers(one: ScanFinding) -> tuple[str, str]:
    digits = digits_of(one.kind)
    return number(one.effect, digits=digits), interval(one.low, one.high, digits=digits)


def test_the_page_nests_and_its_links_lead_somewhere(page: str, root: Any) -> None:
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    links = [
        element.get("href")
        for element in root.iter()
        if str(element.tag).endswith("a") and element.get("href")
    ]
    assert {link[1:] for link in links} <= set(ids)
    assert {"#class-0", "#class-2", "#class-4"} <= set(links)
    for element in root.iter():
        assert set((element.get("aria-labelledby") or "").split()) <= set(ids)


def test_the_page_needs_nothing_and_its_policy_allows_nothing_else(page: str, root: Any) -> None:
    (policy,) = [m.get("content") for m in root.iter("meta") if m.get("http-equiv")]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (block,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    for element in root.iter():
        assert element.get("style") is None
        assert not [name for name in element.attrib if str(name).startswith("on")]
        assert (element.get("src") or "data:").startswith("data:")
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_every_finding_has_its_numbers_in_the_list_and_in_its_profile(scan: Scan, root: Any) -> None:
    found = rows(root)
    assert list(found) == ["class-0", "class-4", "class-2", "class-1"]
    for one in scan.findings:
        row = found[f"class-{one.class_index}"]
        effect, ends = numbers(one)
        assert f"{effect} {ends}" in words(row.find("details/summary"))
        profile = words(row.find(".//div[@class='profile']"))
        assert f"{effect} {ends} on the confirming images; q = 0.012;" in profile
        assert f"{number(one.severity, digits=1)} times the margin of {one.margin:g}" in profile
        digits = digits_of(one.kind)
        assert f"{number(one.screened_effect, digits=digits)} on the screening images" in profile


def test_signs_say_which_way_without_colour(root: Any) -> None:
    found = {key: words(row.find("details/summary")) for key, row in rows(root).items()}
    assert found["class-0"].startswith(
        "spider web ▲ Cobwebbed, associated 0.75 [0.68, 0.82] ▼ Woven, negatively"
    )
    assert found["class-4"].startswith("bow tie ▼ more with men −0.102 [−0.134, −0.071] 6.8 ×")
    assert found["class-1"].startswith("crane class 1 ○ inconclusive")


def test_what_is_not_confirmed_is_apart_and_has_its_reason(root: Any) -> None:
    (rest,) = [element for element in root.iter("details") if "data-scan-rest" in element.attrib]
    assert [row.get("data-search") for row in rest.iter("li") if row.get("data-search")]
    text = words(rest)
    assert "Not confirmed, withheld by the check “comparable pictures”: 64%, need 50% or less." in text
    assert "Not confirmed: the interval reaches across the margin." in text
    assert "2 selected pairs not confirmed, of 1 class." in words(root)


def test_the_head_counts_as_the_record_does(root: Any) -> None:
    text = words(root)
    for needed in (
        "Each of the model's 6 classes was measured against 3 concepts and 1 contrast of 2 banks.",
        "3 associations confirmed, of 4 selected and 18 looked at in 6 classes",
        "1 contrast confirmed, of 2 selected and 6 looked at in 6 classes",
        "“Drawn textures”: 20 images screening, 40 confirming.",
        "the expected share of false ones is at most alpha = 0.05",
        "1 of 20 scans confirms an association and 0 of 20 scans confirm a contrast",
        "Images of “Faces by perceived gender” may not be shown",
        "a label is not a fact about a person",
        "Nothing confirmed does not mean that there is no association.",
        "nothing certifies it",
        "3 images, need 30",
        "1 class: no effect beyond the margin on either part of the images",
    ):
        assert needed in text
    assert "fair" not in text.replace("Nothing here says that a model is fair", "")


def test_the_search_field_knows_class_number_concept_and_bank(root: Any) -> None:
    searched = {key: row.get("data-search") for key, row in rows(root).items()}
    assert searched["class-0"] == "spider web 0 cobwebbed woven drawn textures"
    assert searched["class-4"] == "bow tie 4 women/men faces by perceived gender"


def test_classes_of_one_name_are_told_apart(root: Any) -> None:
    assert "crane class 1" in words(rows(root)["class-1"].find("details/summary"))
    assert "class 0" not in words(rows(root)["class-0"].find("details/summary"))


def test_a_profile_has_every_concept_with_the_interval_at_the_level_of_its_kind(root: Any) -> None:
    (chart,) = rows(root)["class-0"].iter(f"{SVG}svg")
    lines = [words(text) for text in chart.iter(f"{SVG}text")]
    half = 0.02 * float(stats.t.ppf(1 - LEVEL / 2, 30))
    effect = float(EFFECTS[0, 1])
    assert f"{number(effect)} {interval(effect - half, effect + half)}" in lines
    # What was selected keeps the numbers of the record.
    assert "0.75 [0.68, 0.82]" in lines
    assert "−0.18 [−0.25, −0.12]" in lines
    assert [line for line in lines if line in ("Cobwebbed", "Banded", "Woven")] == [
        "Cobwebbed",
        "Banded",
        "Woven",
    ]


def test_a_picture_stands_where_the_bank_may_be_shown(root: Any) -> None:
    (image,) = list(root.iter("img"))
    assert image.get("src").startswith("data:image/webp;base64,")
    assert "0.92" in words(rows(root)["class-0"].find(".//figcaption"))


def test_the_map_shows_what_is_confirmed_and_names_it(root: Any) -> None:
    (section,) = [s for s in root.iter("section") if s.get("id") == "map-1"]
    titles = [words(title) for link in section.iter(f"{SVG}a") for title in link.iter(f"{SVG}title")]
    cells = [title for title in titles if "confirmed" in title]
    assert sorted(cells) == [
        "spider web, Cobwebbed: 0.75 [0.68, 0.82], confirmed",
        "spider web, Woven: −0.18 [−0.25, −0.12], confirmed",
        "zebra, Banded: 0.40 [0.30, 0.51], confirmed",
    ]
    (words_of_it,) = [words(text) for text in section.iter(f"{SVG}desc")]
    assert words_of_it.startswith("2 classes by 3 concepts")


def test_a_map_that_does_not_fit_says_so_and_keeps_the_worst(scan: Scan, folder: Path) -> None:
    (small,) = view_of(scan, folder, map_rows=1).maps
    assert small.classes == [("spider web", "class-0")]
    shown = "Shown are the worst 1 of 2 classes with anything confirmed, and 2 of 3 concepts."
    assert small.left_out == shown
    (whole,) = view_of(scan, folder).maps
    assert whole.left_out == ""
    places = [CLASSES.index(name) for name, _ in whole.classes]
    columns = [["Cobwebbed", "Banded", "Woven"].index(title) for title in whole.concepts]
    assert np.array_equal(whole.effects, EFFECTS[np.ix_(places, columns)])


def test_alike_classes_stand_side_by_side(tmp_path: Path) -> None:
    found = [one for one in findings() if one.kind == "association" and one.confirmed]
    more = [found[0].model_copy(update={"class_index": i, "class_name": CLASSES[i]}) for i in range(1, 6)]
    scan = stored(tmp_path, scan_of(findings=[found[0], *more]))
    (seen,) = view_of(scan, tmp_path).maps
    order = [int(anchor.removeprefix("class-")) for _, anchor in seen.classes]
    along = EFFECTS[order, 0]
    assert sorted(order) == list(range(6))
    assert np.array_equal(along, np.sort(along)) or np.array_equal(along[::-1], np.sort(along))


def test_a_strip_shows_all_other_classes_behind_the_confirmed_ones(
    scan: Scan, folder: Path, root: Any
) -> None:
    (strip,) = view_of(scan, folder).strips
    assert [row.anchor for row in strip.rows] == ["class-4"]
    assert len(strip.others) == len(CLASSES) - 1
    (section,) = [s for s in root.iter("section") if s.get("id") == "strip-1"]
    assert "images labelled “women” and images labelled “men”, matched" in words(section)
    assert "bow tie −0.102 [−0.134, −0.071]" in words(section)


def test_drawings_are_whole_and_described(root: Any) -> None:
    drawn = list(root.iter(f"{SVG}svg"))
    assert drawn
    for svg in drawn:
        title, described = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
        assert svg.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
        assert words(title)
        assert words(described)
        assert not re.search(r"nan|inf", ElementTree.tostring(svg).decode().replace("information", ""), re.I)


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ({"settings": {"alpha": 0.05, "fast": True, "min_images": 12}}, "Made with --fast"),
        ({"settings": {"alpha": 0.05, "random_weights": True}}, "random weights"),
        ({"constant": [5]}, "1 class: the probability is the same for every image."),
        ({"silent": []}, "There is none"),
    ],
)
def test_what_a_reader_must_know_is_said(more: dict[str, Any], needed: str, tmp_path: Path) -> None:
    scan = stored(tmp_path, scan_of(**more))
    assert needed in scan_html(scan, tmp_path).decode()


def test_a_scan_in_bfloat16_says_so(tmp_path: Path) -> None:
    scan = scan_of()
    half = scan.environment.model_copy(update={"precision": "bfloat16"})
    scan = stored(tmp_path, scan.model_copy(update={"environment": half}))
    assert "The model ran in bfloat16" in scan_html(scan, tmp_path).decode()


@pytest.mark.parametrize(
    "found", [[], [one for one in findings() if not one.confirmed]], ids=["empty", "none"]
)
def test_nothing_confirmed_is_no_claim_of_nothing(found: list[ScanFinding], tmp_path: Path) -> None:
    scan = stored(tmp_path, scan_of(findings=found, families=families(found)))
    page = scan_html(scan, tmp_path).decode()
    assert "Nothing was confirmed. That does not mean that there is no association." in page
    assert "0</span> associations confirmed" in page
    assert page.count("data-scan-find autocomplete") == bool(found)
    assert 'id="map-1"' not in page
    assert len(pypdf.PdfReader(io.BytesIO(scan_pdf(scan, tmp_path))).pages) == 2


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_shown_and_do_nothing(name: str, page: str, tmp_path: Path) -> None:
    text = NAMES[name]
    spoilt = scan_of(
        classes=[text + one for one in CLASSES],
        findings=[
            one.model_copy(
                update={"class_name": text + one.class_name, "reason": text, "more": text + one.more}
            )
            for one in findings()
        ],
    )
    banks = []
    for one in spoilt.banks:
        concepts = [c.model_copy(update={"title": text + c.title}) for c in one.bank.concepts]
        record = one.bank.model_copy(
            update={"title": text + one.bank.title, "concepts": concepts, "terms": text}
        )
        banks.append(one.model_copy(update={"bank": record}))
    spoilt = spoilt.model_copy(
        update={"banks": banks, "model": spoilt.model.model_copy(update={"name": text})}
    )
    spoilt = spoilt.model_copy(update={"arrays_sha256": stored(tmp_path).arrays_sha256})
    seen = scan_html(spoilt, tmp_path).decode()
    assert not UNSAFE.search(seen)

    def outline(text: str) -> list[str]:
        return sorted({str(e.tag) for e in tinyhtml5.parse(text, namespace_html_elements=False).iter()})

    assert outline(seen) == outline(page)
    assert seen.count("<script>") == 1


def test_two_pages_of_pdf_with_the_scan_attached(scan: Scan, reader: pypdf.PdfReader) -> None:
    assert len(reader.pages) == 2
    assert json.loads(reader.attachments["scan.json"][0]) == json.loads(scan_bytes(scan))
    text = " ".join(" ".join(page.extract_text().split()) for page in reader.pages)
    for one in scan.confirmed:
        effect, ends = numbers(one)
        assert re.search(rf"{re.escape(effect)}\s*{re.escape(ends)}", text)
    assert "3 associations confirmed, of 4 selected" in text
    assert "Nothing confirmed does not mean" in text
    assert hashlib.sha256(scan_bytes(scan)).hexdigest() in text.replace(" ", "")


@pytest.mark.parametrize("name", ["long", "script", "bidi"])
def test_hostile_names_leave_the_pdf_at_two_pages(name: str, tmp_path: Path) -> None:
    text = NAMES[name]
    many = [
        finding.model_copy(update={"class_name": text, "class_index": k % 6})
        for k, finding in enumerate(findings()[:4] * 8)
    ]
    scan = scan_of(classes=[f"{text} {k}" for k in range(6)], findings=many)
    scan = scan.model_copy(update={"model": scan.model.model_copy(update={"name": text})})
    scan = scan.model_copy(update={"arrays_sha256": stored(tmp_path).arrays_sha256})
    assert len(pypdf.PdfReader(io.BytesIO(scan_pdf(scan, tmp_path))).pages) == 2


def test_the_same_scan_gives_the_same_files(scan: Scan, folder: Path, page: str, tmp_path: Path) -> None:
    assert scan_html(scan, folder).decode() == page
    assert scan_pdf(scan, folder) == scan_pdf(scan, folder)
    write_scan_reports(folder, scan, formats=RENDERERS)
    assert all((folder / name).stat().st_size > 500 for name in PAGES.values())


def test_arrays_of_another_scan_are_refused(scan: Scan, folder: Path) -> None:
    other = scan.model_copy(update={"arrays_sha256": "0" * 64})
    with pytest.raises(InputError, match="is not the file that the scan wrote"):
        scan_html(other, folder)


def test_bars_that_touch_are_drawn_once() -> None:
    assert _bars([10.0, 20.0, 20.5, 21.0]) == [(9.6, 10.4), (19.6, 21.4)]
    assert _bars([]) == []


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    scan = stored(tmp_path)
    spaced = (tmp_path / "scan.json").read_bytes() + b"\n\n"
    (tmp_path / "scan.json").write_bytes(spaced)
    digest = hashlib.sha256(spaced).hexdigest()
    assert digest in scan_html(scan, tmp_path).decode()
    attached = pypdf.PdfReader(io.BytesIO(scan_pdf(scan, tmp_path))).attachments["scan.json"][0]
    assert attached == spaced
    # Of another scan than the one that lies there, it is what would be written.
    other = scan.model_copy(update={"duration_s": 1.0})
    assert hashlib.sha256(scan_bytes(other)).hexdigest() in scan_html(other, tmp_path).decode()
