"""The images behind a claim: largest response, smallest response, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.audit.forward import Shown
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
SIDE = 120
"""Longest side of such an image in pixels."""


@dataclass(frozen=True)
class _Chosen:
    position: int
    part: EvidencePart


def evidence_pictures(
    shown: Sequence[Shown], label: ClassLabel, findings: Sequence[Finding], album: Album
) -> None:
    """Add the images behind the strongest claims about concepts, where the bank allows them to be shown.

    Args:
        shown: The banks.
        label: The class.
        findings: Of the class.
        album: Receives the pictures, each with its response e.
    """
    banks = {one.layout.bank.name: one for one in shown if one.layout.bank.report_images}
    claims = [f for f in findings if f.kind == "association" and f.claimed and f.bank in banks]
    claims.sort(key=lambda finding: -abs(finding.effect or 0.0))
    for finding in claims[:SHOWN_CLAIMS]:
        one = banks[finding.bank]
        e = np.asarray(log_scaled(one.logits)[:, label.index], dtype=np.float64)
        images = list(shown_images(one.layout.bank))
        for chosen in _chosen(one, finding, e):
            picture = np.asarray(images[chosen.position].load(), dtype=np.float32) / np.float32(255)
            alt = f"Image of bank {finding.bank}, {_WORDS[chosen.part]} images labelled {finding.subject}."
            album.add(
                picture,
                "evidence",
                alt,
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
    return [
        *(_Chosen(int(i), "most") for i in own[::-1][:count]),
        *(_Chosen(int(i), "least") for i in own[:count]),
        *(_Chosen(int(i), "compared") for i in spread),
    ]


def _of_each_cluster(positions: IntArray, clusters: IntArray, e: FloatArray) -> IntArray:
    """One position of each cluster, smallest response first."""
    ordered = positions[np.argsort(e[positions], kind="stable")]
    _, first = np.unique(clusters[ordered], return_index=True)
    return np.asarray(ordered[np.sort(first)])
