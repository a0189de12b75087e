"""Ends of attempts: by records, by what the supervisor wrote into the log, by what was kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.history.store import Store
from fleetctl.logs.lines import LogLine
from fleetctl.model.events import Event
from fleetctl.model.layout import history_file
from fleetctl.model.records import GroupWord
from fleetctl.model.samples import Sample, Series
from fleetctl.model.status import SCHEMA, FleetStatus, JobStatus, Problem, ServiceStatus
from fleetctl.postmortem.collected import History
from fleetctl.postmortem.collecting import kept_around, with_noted
from fleetctl.postmortem.ends import Ended, ends
from fleetctl.words.afterwards import postmortem_commands, postmortem_of
from fleetctl.words.exit_codes import ended_by
from tests.health.facts import NOW, ago, facts, record
from tests.postmortem.failures import BY_NAME, JOB, checked, ended


def log(*lines: tuple[str, float | None]) -> dict[str, list[LogLine]]:
    """Of worker@b: texts, and how long ago they were written."""
    return {
        "worker@b": [
            LogLine("worker@b", n, text, None if s is None else ago(s).timestamp())
            for n, (text, s) in enumerate(lines)
        ]
    }


def found(*lines: tuple[str, float | None]) -> list[Ended]:
    return ends(JOB, checked(ended("worker@b", 10.0, 1)), log(*lines), ())


def test_earlier_attempts_are_in_the_log_and_the_newest_is_not_told_twice() -> None:
    said = found(
        ("fleetctl: ended with exit code 137; restart 1 in 1 s", 60.0),
        (
            "fleetctl: GET http://x answered 503 (3 in a row): ended with exit code 143; restart",
            40.0,
        ),
        ("fleetctl: ended with exit code 1", 9.0),
        ("fleetctl: ended with exit code 7", None),
        ("fleetctl: ended with exit code 0, but 2 of its processes run on in the background", 5.0),
        ("it says fleetctl: ended with exit code 3", 4.0),
    )
    assert [(one.exit_code, one.why) for one in said] == [
        (137, ""),
        (143, "GET http://x answered 503 (3 in a row)"),
        (1, ""),
    ]


def test_who_is_ended_for_another_is_told_apart_from_that_one() -> None:
    text = "fleetctl: ended with exit code 143; all begin again: worker@{} failed (exit code 9)"
    assert [one.by_rule for one in found((text.format("a"), 60.0), (text.format("b"), 50.0))] == [
        True,
        False,
        False,
    ]
    word = GroupWord("again", "worker@b failed (exit code 1)")
    look = checked(ended("worker@b", 10.0, 1, phase="backoff", group_word=word))
    assert [one.by_rule for one in ends(JOB, look, {}, ())] == [False]


def test_a_boot_after_its_begin_is_its_end() -> None:
    look = checked()
    instance = BY_NAME["worker@c"]
    seen = facts(record(instance, started_at=ago(7200)), runs={})
    told = replace(look.facts["c"].system, uptime_s=600)  # type: ignore[type-var]  # there is one
    status = ServiceStatus(
        "worker", "c", 3, "failed", "its tmux window is gone: the node restarted"
    )
    look = replace(
        look,
        facts={**look.facts, "c": replace(seen, system=told)},
        status=replace(look.status, services={**look.status.services, "worker@c": status}),
    )
    (end,) = ends(JOB, look, {}, ())
    assert end.how == "ended when c went down, which booted again later"
    assert end.when
    assert end.when.at == NOW - timedelta(seconds=600)


@pytest.mark.parametrize(
    ("code", "os", "said"),
    [
        (137, "linux", "was ended by SIGKILL (9)"),
        (138, "linux", "was ended by SIGUSR1 (10)"),
        (138, "macos", "was ended by SIGBUS (10)"),
        (138, None, "was ended by signal 10"),
        (192, "macos", "was ended by signal 64"),
        (193, "linux", "ended with exit code 193"),
        (127, "linux", "ended with exit code 127 (command not found)"),
        (None, None, "ended, with an exit code that is not known"),
    ],
)
def test_signals_have_their_names(code: int | None, os: str | None, said: str) -> None:
    assert ended_by(code, os) == said  # type: ignore[arg-type]  # a system's name


def test_the_command_names_what_failed_first() -> None:
    def one(state: str, ended_s: float | None) -> ServiceStatus:
        at = ago(ended_s) if ended_s is not None else None
        return ServiceStatus("w", "a", 1, state, ended_at=at)  # type: ignore[arg-type]  # a state

    services = {"w@a": one("failed", 5), "w@b": one("failed", 9), "w@c": one("exited", 20)}
    shown = FleetStatus(SCHEMA, "f", "job", NOW, 0.1, False, {}, services, ())
    assert list(postmortem_commands(shown)) == ["fleetctl postmortem w@b"]
    others = replace(shown, jobs={"x": JobStatus({"w@a": one("failed", None)})})
    assert list(postmortem_commands(others)) == ["fleetctl postmortem job/w@b"]
    of_all = replace(others, job=None, services={})
    assert list(postmortem_commands(of_all)) == ["fleetctl postmortem x/w@a"]
    assert list(postmortem_commands(replace(shown, services={"w@c": one("exited", 20)}))) == []
    problem = Problem("service-failed", "error", "…", "a", ("w@b", "w@a"))
    assert postmortem_of(problem) == "fleetctl postmortem w@a"
    assert postmortem_of(replace(problem, code="service-unhealthy")) == ""


def test_history_around_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kept_around("f", NOW).why_none == "nothing watched the fleet from this machine"
    action = Event(ago(20), "ok", "signal", "action", key="action 1")
    other = Event(ago(9000), "ok", "old", "action", key="action 2")
    kept = History([replace(action, text="known better")], why_none="")
    assert [e.text for e in with_noted(kept, [action, other], NOW).events] == ["known better"]
    assert [e.text for e in with_noted(History(), [action, other], NOW).events] == ["signal"]
    assert not Path(history_file("f")).expanduser().exists()
    store = Store("f")
    heat = Series("node", "b", "temperature_c")
    at = datetime.now(UTC)
    store.add(at.timestamp(), [Sample(heat, 91.0)], watched_from_s=at.timestamp() - 60)
    store.add_events([Event(at, "error", "hot", "problem", "b")])
    store.close()
    kept = kept_around("f", at)
    assert [event.text for event in kept.events] == ["hot"]
    assert [point.high for point in kept.points[heat]] == [91.0]
    assert "at that time" in kept_around("f", at - timedelta(days=2)).why_none
