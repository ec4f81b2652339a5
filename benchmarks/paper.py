"""The paper, reproduced: its experiments on real models, its numbers and ours side by side.

``python -m benchmarks.paper --images DIR --banks DIR --model MODEL`` runs ``auditor evaluate`` on every
class that has a folder in ``--images``, keeps the evaluation under ``--out``, and prints the tables of all
models that lie there. Call it once for each model. ``--page docs/paper.md`` writes the page of the
documentation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from auditor.evaluate import run_evaluation
from auditor.evaluate.run import STEPS
from auditor.evaluation_records import Estimate, Evaluation, Experiment, Table
from auditor.progress import progress_for
from auditor.report.escape import markdown_text
from auditor.report.view.evaluation import HELD
from auditor.settings import EvaluationSettings, Interpolation, Step
from auditor.store.evaluations import EVALUATION_FILE, read_evaluation
from benchmarks.timed import timed

PAPER: dict[Step, dict[str, str]] = {
    "attack": {
        "clean, learned on": "0.877 / 0.812 / 0.810",
        "occluded, learned on": "0.097 / 0.091 / 0.100",
    },
    "distillation": {
        "AfI": "0.959 / 0.983 / 0.947",
        "AfI without t": "0.892 / 0.890 / 0.868",
        "gradient-based (TCAV's)": "0.890 / 0.838 / 0.853",
    },
}
"""Column to the paper's numbers: ResNet-50 / GoogLeNet / VGG-16, 100 classes each, tables 1 and 2."""

HEAD = """# The paper, reproduced

{models}

The paper's numbers are of ResNet-50 / GoogLeNet / VGG-16 with other weights, 100 classes and the training set
of ImageNet. Ours are of {classes} classes and at most {photos} photos of each. They are neighbours, not the
same experiment. A cell is the mean over classes with its 95% interval over classes. An answer is yes or no
only where the whole interval says so. Misses are left in.

```console
{command}
```
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 with one line on the error stream."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.set_defaults(run=paper)
    parser.add_argument("--images", type=Path, required=True, help="one folder of photos per class")
    parser.add_argument("--banks", action="append", default=[], help="concept bank; may be repeated")
    parser.add_argument("--model", help="none: only print what lies in --out")
    parser.add_argument("--arch", help="architecture of a weights file, such as timm:resnet50")
    parser.add_argument("--crop", type=float, help="instead of the model's own")
    parser.add_argument("--interpolation", help="instead of the model's own")
    parser.add_argument("--classes", help="with commas; else every class with a folder")
    parser.add_argument("--steps", help="with commas; else all")
    parser.add_argument("--max-images", type=int, default=45, help="photos of a class")
    parser.add_argument("--out", type=Path, default=Path("paper"), help="directory of evaluations")
    parser.add_argument("--page", type=Path, help="write the page of the documentation here")
    return timed("paper", parser.parse_args(arguments))


def paper(asked: argparse.Namespace) -> None:
    """Evaluate the model, then print and write what lies in ``--out``."""
    if asked.model is not None:
        settings = _settings(asked)
        run_evaluation(settings, progress=progress_for(sys.stderr))
    found = [read_evaluation(file.parent) for file in sorted(asked.out.glob(f"*/{EVALUATION_FILE}"))]
    text = page(found)
    print(text)
    if asked.page is not None:
        asked.page.write_text(text, encoding="utf-8")


def _settings(asked: argparse.Namespace) -> EvaluationSettings:
    classes = asked.classes.split(",") if asked.classes else None
    interpolation: Interpolation | None = asked.interpolation
    return EvaluationSettings(
        model=asked.model,
        arch=asked.arch,
        crop=asked.crop,
        interpolation=interpolation,
        classes=tuple(classes or sorted(path.name for path in asked.images.iterdir() if path.is_dir())),
        images=str(asked.images),
        banks=tuple(asked.banks),
        steps=tuple(asked.steps.split(",")) if asked.steps else tuple(STEPS),
        max_images=asked.max_images,
        out=asked.out / (asked.arch or asked.model).rpartition(":")[2],
        overwrite=True,
    )


def page(evaluations: Sequence[Evaluation]) -> str:
    """The page: every experiment with the models side by side."""
    if not evaluations:
        return "No evaluation was made yet."
    names = [one.model.architecture for one in evaluations]
    first = evaluations[0]
    head = HEAD.format(
        models=" and ".join(f"{one.model.architecture} ({_steps(one)})" for one in evaluations) + ".",
        classes=len(first.classes),
        photos=first.settings["max_images"],
        command="python -m benchmarks.paper --images IMAGES --banks TEXTURES --model MODEL --page PAGE",
    )
    parts = [head]
    for step in STEPS:
        made = [next((e for e in one.experiments if e.step == step), None) for one in evaluations]
        if any(one and one.measured for one in made):
            parts.append(_experiment(step, names, made))
    return "\n".join(parts).rstrip() + "\n"


def _steps(one: Evaluation) -> str:
    return (
        f"weights {one.model.weights_sha256[:12]}, {len(one.classes)} classes, {one.duration_s / 60:.0f} min"
    )


def _experiment(step: Step, names: Sequence[str], made: Sequence[Experiment | None]) -> str:
    there = next(one for one in made if one is not None and one.measured)
    parts = [f"## {there.title}", there.about]
    titles = list(dict.fromkeys(table.title for one in made if one for table in one.tables))
    for title in titles:
        tables = [next((t for t in one.tables if t.title == title), None) if one else None for one in made]
        parts.append(_table(step, names, tables))
    parts.append(_answers(names, made))
    skipped = [
        f"- {name}: {skip.what}: {skip.reason}"
        for name, one in zip(names, made, strict=True)
        if one
        for skip in one.skipped
    ]
    if skipped:
        parts += ["Left out:", "\n".join(skipped)]
    return "\n\n".join(parts) + "\n"


def _table(step: Step, names: Sequence[str], tables: Sequence[Table | None]) -> str:
    """The first row of each model's table, columns below each other, the paper's numbers beside."""
    there = next(table for table in tables if table is not None)
    known = (
        PAPER.get(step, {}) if there.title.endswith(("photos", "paper")) and "Lead" not in there.title else {}
    )
    header = [*(["paper"] if known else []), *names]
    lines = [f"**{there.title}** ({there.unit}), {there.rows[0].name}", ""]
    lines += [f"| | {' | '.join(header)} |", f"|---|{'---|' * len(header)}"]
    for place, column in enumerate(there.columns):
        cells = [_cell(table.rows[0].cells[place] if table and table.rows else None) for table in tables]
        shown = [known.get(column, ""), *cells] if known else cells
        lines.append(f"| {column} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _cell(one: Estimate | None) -> str:
    if one is None:
        return "not measured"
    return f"{one.value:.3f}" + (f" [{one.low:.2f}, {one.high:.2f}]" if one.low is not None else "")


def _answers(names: Sequence[str], made: Sequence[Experiment | None]) -> str:
    lines = ["| question | model | answer | seen, and needed |", "|---|---|---|---|"]
    lines += list(_rows(names, made))
    return "\n".join(lines)


def _rows(names: Sequence[str], made: Sequence[Experiment | None]) -> Iterator[str]:
    for name, one in zip(names, made, strict=True):
        for answer in one.answers if one else ():
            word = HELD[answer.held].text
            yield f"| {markdown_text(answer.question)} | {name} | {word} | {markdown_text(answer.sentence)} |"


if __name__ == "__main__":
    raise SystemExit(main())
