"""From the bytes of a log to lines that are safe to show."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.logs.lines import (
    MAX_LINE_BYTES,
    READ_CHARACTERS,
    SHOWN_BYTES,
    Framer,
    TimeIndex,
    log_lines,
    read_last,
    shown,
    tidy_lines,
)
from fleetctl.logs.tidying import read, tidy
from tests.thoroughness import examples

NASTY = st.lists(
    st.sampled_from(
        [b"\x1b", b"[", b"]", b"P", b"2J", b"31m", b"0;", b"m", b"\x07", b"\x1b\\", b"\\", b"\r",
         b"\n", b"\xc2", b"\x9b", b"\x9d", b"\x00", b"\x08", b"\x7f", b"?25l", b"(", b"0", b" ",
         b"text", "é🦊".encode(), b"\xff", b"\t", b";", b":"]
    ),
    max_size=25,
).map(b"".join)  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"", b""),
        (b"plain text\twith a tab", b"plain text\twith a tab"),
        ("ünïcödé 🦊 日本".encode(), "ünïcödé 🦊 日本".encode()),
        (b"no \xff\xfe utf-8", b"no \xff\xfe utf-8"),
        # colours stay
        (b"\x1b[1;31mred\x1b[0m", b"\x1b[1;31mred\x1b[0m"),
        (b"\x1b[38:2::255:0:0mred\x1b[m", b"\x1b[38:2::255:0:0mred\x1b[m"),
        # and end with their line
        (b"\x1b[8mhidden", b"\x1b[8mhidden\x1b[0m"),
        (b"\x1b[1mbold\x1b[0;31mred", b"\x1b[1mbold\x1b[0;31mred\x1b[0m"),
        # direction, width, ends of lines
        ("a\u202egnp.exe\u2066b".encode(), "a\ufffdgnp.exe\ufffdb".encode()),
        ("a\u200bb\ufeffc\u061cd\u2028e".encode(), "a\ufffdb\ufffdc\ufffdd\ufffde".encode()),
        ("a\u2060b\u200fc".encode(), "a\ufffdb\ufffdc".encode()),
        ("an ellipsis … “quoted” • 🦊".encode(), "an ellipsis … “quoted” • 🦊".encode()),
        # carriage returns fold
        (b"windows\r", b"windows"),
        (b"10%\r50%\r100%", b"100%"),
        (b"10%\r50%\r\r", b"50%"),
        (b"bar\r\x1b[2K", b""),
        # the cursor stays where it is
        (b"a\x1b[2Jb\x1b[1;1Hc\x1b[?25ld\x1b[6ne", b"abcde"),
        (b"a\x1b[>4;2mb", b"ab"),
        (b"a\x1b7b\x1b8c\x1bcd\x1b(0e\x1b=f\x1bMg", b"abcdefg"),
        (b"a\x08\x08b\x0b\x0cc\x0e\x0fd\x7fe\x00f\x05g", b"abcdefg"),
        # titles, clipboard, links, device control
        (b"a\x1b]0;title\x07b", b"ab"),
        (b"a\x1b]52;c;ZXZpbA==\x1b\\b", b"ab"),
        (b"a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", b"alinkb"),
        (b"a\x1bP1$r0m\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e", b"abcde"),
        (b"a\x1b]0;never ends", b"a"),
        # torn or malformed sequences
        (b"a\x1b", b"a"),
        (b"a\x1b[", b"a"),
        (b"a\x1b[12;", b"a"),
        (b"a\x1b[\x002Jb", b"ab"),
        (b"a\x1b[2\x00Jb", b"ab"),
        (b"a\x1b[3\x081mb", b"ab"),
        (b"a\x1b\x1b[2Jb", b"ab"),
        (b"a\x1b\x00[2Jb", b"a[2Jb"),
        (b"a\x1b[\xc3\xa9", b"a\xc3\xa9"),
        # C1 controls in UTF-8: no terminal may see an introducer
        (b"a\xc2\x9b2Jb", "a\N{REPLACEMENT CHARACTER}2Jb".encode()),
        (b"a\xc2\x9d52;c;x\x07b", "a\N{REPLACEMENT CHARACTER}52;c;xb".encode()),
        (b"a\xc2\x00\x9b2J", "a\N{REPLACEMENT CHARACTER}2J".encode()),
        (b"\xc2\xa0non-breaking", b"\xc2\xa0non-breaking"),
    ],
)  # fmt: skip
def test_one_line(raw: bytes, shown: bytes) -> None:
    assert tidy(raw) == shown


SAFE = re.compile(rb"(?:\x1b\[[0-9;:]*m|[\t\x20-\x7e\x80-\xff])*")


@settings(max_examples=examples(500))
@given(NASTY | st.binary(max_size=60))
def test_whatever_comes_only_text_and_colours_go_out(raw: bytes) -> None:
    for line in tidy_lines(raw).split(b"\n"):
        assert SAFE.fullmatch(line), line
        assert not re.search(rb"\xc2[\x80-\x9f]", line), line


@settings(max_examples=examples(300))
@given(NASTY)
def test_lines_together_are_as_lines_one_by_one(raw: bytes) -> None:
    assert tidy_lines(raw) == b"\n".join(tidy(line) for line in raw.split(b"\n"))


@given(NASTY)
def test_tidy_text_is_tidy(raw: bytes) -> None:
    assert tidy_lines(tidy_lines(raw)) == tidy_lines(raw)


@pytest.mark.parametrize(
    "piece", [b"x", b"\x1b[1", b"\x1b]", b"\x1b ", b"\r", b"\x1b[31m", b"\xc2\x9b", b"\x1b[1;"]
)
def test_a_line_of_a_megabyte_is_quick(piece: bytes) -> None:
    started = time.monotonic()
    tidy_lines(piece * (1_000_000 // len(piece)))
    assert time.monotonic() - started < 5


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"\n", b"a\n\nb"]), max_size=12),
       st.integers(0, 10**12))  # fmt: skip
def test_the_framer_gives_every_byte_once_in_whole_lines(pieces: list[bytes], start: int) -> None:
    framer = Framer(start)
    given_out, expected_offset = b"", start
    for piece in pieces:
        offset, whole = framer.feed(piece)
        assert offset == expected_offset
        assert whole == b"" or whole.endswith(b"\n")
        given_out += whole
        expected_offset += len(whole)
        assert framer.offset == expected_offset
    everything = b"".join(pieces)
    assert everything.startswith(given_out)
    assert b"\n" not in everything[len(given_out) :]
    assert framer.position == start + len(everything)


def test_the_framer_jumps_and_drops_the_unfinished_line() -> None:
    framer = Framer(100)
    framer.feed(b"whole\ntorn")
    framer.jump(500)
    assert (framer.offset, framer.position) == (500, 500)
    assert framer.feed(b"new\n") == (500, b"new\n")


def test_the_framer_takes_a_very_long_line_in_small_pieces() -> None:
    framer = Framer(0)
    piece = b"x" * 65536
    started = time.monotonic()
    count = MAX_LINE_BYTES // len(piece)
    for _ in range(count):
        framer.feed(piece)
    assert framer.feed(b"\n") == (0, piece * count + b"\n")
    assert time.monotonic() - started < 3


def test_a_line_without_end_comes_in_pieces_instead_of_being_kept_for_ever() -> None:
    framer = Framer(0)
    piece = b"x" * (MAX_LINE_BYTES // 2)
    assert framer.feed(piece) == (0, b"")
    assert framer.feed(piece) == (0, b"")
    assert framer.feed(b"more") == (0, piece + piece + b"more")
    assert framer.position == 2 * len(piece) + 4
    assert framer.feed(b"end\n") == (2 * len(piece) + 4, b"end\n")


@given(st.binary(max_size=60).map(lambda b: b.replace(b"\r", b"")), st.integers(0, 10**9))
def test_lines_carry_the_offsets_of_their_bytes(data: bytes, start: int) -> None:
    lines = list(log_lines("worker@pi4", start, data, None))
    ends = [line.offset for line in lines[1:]]
    ends.append(start + len(data) + (0 if data.endswith(b"\n") else 1))
    rebuilt = b""
    for line, end in zip(lines, ends, strict=False):
        raw = data[line.offset - start : end - start]
        assert raw.count(b"\n") <= 1
        assert tidy(raw.removesuffix(b"\n")).decode("utf-8", "replace") == line.text
        rebuilt += raw
    assert rebuilt == data


def test_no_bytes_are_no_lines_but_an_empty_line_is_one() -> None:
    assert list(log_lines("i", 0, b"", None)) == []
    assert [line.text for line in log_lines("i", 0, b"\n", None)] == [""]
    assert [line.offset for line in log_lines("i", 7, b"\na\n", None)] == [7, 8]


def test_a_line_has_the_first_time_at_which_the_log_held_all_of_it() -> None:
    index = TimeIndex("100 0\n101 10\n103 25\n")
    assert [index.at(end) for end in (0, 1, 10, 11, 25, 26)] == [100, 101, 101, 103, 103, None]
    lines = log_lines("i", 0, b"123456789\n" + b"x" * 14 + b"\n" + b"late\n", index)
    assert [line.at for line in lines] == [101, 103, None]
    assert [line.at for line in log_lines("i", 0, b"a\nb\n", 5.0)] == [5.0, 5.0]


@given(st.text(max_size=40) | st.text("0123456789 \n²٣-", max_size=40))
def test_an_index_of_any_text_can_be_asked(text: str) -> None:
    TimeIndex(text).at(3)


def test_an_index_with_torn_lines_keeps_the_rest() -> None:
    index = TimeIndex("100 5\n1x1 9\n102\n\n103 7 7\n104 " + "9" * 5000 + "\n105 12\n")
    assert index.at(6) == 105


@pytest.mark.parametrize(
    ("pieces", "last"),
    [
        ([], b""),
        ([b"whole\n"], b""),
        ([b"whole\ntorn"], b"torn"),
        ([b"10%\r20%"], b"20%"),
        ([b"10%\r", b"20%\r"], b"20%"),
        ([b"\r10%", b"\r2"], b"2"),
        ([b"\r\r"], b""),
        ([b"x" * 2 * SHOWN_BYTES], b"x" * SHOWN_BYTES),
    ],
)
def test_the_framer_knows_what_the_unfinished_line_shows(pieces: list[bytes], last: bytes) -> None:
    framer = Framer(0)
    for piece in pieces:
        framer.feed(piece)
    assert framer.last_line == last


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"short \x1b[31mred", "short \x1b[31mred\x1b[0m"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"x" * (SHOWN_BYTES + 1000), "x" * SHOWN_BYTES + "\x1b[0m… 1,000 more bytes"),
        (b"bar\r" * SHOWN_BYTES + b"last\r", "last"),
    ],
)
def test_of_a_very_long_line_the_beginning_is_shown(line: bytes, text: str) -> None:
    assert shown(line) == text


@given(NASTY)
def test_what_a_person_reads_has_no_escape_sequences(line: bytes) -> None:
    assert "\x1b" not in read(line)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", ()),
        (b"\r\n \n", ()),
        (b"a\nb\nc\n", ("b", "c")),
        (b"a\n\nb", ("", "b")),
        (b"a\nb\r\n\x1b[0m\r\n\n", ("a", "b")),
        (b"\x1b[31ma\x1b[0m\tb\n10%\r20%\n", ("a       b", "20%")),
        (b"x" * 1000, ("x" * (READ_CHARACTERS - 1) + "…",)),
    ],
)
def test_the_last_lines_as_a_person_reads_them(data: bytes, lines: tuple[str, ...]) -> None:
    assert read_last(data, 2) == lines
