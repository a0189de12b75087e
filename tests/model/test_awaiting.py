"""How an instance stands to what is waited for."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from msgspec.structs import replace

from fleetctl.health.services import unknown_status
from fleetctl.model.awaiting import Aim, Standing, exit_code, standing
from fleetctl.model.jobs import Job
from fleetctl.model.status import LivenessState, LivenessStatus, ServiceState, ServiceStatus
from tests.launch.jobs import job

JOB = job({"server": (["a"], []), "worker": (["b"], ["server"]), "last": (["c"], ["worker"])})


def stands(
    aim: Aim,
    *states: ServiceState,
    of: Job = JOB,
    name: str = "server@a",
    left: Collection[str] = (),
) -> Standing:
    """Of the instance ``name``; ``states`` are those of the job's instances, in their order."""
    padded = [*states, *["stopped"] * (len(of.instances) - len(states))]
    statuses = {
        i.name: replace(
            unknown_status(i, ""), state=state, exit_code=3 if state == "failed" else None
        )
        for i, state in zip(of.instances, padded, strict=True)
    }
    instance = next(i for i in of.instances if i.name == name)
    return standing(of, instance, statuses, aim, left)


@pytest.mark.parametrize(
    ("state", "ready", "stopped", "exited"),
    [
        ("stopped", "not yet", "so", "not yet"),
        ("waiting", "not yet", "so", "not yet"),
        ("starting", "not yet", "not yet", "not yet"),
        ("running", "not yet", "not yet", "not yet"),
        ("ready", "so", "not yet", "not yet"),
        ("unhealthy", "not yet", "not yet", "not yet"),
        ("restarting", "not yet", "not yet", "not yet"),
        ("exited", "so", "so", "so"),
        ("failed", "never", "so", "so"),
        ("unknown", "not yet", "not yet", "not yet"),
    ],
)
def test_each_state_stands_to_each_aim(
    state: ServiceState, ready: Standing, stopped: Standing, exited: Standing
) -> None:
    assert stands("ready", state) == stands("healthy", state) == ready
    assert stands("stopped", state) == stopped
    assert stands("exited", state) == exited


def test_what_is_left_running_is_not_stopped() -> None:
    assert stands("stopped", "failed", left=["server@a"]) == "not yet"


def test_an_end_without_an_exit_code_tells_none() -> None:
    gone = replace(unknown_status(JOB.instances[0], ""), state="failed")
    others = {i.name: gone for i in JOB.instances}
    assert standing(JOB, JOB.instances[0], others, "exited") == "never"


@pytest.mark.parametrize(
    ("liveness", "found"),
    [("ok", "so"), ("pending", "not yet"), ("failing", "not yet"), ("unknown", "not yet")],
)
def test_healthy_is_what_its_liveness_found_well(liveness: LivenessState, found: Standing) -> None:
    instance = JOB.instances[0]
    ready = replace(unknown_status(instance, ""), state="ready")
    asked = replace(ready, liveness=LivenessStatus("GET /", liveness))
    assert standing(JOB, instance, {instance.name: asked}, "healthy") == found
    assert standing(JOB, instance, {instance.name: asked}, "ready") == "so"


def test_what_waits_for_something_that_failed_never_becomes_ready() -> None:
    assert stands("ready", "failed", "waiting", name="worker@b") == "never"
    assert stands("exited", "failed", "stopped", "waiting", name="last@c") == "never"
    assert stands("ready", "failed", "running", name="worker@b") == "not yet"
    assert stands("ready", "unknown", "waiting", name="worker@b") == "not yet"


def test_in_an_elastic_job_one_of_several_will_do() -> None:
    two = job({"server": (["a", "b"], []), "worker": (["c"], ["server"])})
    elastic = replace(two, elastic=True)
    some: tuple[ServiceState, ...] = ("failed", "running", "waiting")
    assert stands("ready", *some, of=two, name="worker@c") == "never"
    assert stands("ready", *some, of=elastic, name="worker@c") == "not yet"
    assert stands("ready", "failed", "failed", "waiting", of=elastic, name="worker@c") == "never"


def test_the_exit_code_of_a_job_is_the_first_that_is_not_0() -> None:
    def codes(*several: int | None) -> list[ServiceStatus]:
        return [replace(unknown_status(JOB.instances[0], ""), exit_code=c) for c in several]

    assert exit_code(codes(0, 3, 5)) == 3
    assert exit_code(codes(0, None)) == 0
