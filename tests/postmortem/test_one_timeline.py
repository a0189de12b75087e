"""Lines of all logs, ends, events and kernels in one order of time."""

from __future__ import annotations

from fleetctl.logs.lines import LogLine
from fleetctl.model.events import Event
from fleetctl.postmortem.kernel import Kernel, KernelLine
from fleetctl.postmortem.timeline import timeline, timeline_text
from tests.health.facts import NOW, ago


def test_logs_stay_in_their_order_and_what_has_no_time_is_near_its_neighbours() -> None:
    s = ago(100).timestamp()
    logs = {
        "w@a": [
            LogLine("w@a", 0, "a0"),
            LogLine("w@a", 9, "\x1b[1ma1\x1b[0m", s + 5),
            LogLine("w@a", 20, "a2"),
        ],
        "w@b": [LogLine("w@b", 0, "b0", s), LogLine("w@b", 9, "b1", s + 6)],
        "w@c": [LogLine("w@c", 0, "c0")],
        "w@d": [LogLine("w@d", 0, "d0", s + 4), LogLine("w@d", 9, "d1", s + 1)],
    }  # fmt: skip
    events = [
        Event(ago(94.5), "unreachable", "c is gone", "node", "c", cause="no cable"),
        Event(
            ago(94.4),
            "failed",
            "w@c is failed: exit code 1",
            "instance",
            "w@c",
            cause="exit code 1",
        ),
    ]
    kernels: dict[str, Kernel | str] = {
        "a": Kernel((KernelLine("Killed", NOW), KernelLine("?", None))),
        "b": "no answer",
    }
    text = timeline_text(timeline(logs, (), events, kernels))
    assert [line.partition(" | ")[2] for line in text.splitlines()] == [
        "b0", "d0", "d1", "a0", "a1", "a2", "--- c is gone: no cable",
        "--- w@c is failed: exit code 1", "b1", "Killed", "c0", "?",
    ]  # fmt: skip
    assert text.splitlines()[3].startswith("2026-01-31 11:58:25.000? w@a")
    assert text.splitlines()[-2].startswith("????-??-?? ??:??:??.???? w@c")
