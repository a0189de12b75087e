"""How much is swapped out, and how busily, by the texts of both systems and from look to look."""

from __future__ import annotations

import subprocess

import pytest
from msgspec.structs import replace

from fleetctl.model.facts import Swap
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.asked.swap import PROBE
from fleetctl.probes.probe import Ask, PartOf, Told, Unanswered
from fleetctl.probes.script import Answer, Machine

MAC_TEXT = """\
vm.swapusage: total = 2048.00M  used = 1034.25M  free = 1013.75M  (encrypted)
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               17490.
Swapins:                                    123.
Swapouts:                                    45.
"""


def read(os: OS, text: str, asked_s: float | None = 100.0) -> Swap | Unanswered | None:
    how = PROBE.on[os]
    assert isinstance(how, Ask | PartOf)
    told = Told(Answer(text, 0), Machine(os, "a", "b"), Questions("f", "a"), asked_s=asked_s)
    return how.read(told)


@pytest.mark.parametrize(
    ("os", "text", "found"),
    [
        ("linux", "used 2048\nin 30\nout 70\n", Swap(2048 * 1024, 100, 100.0)),
        ("linux", "used 0\n", Swap(0, None, 100.0)),
        ("linux", "sh: 1: cannot open /proc/swaps: No such file\n", None),
        ("linux", "used x\n", None),
        ("macos", MAC_TEXT, Swap(1084489728, 168, 100.0)),
        ("macos", MAC_TEXT.replace("1034.25", "1034,25"), Swap(1084489728, 168, 100.0)),
        ("macos", MAC_TEXT.partition("Mach")[0], Swap(1084489728, None, 100.0)),
        ("macos", "sysctl: unknown oid 'vm.swapusage'\n", None),
    ],
)
def test_what_a_node_says(os: OS, text: str, found: Swap | None) -> None:
    said = read(os, text)
    assert said == found if found else isinstance(said, Unanswered)


def test_the_rate_between_two_looks() -> None:
    first, second = Swap(4096, 100, 50.0), Swap(8192, 700, 60.0)
    assert PROBE.renew(first, second).pages_per_s == 60.0
    assert str(PROBE.renew(first, second)) == "8.0K used, 60 pages/s"
    soon = replace(second, at_s=50.2)
    assert PROBE.renew(replace(first, pages_per_s=7.0), soon).pages_per_s == 7.0
    assert PROBE.renew(second, first).pages_per_s is None, "it was started anew"
    assert PROBE.renew(first, replace(second, moved=None)).pages_per_s is None


def test_this_machine_tells_it_by_builtins_alone() -> None:
    how = PROBE.on["linux"]
    assert isinstance(how, Ask)
    assert isinstance(how.text, str)
    done = subprocess.run(
        ["/bin/sh", "-c", how.text], capture_output=True, text=True, env={"PATH": "/no"}, timeout=20
    )
    assert done.stdout.startswith("used "), done.stderr
