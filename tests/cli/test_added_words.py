"""Words that are added to commands."""

from __future__ import annotations

import pytest

from fleetctl.cli.added_words import MOST_CHARACTERS, told, with_words
from fleetctl.errors import UsageError
from fleetctl.model.plan import plan
from fleetctl.probes.asked.records import read_records
from fleetctl.probes.script import Answer
from tests.launch.jobs import instance, job


@pytest.mark.parametrize(
    ("command", "words", "line"),
    [
        ("x", None, "x"),
        ("x", [], "x"),
        ("x a\n", ["--resume", "my ckpt"], "x a --resume 'my ckpt'"),
        (None, ["a"], None),
    ],
)
def test_they_go_to_the_end_of_the_line(
    command: str | None, words: list[str] | None, line: str | None
) -> None:
    other = instance("other")
    one, _ = with_words([instance(command=command), other], words)
    assert one.line == line


def test_they_are_no_part_of_the_definition_and_of_the_plan() -> None:
    one = job({"a": (["n"], []), "b": (["n"], ["a"])})
    chosen = with_words(one.instances, ["w"])
    assert [i.definition_hash for i in chosen] == [i.definition_hash for i in one.instances]
    assert [step.instance.words for step in plan(one, chosen)] == [("w",), ("w",)]


def test_several_services_that_get_them_are_named() -> None:
    one = job({"a": (["n", "m"], []), "b": (["n"], ["a"])})
    assert told(with_words(one.instances, ["w"])) == (
        "what follows -- is added to the commands of a, b"
    )
    assert told(with_words(one.instances, [])) == ""
    assert told(with_words(one.services["a"].instances, ["w"])) == ""


@pytest.mark.parametrize(
    ("words", "command", "says"),
    [
        (["\udcff"], "x", "not UTF-8"),
        (["a" * MOST_CHARACTERS, "b"], "x", f"more than {MOST_CHARACTERS} characters"),
        (["a"], None, "none of the chosen services has one"),
    ],
)
def test_what_cannot_be_added(words: list[str], command: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        with_words([instance(command=command)], words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('words=["--x","a\\nb"]', ("--x", "a\nb")),
        ('words=["--x"', ()),
        ("words={}", ()),
        ("words=", ()),
        ("other=1", ()),
    ],
)
def test_a_record_has_them(line: str, words: tuple[str, ...]) -> None:
    lines = ["phase=running", "run=1", line]
    text = "".join(f"j/s@n/state:{one}\n" for one in lines)
    assert read_records(Answer(text, 0)).records["j", "s@n"].words == words
