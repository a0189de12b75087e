"""Every fault at every place, alone and in pairs, is called what it is; what works, nothing.

It takes an hour. Parts of it: `scripts/test --long tests/e2e/test_every_fault.py -k detour`, and
the variables below.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.trials import (
    NODES_YAML,
    Trial,
    check,
    lines,
    random_pairs,
    start,
    trials,
    try_out,
)

pytestmark = [pytest.mark.lab, pytest.mark.long]

PAIRS = int(os.environ.get("FLEETCTL_PAIRS", "60"))
SEED = int(os.environ.get("FLEETCTL_SEED", "1"))
CHECKS = int(os.environ.get("FLEETCTL_CHECKS", "100"))
"""Of the healthy cluster: so many on the machine as it is, and as many on a busy one."""
BUSY = 15

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    made = make_lab(NODES_YAML)
    start(made)
    return made


@pytest.mark.parametrize("trial", trials(), ids=str)
def test_alone(lab: Lab, trial: Trial, record_property: Record) -> None:
    began = time.monotonic()
    found = try_out(lab, trial)
    record_property("trial_s", time.monotonic() - began)
    assert found == []


@pytest.mark.parametrize("pair", random_pairs(PAIRS, SEED), ids=lambda p: f"{p[0]}+{p[1]}")
def test_in_pairs(lab: Lab, pair: tuple[Trial, Trial], record_property: Record) -> None:
    began = time.monotonic()
    found = try_out(lab, *pair)
    record_property("trial_s", time.monotonic() - began)
    assert found == []


@pytest.mark.parametrize("busy", [0, BUSY])
def test_what_works_is_called_nothing(lab: Lab, busy: int, record_property: Record) -> None:
    said: list[str] = []
    with load(busy):
        for _ in range(CHECKS):
            began = time.monotonic()
            said += lines(check(lab))
            record_property(f"check_s with {busy} busy processes", time.monotonic() - began)
    assert said == []


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that want a processor each."""
    with ExitStack() as stack:
        for _ in range(processes):
            spinning = subprocess.Popen(["nice", "-n", "0", "sh", "-c", "while :; do :; done"])
            stack.callback(spinning.wait)
            stack.callback(spinning.kill)
        yield
