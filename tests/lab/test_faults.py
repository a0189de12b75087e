"""Every fault has the effect that it names and no other, and heals."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Iterator

import pytest

from fleetctl.errors import LabError
from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.lab.fleets import SMALL
from tests.lab.observe import answers, bounded, carrier, echo, eventually, ssh

pytestmark = pytest.mark.lab

PI5 = "pi@192.168.1.25"
MINI1 = "one@192.168.1.11"


@pytest.fixture(scope="module")
def built(make_lab: MakeLab) -> Lab:
    return make_lab(SMALL)


@pytest.fixture
def lab(built: Lab) -> Iterator[Lab]:
    """A healthy lab before each test."""
    yield built
    built.heal()
    assert built.status()["faults"] == []


def reach(lab: Lab) -> dict[tuple[str, str], bool]:
    """Which node gets an answer from which, where it matters."""
    pairs = [
        ("pi5", "192.168.50.1"),
        ("pi5", "10.10.0.1"),
        ("pi5", "10.10.0.2"),
        ("mini2", "10.10.0.1"),
        ("mini2", "10.10.0.3"),
        ("mini2", "192.168.50.2"),
        ("pi5", "8.8.8.8"),
        ("mini2", "8.8.8.8"),
        ("controller", "192.168.1.25"),
        ("controller", "192.168.1.11"),
    ]
    pings = [lab.popen(node, echo(lab, node, to), stdout=subprocess.DEVNULL) for node, to in pairs]
    return {pair: ping.wait(timeout=10) == 0 for pair, ping in zip(pairs, pings, strict=True)}


def lost(lab: Lab) -> set[tuple[str, str]]:
    return {pair for pair, answered in reach(lab).items() if not answered}


NETWORK_FAULTS = {
    ("wifi-down", "pi5"): {("pi5", "8.8.8.8"), ("controller", "192.168.1.25")},
    ("wifi-blackhole", "pi5"): {("pi5", "8.8.8.8"), ("controller", "192.168.1.25")},
    ("fabric-down", "mini2"): {
        ("mini2", "10.10.0.1"),
        ("mini2", "10.10.0.3"),
        ("mini2", "192.168.50.2"),
        ("pi5", "10.10.0.2"),
    },
    ("edge-down", "pi5"): {
        ("pi5", "192.168.50.1"),
        ("pi5", "10.10.0.1"),
        ("pi5", "10.10.0.2"),
        ("mini2", "192.168.50.2"),
    },
    ("forwarding-off", "mini1"): {("pi5", "10.10.0.2"), ("mini2", "192.168.50.2")},
    ("route-missing", "pi5"): {("pi5", "10.10.0.1"), ("pi5", "10.10.0.2")},
    ("wrong-gateway", "pi5"): {("pi5", "10.10.0.1"), ("pi5", "10.10.0.2")},
    ("return-route-missing", "mini2"): {("pi5", "10.10.0.2"), ("mini2", "192.168.50.2")},
    ("default-route-stolen", "pi5"): {("pi5", "8.8.8.8")},
}


@pytest.mark.parametrize(("kind", "node"), NETWORK_FAULTS, ids=lambda value: str(value))
def test_network_faults_cut_exactly_what_they_say(lab: Lab, kind: str, node: str) -> None:
    assert lost(lab) == set()
    # mini2 has no path back to a pi5 without its route, and a ping needs both ways.
    also = {("mini2", "192.168.50.2")} if kind in ("route-missing", "wrong-gateway") else set()
    for _ in range(2):  # a second time changes nothing
        lab.fault(kind, node)
        assert lost(lab) == NETWORK_FAULTS[kind, node] | also
    assert [fault["kind"] for fault in lab.status()["faults"]] == [kind]
    assert [fault.kind for fault in lab.heal(kind, node)] == [kind]
    assert lab.heal(kind, node) == ()
    # An ARP question that got no answer is repeated a second later.
    eventually(lambda: lost(lab) == set(), "all is reached again")


def test_carriers(lab: Lab) -> None:
    lab.fault("wifi-down", "pi5")
    assert not carrier(lab, "pi5", "wlan0")
    lab.heal()
    lab.fault("wifi-blackhole", "pi5")
    assert carrier(lab, "pi5", "wlan0")
    lab.fault("fabric-down", "mini2")
    assert not carrier(lab, "mini2", "thunderbolt0")
    assert carrier(lab, "mini1", "thunderbolt0")
    lab.fault("edge-down", "mini1")
    assert not carrier(lab, "pi5", "eth0")
    assert not carrier(lab, "mini1", "eth0")
    assert [f.kind for f in lab.heal("edge-down", "pi5")] == ["edge-down"]  # by the other end
    assert carrier(lab, "pi5", "eth0")


def test_a_black_hole_keeps_connections_open(lab: Lab) -> None:
    argv = ["ssh", "-oBatchMode=yes", "-i", str(lab.home / ".ssh/cluster"), PI5, "cat"]
    with bounded(
        lab.popen("controller", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ) as session:
        assert session.stdin and session.stdout
        session.stdin.write(b"before\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"before\n"
        lab.fault("wifi-blackhole", "pi5")
        session.stdin.write(b"during\n")
        session.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            session.wait(timeout=0.5)
        lab.heal("wifi-blackhole")
        assert session.stdout.readline() == b"during\n"
        session.stdin.close()
        assert session.wait(timeout=10) == 0


class TestPower:
    def test_all_processes_end_at_once_and_send_nothing(self, lab: Lab) -> None:
        ssh(lab, PI5, "echo kept >kept; echo lost >/tmp/lost; tmux -L x new -d 'sleep 4444'")
        argv = ["ssh", "-oBatchMode=yes", "-i", str(lab.home / ".ssh/cluster"), PI5, "echo; cat"]
        with bounded(
            lab.popen("controller", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ) as session:
            assert session.stdout
            assert session.stdout.readline() == b"\n"
            key = ssh(lab, PI5, "cat /etc/ssh/ssh_host_ed25519_key.pub").stdout
            lab.fault("power-off", "pi5")
            assert not carrier(lab, "mini1", "eth0")
            assert carrier(lab, "mini1", "thunderbolt0")
            assert b"sleep 4444" not in subprocess.check_output(["ps", "axww"])
            assert b"timed out" in ssh(lab, PI5, "true").stderr
            with pytest.raises(subprocess.TimeoutExpired):
                session.wait(timeout=0.5)  # it was sent nothing
            session.kill()
        with pytest.raises(LabError, match="powered off"):
            lab.run("pi5", ["true"])
        with pytest.raises(LabError, match="powered off"):
            lab.fault("route-missing", "pi5")
        assert lab.path("pi5", "~/kept").read_text() == "kept\n"
        assert lab.status()["nodes"]["pi5"]["on"] is False

        lab.heal("power-off", "pi5")
        assert carrier(lab, "mini1", "eth0")
        again = ssh(lab, PI5, "cat kept /tmp/lost; cat /etc/ssh/ssh_host_ed25519_key.pub")
        assert again.stdout == b"kept\n" + key
        assert lost(lab) == set()

    def test_faults_in_memory_are_gone_and_those_outside_are_not(self, lab: Lab) -> None:
        for kind in ("route-missing", "sshd-hang", "tmux-missing", "edge-down"):
            lab.fault(kind, "pi5")
        lab.fault("power-off", "pi5")
        lab.heal("power-off")
        assert {f["kind"] for f in lab.status()["faults"]} == {"tmux-missing", "edge-down"}
        assert ssh(lab, PI5, "command -v tmux").returncode == 1
        assert not carrier(lab, "pi5", "eth0")
        lab.heal()
        assert lost(lab) == set()

    def test_all_that_is_broken_is_healed_at_once(self, lab: Lab) -> None:
        lab.fault("disk-full", "pi5")
        lab.fault("host-key-changed", "pi5")
        lab.fault("power-off", "pi5")
        lab.fault("power-off", "ipad")
        assert len(lab.heal()) == 4
        assert ssh(lab, PI5, "echo x >x && cat x").stdout == b"x\n"
        assert answers(lab, "controller", "192.168.1.40")

    def test_a_node_with_a_full_disk_boots(self, lab: Lab) -> None:
        lab.fault("disk-full", "pi5")
        lab.fault("power-off", "pi5")
        lab.heal("power-off")
        assert b"No space left" in ssh(lab, PI5, "head -c 100000 /dev/zero >big").stderr


class TestSSHServer:
    def test_hang(self, lab: Lab) -> None:
        argv = ["ssh", "-oBatchMode=yes", "-i", str(lab.home / ".ssh/cluster"), PI5, "cat"]
        with bounded(
            lab.popen("controller", argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ) as session:
            assert session.stdin and session.stdout
            session.stdin.write(b"before\n")
            session.stdin.flush()
            assert session.stdout.readline() == b"before\n"
            lab.fault("sshd-hang", "pi5")
            session.stdin.write(b"during\n")
            session.stdin.flush()
            started = time.monotonic()
            done = ssh(lab, PI5, "true")
            assert b"during banner exchange" in done.stderr
            assert time.monotonic() - started > 1.5
            assert session.poll() is None
            assert answers(lab, "controller", "192.168.1.25")
            lab.heal("sshd-hang", "pi5")
            assert session.stdout.readline() == b"during\n"
            session.stdin.close()
            assert session.wait(timeout=10) == 0
        assert ssh(lab, PI5, "true").returncode == 0

    def test_changed_host_key(self, lab: Lab) -> None:
        lab.fault("host-key-changed", "mini1")
        done = ssh(lab, MINI1, "true")
        assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
        lab.fault("power-off", "mini1")
        lab.heal("power-off")
        assert b"HAS CHANGED" in ssh(lab, MINI1, "true").stderr
        lab.heal("host-key-changed", "mini1")
        assert ssh(lab, MINI1, "true").returncode == 0

    def test_changed_host_key_of_a_hung_server(self, lab: Lab) -> None:
        lab.fault("sshd-hang", "mini1")
        lab.fault("host-key-changed", "mini1")
        assert b"during banner exchange" in ssh(lab, MINI1, "true").stderr
        lab.heal("sshd-hang")
        assert b"HAS CHANGED" in ssh(lab, MINI1, "true").stderr

    def test_revoked_key(self, lab: Lab) -> None:
        lab.fault("key-revoked", "mini1")
        assert b"Permission denied (publickey)" in ssh(lab, MINI1, "true").stderr
        assert ssh(lab, PI5, "true").returncode == 0
        lab.heal("key-revoked")
        assert ssh(lab, MINI1, "true").returncode == 0


class TestNode:
    def test_tmux_missing(self, lab: Lab) -> None:
        try_it = "tmux -V; command -v tmux"
        assert ssh(lab, PI5, "tmux -L x new -d 'sleep 4545'").returncode == 0
        lab.fault("tmux-missing", "pi5")
        done = ssh(lab, PI5, try_it)
        assert done.returncode == 1
        assert b"tmux: command not found" in done.stderr
        assert ssh(lab, MINI1, try_it).returncode == 0
        assert lab.run("pi5", ["pgrep", "-fx", "sleep 4545"]).returncode == 0
        lab.heal("tmux-missing")
        assert ssh(lab, PI5, "tmux -L x kill-server").returncode == 0

    def test_disk_full(self, lab: Lab) -> None:
        lab.fault("disk-full", "pi5")
        assert b"No space left on device" in ssh(lab, PI5, "head -c 9999 /dev/zero >big").stderr
        free = lab.run("pi5", ["df", "--output=avail", "/home/pi"]).stdout.split()
        assert int(free[-1]) == 0
        assert lab.run("mini1", ["df", "--output=avail", "/home/one"]).stdout.split()[-1] != b"0"
        lab.heal("disk-full")
        done = ssh(lab, PI5, "head -c 9999999 /dev/zero >big && rm big")
        assert done.returncode == 0, done.stderr

    def test_the_stolen_default_route_is_the_better_of_two(self, lab: Lab) -> None:
        lab.fault("default-route-stolen", "pi5")
        routes = lab.run("pi5", ["ip", "route", "show", "default"]).stdout.decode().splitlines()
        assert len(routes) == 2
        chosen = lab.run("pi5", ["ip", "route", "get", "8.8.8.8"]).stdout
        assert b"via 192.168.50.1 dev eth0" in chosen


class TestCombinations:
    @pytest.mark.parametrize(
        ("first", "second"),
        list(itertools.permutations(["route-missing", "wrong-gateway", "default-route-stolen"], 2)),
    )
    def test_route_faults_heal_in_any_order(self, lab: Lab, first: str, second: str) -> None:
        def routes() -> list[str]:
            return sorted(lab.run("pi5", ["ip", "route"]).stdout.decode().splitlines())

        healthy = routes()
        lab.fault(first, "pi5")
        after_first = routes()
        lab.fault(second, "pi5")
        lab.heal(second)
        assert routes() == after_first != healthy
        lab.heal(first)
        assert routes() == healthy

    def test_a_cable_has_no_carrier_until_both_reasons_are_gone(self, lab: Lab) -> None:
        lab.fault("edge-down", "pi5")
        lab.fault("power-off", "mini1")
        lab.heal("edge-down")
        assert not carrier(lab, "pi5", "eth0")
        lab.heal("power-off")
        eventually(lambda: carrier(lab, "pi5", "eth0"), "the cable has its carrier again")

    def test_wifi_down_on_a_node_that_is_off_is_there_when_it_boots(self, lab: Lab) -> None:
        lab.fault("power-off", "pi5")
        lab.fault("wifi-down", "pi5")
        lab.heal("power-off")
        assert not carrier(lab, "pi5", "wlan0")


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "node", "message"),
        [
            ("wifi-dwon", "pi5", "there is no fault 'wifi-dwon'"),
            ("wifi-down", "pi6", "no machine 'pi6'"),
            ("forwarding-off", "pi5", "it is no gateway. It fits mini1."),
            ("route-missing", "mini2", "It fits pi5."),
            ("return-route-missing", "pi5", "It fits mini2, mini3."),
            ("fabric-down", "pi5", "It fits mini1, mini2, mini3."),
            ("edge-down", "mini2", "It fits mini1, pi5."),
            ("sshd-hang", "ipad", "It fits mini1, mini2, mini3, pi5."),
            ("power-off", "controller", "this very controller"),
            ("disk-full", "macbook", "this very controller"),
        ],
    )
    def test_what_does_not_fit_says_what_does(
        self, lab: Lab, kind: str, node: str, message: str
    ) -> None:
        with pytest.raises(LabError) as caught:
            lab.fault(kind, node)
        assert message in str(caught.value)

    def test_a_network_that_the_fault_is_not_about(self, lab: Lab) -> None:
        with pytest.raises(LabError, match="It can be fabric"):
            lab.fault("fabric-down", "mini1", network="edge")


def test_a_slow_link_delays_and_a_lossy_one_loses(lab: Lab) -> None:
    def pinged(count: int = 100) -> str:
        argv = ["ping", "-q", "-c", str(count), "-i", "0.01", "-W", "1", "192.168.50.1"]
        return lab.run("pi5", argv).stdout.decode()

    lab.fault("link-slow", "pi5", network="edge")
    said = pinged(10)
    assert "10 received" in said
    assert float(said.rpartition("= ")[2].split("/")[0]) > 10
    lab.fault("link-lossy", "pi5", network="edge")
    came = int(pinged().partition(" received")[0].rpartition(" ")[2])
    assert 50 < came < 99
    lab.fault("power-off", "pi5")
    lab.heal("power-off")
    assert int(pinged().partition(" received")[0].rpartition(" ")[2]) < 99
    lab.heal("link-lossy")
    lab.heal("link-slow")
    assert float(pinged(10).rpartition("= ")[2].split("/")[0]) < 5


def test_a_black_hole_on_a_cluster_link(lab: Lab) -> None:
    lab.fault("link-blackhole", "mini2")
    assert carrier(lab, "mini2", "thunderbolt0")
    assert lost(lab) == NETWORK_FAULTS["fabric-down", "mini2"]
