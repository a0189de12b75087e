"""Steps in the ends of logs: what a shell brings of them, and what is kept between looks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.health.progress import of_steps
from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.steps import Rhythm, StepForms, StepReading, Steps, Tail
from fleetctl.observe.progression import Progression
from fleetctl.probes.asked.tails import TAIL_BYTES
from fleetctl.probes.node import node_script, read_node
from fleetctl.probes.registry import BY_NAME
from tests.health.facts import facts, record
from tests.launch.jobs import instance

WORKER = instance()
KEY = (WORKER.job, WORKER.name)


def look(*tails: Tail, log_start: int = 0, run: str = "r1", keeps: Progression) -> NodeFacts:
    told = facts(record(WORKER, run=run, log_start=log_start), tails={KEY: tails[-1]})
    return keeps.read(told)


def tail(text: str, end: int, *grown: tuple[int, int], now: int) -> Tail:
    return Tail(text, end, grown, now)


def test_each_step_has_the_moment_at_which_the_log_had_grown() -> None:
    text = "step 10 loss 3.0\nstep 20 loss 2.5\nstep 30 loss 2.0\n"
    found = look(
        tail(text, 51, (100, 0), (103, 17), (108, 34), (113, 51), now=115),
        keeps=Progression([WORKER]),
    ).steps[KEY]
    assert found.readings == (
        StepReading(103, 10), StepReading(108, 20), StepReading(113, 30),
    )  # fmt: skip
    assert (found.now_s, found.loss, found.why) == (115, 2.0, "")


def test_a_line_from_before_the_known_moments_has_no_time() -> None:
    text = "step 10 loss 3.0\nstep 20 loss 2.5\n"
    found = look(tail(text, 34, (103, 30), (104, 34), now=104), keeps=Progression([WORKER]))
    assert found.steps[KEY].readings == (StepReading(104, 20),)


def test_a_line_that_is_not_whole_is_not_read() -> None:
    kept = Progression([WORKER])
    found = look(tail("7 loss 1\nstep 12", 1000, (5, 990), (6, 1000), now=6), keeps=kept)
    assert found.steps[KEY].readings == ()
    text = "7 loss 1\nstep 1234 loss 2\n"
    found = look(tail(text, 1010, (5, 990), (6, 1000), (7, 1010), now=7), keeps=kept)
    assert found.steps[KEY].readings == (StepReading(7, 1234),)


def test_of_a_bar_each_state_is_read_and_the_last_one_without_an_end() -> None:
    bar = "\r {n}%|#| {n}/100 [00:10<00:10,  2.00it/s]"
    text = "training\n" + bar.format(n=10) + bar.format(n=12)
    found = look(
        tail(text, len(text), (50, 0), (60, 40), (61, len(text)), now=61),
        keeps=Progression([WORKER]),
    ).steps[KEY]
    assert [r.step for r in found.readings] == [12], "two in the same second are one reading"
    assert found.steps_per_s == 2.0


def test_steps_are_kept_from_look_to_look_and_each_line_is_read_once() -> None:
    kept = Progression([WORKER])
    look(tail("step 1 loss 9\n", 14, (1, 0), (10, 14), now=11), keeps=kept)
    first = look(tail("step 1 loss 9\nstep 2 loss 8\n", 28, (10, 14), (20, 28), now=21), keeps=kept)
    assert [r.step for r in first.steps[KEY].readings] == [1, 2]
    later = look(tail("step 2 loss 8\nhello\n", 34, (20, 28), (30, 34), now=31), keeps=kept)
    assert later.steps[KEY].readings == first.steps[KEY].readings
    assert later.steps[KEY].now_s == 31


def test_a_new_attempt_and_a_new_count_begin_anew() -> None:
    kept = Progression([WORKER])
    look(tail("step 9 loss 9\n", 14, (1, 0), (10, 14), now=11), keeps=kept)
    text = "step 9 loss 9\nstep 1 loss 8\n"
    again = tail(text, 28, (10, 14), (20, 28), now=21)
    assert [r.step for r in look(again, keeps=kept).steps[KEY].readings] == [1]
    other = look(again, run="r2", log_start=28, keeps=kept).steps[KEY]
    assert (other.readings, other.loss) == ((), None)


def test_a_line_that_only_comes_late_does_not_begin_anew() -> None:
    text = "".join(f"step {n} loss 9\n" for n in (10, 20, 40, 30))
    end = len(text)
    grown = ((1, 0), (3, 15), (5, 30), (7, 45), (8, end))
    found = look(tail(text, end, *grown, now=9), keeps=Progression([WORKER])).steps[KEY]
    assert [r.step for r in found.readings] == [10, 20, 40]


def _served(number: int) -> str:
    return f'10.0.0.7 - - [x] "POST /a/{number:04} HTTP/1.1" 200 -\n'


WIDE = len(_served(0))


def served(first: int, last: int, *grown: tuple[int, int], now: int) -> Tail:
    """The end of a log of requests, a line each, with those from ``first`` on."""
    text = "".join(map(_served, range(first, last)))
    return tail(text, last * WIDE, *((at, n * WIDE) for at, n in grown), now=now)


def test_requests_are_counted_from_look_to_look() -> None:
    kept = Progression([WORKER])
    found = look(served(0, 10, (100, 0), (104, 4), (110, 10), now=110), keeps=kept).steps[KEY]
    assert found.requests == (StepReading(104, 4), StepReading(110, 10))
    assert of_steps(found).requests_per_s == 1.0, "six in the six seconds since the first"
    found = look(served(5, 15, (110, 10), (112, 15), now=120), keeps=kept).steps[KEY]
    assert found.requests[-1] == StepReading(112, 15)
    assert of_steps(found).requests_per_s == pytest.approx(11 / 16, abs=1e-4)
    idle = replace(found, now_s=300)
    assert of_steps(idle).requests_per_s == 0.0, "it told of requests, and none came since"


def test_requests_are_not_known_where_there_are_none_or_too_many_to_read() -> None:
    kept = Progression([WORKER])
    found = look(tail("listens on 8080\n", 16, (100, 16), now=110), keeps=kept).steps[KEY]
    assert of_steps(found).requests_per_s is None
    kept = Progression([WORKER])
    look(served(0, 10, (100, 0), (110, 10), now=120), keeps=kept)
    found = look(served(90, 100, (120, 90), (121, 100), now=130), keeps=kept).steps[KEY]
    assert found.requests == (StepReading(121, 9),), "counted anew"
    assert "grows faster than its end is read" in found.why
    assert of_steps(replace(found, now_s=122)).requests_per_s is None


def test_a_servers_own_count_may_have_gaps() -> None:
    own = replace(WORKER, progress=StepForms(requests=r"served (\d+)"))
    kept = Progression([own])
    look(tail("served 100\n", 11, (99, 0), (100, 11), now=100), keeps=kept)
    found = look(
        tail("x\nserved 700\n", 9011, (109, 9000), (110, 9011), now=110), keeps=kept
    ).steps[KEY]
    assert (of_steps(found).requests_per_s, found.why) == (60.0, "")


def test_how_often_it_prints_and_since_when_it_does_not() -> None:
    kept = Progression([WORKER])
    grown = ((1, 0), (2, 10), (3, 20), (5, 30), (6, 40))
    found = look(tail("", 40, *grown, now=50), log_start=5, keeps=kept).steps[KEY].rhythm
    assert found == Rhythm(pauses=3, usual_s=1.0, longest_s=0.0, quiet_s=44.0)
    longer = replace(tail("", 44, *grown, now=50), pauses=300, longest_s=9)
    found = look(longer, log_start=5, keeps=kept).steps[KEY].rhythm
    assert found == Rhythm(pauses=300, usual_s=1.0, longest_s=9.0, quiet_s=0.0), "it prints now"
    later = look(tail("", 44, *grown, now=51), log_start=5, keeps=kept).steps[KEY].rhythm
    assert later is not None
    assert later.longest_s == 9.0, "it is remembered"
    other = look(tail("", 44, *grown, now=51), log_start=35, run="r2", keeps=kept).steps[KEY]
    assert other.rhythm is None, "of the present attempt only one moment is known"


def test_a_clock_that_is_set_makes_nothing_silent() -> None:
    told = facts(
        record(WORKER, run="r1", log_start=0, age_s=12.0),
        tails={KEY: tail("", 30, (1, 10), (2, 20), (3, 30), now=90_000)},
    )
    rhythm = Progression([WORKER]).read(told).steps[KEY].rhythm
    assert rhythm is not None
    assert rhythm.quiet_s == 12.0


def test_an_expression_that_takes_too_long_is_the_reason() -> None:
    slow = replace(WORKER, progress=StepForms(step=r"((a|aa)+)$"))
    told = facts(record(slow), tails={KEY: tail("a" * 60 + "b\n", 62, now=1)})
    assert "0.1 s" in Progression([slow]).read(told).steps[KEY].why


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / ".local/state/fleetctl/fleet" / WORKER.job / WORKER.name
    (made / "log").mkdir(parents=True)
    return made


def asked(home: Path) -> NodeFacts:
    """What a shell with this home folder says of the tails."""
    questions = Questions("fleet", WORKER.node, instances=(WORKER,))
    script = node_script(questions, without=frozenset(BY_NAME) - {"tails", "records"})
    done = subprocess.run(
        ["sh", "-c", script.text],
        capture_output=True,
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        check=True,
        timeout=20,
    )
    return read_node(script, done.stdout.decode("utf-8", "replace"), done.stderr.decode())


def test_a_shell_brings_the_end_of_the_newest_segment(folder: Path, tmp_path: Path) -> None:
    (folder / "state").write_text("run=r1\nphase=running\nrestarts=0\nlog=0\n")
    (folder / "log/900.log").write_text("step 5 loss 9\n")
    line = "step 1 loss 2.0 log:1 2 job/worker@pi\n"
    text = "x" * TAIL_BYTES + "\n" + line + "unfinished"
    (folder / "log/1000.log").write_text(text)
    (folder / "log/1000.idx").write_text(f"100 1000\n200 {1000 + len(text)}\n")
    found = asked(tmp_path)
    told = found.tails[KEY]
    assert told.text == text[-TAIL_BYTES:]
    assert told.end == 1000 + len(text)
    assert told.grown == ((100, 1000), (200, told.end))
    read = Progression([WORKER]).read(found).steps[KEY]
    assert (read.readings, read.loss) == ((StepReading(200, 1),), 2.0)


def test_a_shell_tells_of_the_pauses_of_the_present_attempt(folder: Path, tmp_path: Path) -> None:
    (folder / "state").write_text("run=r1\nphase=running\nrestarts=1\nlog=1500\n")
    (folder / "log/1000.log").write_text("x" * 2000)
    seconds = [1, 50, *range(100, 170), 180, 189, 250]
    lines = [f"{second} {1400 + 60 * n}\n" for n, second in enumerate(seconds)]
    (folder / "log/1000.idx").write_text("".join(lines))
    told = asked(tmp_path).tails[KEY]
    assert (told.pauses, told.longest_s) == (len(seconds) - 3, 11)
    assert len(told.grown) == 60
    assert told.grown[-1] == (250, 1400 + 60 * (len(seconds) - 1))
    (folder / "log/1000.idx").unlink()
    assert asked(tmp_path).tails[KEY].grown == ()


def test_what_does_not_run_is_not_read(folder: Path, tmp_path: Path) -> None:
    (folder / "log/0.log").write_text("step 5 loss 9\n")
    (folder / "state").write_text("run=r1\nphase=ended\n")
    assert asked(tmp_path).tails == {}


def aged(one: Tail, age_s: float, keeps: Progression) -> Steps:
    told = facts(replace(record(WORKER, log_start=0), age_s=age_s), tails={KEY: one})
    return keeps.read(told).steps[KEY]


@pytest.mark.parametrize("by_s", [86400, 600, -600])
def test_a_clock_that_is_set_makes_nothing_silent_or_late(by_s: int) -> None:
    """As NTP does some time after the boot of a Raspberry Pi."""
    kept = Progression([WORKER])
    text = "step 1 loss 9\nstep 2 loss 8\nstep 3 loss 7\n"
    grown = ((1000, 0), (1010, 14), (1020, 28), (1030, 42))
    first = aged(tail(text, 42, *grown, now=1032), 40.0, kept)
    assert first.rhythm is not None
    assert (first.rhythm.quiet_s, first.quiet_s) == (2, 2)
    for passed in (2, 6):  # nothing is printed
        later = aged(tail(text, 42, *grown, now=1032 + by_s + passed), 40.0 + passed, kept)
        assert later.rhythm is not None
        assert (later.rhythm.quiet_s, later.quiet_s) == (2 + passed, 2 + passed)
    grew = (1040 + by_s, 56)
    later = aged(tail(text + "step 4 loss 6\n", 56, *grown, grew, now=1041 + by_s), 49.0, kept)
    assert later.rhythm is not None
    assert (later.rhythm.quiet_s, later.quiet_s) == (1, 1)
    assert later.pauses_s == [10, 10, 10]


@pytest.mark.parametrize("by_s", [1, 2, 5])
def test_of_a_clock_that_is_set_back_a_little_no_two_steps_have_one_time(by_s: int) -> None:
    kept = Progression([WORKER])
    text = "step 1 loss 9\nstep 2 loss 8\nstep 3 loss 7\nstep 4 loss 6\n"
    grown = ((9, 14), (10, 28), (11, 42), (12 - by_s, 56))
    found = look(tail(text, 56, (8, 0), *grown, now=12), keeps=kept).steps[KEY]
    assert all(pause > 0 for pause in found.pauses_s)
    assert found.readings[-1] == StepReading(12 - by_s, 4)
