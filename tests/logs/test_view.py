"""What is shown of the buffer: instances, filter, context, search, iteration."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.logs.buffer import LogBuffer
from fleetctl.logs.events import LogBatch, LogEvent, LogNotice
from fleetctl.logs.matching import Filter, Pattern, texts
from fleetctl.logs.view import LinePosition, LogView
from tests.thoroughness import examples

NAMES = ("a", "b", "c")
NOW = 1_800_000_000.0


def batch(name: str, offset: int, text: str, at: float = NOW) -> LogBatch:
    return LogBatch(name, offset, text.encode(), NOW + 1000, at)


def made(events: Sequence[LogEvent], limit: int = 1 << 20) -> tuple[LogBuffer, LogView]:
    buffer = LogBuffer(NAMES, limit)
    view = LogView(buffer)
    view.update(buffer.take(events))
    return buffer, view


def words(view: LogView, places: Sequence[LinePosition] | None = None) -> list[str]:
    return [view.text(place) for place in (list(view.after(None)) if places is None else places)]


def work(view: LogView) -> None:
    while view.pending:
        view.work(1.0)


def keep(view: LogView, text: str, context: int = 0) -> None:
    view.keep(Filter(Pattern(text.removeprefix("!")), text.startswith("!")), context)
    work(view)


NUMBERS = "".join(f"line {i}\n" for i in range(10))


@pytest.mark.parametrize(
    ("filter_", "context", "shown"),
    [
        ("[37]$", 0, "3 7"),
        ("![3-7]$", 0, "0 1 2 8 9"),
        ("3$", 1, "2 3 4"),
        ("0$|9$", 2, "0 1 2 7 8 9"),
        ("4$|6$", 1, "3 4 5 6 7"),
        ("nothing", 5, ""),
        ("", 0, "0 1 2 3 4 5 6 7 8 9"),
    ],
)
def test_filters_with_context(filter_: str, context: int, shown: str) -> None:
    """However lines are cut into chunks, and whichever chunk is filtered first."""
    lines = NUMBERS.splitlines(keepends=True)
    for size in (10, 3, 1):
        events = [
            batch("a", i * 7, "".join(lines[i : i + size]), NOW + i) for i in range(0, 10, size)
        ]
        _, view = made(events)
        keep(view, filter_, context)
        assert [text.split()[1] for text in words(view)] == shown.split()
        assert view.held == 10


def test_context_is_of_the_same_log() -> None:
    _, view = made([
        batch("a", 0, "a1\n", NOW), batch("b", 0, "b1\n", NOW + 1),
        batch("a", 3, "error\n", NOW + 2), batch("b", 3, "b2\n", NOW + 3),
        batch("a", 9, "a2\n", NOW + 4),
    ])  # fmt: skip
    keep(view, "error", 1)
    assert words(view) == ["a1", "error", "a2"]
    assert [view.is_match(place) for place in view.after(None)] == [False, True, False]
    assert (view.matched, view.held, view.rows) == (1, 5, 3)


def test_context_follows_what_comes_and_what_falls_out() -> None:
    line = "{:<100}\n"
    buffer, view = made([batch("a", i * 101, line.format(i), NOW + i) for i in range(10)], 6200)
    keep(view, "error|^2 ", 1)
    assert [text.strip() for text in words(view)] == ["1", "2", "3"]
    view.update(buffer.take([batch("a", 1010, line.format("error"), NOW + 10)]))
    work(view)
    assert [text.strip() for text in words(view)] == ["1", "2", "3", "9", "error"]
    more = [batch("a", 1111 + i * 101, line.format("more"), NOW + 11 + i) for i in range(2)]
    view.update(buffer.take(more))
    work(view)
    assert buffer.fallen_lines("a") == 3, "with what 3 was context of"
    assert [text.strip() for text in words(view)] == ["9", "error", "more"]


def test_what_is_filtered_and_searched_is_the_text_without_its_colours() -> None:
    _, view = made([batch("a", 0, "lo\x1b[31mss\x1b[0m 4\r\nloss\r5%\nlo\x1b]0;x\x07ss 6\n")])
    keep(view, "^loss [46]$")
    assert words(view) == ["lo\x1b[31mss\x1b[0m 4", "loss 6"]


def test_marks_pass_every_filter_and_are_not_counted() -> None:
    _, view = made(
        [batch("a", 0, "x\n"), LogNotice("a", "lost", NOW + 1), batch("a", 2, "y\n", NOW + 2)]
    )
    keep(view, "y")
    assert words(view) == ["lost", "y"]
    assert (view.matched, view.held, view.rows) == (1, 2, 2)


def test_instances_are_chosen() -> None:
    buffer, view = made([batch("a", 0, "a\n"), batch("b", 0, "b\n"), batch("c", 0, "c\n")])
    view.choose(["c", "a"])
    assert words(view) == ["a", "c"]
    view.update(buffer.take([batch("b", 2, "b2\n"), batch("a", 2, "a2\n")]))
    assert words(view) == ["a", "c", "a2"]
    view.choose(None)
    assert words(view) == ["a", "b", "c", "b2", "a2"]


def test_a_position_stays_the_same_line_when_lines_come_late_and_are_dropped() -> None:
    line = "z" * 100 + "\n"
    buffer, view = made([batch("a", i * 101, line, NOW + i) for i in range(20)], 20 * 620)
    place = list(view.after(None))[15]
    assert (place.chunk.offset, view.index(place)) == (15 * 101, 15)
    view.update(buffer.take([batch("b", 0, "early\n", NOW - 1)]))
    assert view.index(place) == 15  # one came before it, and one was dropped
    view.update(buffer.take([batch("a", 2020 + i * 101, line, NOW + 20 + i) for i in range(10)]))
    assert view.text(place) == "z" * 100
    assert view.at(view.index(place)) == place
    assert buffer.fallen_lines("a") == 11
    view.update(buffer.take([batch("a", 3030 + i * 101, line, NOW + 30 + i) for i in range(10)]))
    assert place.chunk.gone
    assert view.text(place) == "z" * 100, "a screen that still shows it can go on"
    assert not view.contains(place)
    assert next(view.after(place)).chunk.offset == 21 * 101
    assert words(view, list(view.before(place))) == ["early"]


@pytest.mark.parametrize(
    ("start", "forward", "found"),
    [(None, True, 3), (None, False, 103), (3, True, 13), (13, False, 3), (3, False, None),
     (103, True, None), (50, True, 53), (50, False, 43)],
)  # fmt: skip
def test_search_goes_to_the_nearest_in_its_direction(
    start: int | None, forward: bool, found: int | None
) -> None:
    events = [
        batch("a", i * 100, "".join(f"line {j}\n" for j in range(i, i + 5)), NOW + i)
        for i in range(0, 110, 5)
    ]
    _, view = made(events)
    places = list(view.after(None))
    at = None if start is None else places[start]
    results = [place for place in view.find(Pattern("3$"), at, forward=forward) if place]
    assert [view.text(p) for p in results] == ([] if found is None else [f"line {found}"])


def test_search_goes_on_when_lines_are_dropped_meanwhile() -> None:
    buffer, view = made(
        [batch("a", i * 101, "z" * 99 + f"{i % 10}\n", NOW + i) for i in range(20)], 20 * 620
    )
    searching = view.find(Pattern("9$"), next(view.after(None)), forward=True)
    assert next(searching) is None
    view.update(
        buffer.take([batch("a", 2020 + i * 101, "y" * 100 + "\n", NOW + 20 + i) for i in range(15)])
    )
    (found,) = [place for place in searching if place]
    assert view.text(found).endswith("z9")
    assert found.chunk.offset == 19 * 101


@pytest.mark.parametrize("text", ["(", "[a", "*", "a{99999999999}", "(?P<x"])
def test_what_is_no_regular_expression_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="not a regular expression: "):
        Pattern(text)


@pytest.mark.filterwarnings("error")
def test_what_python_only_warns_about_is_silent() -> None:
    assert Pattern("[[a]").search("[")


def test_fresh_counts_what_came_since_and_passes_the_filter() -> None:
    buffer, view = made([batch("a", 0, "old 1\n")])
    view.watch_fresh()
    assert view.fresh == 0
    view.update(buffer.take([batch("a", 6, "new 1\nnew 2\n"), LogNotice("a", "lost", NOW)]))
    view.update(buffer.take([batch("b", 0, "late 1\n", NOW - 500)]))
    assert view.fresh == 3
    keep(view, "1")
    assert (view.fresh, view.matched) == (2, 3)
    view.choose(["a"])
    work(view)
    assert (view.fresh, view.matched) == (1, 2)


def test_a_filter_over_a_full_buffer_works_in_short_slices_newest_first() -> None:
    data = "".join(
        f"worker step {i} loss {i % 7}.25 and more that a line may say\n" for i in range(5000)
    )
    events = [batch(name, i * len(data), data, NOW + i) for i in range(20) for name in NAMES]
    _, view = made(events, 64 << 20)
    assert view.held == 300_000
    view.keep(Filter(Pattern("loss 3")))
    slices = []
    while view.pending:
        began = time.thread_time()
        view.work(0.008)
        slices.append(time.thread_time() - began)
        if len(slices) == 1:
            assert view.matched > 0
            assert next(view.before(None)).chunk.at == NOW + 19
    assert len(slices) > 3
    assert sorted(slices)[-2] < 0.02  # one slice may include a garbage collection
    assert view.matched == view.rows == sum(1 for i in range(5000) if i % 7 == 3) * 60


# By property: after any events in any order, the view is that of filtering all lines again.

TEXT = st.lists(st.sampled_from(["x", "y", "xy", "", "z\x1b[1mz"]), min_size=1, max_size=5).map(
    lambda lines: "".join(line + "\n" for line in lines)
)
EVENT = st.tuples(st.sampled_from(NAMES), st.integers(0, 9), TEXT | st.none())
STEP = st.one_of(
    st.lists(EVENT, min_size=1, max_size=6),
    st.tuples(st.sampled_from(["", "x", "!x", "zz", "^$"]), st.integers(0, 3)),
    st.sets(st.sampled_from(NAMES)),
    st.just("work"),
)


def looked_at_anew(
    buffer: LogBuffer, names: set[str], text: str, context: int
) -> list[LinePosition]:
    wanted = re.compile(text.removeprefix("!"))
    shown: list[LinePosition] = []
    for name in names:
        lines = [LinePosition(c, i) for c in buffer.chunks(name) for i in range(c.lines)]
        hits = [
            bool(wanted.search(texts(place.chunk).split("\n")[place.number]))
            is not text.startswith("!")
            for place in lines
        ]
        shown += [
            place
            for i, place in enumerate(lines)
            if any(hits[max(0, i - context) : i + context + 1])
        ]
        shown += [LinePosition(c, 0) for c in buffer.chunks(name) if c.mark]
    return sorted(shown, key=lambda place: (place.chunk.key, place.number))


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(STEP, max_size=14), st.sampled_from([6_000, 1 << 20]))
def test_the_view_is_what_a_look_at_all_lines_shows(steps: list[object], limit: int) -> None:
    buffer, view = made([], limit)
    names, text, context = set(NAMES), "", 0
    offsets = dict.fromkeys(NAMES, 0)
    for step in [*steps, "work"]:
        if isinstance(step, list):
            events: list[LogEvent] = []
            for name, at, data in step:
                if data is None:
                    events.append(LogNotice(name, "mark", NOW + at))
                else:
                    events.append(batch(name, offsets[name], data, NOW + at))
                    offsets[name] += len(data)
            view.update(buffer.take(events))
        elif isinstance(step, tuple):
            text, context = step
            view.keep(Filter(Pattern(text.removeprefix("!")), text.startswith("!")), context)
        elif isinstance(step, set):
            names = step
            view.choose(sorted(names))
        else:
            work(view)
    expected = looked_at_anew(buffer, names, text, context)
    places = list(view.after(None))
    assert places == expected
    assert list(view.before(None)) == expected[::-1]
    assert view.rows == len(expected)
    for i, place in enumerate(expected):
        assert view.contains(place)
        assert (view.index(place), view.at(i)) == (i, place)
        assert next(view.after(place), None) == (expected[i + 1] if i + 1 < len(expected) else None)
        assert next(view.before(place), None) == (expected[i - 1] if i else None)
    assert view.at(len(expected)) is None
    assert all(p.chunk.key <= q.chunk.key for p, q in pairwise(places))
    assert view.held == sum(c.lines for name in names for c in buffer.chunks(name))
    assert view.matched == sum(not p.chunk.mark and view.is_match(p) for p in expected)
