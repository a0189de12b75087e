"""Words that only the node can replace: names of interfaces, paths of an instance's files."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from fleetctl.errors import LaunchError
from fleetctl.link.local import LocalLink
from fleetctl.model.late_words import interface_word, path_word
from fleetctl.model.ready import Ready
from fleetctl.observe.conditions import command_succeeds
from tests.launch.conftest import FLEET, Node, eventually
from tests.launch.jobs import instance

LO, HOSTS = interface_word("loop"), path_word("hosts.loop")
LOOPBACK = {"loop": IPv4Address("127.0.0.1")}


def test_they_are_replaced_when_it_is_started_and_its_files_go_with_it(node: Node) -> None:
    one = instance(
        command=f'echo "$OF it\'s {LO}"; cat {HOSTS}; exec sleep 1000',
        env={"OF": f"'{LO}'", "UID": LO},
        ready=Ready("command", f'test "$OF" = "\'lo\'" && grep -q 10.0.0.2 {HOSTS}'),
        interfaces=LOOPBACK,
        files={"hosts.loop": f"10.0.0.1\n10.0.0.2\n{LO}\n"},
    )
    node.start(one)
    node.await_phase(one, "running")
    eventually(lambda: len(node.log(one).splitlines()) >= 4, "it printed the file")
    assert node.log(one).splitlines() == ["'lo' it's lo", "10.0.0.1", "10.0.0.2", "lo"]
    assert asyncio.run(command_succeeds(FLEET, one, LocalLink("pi4")))
    files = node.folder(one) / "files"
    assert [file.name for file in files.iterdir()] == ["hosts.loop"]
    assert (files / "hosts.loop").stat().st_mode & 0o077 == 0
    node.stop(one)
    assert not files.exists()


def test_its_files_go_when_it_ends_by_itself(node: Node) -> None:
    one = instance(command=f"cat {HOSTS}", files={"hosts.loop": "10.0.0.1\n"})
    node.start(one)
    node.await_phase(one, "ended")
    eventually(lambda: not (node.folder(one) / "files").exists(), "its files are gone")
    assert node.log(one).splitlines()[0] == "10.0.0.1"


def test_an_address_that_no_interface_has_is_named(node: Node) -> None:
    one = instance(
        command=f"echo {interface_word('fabric')}", interfaces={"fabric": IPv4Address("192.0.2.1")}
    )
    with pytest.raises(LaunchError) as caught:
        node.start(one)
    assert "none of its interfaces has 192.0.2.1, its address on fabric" in str(caught.value)
    left = {path.name for path in node.folder(one).iterdir()}
    assert not left & {"spec", "files", "lock", "account"}
