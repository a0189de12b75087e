"""The views of the past on a real job: a rank that is stopped, a cable that was out."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import eventually, running, sh
from tests.e2e.conftest import MakeUser
from tests.e2e.screen import Screen

pytestmark = [pytest.mark.lab, pytest.mark.long]  # a minute and a half

STEPS = "n=0; while n=$((n+1)); do echo step $n loss $((900 / n)).5; sleep 0.5; done"
JOB: dict[str, Any] = {
    "rank": {
        "on": ["hub", "mini", "pi"],
        "command": f"exec sh -c '{STEPS} # of {{node}}'",
        "stop": {"grace": 1},
    }
}


def test_which_rank_is_stopped_and_which_cable_was_out(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    job.start()
    with Screen(partial(lab.run, "controller"), job.argv()) as screen:
        screen.until("3/3 ranks", "it/s", timeout_s=60)
        (pid,) = running(lab, "pi", "sh -c n=0")
        sh(lab, "pi", f"kill -STOP {pid}", user="root")
        screen.until("degraded", "pi silent", timeout_s=60)
        screen.type("T")
        text = screen.until("Training · job", f"its process {pid} is stopped", "loss")
        assert "▲ rank@pi" in text
        screen.back()
        sh(lab, "pi", f"kill -CONT {pid}", user="root")
        screen.until("3/3 ranks", timeout_s=60)

        lab.fault("edge-down", "pi")
        screen.until("interface-down", timeout_s=30)
        screen.type("b")
        screen.until("lost", "hub → pi")
        screen.back()
        lab.heal()
        screen.until("nothing is wrong", timeout_s=60)
        screen.type("b")
        screen.until("gap: lost", " 10 min ", gone="reading")

        def gap() -> bool:
            """Whether what lost something is the first, and has a gap where it did."""
            first = next(line for line in screen.text.splitlines() if "→" in line)
            return bool(re.search(r"pi .*[1-9]%.*·[▁-█x]* ", first))

        # a stretch of ten seconds is kept when it is over, and the screen read again as often
        eventually(gap, "the cable that was out", timeout_s=60)
        screen.back()
        screen.type("e")
        text = screen.until("interface-down ", "over after")
        assert re.search(r"^│ interface-down (pi|hub) .*✖", text, re.M), text  # both ends see it
        screen.type("Enter")
        screen.until("─ Nodes ─", "paused")
        screen.type("q")
        screen.until("left with 0")
    assert job.type("stop").code == 0
