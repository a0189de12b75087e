"""What is decided when a member fails. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from fleetctl.launch.deciding import Decider

MEMBERS: dict[str, dict[str, Any]] = {
    "server@a": {"needs": [], "ready_s": 10.0},
    "worker@b": {"needs": [["server@a", "ready"]], "ready_s": 10.0},
    "worker@c": {"needs": [["server@a", "ready"]], "ready_s": 10.0},
}


class Play:
    """Members that report, one after the other, at a time that goes on."""

    def __init__(self, rule: str, most: int = 2) -> None:
        self.decider = Decider(rule, MEMBERS, silent_s=60.0, most=most, within_s=600.0)
        self.now = 0.0
        for name in MEMBERS:
            self.say(name, "running")

    def say(
        self, name: str, state: str, why: str = "", *, old: int = 0, lasting: bool = False
    ) -> None:
        number = self.decider.round - old
        report = {"state": state, "why": why, "lasting": lasting, "round": number}
        self.decider.hear(name, report, self.now)
        self.decider.tick(self.now)

    def all(self, state: str) -> None:
        for name in MEMBERS:
            self.say(name, state)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.decider.tick(self.now)

    def words(self) -> list[str]:
        return [self.decider.word(name)["word"] for name in MEMBERS]


def test_all_are_kept_while_none_has_failed() -> None:
    play = Play("stop-all")
    play.say("worker@b", "done")
    play.say("worker@c", "left")
    play.wait(59)
    assert play.words() == ["keep", "keep", "keep"] and not play.decider.over()


def test_stop_all() -> None:
    play = Play("stop-all")
    play.say("worker@c", "failed", "exit code 1", lasting=True)
    play.say("worker@b", "failed", "exit code 2", lasting=True)  # not the first
    assert play.words() == ["end", "end", "over"]
    assert play.decider.word("server@a")["why"] == "worker@c failed (exit code 1)"
    play.all("ended")
    assert play.decider.over()


def test_restart_all_in_order() -> None:
    play = Play("restart-all")
    play.say("worker@c", "failed", "exit code 1")
    assert play.words() == ["again", "again", "again"]
    play.say("worker@b", "waiting")
    play.say("worker@c", "waiting")
    assert play.words() == ["again", "again", "again"]  # the server has not ended yet
    play.say("server@a", "waiting")
    assert play.words() == ["go", "again", "again"]
    play.say("server@a", "running")
    assert play.words() == ["go", "again", "again"]
    play.say("server@a", "ready")
    assert play.words() == ["go", "go", "go"]
    play.all("ready")
    assert play.words() == ["keep", "keep", "keep"]


def test_what_was_said_before_it_heard_the_word_does_not_count() -> None:
    play = Play("restart-all")
    play.say("worker@c", "failed", "exit code 1")
    play.say("worker@b", "failed", "exit code 2", old=1)
    play.say("server@a", "waiting")
    play.say("worker@c", "waiting")
    assert play.decider.round == 1
    assert play.words() == ["again", "again", "again"]


def test_a_job_begins_again_so_often_and_no_more() -> None:
    play = Play("restart-all", most=2)
    for word in ("again", "again", "end"):
        play.say("worker@b", "failed", "exit code 1")
        assert play.words()[0] == word
        play.all("waiting")
        play.all("ready")
        play.all("ready")
    why = "worker@b failed (exit code 1), after 2 restarts of the job within 600 s"
    assert play.decider.word("server@a")["why"] == why

    play = Play("restart-all", most=1)
    for _ in range(3):
        play.say("worker@b", "failed", "exit code 1")
        assert play.words()[0] == "again"
        play.all("waiting")
        play.all("ready")
        play.all("ready")
        for _ in range(12):
            play.now += 55
            play.all("ready")


def test_one_that_does_not_become_ready_has_failed() -> None:
    play = Play("restart-all", most=1)
    play.say("worker@b", "failed", "exit code 1")
    play.all("waiting")
    play.say("server@a", "running")
    play.wait(11)
    assert play.words() == ["over", "end", "end"]
    assert play.decider.why.startswith("server@a was not ready after 10 s, after 1 restarts")


@pytest.mark.parametrize("rule", ["stop-all", "restart-all"])
def test_silence_is_a_failure_only_after_its_time(rule: str) -> None:
    play = Play(rule)
    for _ in range(6):
        play.now += 10
        play.say("server@a", "running")
        play.say("worker@b", "running")
    assert play.words() == ["keep", "keep", "keep"]
    play.wait(1)
    assert play.words() == ["end", "end", "over"]  # nobody can begin it again
    assert play.decider.why == "worker@c was not heard of for 60 s"


def test_what_is_done_stays_done_and_keeps_no_other_waiting() -> None:
    play = Play("restart-all")
    play.say("server@a", "done")
    play.say("worker@b", "failed", "exit code 1")
    play.say("worker@b", "waiting")
    play.say("worker@c", "waiting")
    assert play.words()[1:] == ["go", "go"]


def test_one_that_cannot_begin_again_ends_all() -> None:
    play = Play("restart-all")
    play.say("worker@b", "failed", "its supervisor was ended from outside", lasting=True)
    assert play.words() == ["end", "over", "end"]


def test_one_that_joins_late_is_told_what_holds() -> None:
    play = Play("stop-all")
    play.say("worker@c", "left")
    play.say("worker@b", "failed", "exit code 1", lasting=True)
    play.say("worker@c", "running", old=1)
    assert play.decider.word("worker@c")["word"] == "end"
    assert not play.decider.over()
