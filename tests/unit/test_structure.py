"""The code keeps its shape: imports point down, functions stay short, the pipeline reads on one page."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "auditor"
MOST_LINES = 60
MOST_POSITIONAL = 6

LONG: dict[str, str] = {}
"""Functions over 60 lines, ``module.name``, each with the reason."""

MANY_PARAMETERS: dict[str, str] = {}
"""Functions with more than 6 positional parameters, ``module.name``, each with the reason. A command of the
program needs none: its parameters are its flags (:func:`is_command`)."""

NAMED_IN_STRINGS = {
    # An audit shows itself in a notebook; the method imports the template's module when it is called.
    ("auditor.records", "auditor.report.formats.notebook"),
    # A tag of an MLflow run has the name of a module.
    ("auditor.report.formats.mlflow", "auditor.policy"),
    ("auditor.report.formats.mlflow", "auditor.version"),
}
"""Modules that are named in a string, and by which module."""


@functools.cache
def graph() -> grimp.ImportGraph:
    """Every import inside the package, those inside functions included."""
    return grimp.build_graph("auditor", cache_dir=None)


def module_of(path: Path) -> str:
    words = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


@functools.cache
def trees() -> dict[str, ast.Module]:
    return {module_of(path): ast.parse(path.read_bytes()) for path in sorted(PACKAGE.rglob("*.py"))}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function and method with its name, ``module.Class.method``."""

    def walk(prefix: str, node: ast.AST) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}.{child.name}"
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield name, child
            yield from walk(name, child)

    for module, tree in trees().items():
        yield from walk(module.removeprefix("auditor."), tree)


def is_command(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether typer calls it: a public function of the command line with a flag among its parameters."""
    annotations = [a.annotation for a in function.args.args if a.annotation]
    return name.startswith("cli.") and any("typer." in ast.unparse(a) for a in annotations)


def test_imports_obey_the_contracts_in_pyproject() -> None:
    """Layers, no circle of packages, no torch from the store up. The output names the import."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_imports_itself_through_others() -> None:
    # The package's own __init__ names where the public names live and imports none of them.
    imports = {m: graph().find_modules_directly_imported_by(m) for m in graph().modules if m != "auditor"}
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as circle:
        pytest.fail(" <- ".join(circle.args[1]))


def test_modules_named_in_strings_are_known() -> None:
    """``import_module("auditor.x")`` is an import, too. The top layer and ``auditor`` itself may name any."""
    found = {
        (module, node.value)
        for module, tree in trees().items()
        if module != "auditor" and not module.startswith("auditor.cli")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in graph().modules - {"auditor"}
    }
    assert found == NAMED_IN_STRINGS


def test_functions_are_short() -> None:
    long = {n: f.end_lineno - f.lineno + 1 for n, f in functions() if f.end_lineno is not None}
    long = {name: lines for name, lines in long.items() if lines > MOST_LINES}
    assert long.keys() == LONG.keys(), {name: n for name, n in long.items() if name not in LONG}


def test_functions_have_few_positional_parameters() -> None:
    def positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        return len(names) - (names[:1] in (["self"], ["cls"]))

    many = {
        n: positional(f) for n, f in functions() if positional(f) > MOST_POSITIONAL and not is_command(n, f)
    }
    assert many.keys() == MANY_PARAMETERS.keys(), {n: k for n, k in many.items() if n not in MANY_PARAMETERS}


def test_exceptions_have_reasons() -> None:
    assert all(len(reason.split()) > 3 for reason in (*LONG.values(), *MANY_PARAMETERS.values()))


def test_the_pipeline_reads_on_one_page() -> None:
    assert len((PACKAGE / "audit" / "run.py").read_text(encoding="utf-8").splitlines()) <= 120


def test_no_module_is_called_utils() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|common|misc)$")
    assert not [m for m in graph().modules if vague.search(m.rpartition(".")[2])]
