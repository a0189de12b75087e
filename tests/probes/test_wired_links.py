"""What answers at a node's Ethernet ports: the texts and how they are read."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address

import pytest

from fleetctl.model.network import Heard
from fleetctl.probes.script import UNAME
from fleetctl.probes.wired_links import read_wired, wired_script

LINUX = """\
[{"dst":"169.254.7.1","dev":"eth0","lladdr":"02:00:00:00:00:01","state":["REACHABLE"]},
{"dst":"192.168.1.9","dev":"eth0","state":["FAILED"]},
{"dst":"fe80::1","dev":"eth0","lladdr":"02:00:00:00:00:02","state":["STALE"]}]"""
MACOS = """\
? (169.254.7.9) at 2:0:0:0:0:3 on en0 [ethernet]
? (169.254.7.10) at (incomplete) on en0 [ethernet]
? (224.0.0.251) at 1:0:5e:0:0:fb on en0 ifscope permanent [ethernet]
Neighbor                                Linklayer Address  Netif Expire    St Flgs Prbs
fe80::1%en0                             2:0:0:0:0:4          en0 23h59m58s S
fe80::2%en0                             (incomplete)         en0 expired   N
"""


@pytest.mark.parametrize(
    ("os", "text", "macs"), [("linux", LINUX, (1, 2)), ("macos", MACOS, (3, 4))]
)
def test_what_answered(os: str, text: str, macs: tuple[int, ...]) -> None:
    script = wired_script(["eth0"], [IPv4Address("169.254.7.1")])
    uname = f"{UNAME['linux' if os == 'linux' else 'macos']} host arm64"
    frame = f"\n\x1e{script.token} %s 0\n"
    output = uname + frame % "uname" + text + frame % "wired" + frame % "end"
    port = "eth0" if os == "linux" else "en0"
    assert read_wired(script, output) == tuple(Heard(port, f"02:00:00:00:00:0{m}") for m in macs)


@pytest.mark.parametrize("output", ["", "Linux\n", "nonsense\x1e"])
def test_an_answer_that_was_cut_is_none(output: str) -> None:
    assert read_wired(wired_script(["eth0"], []), output) == ()


def test_names_of_ports_are_one_word_of_the_shell() -> None:
    script = wired_script(["e; touch /tmp/x"], [IPv4Address("169.254.7.1")])
    assert "-I 'e; touch /tmp/x' 169.254.7.1" in script.text
    subprocess.run(["sh", "-n", "-c", script.text], check=True)
