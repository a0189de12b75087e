"""Measuring on this machine's loopback, with iperf3 itself and with stand-ins that fail."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from fleetctl.bench import echoes, measuring, scripts
from fleetctl.bench.measuring import Measuring
from fleetctl.link.links import Links
from fleetctl.model.bench import BenchPath, Hop, Measured
from fleetctl.model.topology import SSH, Fleet, Network, Node

FLEET = Fleet(
    "loop",
    {"lo": Network("lo", IPv4Network("127.0.0.0/24"))},
    {name: Node(name, SSH(name), connection="local") for name in ("a", "b")},
)
PATH = BenchPath("a", "b", "lo", "127.0.0.1", "127.0.0.2", (Hop("a", "b", "lo"),))
Fake = Callable[[str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts an iperf3 before the real one, which does what an sh text says; few echoes are sent."""
    monkeypatch.setattr(echoes, "COUNT", 3)

    def make(text: str) -> Path:
        program = tmp_path / "iperf3"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path

    return make


def running(folder: Path) -> str:
    """The processes of a stand-in."""
    done = subprocess.run(["pgrep", "-af", str(folder / "iperf3")], capture_output=True, text=True)
    return done.stdout


def gone(folder: Path) -> bool:
    deadline = time.monotonic() + 10
    while running(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running(folder)


def both_run(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while len(running(folder).splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def measure(without: Mapping[str, str] = {}) -> Measured:
    async def body() -> Measured:
        async with Links(FLEET) as links:
            one = Measuring(FLEET, links, {"a": "linux", "b": "linux"}, without, 1)
            return await one.measure(PATH)

    return asyncio.run(body())


def test_echoes_and_both_ways_of_iperf3_itself() -> None:
    found = measure()
    assert (found.echoes.sent, found.echoes.loss_percent) == (100, 0)
    assert found.echoes.median_ms is not None
    for flow in (found.there, found.back):
        assert flow.reason is None
        assert flow.mbit_s is not None
        assert flow.mbit_s > 10
        assert flow.busy_percent is not None


def test_without_iperf3_round_trips_are_measured() -> None:
    found = measure({"b": "b has no iperf3 (install it)"})
    assert found.echoes.received == 100
    assert found.there.reason == found.back.reason == "b has no iperf3 (install it)"


def test_a_port_in_use_is_not_insisted_on(fake: Fake) -> None:
    said = "iperf3: error - unable to start listener for connections: Address already in use"
    refused = '{"error": "unable to connect to server: Connection refused"}'
    folder = fake(
        f'case $1 in -s) echo "$6" >>"$0.ports"; echo "{said}"; exit 1 ;; esac\necho \'{refused}\''
    )
    found = measure()
    assert found.there.reason is not None
    assert found.there.reason.startswith("on b: iperf3: unable to start listener")
    ports = (folder / "iperf3.ports").read_text().split()
    assert len(ports) == len(set(ports)) == 4


def test_a_server_that_comes_late_is_waited_for(fake: Fake) -> None:
    folder = fake(
        "case $1 in -s) exec sleep 60 ;; esac\n"
        'echo x >>"$0.tries"; [ "$(wc -l <"$0.tries")" -gt 2 ] || '
        """{ echo '{"error": "Connection refused"}'; exit 1; }\n"""
        """echo '{"end": {"sum_received": {"bits_per_second": 9.4e7}}}'"""
    )
    found = measure()
    assert (found.there.mbit_s, found.back.mbit_s) == (94, 94)
    assert gone(folder)


def test_what_hangs_is_ended_and_told(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = '{"error": "interrupt - the client has terminated"}'
    folder = fake(
        "case $1 in -s) exec sleep 60 ;; esac\n"
        f"end() {{ echo '{ended}'; kill $!; exit 1; }}\ntrap end TERM\nsleep 60 >/dev/null & wait"
    )
    monkeypatch.setattr(scripts, "START_S", 0)
    found = measure()
    assert found.there.reason == found.back.reason == "iperf3 did not end within 1 s"
    assert gone(folder)


def test_an_interruption_ends_both_sides_and_keeps_what_is_known(fake: Fake) -> None:
    folder = fake('echo "$1" >>"$0.begun"; sleep 60')

    async def body() -> Measured | None:
        async with Links(FLEET) as links:
            one = Measuring(FLEET, links, {"a": "linux", "b": "linux"}, {}, 1)
            task = asyncio.create_task(one.measure(PATH))
            await asyncio.to_thread(both_run, folder)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return one.current

    known = asyncio.run(body())
    assert known is not None
    assert known.echoes.received == 3
    assert gone(folder)
    assert sorted((folder / "iperf3.begun").read_text().split()) == ["-J", "-s"]


def test_the_server_ends_with_its_stdin_and_after_its_time() -> None:
    """As when the controller, or the link to it, is gone."""
    port = measuring.PORTS[-1]
    for stdin, most in ((subprocess.DEVNULL, 5), (subprocess.PIPE, 5)):
        text = scripts.server_text("127.0.0.2", port, 1).replace("watched 17 ", "watched 1 ")
        assert "watched 1 " in text
        with subprocess.Popen(["sh", "-c", text], stdin=stdin, stdout=subprocess.DEVNULL) as shell:
            assert shell.wait(timeout=most) != 0
