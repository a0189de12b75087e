"""Jobs on Macs, which do not show the environment of their own programs."""

from __future__ import annotations

import json
import re

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES_YAML, eventually, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

QUICK = {"grace": 1}
PERL = (
    "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => q(10.10.0.1), "
    "LocalPort => 7501, Listen => 5, ReuseAddr => 1) or die $!; "
    "while (my $c = $s->accept) { close $c }"
)
DAEMON = (
    "import os, socket, time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "s = socket.create_server((chr(49)+chr(48)+'.10.0.1', 7503))\n"
    "time.sleep(4950)\n"
)


@pytest.fixture(scope="module")
def cluster(make_lab: MakeLab) -> Lab:
    """hub and mini are Macs."""
    return make_lab(re.sub(r"(  (?:hub|mini):\n)", r"\1    os: macos\n", NODES_YAML))


def marked(lab: Lab, node: str) -> str:
    """What ps tells of marks."""
    return sh(lab, node, "ps -Eaxww -o pid=,command= | grep 'FLEETCTL_RUN=[0-9a-f]' || true")


def test_a_perl_server_is_ready_and_its_port_is_its_own(user: MakeUser) -> None:
    one = user(
        {
            "server": {
                "on": "hub",
                "command": f"exec perl -e '{PERL}'",
                "listen": "fabric:7501",
                "stop": QUICK,
            },
            "worker": {"on": "pi", "after": ["server"], "command": "exec sleep 4901"},
        }
    )
    one.start()
    assert marked(one.lab, "hub") == ""
    status = one.status()
    assert status["services"]["server@hub"]["listening"] == ["10.10.0.1:7501"]
    assert status["problems"] == []
    assert one.type("stop").code == 0
    assert running(one.lab, "hub", "perl") == []


@pytest.mark.long  # 10 s; perl's server, above, is seen the same way
def test_nc(user: MakeUser) -> None:
    one = user(
        {
            "server": {
                "on": "hub",
                "command": "exec nc -lk 10.10.0.1 7502",
                "listen": "fabric:7502",
                "stop": QUICK,
            }
        }
    )
    one.start()
    assert marked(one.lab, "hub") == ""
    assert one.status()["services"]["server@hub"]["listening"] == ["10.10.0.1:7502"]
    assert one.type("stop").code == 0
    assert running(one.lab, "hub", "nc -lk") == []


def test_arguments_with_newlines_and_a_mark_in_the_arguments_of_a_stranger(user: MakeUser) -> None:
    """The environment follows the arguments, on the same line: a newline is \\012 there."""
    command = "exec env -u HOME python3 -c 'import time\n# 77 FLEETCTL_RUN=ab\ntime.sleep(4904)'"
    one = user({"worker": {"on": "mini", "command": command, "stop": QUICK}})
    one.start()
    run = sh(one.lab, "mini", f"sed -n s/^run=//p {one.folder('worker@mini')}/state", user="two")
    sleeps = "python3 -c import time; time.sleep(4905)"
    stranger = "python3 -c 'import time; time.sleep(4905)'"
    sh(one.lab, "mini", f"{stranger} FLEETCTL_RUN={run.strip()} >/dev/null 2>&1 &", user="two")
    eventually(lambda: running(one.lab, "mini", sleeps), "the stranger runs")
    said = one.type("stop")
    assert said.code == 0 and "sent to 1 process," in said.err
    assert running(one.lab, "mini", "python3 -c import time#") == []
    [left] = running(one.lab, "mini", sleeps)
    sh(one.lab, "mini", f"kill {left}", user="root")


def test_shells_only_and_a_supervisor_that_was_killed(user: MakeUser) -> None:
    one = user(
        {
            "worker": {
                "on": "mini",
                "command": "trap '' HUP; (while :; do sleep 4906; done) & wait",
                "stop": QUICK,
            }
        }
    )
    one.start()
    assert marked(one.lab, "mini") == ""
    eventually(lambda: running(one.lab, "mini", "sleep 4906"), "the loop runs")
    supervisor = f"pkill -KILL -f 'supervisor .*{one.fleet}/job/worker@mini$'"
    sh(one.lab, "mini", supervisor, user="two")
    eventually(lambda: one.states() == {"worker@mini": "failed"}, "its supervisor is gone")
    assert "of its processes still run" in one.services()["worker@mini"]["reason"]
    assert one.type("stop").code == 0
    assert running(one.lab, "mini", "sleep 4906") == []


def test_tmux_was_killed(user: MakeUser) -> None:
    one = user(
        {"worker": {"on": "mini", "command": "trap '' HUP; sleep 4907 & wait", "stop": QUICK}}
    )
    one.start()
    sh(one.lab, "mini", "/opt/homebrew/bin/tmux -L fleetctl kill-server", user="two")
    eventually(lambda: one.states() == {"worker@mini": "failed"}, "its window is gone")
    assert "still run" in one.services()["worker@mini"]["reason"]
    assert one.type("stop").code == 0
    assert running(one.lab, "mini", "sleep 4907") == []


def test_a_daemon_that_forked_twice(user: MakeUser) -> None:
    one = user(
        {
            "server": {
                "on": "hub",
                "command": f"python3 -c '{DAEMON.replace(chr(39), chr(34))}'; exec sleep 4908",
                "listen": "fabric:7503",
                "stop": QUICK,
            }
        }
    )
    one.start()
    assert one.status()["services"]["server@hub"]["listening"] == ["10.10.0.1:7503"]
    assert one.type("stop").code == 0
    assert running(one.lab, "hub", "python3 -c") == []


@pytest.mark.long  # 20 s
def test_local_network_privacy_is_asked_where_the_worker_lives(user: MakeUser) -> None:
    """Before fleetctl's tmux server runs there, nothing is known of it."""
    one = user(
        {
            "server": {
                "on": "hub",
                "command": "exec python3 -m http.server 7504 --bind 10.10.0.1",
                "listen": "fabric:7504",
                "stop": QUICK,
            },
            "worker": {
                "on": "mini",
                "after": ["server"],
                "command": "exec python3 -c 'import time; time.sleep(4909)'",
                "stop": QUICK,
            },
        }
    )

    def told() -> list[tuple[str, str]]:
        problems = json.loads(one.type("check", "--json").out)["problems"]
        return [(p["code"], p["node"]) for p in problems]

    sh(one.lab, "mini", "/opt/homebrew/bin/tmux -L fleetctl kill-server; true", user="two")
    one.lab.fault("local-network-denied", "mini")
    assert told() == []
    one.start()
    assert told() == [("local-network-denied", "mini")]
    one.lab.heal()
    assert told() == []
    assert one.type("stop").code == 0


@pytest.mark.long
def test_interfaces_and_host_files_of_both_systems(user: MakeUser) -> None:
    one = user(
        {
            "ring": {
                "on": ["hub", "pi"],
                "framework": "torchrun",
                "command": "echo $GLOO_SOCKET_IFNAME {interface.wifi}; cat {hostfile.wifi}; "
                "exec sleep 4910",
                "ready": {"command": 'test "$GLOO_SOCKET_IFNAME" = {interface}'},
                "stop": QUICK,
            }
        }
    )
    one.start()
    printed = {
        name: one.type("logs", "-n", "3", f"ring@{name}").out.splitlines() for name in ("hub", "pi")
    }
    assert {name: lines[0].split() for name, lines in printed.items()} == {
        "hub": ["en0", "en1"],
        "pi": ["eth0", "wlan0"],
    }
    assert printed["hub"][1:] == printed["pi"][1:]
    assert one.type("stop").code == 0
