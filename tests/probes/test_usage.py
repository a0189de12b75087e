"""How busy processors and interfaces are, by the texts of both systems and from look to look."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Interface, PortUse
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.asked.usage import LINUX, PROBE, Counters, Usage
from fleetctl.probes.node import Answered
from fleetctl.probes.probe import PartOf, Told
from fleetctl.probes.script import Answer, Machine

FIXTURES = Path(__file__).parent.parent / "fixtures"
MAC_TEXT = (
    "hw.ncpu: 10\nkern.bootsessionuuid: 40962879-B7EE\n"
    "kern.monotonicclock_usecs: 4726514658233 13321990885027\n"
    + (FIXTURES / "macos/netstat-ibn/mac-mini.txt").read_text()
    + "processes 212.4\n"
)
LINUX_TEXT = """\
uptime 899.25
boot 04ac9cab
ticks 1000 10 300 8000 500 0 20 70 90 0
port eth0 5000 300 hardware
port wlan0 100 20 hardware
port docker0 4000 200
"""


def read(os: OS, text: str, asked_s: float | None = 100.0) -> Usage:
    how = PROBE.on[os]
    assert isinstance(how, PartOf)
    machine = Machine(os, "a", "b")
    found = how.read(Told(Answer(text, 0), machine, Questions("f", "a"), asked_s=asked_s))
    assert isinstance(found, Usage)
    return found


def test_what_linux_says() -> None:
    ports = {"eth0": (5000, 300), "wlan0": (100, 20), "docker0": (4000, 200)}
    assert read("linux", LINUX_TEXT) == Usage(
        # busy: without idle and iowait; guest time (90) is in user time already
        Counters(899.25, "04ac9cab", (1400, 9900), ports, frozenset({"eth0", "wlan0"}))
    )


def test_what_a_mac_says() -> None:
    found = read("macos", MAC_TEXT)
    assert (found.counters.at_s, found.counters.boot) == (4726514.658233, "40962879-B7EE")
    assert found.counters.ports["bridge0"] == (983590000, 118900000)
    # the bridge's traffic goes through its members, and that of tunnels through the rest
    assert found.counters.hardware == {"en0", "en2"}
    assert found.cpu_percent == 21.2, "212.4 % of one processor, of ten"


def test_a_mac_without_that_clock_is_timed_by_the_controllers() -> None:
    text = MAC_TEXT.replace("kern.monotonicclock_usecs: ", "sysctl: unknown oid ")
    assert read("macos", text).counters.at_s == 100.0


@pytest.mark.parametrize(
    "text", ["", "ticks x y\nport eth0 a b\nuptime\n", "hw.ncpu: 0\nprocesses 3.0\n"]
)
@pytest.mark.parametrize("os", ["linux", "macos"])
def test_what_is_not_told_is_not_known(os: OS, text: str) -> None:
    found = read(os, text, None)
    assert (found.counters.ticks, found.counters.ports, found.cpu_percent) == (None, {}, None)


@given(st.text(max_size=300), st.sampled_from(["linux", "macos"]))
def test_any_text_can_be_read(text: str, os: OS) -> None:
    read(os, text)


FIRST = Usage(Counters(100.0, "b", (400, 1000), {"eth0": (5000, 300), "wlan0": (9, 9)}))


def later(took_s: float = 2.0, **changed: object) -> Usage:
    counters = Counters(100.0 + took_s, "b", (500, 1400), {"eth0": (9000, 500), "wlan0": (9, 9)})
    return Usage(replace(counters, **changed))


def test_the_rates_between_two_looks() -> None:
    found = PROBE.renew(FIRST, later())
    assert found.cpu_percent == 25.0
    assert found.ports == {"eth0": PortUse(2000, 100), "wlan0": PortUse(0, 0)}
    assert found.anew == ()


@pytest.mark.parametrize(
    "now",
    [
        later(boot="another"),
        later(-50.0),
        later(at_s=None),
    ],
    ids=["another boot", "a clock that went back", "no clock"],
)
def test_over_a_boot_nothing_is_known(now: Usage) -> None:
    known = PROBE.renew(FIRST, later())
    found = PROBE.renew(known, now)
    assert (found.cpu_percent, found.ports) == (None, {})


def test_a_counter_that_wrapped_or_began_anew_is_not_known() -> None:
    now = later(ports={"eth0": (9000, 200), "wlan0": (11, 9), "usb0": (7, 7)}, ticks=(300, 1400))
    found = PROBE.renew(FIRST, now)
    assert found.cpu_percent is None
    assert found.ports == {"wlan0": PortUse(1, 0)}
    assert found.anew == ("eth0",), "usb0 is new, so there is nothing to tell of it yet"


def test_looks_that_follow_at_once_count_from_the_same_one() -> None:
    known = PROBE.renew(FIRST, later())
    soon = PROBE.renew(known, later(2.5, ports={"eth0": (9000, 500)}))
    assert soon == known
    assert PROBE.renew(soon, later(4.0)).ports["eth0"] == PortUse(0, 0)


def test_processors_without_a_tick_between_two_looks_are_not_known() -> None:
    assert PROBE.renew(FIRST, later(ticks=(400, 1000))).cpu_percent is None


def facts(usage: Usage, *interfaces: Interface) -> NodeFacts:
    values = {"system": SystemStatus(os="linux"), "interfaces": interfaces, "usage": usage}
    return Answered(datetime.now(UTC), values).facts()


def system(usage: Usage, *interfaces: Interface) -> SystemStatus:
    found = facts(usage, *interfaces).system
    assert found
    return found


def test_each_byte_of_a_node_counts_once() -> None:
    found = read("linux", LINUX_TEXT)
    more = LINUX_TEXT.replace("899.25", "901.25").replace("5000 300", "9000 500")
    more = more.replace("4000 200", "8000 400")
    known = system(PROBE.renew(found, read("linux", more)))
    assert (known.net_in_bytes_per_s, known.net_out_bytes_per_s) == (2000, 100)


def test_in_a_container_what_has_addresses_counts() -> None:
    usage = PROBE.renew(FIRST, later())
    at = Interface("eth0", True, True, (IPv4Interface("10.0.0.2/24"),), mac="02:00:00:00:00:01")
    tunnel = Interface("tun0", True, True, (IPv4Interface("10.9.0.2/24"),))
    known = system(usage, at, tunnel, Interface("wlan0", True, True, mac="02:00:00:00:00:02"))
    assert (known.net_in_bytes_per_s, known.net_out_bytes_per_s) == (2000, 100)


def test_a_node_of_which_a_part_is_not_known_has_no_sum() -> None:
    hardware = frozenset({"eth0", "wlan0"})
    now = later(ports={"eth0": (9, 9), "wlan0": (9, 9)}, hardware=hardware)
    found = facts(PROBE.renew(FIRST, now))
    assert found.system
    assert found.system.net_in_bytes_per_s is None
    assert found.network.use == {"wlan0": PortUse(0, 0)}
    assert found.unknown == {"use of eth0": "its counters began anew"}


def test_this_machine_tells_it_by_builtins_alone() -> None:
    def look() -> Usage:
        done = subprocess.run(
            ["/bin/sh", "-c", "read -r up rest </proc/uptime && echo uptime $up" + LINUX],
            capture_output=True, text=True, env={"PATH": "/no"}, timeout=20, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return read("linux", done.stdout)

    first = second = look()
    deadline_s = time.monotonic() + 20
    while second.cpu_percent is None and time.monotonic() < deadline_s:
        second = PROBE.renew(first, look())
    assert second.cpu_percent is not None
    assert 0 < second.cpu_percent <= 100, "this test itself keeps it busy"
    assert all(use.in_bytes_per_s >= 0 for use in second.ports.values())
