"""exec: what is printed of several nodes, and how it is summed up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from fleetctl.cli import exec_output
from fleetctl.cli.exec_files import OutputFiles
from fleetctl.cli.exec_outcomes import Outcome, exit_code, summary
from fleetctl.cli.exec_output import AsItComes, Folded, Output
from fleetctl.errors import FleetctlError, LinkHung, LinkLost
from fleetctl.model.execution import Broken, Ended, ExecutionEvent, Said
from fleetctl.model.jobs import Job
from tests.clock import jumping
from tests.scripted import Script
from tests.simulated import SimulatedFleet

HUNG = Broken("c", "timed out", LinkHung("c", "a command did not end within 1 s"))
LOST = Broken("d", "cut off", LinkLost("d", "the connection broke"))
AWAY = Broken("e", "not reached", LinkLost("e", "no route to host"))


class Printed(NamedTuple):
    out: str
    err: str


Show = Callable[..., Printed]


@pytest.fixture
def show(capfdbinary: pytest.CaptureFixture[bytes]) -> Show:
    """Prints what nodes said, in pieces of ``(node, text)`` or ``(node, text, of stderr)``."""

    def printed(
        output: Output, *said: tuple[str, str] | tuple[str, str, bool], **ended: Outcome
    ) -> Printed:
        for node, text, *error in said:
            output.said(Said(node, text.encode("utf-8", "surrogateescape"), bool(error)))
        names = dict.fromkeys(node for node, *_ in said)
        output.finish({**{name: Ended(name, 0) for name in names}, **ended})
        return Printed(
            *(data.decode("utf-8", "surrogateescape") for data in capfdbinary.readouterr())
        )

    return printed


# the summary


def test_every_node_is_counted_and_those_that_are_not_ok_are_named() -> None:
    outcomes: dict[str, Outcome] = {
        "a": Ended("a", 0),
        "b": Ended("b", 3),
        "c": HUNG,
        "d": LOST,
        "e": AWAY,
        "f": None,
    }
    assert summary(outcomes) == (
        "6 nodes: 1 ok, 1 failed (b), 1 timed out (c), 1 cut off (d), 1 interrupted (f), "
        "1 not reached (e)"
    )
    assert exit_code(outcomes) == 255
    assert exit_code({"a": Ended("a", 0), "b": Ended("b", 3)}) == 3
    many: dict[str, Outcome] = {f"n{number}": None for number in range(20)}
    assert summary(many).endswith("20 interrupted (n0, n1, n2, n3, n4, n5, n6, n7 and 12 more)")


# folded


def test_what_nodes_said_before_they_were_cut_off_is_printed_with_the_reason(show: Show) -> None:
    folded = Folded(["a", "b", "c", "d", "e", "f"])
    said = show(
        folded, ("a", "x\n"), ("c", "x\n"), ("f", "x"), a=Ended("a", 0), b=Ended("b", 1), c=HUNG,
        d=LOST, e=AWAY, f=None,
    )  # fmt: skip
    assert said.out == (
        "── a\nx\n"
        "── b (exit code 1)\n"
        "── c (cut off: a command did not end within 1 s)\nx\n"
        "── f (cut off: interrupted)\nx\n"
    )


def test_output_beyond_the_bound_is_cut_with_a_sentence(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exec_output, "ALL_BYTES", 2000)
    folded = Folded(["a", "b"])
    said = show(folded, *[("a", "x" * 99 + "\n")] * 30, ("a", "more", True), ("b", "fine\n"))
    assert said.out == "── a\n" + ("x" * 99 + "\n") * 10 + "── b\nfine\n"
    assert (
        said.err
        == "fleetctl: a: 2.0K more of its output were not kept; --stream prints all of it\n"
    )


def test_nodes_whose_missing_output_differs_are_not_one_group(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exec_output, "NODE_BYTES", 2)
    folded = Folded(["a", "b", "c"])
    assert show(folded, ("a", "x\n1"), ("b", "x\n2"), ("c", "x"), ("c", "\n"), ("c", "1")).out == (
        "── a, c\nx\n── b\nx\n"
    )


def test_what_is_no_text_stays_as_it_is(show: Show) -> None:
    nasty = "\udcff\x00\x1b[2J\n"
    assert show(AsItComes(()), ("a", nasty)).out == nasty
    assert show(Folded(["a", "b"]), ("a", nasty), ("b", nasty)).out == f"── a, b\n{nasty}"


# compared


def test_the_largest_group_is_printed_and_what_differs_from_it(show: Show) -> None:
    lines = "".join(f"{number}\n" for number in range(9))
    folded = Folded(["a", "b", "c", "d"], compared=True)
    other = lines.replace("4\n", "four\udcff\n")
    said = show(folded, ("a", other), ("b", lines), ("c", lines), ("d", lines), d=Ended("d", 2))
    assert said.out == (
        f"── b, c\n{lines}"
        "--- b, c\n+++ a\n@@ -2,7 +2,7 @@\n 1\n 2\n 3\n-4\n+four\udcff\n 5\n 6\n 7\n"
        "--- b, c\n+++ d (exit code 2)\nits output is the same\n"
    )


def test_a_missing_end_of_the_last_line_is_a_difference(show: Show) -> None:
    said = show(Folded(["a", "b"], compared=True), ("a", "x\n"), ("b", "x\n\n"))
    assert said.out == "── a\nx\n--- a\n+++ b\n@@ -1 +1,2 @@\n x\n+\n"


def test_very_long_output_is_not_compared(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_output, "COMPARED_LINES", 3)
    said = show(Folded(["a", "b"], compared=True), ("a", "1\n2\n"), ("b", "1\n3\n"))
    assert said.out.endswith(
        "--- a\n+++ b\ntoo long to compare: 2 and 2 lines; this is all of it\n1\n3\n"
    )


# as it comes


def test_each_line_is_printed_at_once_with_its_node_before_it(
    show: Show, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    output = AsItComes(["a", "long"])
    output.said(Said("a", b"one\ntw", False))
    output.said(Said("long", b"oops\n", True))
    assert capfdbinary.readouterr() == (b"a    | one\n", b"long | oops\n")
    said = show(output, ("long", "x\n\ny\n"), ("a", "o"))
    assert said.out == "long | x\nlong | \nlong | y\na    | two\n"


def test_a_line_without_end_comes_in_pieces(show: Show) -> None:
    piece = "x" * exec_output.LINE_BYTES
    said = show(AsItComes(["a"]), ("a", piece), ("a", "y"), ("a", "z\n"))
    assert said.out == f"a | {piece}y\na | z\n"


# on nodes


def events_of(
    answer: Callable[[Script], object],
    timeout_s: float = 5.0,
    read: Callable[[], Awaitable[bytes]] | None = None,
) -> list[ExecutionEvent]:
    events: list[ExecutionEvent] = []

    async def body() -> None:
        links = SimulatedFleet(["pi4"])
        links.node["pi4"].answers["other"] = answer  # type: ignore[assignment]
        service = links.service(Job("job", {}))
        await service.execute(["pi4"], "true", timeout_s, events.append, read)

    jumping(body())
    return events


def test_output_comes_before_the_end() -> None:
    async def answer(script: Script) -> int:
        script.prints("out\n")
        script.complains("err\n")
        return 4

    assert events_of(answer) == [
        Said("pi4", b"out\n", False),
        Said("pi4", b"err\n", True),
        Ended("pi4", 4),
    ]


def test_a_timeout_keeps_what_was_said() -> None:
    async def answer(script: Script) -> int:
        script.prints("begun\n")
        await asyncio.sleep(100)
        return 0

    said, broken = events_of(answer)
    assert said == Said("pi4", b"begun\n", False)
    assert isinstance(broken, Broken)
    assert (broken.how, str(broken.error)) == (
        "timed out",
        "pi4: a command did not end within 5 s",
    )


def test_a_connection_that_breaks_keeps_what_was_said() -> None:
    async def answer(script: Script) -> int:
        script.prints("begun\n")
        await asyncio.sleep(1)
        raise LinkLost("pi4", "gone")

    said, broken = events_of(answer)
    assert said == Said("pi4", b"begun\n", False)
    assert isinstance(broken, Broken)
    assert (broken.how, broken.error.reason) == ("cut off", "gone")


# stdin


async def echo(script: Script) -> int:
    while (line := await script.line()) is not None:
        script.prints(f"{script.node} {line}\n")
    return 0


def pieces(*given: bytes | float) -> Callable[[], Awaitable[bytes]]:
    """What reading returns; numbers are pauses in seconds."""
    left = list(given)

    async def read() -> bytes:
        while left:
            piece = left.pop(0)
            if isinstance(piece, bytes):
                return piece
            await asyncio.sleep(piece)
        return b""

    return read


def test_what_is_read_arrives_as_it_comes_and_ends_with_it() -> None:
    read = pieces(b"one\n", 2.0, b"two\nth", b"ree\n")
    assert events_of(echo, read=read) == [
        Said("pi4", b"pi4 one\n", False),
        Said("pi4", b"pi4 two\npi4 three\n", False),
        Ended("pi4", 0),
    ]
    assert events_of(echo) == [Ended("pi4", 0)]


def test_a_command_that_reads_nothing_ends_while_more_would_come() -> None:
    async def answer(script: Script) -> int:
        script.prints("done\n")
        return 3

    events = events_of(answer, read=pieces(b"one\n", 1e6))
    assert events == [Said("pi4", b"done\n", False), Ended("pi4", 3)]


def test_what_cannot_be_read_ends_the_command() -> None:
    async def broken() -> bytes:
        raise FleetctlError("stdin cannot be read: Is a directory")

    with pytest.raises(FleetctlError, match="Is a directory"):
        events_of(echo, read=broken)


def test_what_a_single_node_prints_comes_at_once_and_byte_by_byte(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    output = AsItComes(())
    output.said(Said("a", b"half \x00\r\n\xff", False))
    assert capfdbinary.readouterr() == (b"half \x00\r\n\xff", b"")
    output.finish({"a": Ended("a", 0)})
    assert capfdbinary.readouterr() == (b"", b"")


# --output


def test_all_of_it_is_written_to_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    (tmp_path / "new" / "folder").mkdir(parents=True)
    (folder / "a.err").write_text("of an earlier command")
    files = OutputFiles(folder, ["a", "b"])
    for event in (Said("a", b"o", False), Said("b", b"e", True), Said("a", b"ut\n", False)):
        files.said(event)
    files.close()
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {"a.out": b"out\n", "b.out": b"", "b.err": b"e"}


def test_files_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FleetctlError, match=r"cannot be written to .*: Not a directory"):
        OutputFiles(tmp_path / "file" / "x", ["a"])
    (tmp_path / "a.out").symlink_to("/dev/full")
    files = OutputFiles(tmp_path, ["a"])
    with pytest.raises(FleetctlError, match="No space left on device"):
        files.said(Said("a", b"x" * 1_000_000, False))
