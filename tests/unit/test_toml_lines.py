"""Every key of a TOML file has the line it is written on."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.errors import InputError
from auditor.toml_lines import TomlSyntaxError, parse_toml, read_toml_text

TEXT = '''\
# a comment with """ in it
name = "x"
note = """
name = 2
[table]
"""

[covariates."age band"]  # quoted
kind = "number"

[[concepts]]
"full name" = "a"
where = { gender = "woman" }
deep.key.here = 1

[[concepts]]

[concepts.more]
inner = [
  "a = b",
]

[[concepts.parts]]
size = 1
[[concepts.parts]]
size = 2
'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("name",), 2),
        (("note",), 3),
        (("table",), None),
        (("covariates",), 8),
        (("covariates", "age band", "kind"), 9),
        (("covariates", "age band", "absent"), 8),
        (("concepts",), 11),
        (("concepts", 0, "full name"), 12),
        (("concepts", 0, "where", "gender"), 13),
        (("concepts", 0, "deep", "key"), 14),
        (("concepts", 0, "absent"), 11),
        (("concepts", 1), 16),
        (("concepts", 1, "more", "inner", 0), 19),
        (("concepts", 1, "parts", 1, "size"), 26),
        ((), None),
    ],
)
def test_line_of_a_key_or_of_the_table_around_it(location: tuple[str | int, ...], line: int | None) -> None:
    assert parse_toml(TEXT).line(location) == line


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = \n", 2), ("a = 1\nb = [1,\n", 3), ("= 1", 1)])
def test_a_syntax_error_has_a_line(text: str, line: int) -> None:
    with pytest.raises(TomlSyntaxError) as caught:
        parse_toml(text)
    assert caught.value.line == line
    assert "at line" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    with pytest.raises(InputError, match=r"^here: cannot be read \(No such file"):
        read_toml_text(path, where="here")
    path.write_bytes(b"\xef\xbb\xbfname = 1")
    assert read_toml_text(path, where="here", limit=11) == "name = 1"
    with pytest.raises(InputError, match=r"^here: larger than 10 bytes, needed"):
        read_toml_text(path, where="here", limit=10)
