"""What ended first is claimed only where clocks bear it; what is not known is said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetctl.health.failures import Moment
from fleetctl.model.events import Actor, Event
from fleetctl.model.records import GroupWord
from fleetctl.model.samples import Point, Series
from fleetctl.postmortem.collected import History
from fleetctl.postmortem.files import files
from fleetctl.postmortem.kernel import Kernel, Kill
from fleetctl.postmortem.redacting import Redactor
from fleetctl.postmortem.report_text import paragraph, report_text
from fleetctl.postmortem.story import Story
from tests.health.facts import NOW, PID, ago
from tests.postmortem.failures import collected, ended


def first(text: str) -> str:
    """The first sentence."""
    return text.partition(": ")[0]


def test_the_first_its_signal_and_what_followed() -> None:
    found = collected(
        ended("worker@b", 10.0, 137),
        ended("worker@a", 8.5, 1),
        ended("server@hub", 7.0, 1),
        logs={
            "worker@a": ["step 7", "ConnectionResetError: peer", "fleetctl: ended with exit code 1"]
        },
    )
    assert [one.instance for one in found.story.first] == ["worker@b"]
    said = paragraph(found)
    at = ago(10.0).astimezone().strftime("%H:%M:%S")
    assert said.startswith(f"worker@b ended first at {at}: it was ended by SIGKILL (9). ")
    assert "kernel (dmesg) tell of no end for lack of memory, so something sent the signal" in said
    assert (
        "Then worker@a ended with exit code 1 1.5 s later after words of a lost connection and "
        "server@hub ended with exit code 1 3.0 s later."
    ) in said


def test_restarts_in_vain_are_told_with_their_own_ends() -> None:
    found = collected(ended("worker@b", 60.0, 137))
    (one,) = found.story.first
    last = Moment(ago(10.0), 1.0)
    later = [replace(one, how="ended with exit code 3", when=Moment(ago(40.0), 1.0))]
    later += [replace(later[0], when=last), replace(one, when=last)]
    story = Story((one, *later), (one,))
    said = paragraph(replace(found, story=story))
    at = last.at.astimezone().strftime("%H:%M:%S")
    assert "; no other instance ended. " in said
    assert said.endswith(
        "Begun again, it ended with exit code 3 (2 times) and was ended by SIGKILL (9); "
        f"last at {at}."
    )


@pytest.mark.parametrize("error_s", [1.0, None])
def test_no_order_is_claimed_that_clocks_cannot_bear(error_s: float | None) -> None:
    found = collected(ended("worker@b", 10.0, 137, error_s), ended("worker@a", 8.5, 1, error_s))
    assert {one.instance for one in found.story.first} == {"worker@a", "worker@b"}
    said = paragraph(found)
    assert "ended first is not known" in said
    assert "is likely" not in said


def test_who_speaks_of_a_lost_peer_is_the_less_likely() -> None:
    lost = ["RuntimeError: Connection closed by peer"]
    found = collected(
        ended("worker@b", 10.0, 137, 1.0),
        ended("worker@a", 9.5, 1, 1.0),
        ended("worker@c", 9.4, 1, 1.0),
        logs={"worker@a": lost, "worker@c": lost, "worker@b": ["step 7"]},
    )
    assert "so worker@b is likely." in paragraph(found)


def test_a_node_that_cannot_be_asked_may_have_been_first() -> None:
    found = collected(ended("worker@b", 10.0, 1), lost=["c"])
    assert [one.instance for one in found.story.first] == ["worker@b"]
    said = paragraph(found)
    assert "How worker@c is is not known, and may have ended before: " in said
    assert "no answer" in said


def test_when_a_node_was_lost_is_taken_from_the_history() -> None:
    lost = Event(ago(30.0), "unreachable", "c cannot be reached: no answer", "node", "c", node="c")
    history = History(events=[lost])
    found = collected(ended("worker@b", 10.0, 1), lost=["c"], history=history)
    assert [one.instance for one in found.story.first] == ["worker@c"]
    assert "worker@c ended first" in paragraph(found)
    assert "not known, and may" not in paragraph(found)


def test_what_fleetctl_ended_for_it_is_no_cause() -> None:
    rule = GroupWord("end", "worker@b failed (exit code 1)")
    found = collected(
        ended("worker@b", 10.0, 1),
        ended("worker@a", 9.9, 143, group_word=rule),
    )
    assert [one.instance for one in found.story.first] == ["worker@b"]
    assert "fleetctl ended worker@a for it (on_member_failure)." in paragraph(found)


def test_the_kernel_s_kill_is_the_cause() -> None:
    kill = Kill(PID, "python3", ago(10.2))
    found = collected(
        ended("worker@b", 10.0, 137), kernels={"b": Kernel(kills=(kill,), source="journal")}
    )
    assert "The kernel of b ended it for lack of memory" in paragraph(found)
    loader = collected(
        ended("worker@b", 10.0, 1),
        kernels={"b": Kernel(kills=(Kill(77, "python3", ago(12.0)),), source="journal")},
    )
    assert "kernel of b ended process 77 (python3) of its node for lack" in paragraph(loader)
    another_time = Kill(PID, "python3", ago(5000))
    found = collected(
        ended("worker@b", 10.0, 137), kernels={"b": Kernel(kills=(another_time,), source="journal")}
    )
    assert "tell of no end for lack of memory" in paragraph(found)


def test_messages_that_cannot_be_read_leave_it_open() -> None:
    zero = Kernel(unreadable="no", never=True)
    said = paragraph(collected(ended("worker@b", 10.0, 137), kernels={"b": zero}))
    assert "The kernel of b has ended nothing for lack of memory since its boot, so" in said
    unread = Kernel(unreadable="dmesg: Operation not permitted", counters=("one was ended",))
    said = paragraph(collected(ended("worker@b", 10.0, 137), kernels={"b": unread}))
    assert "Whether the kernel ended it for lack of memory is not known" in said
    assert "Operation not permitted; one was ended" in said


def test_who_asked_for_it_and_what_changed_before() -> None:
    stop = Event(
        ago(11), "ok", "fleetctl signal worker@b TERM", "action", by=Actor("anna", "mac", "signal")
    )
    cable = Event(
        ago(60), "error", "no-carrier: b has no carrier on lan", "problem", "b", node="b", code="x"
    )
    begin_s = ago(10).timestamp()
    points = {
        Series("node", "b", "memory_percent"): [
            Point(begin_s - 300, 10, 1, 40.0, 40.0, 40.0),
            Point(begin_s - 20, 10, 1, 97.0, 97.0, 97.0),
        ],
        Series("node", "a", "temperature_c"): [Point(begin_s - 20, 10, 1, 50.0, 50.0, 50.0)],
    }
    found = collected(ended("worker@b", 10.0, 143), history=History([cable, stop], points))
    said = report_text(found, ["fleetctl 1"])
    assert "shortly before: fleetctl signal worker@b TERM by anna@mac" in said
    assert "no-carrier: b has no carrier on lan" in said
    assert "b: memory from 40 to 97 %" in said
    assert "temperature" not in said


def test_what_ended_an_earlier_run_is_no_cause() -> None:
    def action(seconds: float, what: str, *instances: str) -> Event:
        return Event(
            ago(seconds),
            "ok",
            f"fleetctl {what} job",
            "action",
            job="job",
            affects=("b", *instances),
            action=what,
        )

    def said(*events: Event) -> str:
        found = collected(ended("worker@b", 10.0, 143), history=History(list(events), {}))
        return report_text(found, ["fleetctl 1"])

    stop, start = action(60, "stop", "worker@b"), action(50, "start", "worker@b")
    assert "shortly before: fleetctl stop job" in said(stop)
    assert "shortly before" not in said(stop, start)
    for no_start_of_it in (action(50, "start", "worker@c"), action(9.5, "start", "worker@b")):
        assert "shortly before: fleetctl stop job" in said(stop, no_start_of_it)
    assert "shortly before: fleetctl stop job" in said(start, action(11, "stop", "worker@b"))


def test_what_was_started_again_is_of_an_earlier_story() -> None:
    said = {"worker@a": 40.0, "worker@b": 10.0}
    both = [ended(name, seconds, 1) for name, seconds in said.items()]

    def start(seconds: float, *names: str) -> Event:
        return Event(
            ago(seconds), "ok", "start", "action", job="job", affects=names, action="start"
        )

    def names(*events: Event, around: float = 0.0) -> list[str]:
        told = collected(*both, history=History(list(events), {}), around=ago(around))
        return [one.instance for one in told.story.ends]

    assert names() == ["worker@a", "worker@b"]
    assert names(start(20, "worker@a", "worker@b")) == ["worker@b"]
    assert names(start(20, "worker@b")) == ["worker@a", "worker@b"]
    assert names(start(5, "worker@a")) == ["worker@a", "worker@b"]
    assert names(start(20, "worker@a"), around=45) == ["worker@a"]


def test_a_time_chooses_the_failure_and_a_name_too() -> None:
    two = (ended("worker@b", 10.0, 1), ended("worker@a", 2000.0, 2))
    assert [one.instance for one in collected(*two).story.first] == ["worker@b"]
    assert [one.instance for one in collected(*two, around=ago(1900)).story.first] == ["worker@a"]
    assert [one.instance for one in collected(*two, named=["worker@a"]).story.first] == ["worker@a"]
    nothing = collected(*two, around=ago(86400))
    assert nothing.story.first == ()
    assert "Nothing of job has failed within ten minutes of" in paragraph(nothing)


def test_nothing_failed() -> None:
    assert paragraph(collected()) == "Nothing of job has failed, as far as is known."
    said = paragraph(collected(lost=["c"]))
    assert "How worker@c is is not known: " in said


def test_what_an_instance_printed_last_is_that_of_its_own_attempt() -> None:
    found = collected(
        ended("worker@b", 10.0, 1),
        logs={
            "worker@b": [
                "of an old one",
                "fleetctl: ended with exit code 2; restart 1 in 1 s",
                "of this one",
                "fleetctl: ended with exit code 1",
            ]
        },
    )
    (end,) = [one for one in found.story.first if one.when]
    assert found.last_lines(end) == ["of this one"]


def test_no_secret_is_in_any_file() -> None:
    secret = 'from "the" file'
    found = collected(
        ended("worker@b", 10.0, 1),
        logs={"worker@b": ["HF_TOKEN=hf_abcdefghijklmnop", f"say {secret}", "https://u:pw@h/"]},
        history=History([Event(NOW, "ok", f"fleetctl send {secret}", "action")]),
    )
    texts = files(found, Redactor([secret]), f"env: {{X: '{secret}'}}\n", ["1"])
    everything = "\n".join(texts.values())
    for word in (secret, "hf_abc", "u:pw", '\\"the\\"'):
        assert word not in everything
    assert texts["nodes.yaml"] == "env: {X: '(hidden)'}\n"
    assert texts["logs/worker@b.log"].splitlines()[1] == "say (hidden)"
    assert set(texts) >= {"report.md", "timeline.log", "events.jsonl", "history.json"}
