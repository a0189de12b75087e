"""What a connection between members refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fleetctl.launch.member_wire import LINE, Wire

TOKEN = b"t" * 64


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_messages_pass_both_ways(pair: tuple[socket.socket, socket.socket]) -> None:
    first, member = Wire(pair[0], TOKEN, "d", 0.0), Wire(pair[1], TOKEN, "m", 0.0)
    assert first.read() == [] and member.read() == [] and member.open
    for number in range(3):
        member.send({"number": number}, 0.0)
    assert first.read() == [{"number": 0}, {"number": 1}, {"number": 2}]
    first.send({"word": "keep"}, 0.0)
    assert member.read() == [{"word": "keep"}]


def begun(pair: tuple[socket.socket, socket.socket], token: bytes = TOKEN) -> tuple[Wire, Wire]:
    first, member = Wire(pair[0], TOKEN, "d", 0.0), Wire(pair[1], token, "m", 0.0)
    first.read()
    member.read()
    return first, member


def test_one_that_does_not_know_the_token(pair: tuple[socket.socket, socket.socket]) -> None:
    first, member = begun(pair, b"x" * 64)
    member.send({"number": 1}, 0.0)
    with pytest.raises(ConnectionError, match="token"):
        first.read()


def test_what_is_repeated_left_out_or_sent_back(pair: tuple[socket.socket, socket.socket]) -> None:
    for way in ("repeated", "left out", "sent back"):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            first, member = begun((ours, theirs))
            member.send({"number": 1}, 0.0)
            line = ours.recv(LINE)
            if way == "sent back":
                ours.send(line)
                with pytest.raises(ConnectionError):
                    member.read()
                continue
            if way == "repeated":
                theirs.send(line + line)
            else:
                member.send({"number": 2}, 0.0)
            with pytest.raises(ConnectionError):
                first.read()


def test_a_flood_has_a_bound(pair: tuple[socket.socket, socket.socket]) -> None:
    first, _ = begun(pair)
    pair[1].send(b"x" * (LINE + 1))
    with pytest.raises(ConnectionError, match="too long"):
        first.read()
