"""How far the instances on a node are, from look to look, by the ends of their logs."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import UsageError
from fleetctl.medians import median
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance
from fleetctl.model.records import Record
from fleetctl.model.steps import Rhythm, StepForms, StepReading, Steps, Tail

if TYPE_CHECKING:
    from fleetctl.logs.steps import LineReader, Said

KEPT_READINGS = 60
"""So many of an instance, which are one a second at most."""
USUAL_PAUSES = 6
"""The median of so many pauses between readings, one after the other, is what is usual."""
TOO_FAST = "its log grows faster than its end is read, so its requests cannot be counted"
CLOCK_SET_S = 20.0
"""By so much a node's clock and how long an attempt has run differ where the clock was set: a look
asks for one after the other, and may be slow."""
LATE_LINE_S = 1.0
"""So much later a line may still be of a step before the last one."""


class Progression:
    """What the instances on one node said of their work, kept as long as the node is watched.

    Each line is read once.
    """

    def __init__(self, instances: Iterable[Instance]) -> None:
        self._logs = {(i.job, i.name): _Log(i) for i in instances if i.command is not None}

    def read(self, facts: NodeFacts) -> NodeFacts:
        """``facts`` with the steps that the ends of the logs in them tell of."""
        steps = {
            key: self._logs[key].read(tail, record)
            for key, tail in facts.tails.items()
            if key in self._logs and (record := facts.records.get(key))
        }
        return replace(facts, steps=steps)


class _Line(Struct, frozen=True):
    """A line, or one state of a line that redraws itself."""

    text: str
    end: int
    """The offset after it."""
    ended: bool


class _Log:
    """The steps of one instance's present attempt."""

    def __init__(self, instance: Instance) -> None:
        self._forms = instance.progress
        self._reader: LineReader | None = None
        self._attempt = ("", 0)
        self._steps = Steps(0)
        self._read_to = 0
        self._last: tuple[Tail, float | None] | None = None

    def read(self, tail: Tail, record: Record) -> Steps:
        attempt = (record.run, record.restarts)
        if attempt != self._attempt:
            self._attempt, self._steps = attempt, Steps(0)
            self._read_to = record.log_start or 0
            self._last = None
        rhythm = self._rhythm(tail, record)
        self._steps = replace(self._steps, now_s=tail.now_s, rhythm=rhythm)
        missed = self._missed(tail)
        try:
            self._reader = self._reader or _reader(self._forms)
        except UsageError as error:
            return replace(self._steps, why=f"its progress is {error}")
        for line in _lines(tail):
            if line.end <= self._read_to:
                continue
            said = self._reader.read(line.text, ended=line.ended)
            if line.ended:
                self._read_to = line.end
            self._take(said, _printed_at(tail, line.end))
        self._steps = replace(self._steps, usual_pause_s=_usual_pause_s(self._steps))
        return replace(self._steps, why=self._reader.why or (TOO_FAST if missed else ""))

    def _rhythm(self, tail: Tail, record: Record) -> Rhythm | None:
        """Between two looks it was quiet for as long as it ran, whatever the clock says."""
        before = self._steps.rhythm
        rhythm = _rhythm(tail, record, before)
        last = self._last
        if last and last[0] is tail:  # kept from that look
            return rhythm
        self._last = (tail, record.age_s)
        if not last or last[1] is None or record.age_s is None:
            return rhythm
        passed_s = record.age_s - last[1]
        set_s = tail.now_s - last[0].now_s - passed_s
        if abs(set_s) > CLOCK_SET_S:
            self._steps = replace(
                self._steps,
                readings=_later(self._steps.readings, set_s),
                requests=_later(self._steps.requests, set_s),
            )
        if rhythm is None or before is None:
            return rhythm
        grew = tail.end > last[0].end
        quiet_s = min(rhythm.quiet_s, passed_s) if grew else before.quiet_s + passed_s
        return replace(rhythm, quiet_s=quiet_s)

    def _missed(self, tail: Tail) -> bool:
        """Whether requests in lines between the last look and this one were not seen: they are
        then counted anew."""
        begin = tail.end - len(tail.text.encode())
        if self._forms is not None or not self._steps.requests or begin < self._read_to:
            return False
        self._steps = replace(self._steps, requests=())
        return True

    def _take(self, said: Said, at_s: float | None) -> None:
        known = self._steps
        readings = known.readings
        if said.step is not None and at_s is not None:
            readings = _with(readings, StepReading(at_s, said.step))
        requests, answered = known.requests, said.requests
        if said.request:
            answered = (requests[-1].step if requests else 0) + 1
        if answered is not None and at_s is not None:
            requests = _with(requests, StepReading(at_s, answered))
        self._steps = replace(
            known,
            readings=readings,
            loss=_newer(said.loss, known.loss),
            steps_per_s=_newer(said.steps_per_s, known.steps_per_s),
            tokens_per_s=_newer(said.tokens_per_s, known.tokens_per_s),
            epoch=_newer(said.epoch, known.epoch),
            requests=requests,
            requests_per_s=_newer(said.requests_per_s, known.requests_per_s),
        )


def _reader(forms: StepForms | None) -> LineReader:
    """
    :raises UsageError: an expression in them is none.
    """
    from fleetctl.logs.steps import LineReader  # compiles many expressions

    return LineReader(forms)


def _rhythm(tail: Tail, record: Record, before: Rhythm | None) -> Rhythm | None:
    """How often the attempt prints; a pause that was the longest once stays so.

    The node's clock may be set while nothing is printed: nothing is silent for longer than it runs.
    """
    grown = [moment for moment in tail.grown if moment[1] > (record.log_start or 0)]
    pauses = [b[0] - a[0] for a, b in pairwise(grown)]
    if not pauses:
        return None
    quiet_s = float(tail.now_s - grown[-1][0]) if tail.end <= grown[-1][1] else 0.0
    if record.age_s is not None:
        quiet_s = min(quiet_s, record.age_s)
    longest_s = float(tail.longest_s)
    return Rhythm(
        max(tail.pauses, len(pauses)),
        max(0.0, median(pauses)),
        longest_s if before is None else max(longest_s, before.longest_s),
        max(0.0, quiet_s),
    )


def _later(readings: tuple[StepReading, ...], by_s: float) -> tuple[StepReading, ...]:
    return tuple(StepReading(reading.at_s + by_s, reading.step) for reading in readings)


def _usual_pause_s(steps: Steps) -> float | None:
    """As short as the pauses were for a while, now or before: what became slow stays slow."""
    pauses = steps.pauses_s
    some = [pauses[n : n + USUAL_PAUSES] for n in range(len(pauses) - USUAL_PAUSES + 1)]
    known = [median(few) for few in some]
    if steps.usual_pause_s is not None:
        known.append(steps.usual_pause_s)
    return min(known, default=None)


def _newer(new: float | None, old: float | None) -> float | None:
    return old if new is None else new


def _with(readings: tuple[StepReading, ...], new: StepReading) -> tuple[StepReading, ...]:
    """A step that is printed again is no new one; a smaller one begins anew, unless it only comes
    late: threads print as they like."""
    if readings and new.step == readings[-1].step:
        return readings
    if readings and new.step < readings[-1].step:
        late = new.at_s - readings[-1].at_s <= LATE_LINE_S and new.step > readings[0].step
        return readings if late else (new,)
    before = (reading for reading in readings if reading.at_s < new.at_s)  # of a clock set back
    return (*before, new)[-KEPT_READINGS:]


def _lines(tail: Tail) -> Iterator[_Line]:
    """The lines in the end of a log; not the first one, unless the log begins with it."""
    data = tail.text.encode()
    end = tail.end - len(data)
    pieces = re.split(rb"[\r\n]", data)
    for number, piece in enumerate(pieces):
        torn = number == 0 and end > 0
        end += len(piece) + 1
        if piece and not torn:
            ended = number < len(pieces) - 1
            yield _Line(piece.decode(), min(end, tail.end), ended)


def _printed_at(tail: Tail, end: int) -> float | None:
    """When the log had grown to ``end``, by the moments that the logger noted; None: before these.

    It looks once a second; what it has not seen yet is from the last moments.
    """
    place = bisect.bisect_left(tail.grown, end, key=lambda moment: moment[1])
    if place == len(tail.grown):
        return float(tail.now_s)
    return float(tail.grown[place][0]) if place else None
