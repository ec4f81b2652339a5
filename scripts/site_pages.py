"""What MkDocs is told besides mkdocs.yml: the navigation, and links to files outside ``docs``.

The navigation is the index, ``docs/README.md``: a heading becomes a section, a link in the first column of
its table becomes an entry. Files of the repository that a page links to are put on the site under
``repository/``, pages such as CHANGELOG.md included. So the same link works on the repository's host and on
the site. A link that leaves the repository, to a form of its host, becomes plain text. The page of the
settings gets its table.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from auditor.settings import Settings, allowed

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")
ENTRY = re.compile(r"^\| \[([^\]]+)\]\(([^)#\s]+)\)", re.MULTILINE)
OUTSIDE = "repository"


def address(path: Path) -> str:
    """Where a file of the repository lies on the site, before MkDocs turns pages into folders."""
    inside = path.is_relative_to(DOCS)
    return path.relative_to(DOCS).as_posix() if inside else f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}"


def source(uri: str) -> Path:
    """The file of the repository behind an address."""
    return ROOT / uri.removeprefix(f"{OUTSIDE}/") if uri.startswith(f"{OUTSIDE}/") else DOCS / uri


def target(page: Path, link: str) -> Path | None:
    """The file that a page's link leads to; ``None`` for the address of another host."""
    return None if re.match(r"[a-z]+:", link) else Path(os.path.normpath(page.parent / link))


def linked_outside(page: Path, known: set[Path]) -> set[Path]:
    """The files outside ``docs`` that a page leads to, directly or through another of them."""
    for _, link, _ in LINK.findall(page.read_text(encoding="utf-8")):
        path = target(page, link)
        if path and path.is_file() and path.is_relative_to(ROOT) and not path.is_relative_to(DOCS):
            if path in known:
                continue
            known.add(path)
            if path.suffix == ".md":
                linked_outside(path, known)
    return known


def settings_table() -> str:
    """Every field of ``Settings`` with what it accepts, its default and its description."""
    rows = ["| setting | accepts | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
        cells = (f"`{name}`", allowed(name), default, field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join(rows)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the index."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    nav: list[Any] = [{"Home": "README.md"}]
    for section in index.split("\n## ")[1:]:
        entries = [
            {title: address(Path(os.path.normpath(DOCS / link)))} for title, link in ENTRY.findall(section)
        ]
        nav.append({section.splitlines()[0]: entries})
    decisions = [address(path) for path in sorted((DOCS / "decisions").glob("0*.md"))]
    for entry in nav[-1].values():
        entry[:] = [
            {k: [v, *decisions]} if v == "decisions/README.md" else {k: v}
            for e in entry
            for k, v in e.items()
        ]
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside ``docs`` that pages lead to."""
    known: set[Path] = set()
    for file in files.documentation_pages():
        if file.abs_src_path:
            linked_outside(Path(file.abs_src_path), known)
    for path in sorted(known):
        files.append(File.generated(config, address(path), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links between files of the repository links between places of the site."""
    here = source(page.file.src_uri)

    def replaced(match: re.Match[str]) -> str:
        text, link, anchor = match.groups()
        path = target(here, link)
        if path is None:
            return match[0]
        if not path.is_relative_to(ROOT):
            return text
        if (path / "README.md").is_file():
            path = path / "README.md"
        if not path.is_file():
            return match[0]  # MkDocs reports it
        relative = posixpath.relpath(address(path), posixpath.dirname(page.file.src_uri) or ".")
        return f"[{text}]({relative}{anchor or ''})"

    return LINK.sub(replaced, markdown).replace("<!-- table of settings -->", settings_table())


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Docstrings mark names with Sphinx's roles, which Markdown would show."""
    return re.sub(r":(class|func|meth|mod|data|attr):(?=<code>)", "", html)
