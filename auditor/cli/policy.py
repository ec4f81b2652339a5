"""``auditor policy``: write a first policy from an audit, check one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auditor.cli.output import AuditArgument
from auditor.errors import InputError

policy = typer.Typer(help="Write a policy for `auditor gate`, or check one.", no_args_is_help=True)


@policy.command()
def init(
    audit: AuditArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write it.")] = Path(
        "policy.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
) -> None:
    """Write a commented policy that names the classes, banks and contrasts of an audit.

    auditor policy init audit --out policy.toml
    """
    from auditor.files import write_bytes
    from auditor.report.formats.policy import policy_template
    from auditor.store.directory import read_audit

    if out.exists() and not force:
        raise InputError(f"policy '{out}': exists already; give another --out, or --force to replace it")
    write_bytes(out, policy_template(read_audit(audit)).encode())
    print(f"policy: {out}; its tolerances are a start, set your own")


@policy.command()
def check(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="The policy, a TOML file.")],
) -> int:
    """Check a policy: every fault with its line. Exit status 0 if it is valid, 2 if not."""
    from auditor.policy import load_policy, read_problems
    from auditor.report.escape import terminal_text
    from auditor.report.words import count

    problems = read_problems(policy)
    for problem in problems:
        print(f"{policy}:{problem.line}: {terminal_text(problem.message, longest=400)}")
    if problems:
        return 2
    rules = load_policy(policy).policy
    print(
        f"{policy}: valid, {count(len(rules.association) + len(rules.contrast) + len(rules.scan), 'rule')}, "
        f"{count(len(rules.expected), 'expected association')}, {count(len(rules.waiver), 'waiver')}"
    )
    return 0
