"""What a scan keeps beside ``scan.json``: every class's effects, and answers image by image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.audit.layout import shown_images
from auditor.scan.confirm import ScannedBank
from auditor.scan_records import ScanFinding

MOST_KEPT = 8_000_000
"""Answers of a bank, classes times images, up to which all are kept: 16 MB."""


def kept_arrays(
    banks: Sequence[ScannedBank], findings: Sequence[ScanFinding]
) -> dict[str, NDArray[np.generic]]:
    """What a comparison of releases, and a page, need beyond ``scan.json``; docs/scan.md lists the names."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for one in banks:
        name = one.parts.layout.bank.name
        for kind, both in (("association", one.estimates.concepts), ("contrast", one.estimates.contrasts)):
            for part in ("screening", "confirming"):
                errors, prefix = getattr(both, part), f"{name}/{kind}/{part}"
                arrays[f"{prefix}/effect"] = errors.effect.astype(np.float32)
                arrays[f"{prefix}/error"] = errors.error.astype(np.float32)
                arrays[f"{prefix}/df"] = errors.df.astype(np.float32)
        kept = _kept_classes(one, {f.class_index for f in findings if f.bank == name})
        positions = one.parts.confirming.positions
        values = [one.looked.answers.log_scaled(index, index + 1)[0, positions] for index in kept]
        arrays[f"{name}/response"] = np.array(values, dtype=np.float16).reshape(len(kept), len(positions))
        arrays[f"{name}/response/class"] = np.array(kept, dtype=np.int32)
        sample = one.parts.confirming.layout.sample
        arrays[f"{name}/position"] = positions.astype(np.int32)
        names = [image.name for image in shown_images(one.parts.confirming.layout.bank)]
        arrays[f"{name}/image"] = np.array([_number(image) for image in names], dtype=np.uint64)
        arrays[f"{name}/label"] = sample.labels.astype(np.int32)
        arrays[f"{name}/cluster"] = sample.clusters.astype(np.int32)
        if sample.counterfactual is not None:
            arrays[f"{name}/counterfactual"] = sample.counterfactual.astype(np.int32)
        for column, number in enumerate(one.parts.contrasts):
            groups = one.parts.confirming.groups[number].sample
            arrays[f"{name}/groups/{column}"] = np.stack([groups.more, groups.less]).astype(np.int32)
            arrays[f"{name}/groups/{column}/matched"] = np.array(groups.matched)
    return arrays


def _kept_classes(one: ScannedBank, selected: set[int]) -> list[int]:
    """Classes whose answers are kept image by image: all, or those with something selected."""
    classes = one.looked.answers.classes
    if classes * len(one.parts.confirming.positions) <= MOST_KEPT:
        return list(range(classes))
    return sorted(selected)


def _number(name: str) -> int:
    """An image's name as a number: releases are compared on the images that both show."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
