"""Banks in words, for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Sequence

from auditor.banks.leakage import PairLeak
from auditor.banks.lock import Lock
from auditor.banks.manifest import Manifest
from auditor.banks.starting import not_stated
from auditor.cli.text import columns

_WIDTH = 100


def described(manifest: Manifest) -> list[str]:
    """A manifest, all of it."""
    lines = [manifest.title, "=" * len(manifest.title), ""]
    if manifest.generator:
        size = manifest.generator.size
        lines.append(f"{manifest.generator.images} images of {size} x {size} for each concept, generated")
    if manifest.labels:
        lines.append(f"selects from any imported set with labels: {', '.join(manifest.labels)}")
    lines.append(f"smallest number of images: {manifest.min_images}")
    averages = "no, only averages of 30 or more" if manifest.report_averages else "no, nor averages of them"
    if manifest.screening:
        lines.append("only screens: nothing is claimed from it; look with photos")
    lines.append(f"a report may show its images: {'yes' if manifest.report_images else averages}")
    lines += ["", f"Concepts ({len(manifest.concepts)})"]
    width = max(len(concept.name) for concept in manifest.concepts)
    for concept in manifest.concepts:
        labels = " and ".join(f"{key} = {value}" for key, value in concept.where.items())
        text = concept.definition + (f" [{labels}]" if labels else "")
        hanging = " " * (width + 4)
        lines += textwrap.wrap(f"  {concept.name.ljust(width)}  {text}", _WIDTH, subsequent_indent=hanging)
    if manifest.contrasts:
        lines += ["", "Contrasts"]
        for contrast in manifest.contrasts:
            matched = f", matched on {', '.join(contrast.match)}" if contrast.match else ", not matched"
            lines.append(f"  {contrast.more} against {contrast.less}{matched}")
    if manifest.covariates:
        lines += ["", "Covariates"]
        for name, covariate in manifest.covariates.items():
            lines += _paragraph(f"{name} ({covariate.kind})", covariate.description)
    for source in manifest.sources:
        lines += ["", f"Source: {source.name}"]
        for key, text in source.model_dump(exclude={"name"}).items():
            if text:
                lines += _paragraph(key.replace("_", " "), text)
    lines += ["", "Datasheet"]
    for key, text in manifest.datasheet.model_dump().items():
        lines += _paragraph(key.replace("_", " "), text)
    if manifest.reference:
        lines += _paragraph("reference images", manifest.reference.description)
    missing = not_stated(manifest)
    if missing:
        lines += ["", f"{len(missing)} entries are still to be written: {', '.join(missing[:6])}"]
    return lines


def described_lock(lock: Lock) -> list[str]:
    """What was imported: counts of every label and of every category, ranges of every number."""
    lines = ["", f"Imported with '{lock.importer}': {len(lock.images)} images from {lock.root}"]
    lines.append(f"  digest {lock.digest()}")
    labels = sorted({label for image in lock.images for label in image.labels})
    for label in labels:
        counts = Counter(image.labels.get(label, "not stated") for image in lock.images)
        lines += _paragraph(label, _counted(counts))
    for name in sorted({name for image in lock.images for name in image.covariates}):
        values = [image.covariates[name] for image in lock.images if name in image.covariates]
        numbers = [value for value in values if isinstance(value, int | float)]
        if len(numbers) == len(values):
            lines += _paragraph(name, f"{min(numbers):g} to {max(numbers):g}")
            continue
        counts = Counter(str(value) for value in values)
        if len(counts) <= 20:
            lines += _paragraph(name, _counted(counts))
        else:
            lines += _paragraph(name, f"{len(counts)} values")
    for name in ("brightness", "contrast", "sharpness"):
        found = sorted(float(getattr(image, name)) for image in lock.images)
        lines += _paragraph(name, f"{found[0]:.2f} to {found[-1]:.2f}, median {found[len(found) // 2]:.2f}")
    return lines + described_left_out(lock)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{value} ({n})" for value, n in sorted(counts.items()))


def described_left_out(lock: Lock) -> list[str]:
    """How many files were left out, by reason."""
    reasons = Counter(re.sub(r"'[^']*'", "another", skip.reason) for skip in lock.left_out)
    lines = [f"  left out: {count} ({reason})" for reason, count in reasons.most_common(12)]
    return lines + (["  which ones: in the lock file, bank.lock.json"] if lock.left_out else [])


def described_leaks(pairs: Sequence[PairLeak], *, every: bool = False) -> list[str]:
    """The outcome of a leakage audit, as a table and what to do."""
    leaking = [pair for pair in pairs if pair.leaks]
    shown = list(pairs) if every else leaking
    lines = []
    if shown:
        rows = [
            (
                f"{pair.first} / {pair.second}",
                f"{pair.n[0]} + {pair.n[1]}",
                f"{pair.accuracy:.2f}",
                f"{pair.limit:.2f}",
                f"{pair.feature} ({pair.feature_accuracy:.2f})",
            )
            for pair in shown
        ]
        lines += columns(("concepts", "images", "accuracy", "limit", "best feature"), rows)
        lines.append("")
    lines.append(
        f"{len(leaking)} of {len(pairs)} pairs of concepts can be separated by trivial features "
        "(cross-validated, 0.5 is chance)"
    )
    advice = {pair.feature: pair.advice for pair in leaking}
    for feature, text in sorted(advice.items()):
        count = sum(pair.feature == feature for pair in leaking)
        lines.append(f"  {feature} tells {count} of them most: {text}")
    return lines


def _paragraph(heading: str, text: str) -> list[str]:
    if not text:
        return [f"  {heading}"]
    return textwrap.wrap(f"  {heading}: {text}", _WIDTH, subsequent_indent="    ")
