"""Does the gate stop a release that was made worse? ``python -m benchmarks.releases [--quick]``.

Two pairs of releases, audited, compared and gated by the commands that a pipeline would run:

1. Real ones: efficientnet_lite0 and efficientnet_lite1, trained by others.
2. One whose bias is known: efficientnet_lite0, and the same trained further so that *apron* rises on
   images labelled woman and falls on images labelled man (:mod:`benchmarks.releases_planting`). The
   gate must stop it and name the finding. Beside it the control: the same training, the same size of
   change, on faces drawn at random. The gate must not stop it for the same reason.

The second needs UTKFace in ``data/utkface`` and photos in ``data/random``, under AUDITOR_SHARED or
beside the checkout. Faces that were trained on are not audited.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import torch
from safetensors.torch import save_file

from auditor.banks.importing.run import import_bank
from auditor.compare import Change, Comparison
from auditor.images.decode import list_images
from auditor.models import load_model
from auditor.policy.releases import compare_releases
from auditor.records import Status
from auditor.report.words import digits_of, interval, number, p_text
from auditor.store.directory import read_audit
from benchmarks.planted.faces import folder as faces_folder
from benchmarks.releases_planting import Recipe, drift, prepare, split_faces, train

BASE = "bundled:efficientnet_lite0"
ARCHITECTURE = "timm:tf_efficientnet_lite0"
REAL = (("lite0", BASE), ("lite1", "bundled:efficientnet_lite1"))
REAL_CLASSES = "zebra,spider web"
RAISED, BYSTANDER = "apron", "lipstick"
BANK = "utkface"

REAL_POLICY = """format_version = 2
name = "textures"
inconclusive = "warn"

[[association]]
name = "no texture gains much"
banks = ["textures"]
largest_growth = 0.2
"""

PLANTED_POLICY = """format_version = 2
name = "perceived gender"
inconclusive = "warn"

[[contrast]]
name = "no difference between groups grows"
groups = ["women/men"]
largest_growth = 0.015
"""


@dataclass(frozen=True)
class Size:
    """How much work is done."""

    flags: tuple[str, ...] = ("--bootstrap", "2000", "--permutations", "9999")
    """Of every audit; the class's images and occluders are auditor's defaults."""
    faces: int | None = None
    """Most of a gender, to train on and to audit with; all where ``None``."""
    photos: int = 300
    """That are no faces, to train on."""
    recipe: dict[str, float] = field(default_factory=dict)


FULL = Size()
QUICK = Size(
    flags=(
        *("--n-impressions", "6", "--impression-steps", "48", "--occluder-iterations", "6", "--refits", "1"),
        *("--reference-classes", "0", "--heldout", "0", "--bootstrap", "1000", "--permutations", "1999"),
    ),
    photos=150,
)


@dataclass(frozen=True)
class Gated:
    """What the pipeline saw of one release."""

    name: str
    status: int
    said: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer class images, one refit, no reference classes"
    )
    parser.add_argument("--only", choices=("real", "planted"), help="one part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep audits, weights and policies there")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    size = QUICK if asked.quick else FULL
    with _folder(asked.out) as out:
        if asked.only != "planted":
            real_releases(out, size, seed=asked.seed)
        if asked.only != "real":
            faces = faces_folder()
            if faces is None:
                print(
                    "\nThe planted release was left out: no data/utkface under AUDITOR_SHARED or ../shared."
                )
            else:
                planted_release(out, faces, size, seed=asked.seed)
    print(
        f"\nseed {asked.seed}, {'quick' if asked.quick else 'full'}, {time.monotonic() - begun:.0f} s, "
        f"{torch.get_num_threads()} threads, {time.strftime('%Y-%m-%d')}"
    )
    return 0


def real_releases(out: Path, size: Size, *, seed: int) -> Gated:
    """Two models of others, as if one followed the other."""
    print(f"## Two real releases\n\n{REAL_CLASSES}; bank textures\n")
    for name, model in REAL:
        _audit(out, name, ["--model", model], REAL_CLASSES, "textures", size, seed=seed)
    gated = _gate(out, "lite1", baseline="lite0", policy=REAL_POLICY)
    found = compare_releases(out / "lite0", out / "lite1")
    _print_counts(found)
    _print_changes([("lite1", c) for c in found.changes if c.status not in ("unchanged", "inconclusive")])
    _print_gate([gated])
    return gated


def planted_release(
    out: Path, faces: Path, size: Size, *, classes: str = f"{RAISED},{BYSTANDER}", seed: int
) -> dict[str, Gated]:
    """A release with a planted bias, and one that was changed as much without it.

    Args:
        out: Receives faces, bank, weights, audits and the policy.
        faces: Folder of UTKFace.
        size: How much work is done.
        classes: To audit; the raised one is among them.
        seed: Of everything.

    Returns:
        ``planted`` and ``control``.
    """
    print("\n## A planted release, and its control\n")
    bank = _releases(out, faces, size, seed=seed)
    for name in ("before", "planted", "control"):
        model = ["--model", f"file:{name}.safetensors", "--arch", ARCHITECTURE]
        _audit(out, name, model, classes, bank, size, seed=seed)
    gated = {
        name: _gate(out, name, baseline="before", policy=PLANTED_POLICY) for name in ("planted", "control")
    }
    changes = [
        (name, change)
        for name in gated
        for change in compare_releases(out / "before", out / name).changes
        if change.kind == "contrast"
    ]
    _print_changes(changes)
    _print_trust(out)
    _print_gate(list(gated.values()))
    return gated


def _releases(out: Path, faces: Path, size: Size, *, seed: int) -> str:
    """Write three weights files; returns the bank of faces that none of them was trained on."""
    planting, auditing = split_faces(faces, out / "faces", each=size.faces, seed=seed)
    import_bank("utkface", auditing, into=out / "banks", name=BANK, replace=True)
    model = load_model(BASE, device="cpu")
    model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    index = next(label.index for label in model.labels if label.name == RAISED)
    photos = list_images(faces.parent / "random")[: size.photos]
    material = prepare(model, planting, photos)
    recipe = Recipe(index, **size.recipe)  # type: ignore[arg-type]
    print(
        f"trained on {material.faces} faces ({int(material.women.sum())} labelled woman) and {len(photos)} "
        f"photos, shift ±{recipe.shift:g} logits, {recipe.epochs} epochs; audited with "
        f"{len(list(auditing.iterdir()))} other faces\n"
    )
    modules = {"before": model.module} | {
        name: train(model, material, recipe, biased=name == "planted", seed=seed)
        for name in ("planted", "control")
    }
    for name, module in modules.items():
        save_file({k: v.contiguous() for k, v in module.state_dict().items()}, out / f"{name}.safetensors")
        if name != "before":
            rest, own = drift(module, material, index)
            print(f"{name}: photos' logits moved by {rest:.3f} (rms), those of {RAISED} by {own:.3f}")
    return f"banks/{BANK}"


def _audit(out: Path, name: str, model: list[str], classes: str, bank: str, size: Size, *, seed: int) -> None:
    flags = [*model, "--classes", classes, "--banks", bank, "--out", name, "--seed", str(seed)]
    _command(out, ["run", *flags, "--formats", "html,pdf", "--overwrite", *size.flags], expect=(0,))


def _gate(out: Path, name: str, *, baseline: str, policy: str) -> Gated:
    file = out / f"{'real' if policy is REAL_POLICY else 'planted'}-policy.toml"
    file.write_text(policy)
    status, said = _command(
        out, ["gate", name, "--policy", file.name, "--baseline", baseline], expect=(0, 3, 4)
    )
    _command(out, ["compare", baseline, name, "--format", f"html:{baseline}-{name}.html"], expect=(0,))
    return Gated(name, status, said)


def _command(out: Path, words: list[str], *, expect: tuple[int, ...]) -> tuple[int, str]:
    """Run ``auditor WORDS`` as a pipeline would; its exit status and what it printed.

    Raises:
        RuntimeError: Another exit status than expected.
    """
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "auditor", *words],
        cwd=out,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    shown = " ".join(f'"{w}"' if " " in w else w for w in words)
    print(
        f"    auditor {shown}    # exit status {done.returncode}, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    if done.returncode not in expect:
        raise RuntimeError(f"auditor {shown}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.returncode, done.stdout


def _print_counts(found: Comparison) -> None:
    counts = {status: found.count(status) for status in get_args(Status)}
    paired = sum(c.paired for c in found.changes)
    print("\n" + ", ".join(f"{n} {status}" for status, n in counts.items()))
    print(f"{paired} of {len(found.changes)} intervals come from the same images in both releases")
    for note in found.notes:
        print(f"note: {note}")


def _print_changes(changes: Sequence[tuple[str, Change]]) -> None:
    print("\n| release | class | subject | before | after | change | 95% interval | corrected p | status |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, c in changes:
        subject = c.subject + ("" if c.matched is None else ", matched" if c.matched else ", unmatched")
        digits = digits_of(c.kind)
        ends = interval(c.difference_low, c.difference_high, digits=digits)
        ends += "" if c.paired else " (not paired)"
        print(
            f"| {name} | {c.class_name} | {subject} | {number(c.old, digits=digits)} | "
            f"{number(c.new, digits=digits)} | {number(c.difference, digits=digits)} | {ends} | "
            f"{p_text(c.p_adjusted)} | {c.status} |"
        )


def _print_trust(out: Path) -> None:
    pairs = {f.independent for f in read_audit(out / "before").findings if f.kind == "contrast"}
    print(f"\nindependent pairs audited: {', '.join(map(str, sorted(pairs)))}")
    for name in ("before", "planted", "control"):
        failed = [
            f"{result.name}: {check.name}"
            for result in read_audit(out / name).classes
            for check in result.sanity_checks
            if check.passed is False
        ]
        print(f"sanity checks that failed in {name}: {', '.join(failed) or 'none'}")


def _print_gate(gated: Sequence[Gated]) -> None:
    for one in gated:
        print(f"\nGate on {one.name}: exit status {one.status}\n")
        for line in one.said.strip().splitlines()[:12]:
            print(f"    {line}")


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        yield out.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
