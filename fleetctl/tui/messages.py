"""What the dashboard's workers report, in the past tense; the app's handlers own all state."""

from __future__ import annotations

from collections.abc import Sequence

from textual.message import Message

from fleetctl.logs.events import LogEvent
from fleetctl.model.progress import Progress
from fleetctl.undertakings import Snapshot


class SnapshotTaken(Message):
    """There is a new snapshot of the fleet."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """A newer snapshot replaces this one."""
        return isinstance(message, SnapshotTaken)


class LogsArrived(Message):
    """Log lines and marks of a job arrived; none may be lost."""

    def __init__(self, events: Sequence[LogEvent], job: str | None) -> None:
        super().__init__()
        self.events = events
        self.job = job


class SourceFailed(Message):
    """A source of the dashboard failed; the rest goes on.

    :param why: in a sentence.
    """

    def __init__(self, source: str, why: str) -> None:
        super().__init__()
        self.source = source
        self.why = why


class JobProgressed(Message):
    """An instance changed its state during a start or stop."""

    def __init__(self, number: int, progress: Progress) -> None:
        super().__init__()
        self.number = number
        self.progress = progress


class JobActionEnded(Message):
    """A start, stop or restart is over, or was refused.

    :param error: why it failed; empty if it did not.
    :param given_up: it was not waited for to its end.
    """

    def __init__(self, number: int, error: str = "", *, given_up: bool = False) -> None:
        super().__init__()
        self.number = number
        self.error = error
        self.given_up = given_up


class CursorMoved(Message):
    """The cursor of a panel is on another row, or may be."""

    def can_replace(self, message: Message) -> bool:
        """One is enough."""
        return isinstance(message, CursorMoved)
