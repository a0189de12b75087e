"""segments.sh in every mode, run as a node runs it, on segments as a logger leaves them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleetctl.errors import LinkError
from fleetctl.link.local import LocalLink
from fleetctl.logs.segments import LogLocation, LogReader, Span, read_index, read_span
from tests.logs.loggers import Logger, write_segments
from tests.openssh import bounded
from tests.thoroughness import examples

PLACE = LogLocation("flotte", "edp", "worker@pi4")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log's folder, which does not exist yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".local/state/fleetctl/flotte/edp/worker@pi4/log"


def span(mode: str, **settings: int) -> Span:
    return bounded(read_span(LocalLink("pi4"), PLACE.script(mode, **settings)))


@pytest.fixture(params=["dash", "bash"])
def shell_span(request: pytest.FixtureRequest) -> Callable[..., tuple[int, int, bytes]]:
    """The same in a chosen shell, without a link."""

    def run(mode: str, **settings: int) -> tuple[int, int, bytes]:
        done = subprocess.run(
            [request.param, "-c", PLACE.script(mode, **settings)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
        )
        head, _, data = done.stdout.partition(b"\n")
        assert done.returncode == 0, done.stderr
        start, end = map(int, head.split())
        return start, end, data

    return run


THREE = {0: b"one\ntwo\n", 8: b"three\nfo", 16: b"ur\nfive\nsi"}
WHOLE = b"".join(THREE.values())
LATER = {offset: data for offset, data in THREE.items() if offset}
INDEX = {
    0: "100 0\n101 4\n102 8\n",
    8: "102 8\n103 11\n104 16\n",
    16: "104 16\n110 26\n",
}


@pytest.mark.parametrize("mode", ["from", "last", "since", "index"])
def test_no_log_yet_is_an_empty_one(
    folder: Path, mode: str, shell_span: Callable[..., tuple[int, int, bytes]]
) -> None:
    asked = {"offset": 7, "limit": 5, "lines": 3, "seconds": 1}
    assert shell_span(mode, **asked) == (0, 0, b"")
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("not a segment")
    assert shell_span(mode, **asked) == (0, 0, b"")


@pytest.mark.parametrize(
    ("offset", "limit", "answer"),
    [
        (0, 1000, (0, 26, WHOLE)),
        (0, 10, (0, 10, WHOLE[:10])),
        (5, 7, (5, 12, WHOLE[5:12])),
        (8, 8, (8, 16, WHOLE[8:16])),
        (15, 2, (15, 17, WHOLE[15:17])),
        (26, 10, (26, 26, b"")),
        (99, 10, (26, 26, b"")),
        (0, 0, (0, 0, b"")),
    ],
)
def test_from_an_offset(
    folder: Path,
    offset: int,
    limit: int,
    answer: tuple[int, int, bytes],
    shell_span: Callable[..., tuple[int, int, bytes]],
) -> None:
    write_segments(folder, THREE, {})
    assert shell_span("from", offset=offset, limit=limit) == answer


def test_from_an_offset_that_was_rotated_away(
    folder: Path, shell_span: Callable[..., tuple[int, int, bytes]]
) -> None:
    write_segments(folder, LATER, {})
    assert shell_span("from", offset=3, limit=100) == (8, 26, WHOLE[8:])


@pytest.mark.parametrize("lines", range(9))
def test_the_last_lines_also_across_segments(
    folder: Path, lines: int, shell_span: Callable[..., tuple[int, int, bytes]]
) -> None:
    write_segments(folder, THREE, {})
    wanted = b"".join(WHOLE.splitlines(keepends=True)[-lines:]) if lines else b""
    assert shell_span("last", lines=lines) == (26 - len(wanted), 26, wanted)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.sampled_from([b"a\n", b"\n", b"bb", b"\r\n", b"c\nd", b""]), max_size=8),
    st.integers(0, 6),
)
@example([b"bb", b"a\n"], 1)
def test_the_last_lines_are_whole_wherever_segments_begin(
    folder: Path, parts: list[bytes], lines: int
) -> None:
    offset, made = 0, {}
    for part in parts:
        made[offset] = part
        offset += len(part)
    for old in folder.glob("*.log"):
        old.unlink()
    write_segments(folder, made or {0: b""}, {})
    whole = b"".join(made.values())
    kept = [line + b"\n" for line in whole.split(b"\n")]
    kept[-1] = kept[-1][:-1]
    if not kept[-1]:
        kept.pop()
    wanted = b"".join(kept[-lines:]) if lines else b""
    found = span("last", lines=lines)
    assert (found.start, found.data) == (len(whole) - len(wanted), wanted)


@pytest.mark.parametrize(
    ("seconds", "start"),
    [
        (1, 0),  # before anything
        (100, 0),
        (101, 0),
        (102, 4),  # at 101 there were 4 bytes
        (103, 8),
        (104, 14),  # at 103 there were 11, in the middle of "three"
        (105, 19),  # at 104 there were 16, in the middle of "four"
        (111, 26),
        (10**12, 26),
    ],
)
def test_since_a_time_begins_with_a_whole_line(
    folder: Path,
    seconds: int,
    start: int,
    shell_span: Callable[..., tuple[int, int, bytes]],
) -> None:
    write_segments(folder, THREE, INDEX)
    assert shell_span("since", seconds=seconds) == (start, 26, b"")


def test_since_without_an_index_is_everything(
    folder: Path, shell_span: Callable[..., tuple[int, int, bytes]]
) -> None:
    write_segments(folder, LATER, {})
    assert shell_span("since", seconds=100) == (8, 26, b"")


def test_the_index_from_an_offset(
    folder: Path, shell_span: Callable[..., tuple[int, int, bytes]]
) -> None:
    write_segments(folder, THREE, INDEX)
    assert shell_span("index", offset=0) == (0, 26, "".join(INDEX.values()).encode())
    assert shell_span("index", offset=12) == (0, 26, b"104 16\n104 16\n110 26\n")
    assert bounded(read_index(LocalLink("pi4"), PLACE, 20)) == "110 26\n"


def test_a_segment_that_is_rotated_away_while_it_is_listed(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shell_span: Callable[..., tuple[int, int, bytes]],
) -> None:
    """The log is not empty, and what follows begins at its end."""
    write_segments(folder, {0: b"one\n"}, {})
    listing = tmp_path / "bin/ls"
    listing.parent.mkdir()
    rotates = "printf 'two\\n' >4.log; rm -f 0.log"
    listing.write_text(
        f'#!/bin/sh\n{shutil.which("ls")} "$@"\necho >>"{tmp_path}/asked"\n'
        f'[ $(grep -c "" "{tmp_path}/asked") -ne 2 ] || {{ {rotates}; }}\n'
    )
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{listing.parent}:{os.environ['PATH']}")
    assert shell_span("last", lines=0) == (8, 8, b"")
    assert not (folder / "0.log").exists()


def test_segments_are_ordered_by_number_and_names_are_safe(folder: Path) -> None:
    parts = {0: b"x" * 9, 9: b"y" * 91, 100: b"z" * 900, 1000: b"end\n"}
    write_segments(folder, parts, {})
    assert span("from", offset=0, limit=10_000).data == b"".join(parts.values())
    assert span("last", lines=1).data == b"".join(parts.values())


def test_a_reader_takes_a_log_piece_by_piece_while_it_grows(folder: Path) -> None:
    async def body() -> None:
        link, reader = LocalLink("pi4"), LogReader(PLACE, 0)
        assert await reader.more(link) == b""
        write_segments(folder, {0: b"one"}, {})
        assert await reader.more(link) == b"one"
        assert await reader.more(link) == b""
        write_segments(folder, {0: b"one two", 7: b"!"}, {})
        assert await reader.more(link) == b" two!"
        (folder / "0.log").unlink()
        write_segments(folder, {7: b"!?"}, {})
        assert (await reader.more(link), reader.offset) == (b"?", 9)

    bounded(body())


def test_what_a_real_logger_left_is_read_back(folder: Path) -> None:
    written = b"".join(b"line %d\n" % number for number in range(2000))
    logger = Logger(folder, limit=3000, keep=50)
    for place in range(0, len(written), 500):
        logger.write(written[place : place + 500])
    logger.finish()
    assert span("from", offset=0, limit=1 << 30) == Span(0, written)
    assert span("last", lines=3).data == b"line 1997\nline 1998\nline 1999\n"


def test_a_log_that_cannot_be_read_is_an_error_with_its_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_segments(folder, THREE, {})
    broken = PLACE.script("from", offset=0, limit=9).replace(
        "clamp\n", "echo no sed here >&2; exit 9\n"
    )
    with pytest.raises(LinkError, match=r"^pi4: its log cannot be read: no sed here"):
        bounded(read_span(LocalLink("pi4"), broken))


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("gone", [0, 8, 16])
def test_a_segment_that_is_rotated_away_meanwhile_is_asked_for_again(
    folder: Path, shell: str, gone: int
) -> None:
    """It is listed and cannot be opened, like the broken link here."""
    write_segments(folder, THREE, INDEX)
    (folder / f"{gone}.log").unlink()
    (folder / f"{gone}.log").symlink_to("nowhere")
    done = subprocess.run(
        [shell, "-c", PLACE.script("follow", offset=gone)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
    )
    start, end = map(int, done.stdout.partition(b"\n")[0].split())
    assert start == gone
    assert end in (gone, 26)
    assert done.stderr.splitlines()[-1].startswith(b"next ")
    assert done.returncode == 0
