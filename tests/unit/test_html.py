from __future__ import annotations

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from auditor.records import Audit, ClassResult
from auditor.report.formats import html
from auditor.report.thumbnails import encode
from tests.sample import hostile

MAX_BYTES = 5_000_000
VOID = {"meta", "img", "input", "br", "link", "hr"}


@pytest.fixture(scope="module")
def page(audit: Audit, sample_directory: Path) -> str:
    return html.render(audit, sample_directory)


class Outline(HTMLParser):
    """Tags, attributes and text of a page; complains about tags that do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_page_nests_and_its_links_lead_somewhere(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in outline.tags:
        if tag == "a":
            assert (attrs["href"] or "").startswith("#")
            assert (attrs["href"] or "")[1:] in ids
        if tag == "button" and "data-anchor" in attrs:
            assert attrs["data-anchor"] in ids
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attrs.get(name) or "").split()) <= set(ids)


def test_page_needs_no_network_and_says_so(page: str) -> None:
    outline = Outline(page)
    policy = next(
        a["content"] or "" for t, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    for tag, attrs in outline.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "xlink:href", "action", "srcset"):
            assert (attrs.get(name) or "data:").startswith(("data:image/", "data:", "#"))
        assert "style" not in attrs
        assert not any(name.startswith("on") for name in attrs)


def test_policy_allows_exactly_the_style_and_script_that_are_there(page: str) -> None:
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        assert len(blocks) == 1
        digest = base64.b64encode(hashlib.sha256(blocks[0].encode()).digest()).decode()
        found = re.search(rf"{directive} &#39;sha256-([^&]+)&#39;", page)
        assert found is not None
        assert found[1] == digest


def test_first_page_has_identity_findings_trust_and_gaps(page: str) -> None:
    text = Outline(page).text
    head = text[: text.index("Class 1 of 3")]
    for needed in (
        "bundled:efficientnet_lite0",
        "8f3c1d0be0a7c26b…",
        "23 November 2026",
        "Generated textures",
        "alpha 0.05, equivalence margin 0.1, margin of contrasts 0.015, seed 0",
        "Checks withhold 14 of 41 findings.",
        "1 sanity check failed",
        "“random concept” for “golf ball”, bank “textures”. "
        "Findings that it tests are withheld; no others are.",
        "Made without photos",
        "The class “zebra” is associated with images labelled “Banded”.",
        "Effect 0.62 [0.57, 0.67], corrected p = 0.010, 60 independent images",
        "the model takes 6 of 60 images for the class itself",
        "would not be claimed at temperature 1.50",
        "changed the model's answer on 9 of 10 held-out images",
        "What was not tested",
    ):
        assert needed in head


def test_both_scores_stand_under_their_own_names(page: str) -> None:
    assert "Paper's score ± sd" in Outline(page).text.replace("Paper&#39;s", "Paper's")
    assert "Minimum detectable" in page


def test_a_contrast_has_its_reason_and_how_it_moves(page: str) -> None:
    text = Outline(page).text
    reason = "technical properties alone tell 64% of which group a picture is of, need 50% or less"
    assert f"Women against Men : inconclusive, because {reason}." in text
    assert "measured in other ways: 0.012 at equal image quality, across the margin; 0.093 groups not" in text
    for cell in ("0.310 / 0.250", "0.061", "[0.031, 0.091]", "<0.001", "0.71", "0.042", "96 / 96"):
        assert f">{cell.replace('<', '&lt;')}</td>" in page


def test_what_is_claimed_has_how_it_moves_and_the_rest_does_not(page: str) -> None:
    lists = re.findall(r"The effects of the claims.*?</ul>", page, re.S)
    assert len(lists) == 1  # the other two classes claim nothing
    assert re.findall(r"<strong>(\w+)</strong>", lists[0]) == ["Banded", "Zigzagged", "Dotted"]
    assert "−0.31 as measured; −0.34 at temperature 0.67; −0.09 at temperature 1.50, across" in lists[0]


def test_rendering_is_deterministic(audit: Audit, sample_directory: Path, page: str) -> None:
    assert html.render(audit, sample_directory) == page


def test_direction_is_never_colour_alone(page: str) -> None:
    cells = re.findall(
        r'class="dir tone-(\w+)"[^>]*><span class="sign" aria-hidden="true">(.)</span> ([\w ]+)<', page
    )
    assert {tone for tone, *_ in cells} == {"found", "against", "none", "open"}
    assert len({(sign, word) for _, sign, word in cells}) >= 4


def many(result: ClassResult, n: int) -> list[ClassResult]:
    return [result.model_copy(update={"index": i, "name": f"{result.name} {i}"}) for i in range(n)]


@pytest.mark.slow
def test_ten_classes_stay_below_five_megabytes(audit: Audit, sample_directory: Path, tmp_path: Path) -> None:
    # Ten classes with pictures of their own: noise, which no encoder makes small.
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    classes = []
    for i, result in enumerate(many(audit.classes[1], 10)):
        pictures = []
        for j, picture in enumerate(result.pictures):
            path = f"pictures/{i}/{j}.png"
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / path, compress_level=1)
            pictures.append(picture.model_copy(update={"path": path}))
        classes.append(result.model_copy(update={"pictures": pictures}))
    findings = [
        f.model_copy(update={"class_index": c.index, "class_name": c.name})
        for c in classes
        for f in audit.of_class(audit.classes[1].index)
    ]
    page = html.render(audit.model_copy(update={"classes": classes, "findings": findings}), tmp_path)
    assert page.count("data:image/webp") == sum(len(c.pictures) for c in classes)
    assert len(page.encode()) < MAX_BYTES


def test_missing_and_damaged_pictures_are_named_not_fatal(
    audit: Audit, sample_directory: Path, tmp_path: Path
) -> None:
    shutil.copytree(sample_directory, tmp_path / "a")
    first, second = (audit.classes[0].pictures[i].path for i in (0, 1))
    (tmp_path / "a" / first).unlink()
    (tmp_path / "a" / second).write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    page = html.render(audit, tmp_path / "a")
    assert page.count("Picture missing: Photo of the class zebra") == 2


@pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "link.png"])
def test_pictures_outside_the_audit_are_never_read(tmp_path: Path, path: str, sample_directory: Path) -> None:
    outside = tmp_path / "outside.png"
    shutil.copy(next(sample_directory.rglob("*.png")), outside)
    root = tmp_path / "audit"
    root.mkdir()
    (root / "link.png").symlink_to(outside)
    assert encode(root, [path], kind="WEBP", budget=10**6) == {}
    shutil.copy(outside, root / "inside.png")
    assert list(encode(root, ["inside.png"], kind="WEBP", budget=10**6)) == ["inside.png"]


ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></script><!--",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "\x00\x1b[31m\u202eevil",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_names_stay_text(audit: Audit, sample_directory: Path, page: str, attack: str) -> None:
    one = audit.model_copy(update={"classes": audit.classes[1:2], "findings": audit.of_class(629)})
    honest = Outline(html.render(one, sample_directory)) if attack == ATTACKS[0] else Outline(page)
    outline = Outline(html.render(hostile(one, attack), sample_directory))
    assert outline.open == []
    assert {tag for tag, _ in outline.tags} <= {tag for tag, _ in honest.tags}
    assert sum(tag == "script" for tag, _ in outline.tags) == 1
    for _, attrs in outline.tags:
        assert not any(name.startswith("on") for name in attrs)
        assert not (attrs.get("href") or "").startswith("javascript")
    assert "49" not in {word.strip() for word in outline.words if "raw" in word}
    assert "\x00" not in "".join(outline.words)
