"""Names that try to be something else, put everywhere in an audit where a stranger may choose a name."""

from __future__ import annotations

from typing import Any

from auditor.records import Audit

NAMES = {
    "script": "</script><script>alert(1)</script>",
    "image": '"><img src=x onerror=alert(1)>',
    "markdown": "[click](javascript:alert(1)) ![x](http://evil.example/x.png) **bold** `code` <b>",
    "table": "a|b\n| c | d |\n|---|---|\n# heading",
    "mention": "@everyone #1 https://evil.example www.evil.example",
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1+1",
    "at": "@SUM(1+1)",
    "control": "bell\x07 escape\x1b[31m null\x00 vertical\x0b",
    "workflow": "x\n::set-output name=a::b\n::error::forged%0A",
    "bidi": "abc\u202egnp.exe",
    "placeholder": "{0} {name} [link](2) {{x}} {% raw %}",
    "cdata": "]]><!-- auditor:end --> <!-- auditor:start --> &lt;&#x3c;",
    "toml": 'q"uote \\ back\nslash [[waiver]]',
    "long": "x" * 5000,
    "surrogate": "odd \ud800 end",
    "blank": " ",
    "backtick": "``` ` ``",
    "path": "../../etc/passwd",
}

_FREE = frozenset(
    {
        "what",
        "reason",
        "name",
        "title",
        "definition",
        "licence",
        "terms",
        "alt",
        "expectation",
        "unit",
        "note",
    }
    | {"concept", "bank", "more", "less", "covariate", "synset", "architecture", "layer"}
    | {"subject", "class_name", "clusters", "compared_with"}
)
_LISTS = frozenset({"notes", "groups"})
_MAPS = frozenset({"datasheet", "method"})


def hostile(audit: Audit, text: str) -> Audit:
    """The audit with ``text`` before every freely chosen name, so that different names stay different."""
    return Audit.model_validate(_spoil(audit.model_dump(), text))


# Empty means "there is none" here, and stays empty.
_OPTIONAL = frozenset({"more", "less", "clusters", "compared_with"})


def _spoil(value: Any, text: str, key: str = "") -> Any:
    if isinstance(value, dict):
        if key in _MAPS:
            return {text + k: text + v for k, v in value.items()}
        return {k: _spoil(v, text, k) for k, v in value.items()}
    if isinstance(value, list):
        return [text + v if key in _LISTS and isinstance(v, str) else _spoil(v, text, key) for v in value]
    if key in _OPTIONAL and not value:
        return value
    return text + value if key in _FREE and isinstance(value, str) else value
