"""Do drawn textures rank classes as photographed ones do?

``python -m benchmarks.drawn_textures --model MODEL --pairs FILE.csv ...`` takes the concepts that the drawn
bank and the photographs of DTD share, and the pairs that expect one of them. It ranks the same pairs among
the same concepts by auditor's score on both banks, and correlates each texture's effects over all classes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.audit.forward import show_bank
from auditor.banks import ConceptBank
from auditor.banks.places import cache_root
from auditor.context import AuditContext
from auditor.errors import AuditorError, InputError
from auditor.models import find_classes, load_model
from auditor.models.precision import resolve
from auditor.progress import Progress, progress_for
from auditor.settings import Settings
from auditor.statistics.agreement import spearman
from auditor.statistics.effects import effects_with_errors
from auditor.statistics.probability import log_scaled
from benchmarks.associations_banks import find_bank
from benchmarks.associations_pairs import Pair, rank_of, read_pairs, summarise

BANKS = ("textures", "dtd")
PER_CONCEPT = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawn_textures", description=__doc__)
    parser.add_argument("--model", default="bundled:efficientnet_lite0")
    parser.add_argument("--pairs", type=Path, nargs="+", required=True, help="CSV: class,bank,concept")
    asked = parser.parse_args(arguments)
    try:
        pairs = [pair for path in asked.pairs for pair in read_pairs(path)]
        print(f"{asked.model}, {', '.join(path.name for path in asked.pairs)}\n")
        print(compare(asked.model, pairs, progress_for(sys.stderr)))
    except AuditorError as failure:
        print(f"drawn_textures: {failure}", file=sys.stderr)
        return failure.exit_status
    return 0


def compare(spec: str, pairs: Sequence[Pair], progress: Progress) -> str:
    """Two tables in Markdown."""
    model = load_model(spec)
    banks = [find_bank(name, cache=None, progress=progress) for name in BANKS]
    if any(bank is None for bank in banks):
        raise InputError("bank 'dtd': no photographs; needed: AUDITOR_SHARED, or 'auditor banks fetch dtd'")
    known = [{concept.name for concept in bank.concepts} for bank in banks if bank]
    shared = sorted(known[0] & known[1])
    settings = Settings.model_validate({"model": spec, "classes": ("0",)})
    context = AuditContext(
        model, settings, (), (), resolve("auto", model.device), progress, cache_root() / "benchmarks"
    )
    effects = {name: _effects(context, bank, shared) for name, bank in zip(BANKS, banks, strict=True) if bank}
    used = [(pair, [shared.index(c) for c in pair.expected if c in shared]) for pair in _distinct(pairs)]
    used = [(pair, expected) for pair, expected in used if expected]
    place = {pair.class_name: find_classes(model.labels, [pair.class_name])[0].index for pair, _ in used}
    lines = [f"{len(used)} pairs, {len(shared)} concepts", "", "| bank | MRR | top-1 |", "|---|---|---|"]
    for name, found in effects.items():
        ranks = [rank_of(found[place[pair.class_name]], expected) for pair, expected in used]
        s = summarise(ranks, [pair.class_name for pair, _ in used], rng=np.random.default_rng(0))
        lines.append(f"| {name} | {s.mrr:.2f} ({s.mrr_low:.2f} to {s.mrr_high:.2f}) | {s.top1:.2f} |")
    lines += ["", "| texture | correlation of profiles over classes |", "|---|---|"]
    drawn, photographed = (effects[name].T for name in BANKS)
    for k, concept in enumerate(shared):
        lines.append(f"| {concept} | {spearman(drawn[k], photographed[k])[0, 0]:.2f} |")
    return "\n".join(lines)


def _distinct(pairs: Sequence[Pair]) -> list[Pair]:
    """One pair for every class and set of concepts: lists name some for both banks."""
    return list({(pair.class_name, pair.expected): pair for pair in pairs}.values())


def _effects(context: AuditContext, bank: ConceptBank, concepts: Sequence[str]) -> NDArray[np.float64]:
    """[classes, concepts] Each concept against the other ones."""
    shown = show_bank(context, bank, ())
    label = np.array([shown.layout.names[c] if c >= 0 else "" for c in shown.layout.labels])
    labels = np.full(len(label), -2)
    for k, concept in enumerate(concepts):
        labels[np.flatnonzero(label == concept)[:PER_CONCEPT]] = k
    kept = labels >= 0
    values = log_scaled(shown.logits).T[:, kept]
    return effects_with_errors(values, labels[kept], concepts=len(concepts)).effect


if __name__ == "__main__":
    sys.exit(main())
