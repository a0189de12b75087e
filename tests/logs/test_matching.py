"""Finding the lines that match."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.logs.matching import Pattern, found_in
from fleetctl.logs.tidying import plain
from tests.thoroughness import examples

PARTS = ["a", "b", "ab", "", ".", "[^a]", r"\s", r"\S+", r"\b", r"\B", "^", "$", r"\A", r"\Z",
         r"\n", "a*", "b?", "(?=b)", "(?<!a)", "(?!a)", "(?i:A)", "|", r"\W"]  # fmt: skip


@settings(max_examples=examples(600))
@example([r"\s", "b"], ["a", "b"])
@example(["[^a]", "[^a]"], ["b", "bb", ""])
@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=4),
    st.lists(st.text("ab ", max_size=4), min_size=1, max_size=6),
)
def test_the_whole_text_at_once_finds_what_line_by_line_does(
    parts: list[str], lines: list[str]
) -> None:
    try:
        wanted = Pattern("".join(parts))
    except UsageError:  # such as a repetition of nothing
        return
    expected = [i for i, line in enumerate(lines) if wanted.search(line)]
    assert list(found_in(wanted, "\n".join(lines))) == expected


def test_a_search_that_takes_too_long_is_given_up_for_good() -> None:
    slow = Pattern("(a|aa)+$")
    assert slow.search("aaa") == (0, 3)
    assert slow.search("a" * 100 + "b") is None
    assert slow.gave_up
    assert slow.search("aaa") is None
    assert list(slow.spans("aaa")) == []
    marking = Pattern("(a|aa)+$")
    assert list(marking.spans("a" * 100 + "b")) == []
    assert marking.gave_up


def test_a_great_text_is_no_reason_to_give_up() -> None:
    quick = Pattern("x.*b|needle")
    assert list(found_in(quick, "a" * 1_000_000 + "\nneedle")) == [1]
    assert not quick.gave_up


def test_without_colours() -> None:
    assert plain("a\x1b[1;31mb\x1b[m\x1b[38:2::1:2:3mc") == "abc"
    assert not re.search("\x1b", plain("\x1b[0m"))
