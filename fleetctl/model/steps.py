"""How far the work of an instance is, by what it prints: steps, their times, loss, rate."""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct


class StepForms(Struct, frozen=True):
    """Regular expressions for what an instance prints; the first group of each is the number.

    ``None``: that number is not looked for.
    """

    step: str | None = None
    loss: str | None = None
    rate: str | None = None
    """Of steps per second."""
    epoch: str | None = None
    requests: str | None = None
    """Of the requests that a server has answered so far."""


class Tail(Struct, frozen=True):
    """The end of an instance's log. Times are seconds since the epoch by the node's own clock."""

    text: str
    end: int
    """The offset in the log at which ``text`` ends."""
    grown: tuple[tuple[int, int], ...]
    """``(second, offset)``: when the log had grown to this offset; the last such moments."""
    now_s: int
    """When it was read."""
    pauses: int = 0
    """How many pauses are known between such moments of the present attempt."""
    longest_s: int = 0
    """The second longest of these, in seconds: no single one counts, such as a load at the start,
    or a clock that is set."""


class Rhythm(Struct, frozen=True):
    """How often an attempt prints. Times are seconds, by the node's clock."""

    pauses: int
    """How many are known, from one second in which its log grew to the next one."""
    usual_s: float
    """Their median, of the last ones."""
    longest_s: float
    """The longest that it made twice."""
    quiet_s: float
    """Since when its log has not grown."""


class StepReading(Struct, frozen=True):
    """A step, or how many requests were answered, and when it was printed."""

    at_s: float
    """Seconds since the epoch by the node's clock, which may go wrong: only differences count."""
    step: int


class Steps(Struct, frozen=True):
    """What one attempt has printed about its work."""

    now_s: float
    """When its log was read, by the clock of ``readings``."""
    readings: tuple[StepReading, ...] = ()
    """The last ones, at most one a second, oldest first; since the steps were last counted anew."""
    usual_pause_s: float | None = None
    """The shortest that the pauses between readings were for a while, in seconds; None: there were
    too few."""
    loss: float | None = None
    steps_per_s: float | None = None
    """As it prints itself."""
    tokens_per_s: float | None = None
    epoch: float | None = None
    requests: tuple[StepReading, ...] = ()
    """How many requests were answered since this is counted; the last moments, oldest first."""
    requests_per_s: float | None = None
    """As it prints itself."""
    why: str = ""
    """Why something of it is not known; empty: nothing is wrong with it."""
    rhythm: Rhythm | None = None
    """None: it has not printed often enough."""

    @property
    def pauses_s(self) -> list[float]:
        """The seconds from each reading to the next."""
        return [b.at_s - a.at_s for a, b in pairwise(self.readings)]

    @property
    def quiet_s(self) -> float | None:
        """Since when no new step was printed."""
        return max(0.0, self.now_s - self.readings[-1].at_s) if self.readings else None
