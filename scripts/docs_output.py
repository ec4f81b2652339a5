"""Write below every command in the documentation what it prints, or check that it is so.

In ``docs/*.md`` and ``README.md`` a block that opens with three backticks and ``console`` is a session. A
line that starts with ``$ `` is a command, continued while lines end in a backslash. The lines up to the next
command are its output, standard error included. Blocks marked ``sh`` are not run.

``python scripts/docs_output.py --write [PAGE ...]`` runs every command and writes the output; ``--check``
compares and exits 1 on a difference.

- The commands of a block share one shell, and the blocks of a page one copy of the working folder. So
  files that one block makes serve the blocks below it, and no page disturbs another.
- A command must succeed, unless ``$ echo $?`` follows it, which shows its exit status.
- Long output is shortened by the command itself: ``$ auditor layers timm:resnet18 | head -5``.

The working folder is made once by :func:`prepare` and kept (``--folder``, by default ``build/docs``). That
takes some minutes and needs the extra ``demo``. Two lists of rules treat what changes from run to run:
``SHOWN`` replaces what belongs to this machine, and ``CHANGING`` names what a comparison ignores. Output that
differs only there stays as the page has it. Numbers of an audit are compared; their last digits depend on the
processor.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "cli.md")]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOME = "/home/me"
WORK = "work"
READY = ".ready"
TIMEOUT_S = 1800

SHORT = (
    "--model bundled:{model} --classes zebra,spider\\ web --banks textures --n-impressions 8 "
    "--impression-steps 48 --occluder-iterations 30 --refits 1 --reference-classes 0"
)
"""An audit in some minutes. What it finds is shown on the pages and is no result."""

SHOWN: list[tuple[re.Pattern[str], str]] = [
    (re.compile(re.escape(str(ROOT))), f"{HOME}/auditor"),
    (re.compile(re.escape(sys.prefix)), f"{HOME}/auditor/.venv"),
    # Lines of progress: a terminal shows a bar in their place, which leaves nothing behind.
    (re.compile(r"^\d\d:\d\d:\d\d .*\n", re.MULTILINE), ""),
    (re.compile(r"\bLinux-\S+"), "Linux"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
]
"""Pattern and replacement, in this order, after the path of the page's copy of the folder."""

CHANGING: list[re.Pattern[str]] = [
    re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE),  # the time of day before a line
    re.compile(r"\b\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|\+00:00)?)?"),  # dates
    re.compile(r"\b\d+(\.\d+)? (ms|s|min|h)\b( \d\d (s|min)\b)?"),  # durations
    re.compile(r"^ok +(packages|python|threads|device|fonts):.*$", re.MULTILINE),  # auditor doctor
    re.compile(r"\bauditor \d+\.\d+\S*"),  # the version
    re.compile(r"\b\d+(\.\d+)? (bytes|[kKMG]i?B)\b"),  # sizes
    re.compile(r"\b[0-9a-f]{8,}\b"),  # digests
]
"""What may differ between the page and a new run."""


@dataclass(frozen=True)
class Step:
    """A command as the page writes it, without ``$ ``, and what the page says it prints."""

    command: str
    output: str


def steps(block: str) -> list[Step]:
    """The commands of a console block.

    Raises:
        ValueError: the block does not begin with a command.
    """
    found: list[tuple[list[str], list[str]]] = []
    continued = False
    for line in block.splitlines():
        if continued:
            found[-1][0].append(line)
        elif line.startswith("$ "):
            found.append(([line.removeprefix("$ ")], []))
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"a console block begins with {line!r}; needed: a command after '$ '")
        command = found[-1][0]
        continued = not found[-1][1] and command[-1].endswith("\\")
    return [Step("\n".join(command), "\n".join(output)) for command, output in found]


def text_of(done: list[Step]) -> str:
    """The block that shows these steps, without its fences."""
    return "".join(f"$ {step.command}\n" + (f"{step.output}\n" if step.output else "") for step in done)


def blocks(page: str) -> list[list[Step]]:
    """The commands of every console block of a page."""
    return [steps(block) for block in BLOCK.findall(page)]


def comparable(output: str) -> str:
    """Output without what may change."""
    for pattern in CHANGING:
        output = pattern.sub("…", output)
    return output


def shown(output: str, home: Path) -> str:
    """Output as a page shows it: without what belongs to this machine."""
    output = output.replace(str(home), HOME)
    for pattern, replacement in SHOWN:
        output = pattern.sub(replacement, output)
    return output.strip("\n")


def environment(home: Path) -> dict[str, str]:
    """This process's environment with a home of its own, a fixed width and no colour."""
    kept = {k: v for k, v in os.environ.items() if not re.match(r"AUDITOR_|MLFLOW_|GITHUB_|XDG_|CI$", k)}
    return kept | {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HF_HUB_OFFLINE": "1",
    }


def run(commands: list[str], home: Path) -> list[tuple[str, int]]:
    """What each command prints and its exit status, all in one shell in ``home``'s working folder."""
    mark = "\x1e"
    script = "status=0\n" + "".join(
        f"(exit $status)\n{command}\nstatus=$?\nprintf '{mark}%d{mark}' $status\n" for command in commands
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=home / WORK,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    parts = done.stdout.split(mark)
    if len(parts) != 2 * len(commands) + 1:
        raise RuntimeError(f"the shell ended before the last of these commands: {commands}\n{done.stdout}")
    return [(parts[2 * i], int(parts[2 * i + 1])) for i in range(len(commands))]


def renewed(block: list[Step], home: Path, place: str) -> list[Step]:
    """The block with what its commands print now.

    Raises:
        RuntimeError: a command failed and no ``echo $?`` follows it, or its output cannot stand in a block.
    """
    print(f"{place}: {block[0].command.splitlines()[0]}", file=sys.stderr, flush=True)
    results = run([step.command for step in block], home)
    following = [step.command for step in block[1:]] + [""]
    new = []
    for step, after, (printed, status) in zip(block, following, results, strict=True):
        if status and after != "echo $?":
            raise RuntimeError(f"{place}: exit status {status}: {step.command}\n{printed}")
        output = shown(printed, home)
        if re.search(r"^(\$ |```)", output, re.MULTILINE):
            raise RuntimeError(f"{place}: a line of output begins with '$ ' or '```': {step.command}")
        same = comparable(output) == comparable(step.output)
        new.append(step if same else Step(step.command, output))
    return new


def renew(page: Path, prepared: Path) -> str:
    """The page's text with every block's output renewed in a copy of the prepared folder."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="docs-") as copy:
        home = Path(copy).resolve() / "me"
        shutil.copytree(prepared, home, ignore=shutil.ignore_patterns(".cache"))
        (home / ".cache").symlink_to(prepared / ".cache")

        def replaced(match: re.Match[str]) -> str:
            line = text.count("\n", 0, match.start()) + 1
            return f"```console\n{text_of(renewed(steps(match[1]), home, f'{page.name}:{line}'))}```"

        return BLOCK.sub(replaced, text)


def _audits(home: Path) -> None:
    """``audit/`` and its copy ``audits/v1``, the next release ``audits/v2``, and ``policy.toml``."""
    first, second = (SHORT.format(model=f"efficientnet_lite{n}") for n in (0, 1))
    _all_done(
        home,
        f"auditor run {first} --out audit",
        "mkdir -p audits && cp -r audit audits/v1",
        f"auditor run {second} --scores-only --out audits/v2",
        "auditor policy init audit --out policy.toml",
    )


def _settings(home: Path) -> None:
    """``audit.toml`` and ``scan.toml``, the files that the tutorial and the page on scans show."""
    (home / WORK / "scan.toml").write_text(
        'format_version = 2\ntrust.smallest_n = 12\n\n[[scan]]\nkind = "association"\nbanks = ["textures"]\n'
        "largest_effect = 0.5\n"
    )
    (home / WORK / "audit.toml").write_text(
        'model = "bundled:efficientnet_lite0"\nclasses = ["zebra", "spider web"]\nbanks = ["textures"]\n'
        'out = "strict-audit"\nalpha = 0.01\n'
    )


def _banks(home: Path) -> None:
    """Two folders of images: ``my-bank``, and ``scanner-marks``, whose marked images are larger."""
    from PIL import Image

    from auditor.banks.generated.textures import render

    def save(path: Path, texture: str, index: int, size: int = 224, marked: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = render(texture, index=index, size=size).copy()
        if marked:
            pixels[8:20, 8:56] = 255
        Image.fromarray(pixels).save(path)

    for index in range(40):
        for texture in ("banded", "dotted", "woven"):
            save(home / WORK / "my-bank" / texture / f"{index:02d}.png", texture, index)
        marks = home / WORK / "scanner-marks"
        save(marks / "mark" / f"a{index:02d}.png", "marbled", index, 256, marked=True)
        save(marks / "no mark" / f"b{index:02d}.png", "marbled", index + 40)


def _checkpoint(home: Path) -> None:
    """``model_best.pth.tar``: an untrained ResNet-18 with three classes, as timm's training saves it."""
    import torch

    from auditor.models.torchvision_import import prepare_torchvision

    prepare_torchvision()
    import timm

    torch.manual_seed(0)
    weights = timm.create_model("resnet18", num_classes=3).state_dict()
    state = {
        "arch": "resnet18",
        "epoch": 12,
        "state_dict": weights,
        "state_dict_ema": weights,
        "class_to_idx": {"cat": 0, "dog": 1, "owl": 2},
    }
    torch.save(state, home / WORK / "model_best.pth.tar")


PARTS: list[Callable[[Path], None]] = [_audits, _settings, _banks, _checkpoint]


def _all_done(home: Path, *commands: str) -> None:
    for command, (printed, status) in zip(commands, run(list(commands), home), strict=True):
        if status:
            raise RuntimeError(f"preparing the working folder: exit status {status}: {command}\n{printed}")


def prepare(folder: Path) -> Path:
    """The home folder whose ``work`` the commands start in; parts that are there already are kept."""
    home = folder.resolve()
    for name in (WORK, ".cache"):
        (home / name).mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        mark = home / f"{READY}{part.__name__}"
        if not mark.exists():
            print(f"preparing {home}: {part.__doc__}", file=sys.stderr, flush=True)
            part(home)
            mark.touch()
    return home


def differences(pages: list[Path], change: Callable[[Path], str]) -> Iterator[tuple[Path, str, str]]:
    """Page, old text and new text of every page with console blocks whose output differs."""
    for page in pages:
        old = page.read_text(encoding="utf-8")
        if BLOCK.search(old) and (new := change(page)) != old:
            yield page, old, new


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; 0 if no page differs or all were written, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the output into the pages")
    what.add_argument("--check", action="store_true", help="show differences and exit with 1")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "docs", help="the prepared home folder"
    )
    parser.add_argument("pages", nargs="*", type=Path, help="by default every page")
    options = parser.parse_args(arguments)
    pages = [page.resolve() for page in options.pages] or PAGES
    if not any(BLOCK.search(page.read_text(encoding="utf-8")) for page in pages):
        return 0
    found = False
    for page, old, new in differences(pages, partial(renew, prepared=prepare(options.folder))):
        found = True
        if options.write:
            page.write_text(new, encoding="utf-8")
            print(page)
        else:
            lines = difflib.unified_diff(
                old.splitlines(True), new.splitlines(True), f"{page.name} as written", f"{page.name} as run"
            )
            sys.stdout.writelines(lines)
    return 1 if found and options.check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
