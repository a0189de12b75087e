"""Problems as `status` and `check` print them."""

from __future__ import annotations

from fleetctl.cli.render import problem_lines
from fleetctl.model.status import Fix, Problem

FIX = Fix(("sudo pmset -a sleep 0",), "mini1")


def sleeps(node: str, fix: Fix | None = None) -> Problem:
    return Problem("sleep-enabled", "warning", f"{node} sleeps", node, (node,), "pmset", fix)


DOWN = Problem("forwarding-off", "error", "pi4 forwards nothing", "pi4", evidence="sysctl")


def test_the_same_cause_on_many_nodes_stands_together() -> None:
    found = [sleeps("mini1", FIX), DOWN, sleeps("mini2"), sleeps("mini3")]
    assert problem_lines(found, evidence=True) == [
        "▲ sleep-enabled on mini1, mini2, mini3:",
        "    mini1 sleeps",
        "        affects mini1",
        "        shown by pmset",
        "        → sudo pmset -a sleep 0",
        "    mini2 sleeps",
        "        affects mini2",
        "        shown by pmset",
        "    mini3 sleeps",
        "        affects mini3",
        "        shown by pmset",
        "✖ forwarding-off: pi4 forwards nothing",
        "    shown by sysctl",
    ]


def test_on_few_nodes_each_has_its_own_line() -> None:
    assert problem_lines([sleeps("mini1"), sleeps("mini2")]) == [
        "▲ sleep-enabled: mini1 sleeps",
        "    affects mini1",
        "▲ sleep-enabled: mini2 sleeps",
        "    affects mini2",
    ]
