"""The steps of a real training, as its user sees them, and a rank of it that is stopped."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES_YAML, User, interrupt, running, sh
from tests.e2e.conftest import MakeUser
from tests.waiting import patient

pytestmark = pytest.mark.lab

ELASTIC = Path(__file__).parents[2] / "examples" / "elastic"
TRAIN = "cd ~/elastic && exec python3 train.py"
LOG_EVERY = 5
QUICK = {"signal": "INT", "grace": 5}
JOB: dict[str, Any] = {
    "server": {
        "on": "hub",
        "command": f"{TRAIN} server {{node}} --listen {{server.host}}:{{server.port}}",
        "listen": "fabric:7801",
        "stop": QUICK,
    },
    "worker": {
        "on": ["hub", "mini", "pi"],
        "after": ["server"],
        "command": f"{TRAIN} worker {{rank}} {{node}} --server {{server.host}}:{{server.port}} "
        f"--log-every {LOG_EVERY}",
        "stop": QUICK,
    },
}


@pytest.fixture(scope="module")
def cluster(make_lab: MakeLab) -> Lab:
    """The small cluster, whose nodes have the example."""
    return make_lab(NODES_YAML, copies=[(ELASTIC, "~/elastic")])


@pytest.fixture
def training(user: MakeUser) -> User:
    one = user(JOB)
    whole = yaml.safe_load(one.path.read_text())
    whole["jobs"] = {"job": {"elastic": True, "services": JOB}}
    one.path.write_text(yaml.safe_dump(whole, sort_keys=False))
    one.start()
    return one


def told(training: User, until: Callable[[dict[str, Any]], bool], timeout_s: float) -> Any:
    """The first line of `top --json` for which ``until`` holds."""
    top = training.begin("top", "--json", "--every", "1")
    assert top.stdout
    deadline = time.monotonic() + patient(timeout_s)
    try:
        for line in top.stdout:
            view = json.loads(line)
            if until(view):
                return view
            assert time.monotonic() < deadline, view
        raise AssertionError("it ended")
    finally:
        interrupt(top)


def workers(view: dict[str, Any]) -> list[dict[str, Any]]:
    return [s["progress"] for s in view["services"].values() if s["service"] == "worker"]


def test_how_far_a_training_is(training: User) -> None:
    def all_known(view: dict[str, Any]) -> bool:
        return all(p and p["steps_per_s"] and p["loss"] for p in workers(view))

    view = told(training, all_known, timeout_s=60)
    for progress in workers(view):
        assert progress["since_step_s"] < 30
        assert abs(progress["behind_steps"]) < progress["step"]
    job = training.status()["progress"]
    assert (job["service"], job["reason"]) == ("worker", None)
    assert job["step"] >= max(p["step"] for p in workers(view))
    assert 0 < job["loss"] < 10
    said = training.type("top", "--once")
    assert said.code == 0
    assert "worker: step " in said.out.splitlines()[0]
    assert len(said.out.splitlines()) == 3 + 4
    training.type("stop")
    assert training.status()["progress"] is None


@pytest.mark.long  # 90 s
def test_a_rank_that_is_stopped_is_named(training: User) -> None:
    def lags(view: dict[str, Any]) -> bool:
        return any(p["code"] == "straggler" for p in view["problems"])

    first = told(training, lambda view: all(p and p["step"] for p in workers(view)), 60)
    enough = max(p["step"] for p in workers(first)) + 4 * 3 * LOG_EVERY
    told(training, lambda view: all(p["step"] > enough for p in workers(view)), 60)
    (pid,) = running(training.lab, "pi", "python3 train.py worker")
    sh(training.lab, "pi", f"kill -{signal.SIGSTOP.value} {pid}")
    view = told(training, lags, timeout_s=90)
    (problem,) = (p for p in view["problems"] if p["code"] == "straggler")
    assert problem["affects"] == ["worker@pi"]
    assert "no new step for" in problem["summary"]
    assert f"its process {pid} is stopped" in problem["summary"]
    sh(training.lab, "pi", f"kill -{signal.SIGCONT.value} {pid}")
    told(training, lambda view: not lags(view), timeout_s=60)
    training.type("stop")
