"""The dashboard that only shows, and the one in a browser."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from textual.events import AppBlur

from fleetctl.service import FleetService
from fleetctl.tui.app import FleetApp
from fleetctl.tui.limits import CHANGES, NOT_IN_A_BROWSER, Limits
from fleetctl.tui.read_only import READS, REPAIR_READS, SENTENCE, ReadOnly, read_only
from fleetctl.undertakings import Repairs
from tests.tui.stage import JOB, Screen, Stage

READ_ONLY = Limits(read_only=True)
GUEST = Limits(read_only=True, in_browser=True)
BROWSER = Limits(in_browser=True)


class Patient(FleetApp):
    """What it says stays until it is seen."""

    NOTIFICATION_TIMEOUT = 120


@asynccontextmanager
async def opened(limits: Limits, stage: Stage) -> AsyncIterator[Screen]:
    app = Patient(stage, limits=limits)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = Screen(app, pilot, stage)
        await screen.until("5/5 ready", timeout_s=30)
        yield screen


def played(limits: Limits, act: Callable[[Screen], Awaitable[None]]) -> Stage:
    async def body() -> Stage:
        stage = Stage()
        async with opened(limits, stage) as screen:
            await act(screen)
        return stage

    return asyncio.run(asyncio.wait_for(body(), 100))


def public(protocol: type) -> set[str]:
    names = {n for n, v in vars(protocol).items() if not n.startswith("_") and callable(v)}
    properties = {n for n, v in vars(protocol).items() if isinstance(v, property)}
    return names | properties | set(inspect.get_annotations(protocol))


def test_what_is_read_is_a_part_of_what_there_is() -> None:
    assert public(FleetService) >= READS
    assert public(Repairs) >= REPAIR_READS
    assert not {"start", "stop", "restart", "signal", "send", "execute", "sync", "attach"} & READS
    assert not {"apply", "undo"} & REPAIR_READS


@pytest.mark.parametrize(
    "name", sorted(public(FleetService) - READS - {"with_job", "fix", "attach"})
)
def test_the_service_itself_refuses_whatever_changes_something(name: str) -> None:
    stage = Stage()
    for service in (read_only(stage), read_only(stage).with_job(JOB)):
        with pytest.raises(ReadOnly, match="This dashboard is read-only"):
            getattr(service, name)([], print)
    assert stage.began == []


def test_a_window_is_looked_at_and_not_typed_into() -> None:
    async def body() -> None:
        stage = Stage()
        with pytest.raises(ReadOnly):
            await read_only(stage).attach(JOB.instances[0])
        assert stage.began == []
        await read_only(stage).attach(JOB.instances[0], read_only=True)
        assert len(stage.began) == 1

    asyncio.run(body())


def test_repairs_are_shown_and_not_run() -> None:
    async def body() -> None:
        stage = Stage()
        stage.world.hosts["mini3"].forwarding = False
        repairs = read_only(stage).fix(["mini3"])
        await repairs.look()
        assert repairs.proposal.repairs
        for act in (repairs.apply, repairs.undo):
            with pytest.raises(ReadOnly):
                await act("mini3", [], print)

    asyncio.run(body())


async def refused(screen: Screen, why: str, *keys: str) -> None:
    """Each key says why it does nothing."""
    for key in keys:
        await screen.type(key)
        await screen.until(why, timeout_s=30)
        screen.app.clear_notifications()
        await screen.until(gone=why, timeout_s=30)


def test_a_guest_s_terminal_cannot_be_lent() -> None:
    async def act(screen: Screen) -> None:
        await refused(screen, "a terminal can be lent to tmux", "a", "A")
        await refused(screen, SENTENCE[:28], "s")
        await refused(screen, "it would be saved on the machine", "D")
        screen.app.attach(JOB.instances[0], read_only=True)  # as the palette does
        await screen.until("a terminal can be lent to tmux", timeout_s=30)

    assert played(GUEST, act).began == []


def test_a_browser_may_act_if_that_is_allowed_and_names_its_keys_to_fingers() -> None:
    async def act(screen: Screen) -> None:
        screen.app.post_message(AppBlur())
        await screen.pilot.pause()
        assert screen.app.app_focus
        await screen.until("s start", "? help", timeout_s=30)
        await refused(screen, "a terminal can be lent to tmux", "a", "A")
        await screen.type("x")
        await screen.until("Stop edp", timeout_s=30)

    played(BROWSER, act)


def test_what_is_refused_where() -> None:
    assert {action for action in CHANGES if not BROWSER.refusal(action)} == {
        *("start", "stop", "restart", "end", "apply", "measure", "tour", "mend")
    }
    assert all(GUEST.refusal(action) for action in (*CHANGES, *NOT_IN_A_BROWSER))
    assert not GUEST.refusal("check")
    assert not READ_ONLY.refusal("look_at")
