"""Reading any text ends with a fleet or with a ConfigError."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleetctl.config import load, load_text
from fleetctl.config.expansion import expand
from fleetctl.config.parsing import NO_YAML, NO_YAML_QUICKLY
from fleetctl.errors import ConfigError
from fleetctl.model.topology import Fleet
from tests.config.texts import RIGHT
from tests.thoroughness import examples

SHIPPED = Path(__file__).parents[2].joinpath("nodes.yaml").read_text("utf-8")
QUICK = settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXTS = [SHIPPED, RIGHT]


def read(text: str) -> Fleet | None:
    """The fleet in ``text``; ``None``: it was refused with a ConfigError."""
    try:
        fleet = load_text(text, "nodes.yaml")
    except ConfigError as error:
        assert error.mistakes
        for mistake in error.mistakes:
            assert re.match(r"nodes\.yaml:[1-9][0-9]*:[1-9][0-9]*: \S", mistake), mistake
            assert "\n" not in mistake
        return None
    expand(fleet)  # an accepted file can be derived from
    return fleet


YAML_WORDS = st.sampled_from(
    [
        *sorted(set(re.findall(r"[\w./~-]+|[^\w\s]|\n +|\n", RIGHT))),
        *("&a ", "*a", "<<: *a", "!!str ", "- ", "? ", ": ", "|\n", "null", "{node}", "'", '"'),
    ]
)
_SPANS = [[m.span() for m in re.finditer(r"[\w./~-]+|[^\w\s]|\n *", text)] for text in TEXTS]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid text with some words replaced, dropped, doubled or exchanged."""
    which = draw(st.integers(0, len(TEXTS) - 1))
    words = [TEXTS[which][a:b] for a, b in _SPANS[which]]
    gaps = [
        TEXTS[which][end:start]
        for (_, end), (start, _) in itertools.pairwise([(0, 0), *_SPANS[which]])
    ]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words) - 1))
        other = draw(st.integers(0, len(words) - 1))
        words[at] = draw(
            st.one_of(
                YAML_WORDS,
                st.just(""),
                st.just(words[at] * 2),
                st.just(words[other]),
                st.text(max_size=5),
                st.integers(-(10**20), 10**20).map(str),
            )
        )
    return "".join(gap + word for gap, word in zip(gaps, words, strict=True))


@QUICK
@given(st.text())
@example("\ud800")
@example("a: &a [*a]")
@example("<<: *b\nb: &b {<<: *b}")
@example("? {a: 1}\n: 2")
@example("%YAML 9.9\n---\na")
@example("nodes: []")
@example("fleet: f\nnodes: {a: {via: {x: a}, addresses: {x: 1.2.3.4}}}")
@example("fleet: f\nnodes: {n: }\njobs: {j: {services: {s: {on: n, command: '{.}{a.}{..}'}}}}")
def test_any_text(text: str) -> None:
    read(text)


@QUICK
@given(st.lists(YAML_WORDS, max_size=60).map("".join))
def test_any_words(text: str) -> None:
    read(text)


@QUICK
@given(mutated())
def test_any_mutation_of_a_valid_text(text: str) -> None:
    read(text)


@QUICK
@given(content=st.one_of(st.binary(), st.binary().map(lambda tail: SHIPPED.encode() + tail)))
@example(content=b"\xff\xfe\x00")
@example(content=b"\xfe\xff\xd8\x00")
@example(content=b"fleet: \xff\n")
@example(content=SHIPPED.encode("utf-16"))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_bytes(content)
    try:
        load(path)
    except ConfigError as error:
        assert error.mistakes[0].startswith(f"{path}:")


START = "fleet: f\nnodes: {n: }\njobs: {j: {services: {s: {on: "


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{" * 1_000_000,
        "- " * 1_000_000,
        "? " * 500_000,
        "a: " + "{a: " * 100_000,
        "fleet: f\nnodes: {n: {" + ",".join(f"k{i}: v" for i in range(20_000)) + "}}",
        "fleet: f\nnodes: [" + "x," * 30_000 + "]",
        START + "[" + "zz," * 3000 + "], command: x}}}}",
        START + "n, command: '" + "{" * 200_000 + "'}}}}",
        START + "n, command: '" + "{a" * 200_000 + "'}}}}",
        START + "n, command: '{a" + "." * 200_000 + "'}}}}",
        START + "n, command: '{" + "a" * 200_000 + "}'}}}}",
    ],
    ids=[
        "lists",
        "mappings",
        "items",
        "keys",
        "nested",
        "unknown-keys",
        "older-nodes",
        "unknown-nodes",
        "braces",
        "words-in-braces",
        "dots-in-braces",
        "long-placeholder",
    ],
)
def test_a_text_made_to_exhaust_the_reader_ends_soon(text: str) -> None:
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 10


def test_a_fleet_of_200_nodes_is_read_soon() -> None:
    nodes = "".join(f"  n{i}: {{addresses: {{w: 10.0.1.{i + 1}}}}}\n" for i in range(200))
    names = ", ".join(f"n{i}" for i in range(200))
    text = (
        f"fleet: f\nnetworks: {{w: {{cidr: 10.0.0.0/16, control: true}}}}\nnodes:\n{nodes}"
        f'jobs: {{j: {{services: {{s: {{on: [{names}], command: "x {{rank}}"}}}}}}}}\n'
    )
    began = time.process_time()
    fleet = load_text(text, "nodes.yaml")
    assert time.process_time() - began < 2
    assert fleet.jobs["j"].instances[199].command == "x 200"


def test_what_is_no_character_of_yaml_is_searched_for_quickly_and_is_the_same() -> None:
    slow, quick = re.compile(NO_YAML), re.compile(NO_YAML_QUICKLY)
    for first in range(0, sys.maxunicode + 1, 4096):
        text = "".join(map(chr, range(first, first + 4096)))
        assert slow.findall(text) == quick.findall(text)
    code = (
        "import fleetctl.config.parsing as ours, yaml\n"
        "assert yaml.reader.Reader.NON_PRINTABLE.pattern == ours.NO_YAML_QUICKLY\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
