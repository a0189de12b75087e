"""What the buffer keeps of several logs, and what it drops."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.logs.buffer import CHUNK_BYTES, Chunk, LogBuffer
from fleetctl.logs.events import LogBatch, LogNotice, LogTail
from fleetctl.logs.lines import SHOWN_BYTES

NAMES = ("server@a", "worker@b", "worker@c")
NOW = 1_800_000_000.0


def batch(
    name: str, offset: int, data: bytes, at: float | None = NOW, came: float = NOW
) -> LogBatch:
    return LogBatch(name, offset, data, came, at)


def merged(buffer: LogBuffer) -> list[Chunk]:
    return sorted((c for name in buffer.names for c in buffer.chunks(name)), key=lambda c: c.key)


def text(buffer: LogBuffer) -> str:
    return "".join(chunk.data.decode() or f"<{chunk.mark}>" for chunk in merged(buffer))


def test_logs_are_in_the_order_of_time_and_late_history_takes_its_place() -> None:
    buffer = LogBuffer(NAMES)
    buffer.take([batch("worker@b", 0, b"b1\n", NOW - 5), batch("worker@b", 3, b"b2\n", NOW - 1)])
    buffer.take([batch("server@a", 0, b"a1\n", NOW - 9), batch("server@a", 3, b"a2\n", NOW - 3)])
    buffer.take([batch("worker@c", 0, b"c1\n", NOW)])
    assert text(buffer) == "a1\nb1\na2\nb2\nc1\n"


def test_each_log_stays_in_its_own_order_whatever_its_clock_says() -> None:
    buffer = LogBuffer(NAMES)
    buffer.take([batch("worker@b", 0, b"1\n", NOW - 2)])
    buffer.take([batch("worker@b", 2, b"2\n", NOW - 60)])  # its clock was set back
    buffer.take([batch("server@a", 0, b"a\n", NOW + 3600)])  # and this one's is ahead
    buffer.take([batch("worker@b", 4, b"3\n", None, NOW + 1)])
    assert text(buffer) == "1\n2\na\n3\n"
    assert [chunk.written for chunk in buffer.chunks("worker@b")] == [NOW - 2, NOW - 60, None]


def test_a_fast_log_never_displaces_a_quiet_one() -> None:
    buffer = LogBuffer(NAMES, limit_bytes=200_000)
    buffer.take([batch("worker@b", 0, b"quiet\n", NOW - 1000)])
    line = b"x" * 99 + b"\n"
    for i in range(200):
        buffer.take([batch("server@a", i * 10_000, line * 100)])
        assert sum(c.cost for c in merged(buffer)) <= 200_000
    assert [c.data for c in buffer.chunks("worker@b")] == [b"quiet\n"]
    assert buffer.fallen_lines("worker@b") == 0
    held = [c.data for c in buffer.chunks("server@a")]
    assert buffer.fallen_lines("server@a") + sum(d.count(b"\n") for d in held) == 20_000
    assert len(b"".join(held)) > 150_000
    assert next(iter(buffer.chunks("server@a"))).offset == buffer.fallen_lines("server@a") * 100


def test_a_dropped_chunk_keeps_no_later_one_alive() -> None:
    buffer = LogBuffer(NAMES, limit_bytes=10_000)
    buffer.take([batch("server@a", 0, b"first\n")])
    (first,) = buffer.chunks("server@a")
    changes = buffer.take([batch("server@a", 6, b"y" * 12_000 + b"\n")])
    assert changes.gone == [first]
    assert (first.gone, first.next) == (True, None)
    assert [c.prev for c in buffer.chunks("server@a")] == [None]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one\n", 1),
        (b"\n\n", 2),
        (b"no end", 1),
        (b"\xff\xfe\n", 1),
        (b"z" * 1_000_000 + b"\n", 1),
        ((b"q" * 30 + b"\n") * 20_000, 20_000),
        (b"short\n" + b"z" * 1_000_000 + b"\nshort\n", 3),
    ],
)
def test_long_batches_are_cut_between_lines(data: bytes, lines: int) -> None:
    buffer = LogBuffer(NAMES)
    added = buffer.take([batch("server@a", 7, data)]).added
    assert b"".join(c.data for c in added) == data
    assert sum(c.lines for c in added) == lines
    assert [c.offset for c in added] == [7 + data.index(c.data) for c in added[:1]] + [
        c.offset + len(c.data) for c in added[:-1]
    ]
    assert all(len(c.data) <= CHUNK_BYTES or c.lines == 1 for c in added)


def test_small_batches_of_one_moment_become_one() -> None:
    buffer = LogBuffer(NAMES)
    parts = [batch("server@a", i * 2, b"%d\n" % i) for i in range(10)]
    assert [c.data for c in buffer.take(parts).added] == [b"".join(p.data for p in parts)]
    other = [
        batch("server@a", 20, b"a\n"),
        batch("worker@b", 0, b"b\n"),
        batch("server@a", 22, b"c\n"),
    ]
    assert len(buffer.take(other).added) == 3
    gap = [batch("server@a", 24, b"a\n"), batch("server@a", 90, b"b\n")]
    assert len(buffer.take(gap).added) == 2
    later = [batch("server@a", 92, b"a\n"), batch("server@a", 94, b"b\n", NOW + 1, NOW + 1)]
    assert len(buffer.take(later).added) == 2


def test_of_a_redrawn_progress_bar_only_the_last_state_takes_memory() -> None:
    buffer = LogBuffer(NAMES)
    bar = b"".join(b"\r%3d%% done" % (i % 100) for i in range(50_000))
    assert len(bar) > SHOWN_BYTES
    (chunk,) = buffer.take([batch("server@a", 0, bar + b"\r\n")]).added
    assert (chunk.data, chunk.offset, chunk.lines) == (b" 99% done\n", 0, 1)


def test_the_unfinished_last_line_is_replaced_and_ends_with_the_next_whole_one() -> None:
    buffer = LogBuffer(NAMES)
    assert buffer.take([LogTail("worker@b", "10%")]).tails
    assert buffer.tail("worker@b") == "10%"
    assert not buffer.take([LogTail("worker@b", "10%")]).tails
    assert not buffer.take([LogNotice("worker@b", "lost", NOW)]).tails
    assert buffer.tail("worker@b") == "10%"
    assert buffer.take([batch("worker@b", 0, b"100%\n")]).tails
    assert buffer.tail("worker@b") == ""


def test_marks_are_in_order_of_time_and_are_no_lines() -> None:
    buffer = LogBuffer(NAMES)
    buffer.take([batch("worker@b", 0, b"b1\n", NOW - 5), LogNotice("worker@b", "lost", NOW - 4)])
    buffer.take([batch("worker@b", 3, b"b2\n", NOW - 3), batch("server@a", 0, b"a\n", NOW - 4.5)])
    assert text(buffer) == "b1\na\n<lost>b2\n"
    assert [c.lines for c in merged(buffer)] == [1, 1, 0, 1]
    assert not buffer.take([batch("nobody@x", 0, b"?\n")]).added


def test_whether_the_log_is_older_than_what_is_held() -> None:
    buffer = LogBuffer(NAMES)
    assert not buffer.begins_late("server@a")
    buffer.take([LogNotice("server@a", "lost", NOW), batch("server@a", 0, b"x\n")])
    buffer.take([batch("server@a", 2, b"x\n", NOW + 9)])
    buffer.take([batch("worker@b", 4711, b"x\n")])
    assert not buffer.begins_late("server@a")
    assert buffer.begins_late("worker@b")


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.integers(1, 4000), st.integers(-50, 50)), max_size=60
    ),
    st.integers(3_000, 40_000),
)
def test_memory_is_bounded_and_shared(events: list[tuple[str, int, int]], limit: int) -> None:
    """A log of at most a third of the limit loses nothing."""
    buffer = LogBuffer(NAMES, limit_bytes=limit)
    given_lines = dict.fromkeys(NAMES, 0)
    cost = dict.fromkeys(NAMES, 0)
    for number, (name, size, at) in enumerate(events):
        changes = buffer.take([batch(name, number * 5000, b"x" * size + b"\n", NOW + at)])
        given_lines[name] += 1
        cost[name] += changes.added[0].cost
        assert sum(c.cost for c in merged(buffer)) <= limit or any(
            len(list(buffer.chunks(n))) == 1 and c.cost > limit // 3
            for n in NAMES
            for c in buffer.chunks(n)
        )
    for name in NAMES:
        chunks = list(buffer.chunks(name))
        assert [c.key for c in chunks] == sorted(c.key for c in chunks)
        assert buffer.fallen_lines(name) + sum(c.lines for c in chunks) == given_lines[name]
        if cost[name] <= limit // 3:
            assert buffer.fallen_lines(name) == 0


def test_fifty_thousand_lines_a_second_take_a_small_share_of_a_core() -> None:
    buffer = LogBuffer(NAMES)
    data = b"epoch 1 step 200 loss 4.12 and what else a line may say\n" * 200
    began = time.process_time()
    offset = 0
    for _ in range(500):
        buffer.take([batch(name, offset, data) for name in NAMES])
        offset += len(data)
    assert time.process_time() - began < 6 * 0.15  # 300,000 lines: six seconds' worth
