"""What runs although nodes.yaml no longer says so: told, shown, and stopped."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.e2e.cluster import User, eventually, running
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

QUICK = {"grace": 1}


def worker(seconds: int, *on: str, **more: Any) -> dict[str, Any]:
    return {"on": list(on), "command": f"exec sleep {seconds}", "stop": QUICK, **more}


def rename_job(user: User, **jobs: Any) -> None:
    """Give the file other jobs."""
    whole = yaml.safe_load(user.path.read_text())
    user.path.write_text(yaml.safe_dump({**whole, "jobs": jobs}, sort_keys=False))


def test_a_node_was_taken_out_and_a_service_renamed(user: MakeUser) -> None:
    one = user({"worker": worker(4811, "mini", "pi"), "old": worker(4812, "hub")})
    one.start()
    one.write({"worker": worker(4811, "mini"), "new": worker(4812, "hub")})
    status = one.status()
    assert status["healthy"]
    told = {(o["job"], o["service"], o["node"], o["state"]) for o in status["orphans"]}
    assert told == {("job", "worker", "pi", "running"), ("job", "old", "hub", "running")}
    assert all(o["started_at"] and o["pid"] and o["reason"] for o in status["orphans"])
    problems = [(p["code"], p["severity"], p["node"], p["affects"]) for p in status["problems"]]
    assert ("service-orphaned", "warning", "pi", ["worker@pi"]) in problems
    assert ("service-orphaned", "warning", "hub", ["old@hub"]) in problems
    said = one.type("check")
    assert "worker of job job is not on pi in nodes.yaml" in said.out

    # a node: what is there
    said = one.type("stop", "pi")
    assert (said.code, said.err.splitlines()[-1]) == (0, "all 1 stopped")
    assert not running(one.lab, "pi", "sleep 4811")
    assert running(one.lab, "mini", "sleep 4811") and running(one.lab, "hub", "sleep 4812")
    # only orphans
    said = one.type("stop", "--orphans")
    assert (said.code, said.err.splitlines()[-1]) == (0, "all 1 stopped")
    assert running(one.lab, "mini", "sleep 4811") and not running(one.lab, "hub", "sleep 4812")
    assert one.status()["orphans"] == []
    assert one.states() == {"worker@mini": "ready", "new@hub": "stopped"}
    said = one.type("stop", "--orphans")
    assert (said.code, said.err.splitlines()[-1]) == (0, "there is nothing to stop")


def test_stop_without_a_target_stops_them_too(user: MakeUser) -> None:
    one = user({"worker": worker(4821, "mini", "pi")})
    one.start()
    one.write({"worker": worker(4821, "mini")})
    said = one.type("stop")
    assert said.code == 0 and "all 2 stopped" in said.err
    assert not running(one.lab, "pi", "sleep 4821") and not running(one.lab, "mini", "sleep 4821")


def test_what_is_not_there_is_said(user: MakeUser) -> None:
    one = user({"worker": worker(4831, "mini")})
    said = one.type("stop", "pi")
    assert (said.code, said.err) == (0, "there is nothing to stop on pi\n")
    one.start()
    said = one.type("stop", "mini", "wroker")
    assert said.code == 2
    assert "'wroker' is no node, service or instance. Did you mean 'worker'?" in said.err
    assert running(one.lab, "mini", "sleep 4831")  # nothing was stopped
    one.write({"other": worker(4832, "mini")})
    said = one.type("stop", "worker")
    assert said.code == 0 and "all 1 stopped" in said.err
    assert not running(one.lab, "mini", "sleep 4831")


def test_other_jobs_of_the_fleet(user: MakeUser) -> None:
    one = user({"worker": worker(4841, "pi")})
    one.start()
    rename_job(one, new={"services": {"api": worker(4842, "pi")}})
    [orphan] = one.status()["orphans"]
    assert orphan["reason"] == "nodes.yaml has no job job"
    both = {"new": {"services": {"api": worker(4842, "pi")}}}
    rename_job(one, **both, job={"services": {"worker": worker(4841, "pi")}})
    [orphan] = one.status()["orphans"]
    assert orphan["reason"] == "it belongs to job job, not to new"
    # a job that is named is all that is stopped
    assert one.type("--job", "new", "stop").code == 0
    assert running(one.lab, "pi", "sleep 4841")
    said = one.type("stop")
    assert said.code == 0 and "job/worker@pi" in said.err
    assert not running(one.lab, "pi", "sleep 4841")


def test_a_job_that_nodes_yaml_had_before_is_stopped_by_its_name(user: MakeUser) -> None:
    one = user({"worker": worker(4845, "pi"), "other": worker(4846, "mini")})
    one.start()
    rename_job(one, new={"services": {"worker": worker(4847, "pi")}})
    one.start()
    said = one.type("--job", "jbo", "stop")
    assert said.code == 2 and "there is no job 'jbo'" in said.err
    assert one.type("--job", "job", "stop", "worker@pi").code == 0
    assert not running(one.lab, "pi", "sleep 4845")
    assert running(one.lab, "mini", "sleep 4846") and running(one.lab, "pi", "sleep 4847")
    said = one.type("--job", "job", "stop")
    assert said.code == 0 and "all 1 stopped" in said.err
    assert running(one.lab, "pi", "sleep 4847") and not running(one.lab, "mini", "sleep 4846")


def test_the_port_of_a_service_that_was_renamed(user: MakeUser) -> None:
    server = {
        "on": "hub",
        "command": "exec python3 -m http.server 7411 --bind 10.10.0.1",
        "listen": "fabric:7411",
        "stop": QUICK,
    }
    one = user({"server": server})
    one.start()
    one.write({"master": server})
    said = one.type("start")
    assert said.code == 1
    assert "is taken by server@hub of job job" in said.err
    assert "fleetctl --job job stop server@hub" in said.err
    assert running(one.lab, "hub", "python3 -m http.server 7411")
    assert one.type("stop", "server@hub").code == 0
    one.start()
    eventually(lambda: one.states() == {"master@hub": "ready"}, "its port is free")


def without_pi(user: User) -> None:
    """Take pi out of the file, and its part of the job."""
    whole = yaml.safe_load(user.path.read_text())
    del whole["nodes"]["pi"]
    whole["jobs"]["job"]["services"]["worker"]["on"] = ["mini"]
    user.path.write_text(yaml.safe_dump(whole, sort_keys=False))


def test_a_node_was_taken_out_of_the_file_as_a_whole(user: MakeUser) -> None:
    one = user({"worker": worker(4851, "mini", "pi")})
    one.start()
    without_pi(one)
    status = one.status()
    [orphan] = status["orphans"]
    assert (orphan["node"], orphan["reason"]) == ("pi", "pi is no longer in nodes.yaml")
    assert ("service-orphaned", "pi") in [(p["code"], p["node"]) for p in status["problems"]]
    assert "worker@pi runs since" in one.type("check").out
    said = one.type("stop", "pi")
    assert said.code == 0 and "all 1 stopped" in said.err
    assert not running(one.lab, "pi", "sleep 4851") and running(one.lab, "mini", "sleep 4851")
    assert one.status()["orphans"] == []
    assert one.type("stop").code == 0


@pytest.mark.long  # 11 s
def test_a_former_node_that_cannot_be_asked_is_not_well(user: MakeUser) -> None:
    one = user({"worker": worker(4861, "mini", "pi")})
    one.start()
    without_pi(one)
    one.lab.fault("power-off", "pi")
    [problem] = [p for p in one.status()["problems"] if p["code"] == "service-orphaned"]
    assert problem["node"] == "pi"
    assert (
        "may still run, but pi is no longer in nodes.yaml, and cannot be asked"
        in (problem["summary"])
    )
    said = one.type("stop")
    assert said.code == 0
    assert "what else runs on pi is not known" in said.err
    one.lab.heal()
    assert one.status()["problems"] == []  # it does not run after the power cut
