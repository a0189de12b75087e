"""Servers bind in many ways; each is seen for what it is, on Linux and on a Mac."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES_YAML, eventually, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

BIND = (
    "import socket, sys, time; s = socket.socket(socket.AF_INET6); "
    "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); "
    "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(sys.argv[3])); "
    "s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(); time.sleep(5000)"
)
OSES = {"hub": "linux", "mini": "macos"}


@pytest.fixture(scope="module")
def cluster(make_lab: MakeLab) -> Lab:
    """mini is a Mac."""
    return make_lab(re.sub(r"(  mini:\n)", r"\1    os: macos\n", NODES_YAML))


def server(on: str, port: int, address: str, *, only_ipv6: bool = False) -> dict[str, Any]:
    return {
        "on": on,
        "command": f"exec python3 -c '{BIND}' {address} {port} {int(only_ipv6)}",
        "listen": f"fabric:{port}",
        "ready": {"listening": True, "timeout": 5},
        "stop": {"grace": 1},
    }


@pytest.mark.parametrize(("on", "own"), [("hub", "10.10.0.1"), ("mini", "10.10.0.2")], ids=OSES.get)
def test_an_ipv4_address_over_ipv6(user: MakeUser, on: str, own: str) -> None:
    """As gRPC and Java bind."""
    one = user({"server": server(on, 7601, f"::ffff:{own}")})
    one.start()
    status = one.status()
    assert status["services"][f"server@{on}"]["listening"] == [f"{own}:7601"]
    assert status["problems"] == []
    # a stranger that is bound so is seen
    other = user({"server": server(on, 7601, own)})
    said = other.type("start")
    assert said.code == 1 and f"which listens on {own}:7601 and is not server@{on}" in said.err
    assert one.type("stop").code == 0


@pytest.mark.parametrize("on", [pytest.param("hub", marks=pytest.mark.long), "mini"])
def test_all_addresses(user: MakeUser, on: str) -> None:
    one = user({"server": server(on, 7602, "::")})
    one.start()
    status = one.status()
    assert status["services"][f"server@{on}"]["listening"] == ["*:7602"]
    assert [(p["code"], p["severity"]) for p in status["problems"]] == [
        ("listen-exposed", "warning")
    ]
    assert one.type("stop").code == 0


@pytest.mark.parametrize("on", ["hub", pytest.param("mini", marks=pytest.mark.long)])
def test_ipv6_alone_is_not_in_the_way(user: MakeUser, on: str) -> None:
    account = {"hub": "one", "mini": "two"}[on]
    one = user({"server": server(on, 7603, "::", only_ipv6=False)})
    sh(one.lab, on, f"python3 -c '{BIND}' :: 7603 1 >/dev/null 2>&1 &", user=account)
    eventually(lambda: running(one.lab, on, "python3 -c import socket"), "it runs")
    addressed = server(on, 7603, "::ffff:" + {"hub": "10.10.0.1", "mini": "10.10.0.2"}[on])
    one.write({"server": addressed})
    one.start()
    assert one.status()["problems"] == []
    assert one.type("stop").code == 0
    [stranger] = running(one.lab, on, "python3 -c import socket")
    sh(one.lab, on, f"kill {stranger}", user="root")


def test_under_sudo(user: MakeUser) -> None:
    """Its socket is root's: which process has it cannot be seen."""
    one = user(
        {
            "web": {
                "on": "hub",
                "command": "exec sudo -n python3 -m http.server 80 --bind 10.10.0.1",
                "listen": "fabric:80",
                "ready": {"listening": True, "timeout": 6},
                "stop": {"grace": 3},
            }
        }
    )
    one.start()
    status = one.status()
    assert status["services"]["web@hub"]["listening"] == ["10.10.0.1:80"]
    assert status["problems"] == []
    said = one.type("stop")
    assert said.code == 0, said.err
    assert running(one.lab, "hub", "sudo") == running(one.lab, "hub", "python3 -m http") == []
