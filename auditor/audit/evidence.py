"""The images behind a claim.

Of a concept: largest response, smallest response, and what they are compared with. Of a contrast: the matched
pairs that differ most, either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from auditor.audit.forward import Shown
from auditor.audit.groups import Groups
from auditor.audit.layout import shown_images
from auditor.explain.pictures import Album
from auditor.models.loaded import ClassLabel
from auditor.records import EvidencePart, Finding
from auditor.statistics.arrays import FloatArray, IntArray
from auditor.statistics.probability import log_scaled

SHOWN_CLAIMS = 3
"""Claims of a class whose images are shown, largest effect first."""
OF_A_PART = 4
"""Images of each part."""
PAIRS = 2
"""Pairs of a contrast that are shown for either way."""
SIDE = 120
"""Longest side of such an image in pixels."""


@dataclass(frozen=True)
class _Chosen:
    position: int
    part: EvidencePart
    words: str
    """Of a text for readers who do not see it."""


def evidence_pictures(
    shown: Sequence[Shown],
    label: ClassLabel,
    findings: Sequence[Finding],
    album: Album,
    groups: Mapping[str, Sequence[Groups]] | None = None,
) -> None:
    """Add the images behind the strongest claims, where the bank allows them to be shown.

    Args:
        shown: The banks.
        label: The class.
        findings: Of the class.
        album: Receives the pictures, each with its response e.
        groups: Name of a bank to its contrasts, of which matched ones are shown.
    """
    banks = {one.layout.bank.name: one for one in shown if one.layout.bank.report_images}
    strongest = sorted(findings, key=lambda finding: -abs(finding.effect or 0.0))
    claims = [f for f in strongest if f.kind == "association" and f.claimed and f.bank in banks]
    work = [(finding, partial(_chosen, banks[finding.bank], finding)) for finding in claims[:SHOWN_CLAIMS]]
    work += [
        (f, partial(_pairs, one, f)) for f, one in _paired(strongest, banks, groups or {})[:SHOWN_CLAIMS]
    ]
    for finding, choose in work:
        one = banks[finding.bank]
        e = np.asarray(log_scaled(one.logits)[:, label.index], dtype=np.float64)
        images = list(shown_images(one.layout.bank))
        for chosen in choose(e):
            picture = np.asarray(images[chosen.position].load(), dtype=np.float32) / np.float32(255)
            album.add(
                picture,
                "evidence",
                f"Image of bank {finding.bank}, {chosen.words}.",
                side=SIDE,
                response=float(e[chosen.position]),
                bank=finding.bank,
                concept=finding.subject,
                part=chosen.part,
            )


_WORDS: dict[EvidencePart, str] = {
    "most": "among those with the largest response of the",
    "least": "among those with the smallest response of the",
    "compared": "one of those compared with the",
}


def _chosen(one: Shown, finding: Finding, e: FloatArray) -> list[_Chosen]:
    """The concept's images with the largest and smallest responses, and some of those compared with.

    Of the concept, one image of each cluster; of those compared with, at even steps of the response.
    """
    layout = one.layout
    own = _of_each_cluster(layout.positions(finding.subject), layout.clusters, e)
    count = min(OF_A_PART, len(own) // 2)
    compared = np.flatnonzero(layout.labels != layout.names.index(finding.subject))
    middle = compared[np.argsort(e[compared], kind="stable")]
    spread = (
        middle[np.linspace(0, len(middle) - 1, OF_A_PART + 2).round().astype(int)[1:-1]]
        if len(middle)
        else []
    )
    parts: tuple[tuple[EvidencePart, Iterable[int]], ...] = (
        ("most", own[::-1][:count]),
        ("least", own[:count]),
        ("compared", spread),
    )
    return [
        _Chosen(int(i), part, f"{_WORDS[part]} images labelled {finding.subject}")
        for part, positions in parts
        for i in positions
    ]


def _paired(
    findings: Sequence[Finding], banks: Mapping[str, Shown], groups: Mapping[str, Sequence[Groups]]
) -> list[tuple[Finding, Groups]]:
    """The matched contrasts that are claimed or ask for a look with photos, with their pairs."""
    known = {(bank, one.subject): one for bank, of_bank in groups.items() for one in of_bank}
    said = [f for f in findings if f.kind == "contrast" and (f.claimed or f.conclusion == "screening")]
    found = [(f, known.get((f.bank, f.subject))) for f in said if f.matched and f.bank in banks]
    return [(f, one) for f, one in found if one is not None and one.sample.matched]


def _pairs(groups: Groups, finding: Finding, e: FloatArray) -> list[_Chosen]:
    """Pairs whose responses differ most: towards the first group, then towards the second.

    They come two by two, the first group's image first. Of images that count as one, one is shown.
    """
    sample = groups.sample
    numbers = np.unique(sample.more[sample.more >= 0])
    sides = [
        [int(np.flatnonzero(side == number)[0]) for number in numbers] for side in (sample.more, sample.less)
    ]
    difference = e[sides[0]] - e[sides[1]]
    order = np.argsort(-difference, kind="stable")
    count = min(PAIRS, len(order) // 2)
    ways: tuple[tuple[EvidencePart, IntArray, str], ...] = (
        ("most", order[:count], finding.more),
        ("least", order[::-1][:count], finding.less),
    )
    return [
        _Chosen(side[pair], part, f"labelled {group}, of a pair that speaks most for {towards}")
        for part, pairs, towards in ways
        for pair in pairs
        for side, group in zip(sides, (finding.more, finding.less), strict=True)
    ]


def _of_each_cluster(positions: IntArray, clusters: IntArray, e: FloatArray) -> IntArray:
    """One position of each cluster, smallest response first."""
    ordered = positions[np.argsort(e[positions], kind="stable")]
    _, first = np.unique(clusters[ordered], return_index=True)
    return np.asarray(ordered[np.sort(first)])
