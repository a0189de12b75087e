"""What is told of nodes and links before a failure is what changed, or is bad."""

from __future__ import annotations

import pytest

from fleetctl.model.samples import Point, Series
from fleetctl.postmortem.before import changed

MIB = 1024**2


@pytest.mark.parametrize(
    ("metric", "was", "now", "said"),
    [
        ("disk_free_bytes", 512 * MIB, 511 * MIB, "pi4: only 511M of its disk free"),
        ("disk_free_bytes", 900 * MIB, 100 * MIB, "pi4: free disk from 900M to 100M"),
        ("disk_free_bytes", 9000 * MIB, 8990 * MIB, None),
        ("memory_percent", 20, 40, "pi4: memory from 20 to 40 %"),
        ("load1", 3, 4, None),
    ],
)
def test_changed(metric: str, was: float, now: float, said: str | None) -> None:
    points = [Point(at_s, 10, 1, value, value, value) for at_s, value in ((0, was), (60, now))]
    told = list(changed({Series("node", "pi4", metric): points}, 50))
    assert told == ([said] if said else [])
