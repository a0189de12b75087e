"""Filters that pick instances and count labels, and going by time."""

from __future__ import annotations

import pytest

from fleetctl.errors import UsageError
from fleetctl.tui.logs.asked_filter import asked
from tests.tui.logs.test_panel import SERVER, WORKER, Screen, User, run

NAMES = ("server@mini1", "worker@pi4", "worker@pi5", "eval@pi5")


@pytest.mark.parametrize(
    ("typed", "picked", "shown"),
    [
        ("loss", None, "/loss/"),
        ("@pi*", NAMES[1:], "@pi*"),
        ("@pi5 !loss", NAMES[2:], "@pi5 !/loss/"),
        ("@worker", NAMES[1:3], "@worker"),
        ("@eval@pi5", NAMES[3:], "@eval@pi5"),
        ("@nobody x", (), "@nobody /x/"),
        ("@ x", None, "/x/"),
        ("!", None, ""),
    ],
)
def test_what_is_typed(typed: str, picked: tuple[str, ...] | None, shown: str) -> None:
    found = asked(typed, NAMES, NAMES)
    assert (found.instances, found.shown) == (picked, shown)


def test_what_is_no_expression_is_refused_also_after_an_at() -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        asked("@pi* (", NAMES, NAMES)


def test_an_at_picks_instances_and_the_label_counts_as_text() -> None:
    async def body(app: Screen, user: User) -> None:
        app.write(SERVER, "one loss\ntwo\n")
        app.write(WORKER, "three loss\nfour\n")
        both = ["server@mini1 | two", "worker@pi4   | three loss", "worker@pi4   | four"]
        await user.rows("server@mini1 | one loss", *both)
        await user.press("slash", *"@pi? loss", "enter")
        await user.title("Logs · all · following · filter @pi? /loss/ 1 of 2")
        await user.rows("three loss")
        await user.press("escape", "slash", *"worker|two", "enter")
        await user.rows(*both)
        await user.press("slash", "escape", "slash", *"!server", "enter")
        await user.rows(*both[1:])
        await user.press("]", "slash", "escape", "slash", *"server", "enter")
        await user.title("Logs · server@mini1 · following · filter /server/ 0 of 2")
        await user.rows()  # its label is not shown, and does not count

    run(body, (90, 12))


def test_the_logs_go_by_time() -> None:
    async def body(app: Screen, user: User) -> None:
        for minute in range(8):
            app.write(SERVER, f"minute {minute}\n", 1e9 + 60 * minute)
        await user.sees(lambda: "minute 7" in app.drawn()[-2])
        await user.press("<")
        await user.title("Logs · all · paused")
        assert app.panel.instance == SERVER
        assert app.lines.here
        assert app.lines.here.chunk.at == 1e9 + 60 * 6
        await user.press(*"<<<<<")
        await user.sees(lambda: "minute 1" in "".join(app.rows()))
        assert WORKER not in "".join(app.rows())
        await user.press(*">>>>>>>")
        await user.title("Logs · all · following")

    run(body, (80, 6))
