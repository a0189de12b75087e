"""A process that is stopped is named by one look, though nothing else of its job prints."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES_YAML, User, eventually, interrupt, running, sh
from tests.e2e.conftest import MakeUser
from tests.waiting import patient

pytestmark = [pytest.mark.lab, pytest.mark.long]  # two minutes

TICK = "while :; do echo tick; sleep 1; done"
JOB: dict[str, Any] = {
    "mac": {"on": "mini", "command": f"exec sh -c '{TICK} # of mac'"},
    "pi": {"on": "pi", "command": f"exec sh -c '{TICK} # of pi'"},
    "idle": {
        "on": "hub",
        "command": "for n in 1 2 3 4 5; do echo hello; sleep 1; done; exec sleep 1000",
    },
}
ENOUGH = 26
"""Lines, with a second between two."""


@pytest.fixture(scope="module")
def cluster(make_lab: MakeLab) -> Lab:
    """The small cluster, with a Mac."""
    whole = yaml.safe_load(NODES_YAML)
    whole["nodes"]["mini"]["os"] = "macos"
    return make_lab(yaml.safe_dump(whole, sort_keys=False))


def named(status: dict[str, Any]) -> dict[str, str]:
    """What is said of each instance that is silent."""
    return {
        name: problem["summary"]
        for problem in status["problems"]
        if problem["code"] == "service-silent"
        for name in problem["affects"]
    }


def prints_enough(user: User, name: str) -> bool:
    return user.type("logs", name, "--lines", "200").out.count("tick") >= ENOUGH


def is_busy(service: dict[str, Any]) -> bool:
    """Whether it is known how busy it is; it does next to nothing."""
    busy = (service["progress"] or {}).get("cpus_busy")
    return busy is not None and 0 <= busy < 0.5


def watched(user: User, until: Callable[[dict[str, Any]], bool], timeout_s: float) -> None:
    """Wait until a line of `status --watch --json` is so."""
    watching = user.begin("status", "--watch", "--json")
    assert watching.stdout
    deadline = time.monotonic() + patient(timeout_s)
    try:
        for line in watching.stdout:
            status = json.loads(line)
            if until(status):
                return
            assert time.monotonic() < deadline, status
        raise AssertionError("it ended")
    finally:
        interrupt(watching)


def test_the_only_rank_that_prints_is_stopped(user: MakeUser) -> None:
    one = user(JOB)
    one.start()
    for name in ("mac@mini", "pi@pi"):
        eventually(partial(prints_enough, one, name), f"{name} prints", timeout_s=120)
    assert named(one.status()) == {}
    watched(one, lambda status: all(map(is_busy, status["services"].values())), timeout_s=60)
    pids = {node: running(one.lab, node, f"sh -c {TICK}")[0] for node in ("mini", "pi")}
    for node, pid in pids.items():
        sh(one.lab, node, f"kill -{signal.SIGSTOP.value} {pid}")
    stopped_at_s = time.monotonic()
    eventually(lambda: len(named(one.status())) == 2, "both are named", timeout_s=120)
    assert time.monotonic() - stopped_at_s > 40, "a pause of half a minute is no silence"
    said = named(one.status())
    for name, pid in (("mac@mini", pids["mini"]), ("pi@pi", pids["pi"])):
        assert said[name].startswith(f"{name} runs but has printed nothing for ")
        assert f"its process {pid} is stopped" in said[name]
    watched(one, lambda status: set(named(status)) == {"mac@mini", "pi@pi"}, timeout_s=30)
    for node, pid in pids.items():
        sh(one.lab, node, f"kill -{signal.SIGCONT.value} {pid}")
    eventually(lambda: named(one.status()) == {}, "it is over", timeout_s=60)
    one.type("stop")
