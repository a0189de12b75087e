"""The text of a first nodes.yaml: valid, whatever the machines say."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.discovery.assemble import draft
from fleetctl.discovery.text import file_text, scalar
from fleetctl.model.topology import SSH
from tests.discovery.machines import answer, fresh, machine, refused

TODAY = date(2026, 11, 29)


def test_guesses_are_marked_and_all_else_has_its_source() -> None:
    text = file_text(draft(fresh(), None), TODAY)
    assert "fabric: 10.10.0.1                    # guessed: no address on bridge0 yet" in text
    assert "wifi: 192.168.1.11                   # en1, SSH goes over it" in text
    assert "ansi" not in text
    assert text.count("guessed:") == 14


def test_a_jump_host_and_a_key_are_kept() -> None:
    ssh = SSH("10.0.0.5", 2222, "pi", identity_file="~/a b", proxy_jump="me@gate:22")
    found = answer("x", machine("x", {"eth0": "10.0.0.5/24"}, ssh="10.0.0.5"))
    text = file_text(draft([replace(found, host=replace(found.host, ssh=ssh))], None), TODAY)
    assert load_text(text, "x").nodes["x"].ssh == ssh


@pytest.mark.parametrize("name", ["on", "No", "null", "1e3", "0x1", "y"])
def test_names_that_yaml_would_take_for_something_else(name: str) -> None:
    text = file_text(draft([refused(name, "no key was accepted")], None), TODAY)
    assert [node.ssh.host for node in load_text(text, "x").nodes.values()] == [name]


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_answer_breaks_the_file(hostname: str, why: str) -> None:
    said = machine(hostname, {"eth0": "10.0.0.1/24"}, ssh="10.0.0.1")
    found = [answer("10.0.0.1", said), refused("b", why), refused("c", why, silent=True)]
    fleet = load_text(file_text(draft(found, None), TODAY), "x")
    assert len(fleet.nodes) == 2


def test_characters_that_yaml_does_not_take_are_left_out_of_comments() -> None:
    text = file_text(draft([refused("b", "\ufffe\udcff\x85\u2028 x")], None), TODAY)
    assert list(load_text(text, "x").nodes) == ["b"]
    text.encode()


def test_scalars() -> None:
    assert [scalar(text) for text in ("pi4", "a b", "it's", "7", "~/x")] == [
        "pi4",
        "'a b'",
        "'it''s'",
        "7",
        "~/x",
    ]
