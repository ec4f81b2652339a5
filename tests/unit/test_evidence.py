"""The images behind a claim: largest and smallest responses, those compared with, where a bank allows it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from auditor.audit.evidence import OF_A_PART, evidence_pictures
from auditor.audit.forward import ForwardPass, Shown
from auditor.audit.groups import Groups
from auditor.audit.layout import lay_out
from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.explain.pictures import Album
from auditor.models.loaded import ClassLabel
from auditor.records import Audit, Finding, Picture
from auditor.report import render_format
from auditor.report.view.audit import build_view
from auditor.report.view.pictures import evidence
from auditor.statistics.probability import log_scaled
from auditor.statistics.samples import GroupSample
from tests.releases import audit_of, audited_class, concept, contrast

ZEBRA = ClassLabel(0, "zebra")
COUNT = 12
CLAIM = {"effect": 0.5, "low": 0.4, "high": 0.6}


def shown(*, allowed: bool = True, clusters: NDArray[np.int64] | None = None) -> Shown:
    """Two concepts; the model is the surer of zebra the later an image stands in its concept."""

    def image(name: str, i: int) -> BankImage:
        return BankImage(f"{name}/{i:03d}", partial(Image.new, "RGB", (150, 100), (i * 20, 0, 0)), "")

    concepts = tuple(Concept(n, tuple(image(n, i) for i in range(COUNT))) for n in ("banded", "dotted"))
    bank = ConceptBank("textures", "Textures", "test", concepts, "", report_images=allowed)
    layout = lay_out(bank)
    if clusters is not None:
        layout = replace(layout, sample=replace(layout.sample, clusters=clusters))
    logits = np.zeros((2 * COUNT, 3), np.float32)
    logits[:, 0] = np.tile(np.arange(COUNT) / 4.0, 2)
    forward = ForwardPass({}, {}, logits, logits)
    return Shown(layout, forward, np.zeros((2 * COUNT, 0)), "")


def kept(one: Shown, *findings: Finding) -> list[Picture]:
    album = Album("00000")
    evidence_pictures([one], ZEBRA, findings, album)
    assert set(album.files) == {picture.path for picture in album.records}
    return album.records


def test_the_largest_responses_come_first_then_the_smallest_then_those_compared_with() -> None:
    one = shown()
    pictures = kept(one, concept("banded", **CLAIM))
    e = log_scaled(one.logits)[:, 0]
    assert [p.part for p in pictures] == ["most"] * 4 + ["least"] * 4 + ["compared"] * 4
    own, responses = np.sort(e[:COUNT]), [p.response for p in pictures]
    assert responses[:4] == pytest.approx(list(own[::-1][:4]))
    assert responses[4:8] == pytest.approx(list(own[:4]))
    assert all(e[COUNT:].min() < (r or 0) < e[COUNT:].max() for r in responses[8:])
    assert {(p.bank, p.concept, p.kind) for p in pictures} == {("textures", "banded", "evidence")}
    assert max(pictures[0].width, pictures[0].height) == 120


def test_of_a_cluster_one_image_is_shown() -> None:
    clusters = np.concatenate([np.zeros(COUNT - 2), [1, 2], np.arange(3, 3 + COUNT)]).astype(np.int64)
    pictures = kept(shown(clusters=clusters), concept("banded", **CLAIM))
    # Three clusters: one image of each side, none twice.
    assert [p.part for p in pictures] == ["most", "least", *["compared"] * OF_A_PART]


@pytest.mark.parametrize(
    "finding", [concept("banded"), concept("banded", bank="others", **CLAIM)], ids=["no claim", "other bank"]
)
def test_what_is_not_claimed_has_no_evidence(finding: Finding) -> None:
    assert kept(shown(), finding) == []


def test_images_that_may_not_be_shown_are_not_kept() -> None:
    assert kept(shown(allowed=False), concept("banded", **CLAIM)) == []


PAIRED = np.array([*range(COUNT), *[-1] * COUNT])
CLAIMED = {"matched": True, "effect": 0.05, "low": 0.03, "high": 0.07}


def pairs_of(*, matched: bool = True) -> dict[str, list[Groups]]:
    """The image at a place of one group with the image at the mirrored place of the other."""
    other = np.array([*[-1] * COUNT, *range(COUNT)[::-1]])
    sample = GroupSample(PAIRED, other, matched=matched)
    return {"textures": [Groups(GroupContrast("banded", "dotted"), sample)]}


def kept_pairs(finding: Finding, *, allowed: bool = True, matched: bool = True) -> list[Picture]:
    album = Album("00000")
    evidence_pictures([shown(allowed=allowed)], ZEBRA, [finding], album, pairs_of(matched=matched))
    return album.records


def test_of_a_contrast_the_pairs_that_differ_most_either_way() -> None:
    pictures = kept_pairs(contrast("banded", "dotted", bank="textures", **CLAIMED))
    e = log_scaled(shown().logits)[:, 0]
    assert [p.part for p in pictures] == ["most"] * 4 + ["least"] * 4
    assert {p.concept for p in pictures} == {"banded/dotted"}
    # The last of one group stands against the first of the other.
    expected = [e[11], e[0], e[10], e[1], e[0], e[11], e[1], e[10]]
    assert [p.response for p in pictures] == pytest.approx(expected)
    assert pictures[0].alt == (
        "Image of bank textures, labelled banded, of a pair that speaks most for banded."
    )
    assert "labelled dotted" in pictures[1].alt


def test_pairs_are_kept_only_of_what_is_said_and_allowed() -> None:
    said = contrast("banded", "dotted", bank="textures", **CLAIMED)
    assert kept_pairs(said, allowed=False) == []
    assert kept_pairs(said, matched=False) == []
    assert kept_pairs(contrast("banded", "dotted", bank="textures", matched=True)) == []
    screened = said.model_copy(update={"conclusion": "screening"})
    assert len(kept_pairs(screened)) == 8


def test_a_report_names_the_groups_below_their_images() -> None:
    finding = contrast("banded", "dotted", bank="textures", **CLAIMED)
    result, findings = audited_class(finding)
    banks = audit_of((result, findings)).banks
    pictured = result.model_copy(update={"pictures": kept_pairs(finding)})
    (group,) = evidence(pictured, findings, banks, lambda _, name: name.title())
    assert group.title == "Banded against Dotted"
    assert "first those that differ most towards “Banded”" in group.note
    assert [shot.caption.split()[0] for shot in group.shots] == ["Banded", "Dotted"] * 4


def with_evidence(audit: Audit, folder: Path, *, allowed: bool = True) -> Audit:
    zebra = audit.classes[0]
    parts = (("most", 0.9), ("least", 0.1), ("compared", 0.05))
    pictures = [
        Picture(
            path=f"pictures/e{i}.jpg", kind="evidence", alt="An image.", width=8, height=8, bank="textures",
            concept="banded", response=e, part=part,
        )
        for i, (part, e) in enumerate(parts)
    ]  # fmt: skip
    (folder / "pictures").mkdir()
    for picture in pictures:
        Image.new("RGB", (8, 8)).save(folder / picture.path)
    banks = [b.model_copy(update={"report_images": allowed}) for b in audit.banks]
    more = zebra.model_copy(update={"pictures": [*zebra.pictures, *pictures]})
    return audit.model_copy(update={"classes": [more, *audit.classes[1:]], "banks": banks})


def test_both_layouts_show_them_with_their_values(audit: Audit, tmp_path: Path) -> None:
    told = with_evidence(audit, tmp_path)
    (group,) = build_view(told).classes[0].evidence
    assert [shot.caption for shot in group.shots] == ["most 0.90", "least 0.10", "compared 0.05"]
    page = render_format(told, tmp_path, name="html").decode()
    assert "The images behind the claims" in page
    assert "most 0.90" in page


def test_a_report_shows_none_of_a_bank_that_forbids_it(audit: Audit, tmp_path: Path) -> None:
    assert build_view(with_evidence(audit, tmp_path, allowed=False)).classes[0].evidence == ()
