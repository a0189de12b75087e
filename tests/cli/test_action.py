"""What a start says at its end, also when that comes before the nodes have answered."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from fleetctl.cli.action import carry_out
from fleetctl.model.progress import ActionResult
from fleetctl.model.status import ServiceState, ServiceStatus
from fleetctl.service import Action, Report
from tests.launch.jobs import job

JOB = job({"server": (["mini1"], []), "worker": (["pi4"], ["server"])})
SERVER = ServiceStatus(service="server", node="mini1", rank=1, state="ready")


def hanging(*known: ServiceStatus, runs_now: asyncio.Event | None = None) -> Action:
    """An action that never ends.

    :param known: what it learns first.
    :param runs_now: is set then.
    """

    async def work(found: dict[str, ServiceStatus]) -> ActionResult:
        found.update({f"{status.service}@{status.node}": status for status in known})
        if runs_now:
            runs_now.set()
        await asyncio.Event().wait()
        raise AssertionError

    return Action(work)


def begin(action: Action) -> int:
    def report_to(_report: Report) -> Action:
        return action

    return asyncio.run(carry_out(report_to, JOB.instances, "starting", False, timeout_s=0.1))


def test_a_timeout_before_any_answer_leaves_all_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert begin(hanging()) == 1
    said = capsys.readouterr().err
    assert "gave up after 0.1 s, not ready: server@mini1, worker@pi4\n" in said
    assert "server@mini1 is unknown: mini1 has not answered yet\n" in said
    assert "worker@pi4 is unknown: pi4 has not answered yet\n" in said


def test_a_timeout_before_some_answers_tells_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert begin(hanging(SERVER)) == 1
    said = capsys.readouterr().err
    assert "gave up after 0.1 s, not ready: worker@pi4\n" in said
    assert "start: 1 of 2 done\n" in said
    assert "server@mini1 is" not in said


@pytest.mark.parametrize(
    ("known", "runs", "unknown"),
    [((), "nothing", "server@mini1, worker@pi4"), ((SERVER,), "server@mini1", "worker@pi4")],
)
def test_an_interrupted_start_tells_what_is_not_known(
    known: tuple[ServiceStatus, ...],
    runs: str,
    unknown: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def body() -> None:
        runs_now = asyncio.Event()
        action = hanging(*known, runs_now=runs_now)
        starting = asyncio.create_task(
            carry_out(lambda _report: action, JOB.instances, "starting", False)
        )
        await runs_now.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(body())
    assert capsys.readouterr().err.endswith(
        f"stopped waiting; running on: {runs}\nnot known: {unknown}; ask with: fleetctl status\n"
    )


def test_the_last_lines_of_a_failed_instance_stand_below_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = replace(SERVER, state="failed", reason="exit code 1", last_lines=("a:", "  b"))

    async def work(_: dict[str, ServiceStatus]) -> ActionResult:
        return ActionResult("start", {"server@mini1": failed})

    assert begin(Action(work)) == 1
    assert capsys.readouterr().err.endswith(
        "server@mini1 is failed: exit code 1\n    a:\n      b\n"
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (replace(SERVER, changed=True), "to renew it: fleetctl restart server@mini1"),
        (
            replace(SERVER, changed=True, state="exited", once=True),
            "server@mini1 was done with another definition than nodes.yaml has now; "
            "to run it with this one: fleetctl start --again server@mini1",
        ),
    ],
)
def test_another_definition_is_told(
    status: ServiceStatus, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(_: dict[str, ServiceStatus]) -> ActionResult:
        return ActionResult("start", {"server@mini1": status})

    assert begin(Action(work)) == 0
    assert f"{said}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("ready", "ready"), "all 2 ready"),
        (("ready", "exited"), "1 ready, 1 ended with exit code 0"),
        (("exited", "exited"), "2 ended with exit code 0"),
    ],
)
def test_what_has_ended_is_not_called_ready(
    states: tuple[ServiceState, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(found: dict[str, ServiceStatus]) -> ActionResult:
        for instance, state in zip(JOB.instances, states, strict=True):
            found[instance.name] = replace(SERVER, state=state)
        return ActionResult("start", dict(found))

    assert begin(Action(work)) == 0
    assert capsys.readouterr().err == f"{said}\n"
