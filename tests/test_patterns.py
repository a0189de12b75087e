"""Regular expressions are compiled by their first use, and then as they would be."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch

import pytest

from fleetctl.patterns import pattern
from fleetctl.probes import asked


def test_it_is_compiled_once_and_not_before_it_is_used() -> None:
    with patch("re.compile", wraps=re.compile) as compile_:
        found = pattern(r"(\d+) ms", re.IGNORECASE)
        assert compile_.call_count == 0
        assert [found.sub("x", "1 MS"), found.sub("x", "2 ms")] == ["x", "x"]
        assert compile_.call_count == 1


def test_it_is_what_re_makes_of_it() -> None:
    found = pattern(r"(?P<n>\d+)", re.ASCII)
    assert (found.pattern, found.groupindex, found.flags) == (r"(?P<n>\d+)", {"n": 1}, re.ASCII)
    assert [m["n"] for m in found.finditer("1 22")] == ["1", "22"]


def test_a_mistake_is_told_by_its_first_use() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error, match="unterminated"):
        wrong.match("a")


def test_what_reads_answers_compiles_nothing_when_it_is_imported() -> None:
    """A look at a node uses few of the probes' expressions."""
    eager = re.compile(r"^\w+ = re\.compile\(", re.MULTILINE)
    assert eager.search("import re\n_LINE = re.compile(r'a')\n")
    files = Path(asked.__path__[0]).glob("*.py")
    assert [file.name for file in files if eager.search(file.read_text())] == []
