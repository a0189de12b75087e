"""`fleetctl trust` against real OpenSSH servers."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable

import pytest

from tests.access.conftest import Controller, ssh_of
from tests.openssh import Server, fingerprint, make_key, public_key

MakeServer = Callable[..., Server]


def recorded(controller: Controller, server: Server) -> bool:
    """By ssh's own word."""
    found = subprocess.run(
        ["ssh-keygen", "-F", f"[127.0.0.1]:{server.port}", "-f", str(controller.known_hosts)],
        capture_output=True,
        text=True,
        check=False,
    )
    return public_key(server.host_key) in found.stdout


def test_new_keys_are_shown_asked_about_and_recorded_once(
    controller: Controller, make_sshd: MakeServer
) -> None:
    one, two = make_sshd(), make_sshd()
    rsa = make_key(one.folder / "rsa", kind="rsa")
    one.stop()
    one.extra = f"HostKey {rsa}\n"
    one.start()
    controller.fleet({"mini1": ssh_of(one), "pi4": ssh_of(two)})
    (controller.home / ".ssh" / "config").write_text("HashKnownHosts yes\n")
    controller.known_hosts.write_text("# torn", "utf-8")

    without = controller.run("trust")
    assert without.returncode == 1
    assert "there is no terminal to ask on" in without.stderr
    assert controller.known_hosts.read_text() == "# torn"

    with controller.terminal("trust") as no:
        no.wait_for("Record the keys of mini1, pi4? [y/N]")
        no.type("n\n")
        assert no.wait_for_end() == 1
    assert controller.known_hosts.read_text() == "# torn"

    with controller.terminal("trust") as yes:
        yes.wait_for("Record the keys of mini1, pi4? [y/N]")
        for key in (one.host_key, rsa, two.host_key):
            assert f"{fingerprint(key)}  new" in yes.text
        yes.type("y\n")
        assert yes.wait_for_end() == 0
    text = controller.known_hosts.read_text()
    assert text.startswith("# torn\n|1|")
    assert len(text.splitlines()) == 4
    assert recorded(controller, one)
    assert recorded(controller, two)

    again = controller.run("trust")
    assert (again.returncode, again.stderr) == (0, "")
    assert f"mini1  ED25519  {fingerprint(one.host_key)}  recorded" in again.stdout
    assert controller.known_hosts.read_text() == text


def test_yes_records_what_is_new_and_never_what_changed(
    controller: Controller, make_sshd: MakeServer
) -> None:
    one, two = make_sshd(), make_sshd()
    stranger = make_key(one.folder / "stranger")
    before = f"[127.0.0.1]:{two.port} {public_key(stranger)}\n"
    named = controller.home / "hosts"
    named.write_text(before)
    controller.fleet(
        {
            "mini1": ssh_of(one),
            "pi4": ssh_of(two, known_hosts=str(named)),
            "off": "ssh: {host: 127.0.0.1, port: 1}",
        }
    )
    seen = controller.run("trust", "--check", "--json")
    told = json.loads(seen.stdout)
    assert (seen.returncode, told["schema"], told["ok"]) == (1, "fleetctl.trust/1", False)
    states = {name: node["state"] for name, node in told["nodes"].items()}
    assert states == {"mini1": "new", "pi4": "changed", "off": "failed"}
    assert told["nodes"]["mini1"]["keys"] == [
        {"type": "ED25519", "fingerprint": fingerprint(one.host_key)}
    ]
    assert not recorded(controller, one)
    shown = controller.run("trust", "--check", "mini1")
    assert shown.returncode == 1 and f"{fingerprint(one.host_key)}  new" in shown.stdout
    assert not recorded(controller, one)
    assert controller.run("trust", "--json").returncode == 2
    done = controller.run("trust", "--yes")
    assert done.returncode == 1
    assert recorded(controller, one)
    assert stat.S_IMODE(controller.known_hosts.stat().st_mode) == 0o600
    assert named.read_text() == before
    assert fingerprint(stranger) in done.stdout
    assert f"{fingerprint(two.host_key)}  not the recorded one" in done.stdout
    assert f"ssh-keygen -R '[127.0.0.1]:{two.port}' -f {named}" in done.stdout
    assert "off    ✖ connection refused by 127.0.0.1:1" in done.stdout


def test_swapped_addresses_are_named_as_such(controller: Controller, make_sshd: MakeServer) -> None:
    one, two = make_sshd(), make_sshd()
    controller.known_hosts.write_text(
        f"[127.0.0.1]:{one.port} {public_key(two.host_key)}\n"
        f"[127.0.0.1]:{two.port} {public_key(one.host_key)}\n"
    )
    controller.fleet({"mini1": ssh_of(one), "mini2": ssh_of(two)})
    done = controller.run("trust", "--yes")
    assert done.returncode == 1
    assert "mini1 and mini2 have swapped addresses" in done.stdout
    assert "the key known as mini1's answers under mini2's address" in done.stdout


@pytest.mark.long
def test_a_node_behind_a_new_jump_host(controller: Controller, make_sshd: MakeServer) -> None:
    """It is asked once the jump host is trusted."""
    gate, inner = make_sshd(), make_sshd()
    controller.fleet(
        {
            "pi4": ssh_of(inner, proxy_jump="mini1"),
            "mini1": ssh_of(gate, identity_file=str(gate.key)),
        }
    )
    done = controller.run("trust", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recorded(controller, gate)
    assert recorded(controller, inner)


def test_a_trusted_node_is_asked_what_it_sees(
    controller: Controller, make_sshd: MakeServer
) -> None:
    """Here all networks are the loopback, on which two servers have a port in common."""
    networks = "networks:\n  fabric: {cidr: 127.0.0.0/8}\n"
    one, two, other = make_sshd(), make_sshd(), make_sshd()
    controller.known_hosts.write_text(f"[127.0.0.1]:{one.port} {public_key(one.host_key)}\n")
    mini1 = f"{ssh_of(one, identity_file=str(one.key))}, addresses: {{fabric: 127.0.0.2}}"
    controller.fleet(
        {"mini1": mini1, "mini2": f"{ssh_of(two)}, addresses: {{fabric: 127.0.0.1}}"}, networks
    )
    with controller.terminal("trust", "mini2") as asking:
        asking.wait_for("Record the keys of mini2?")
        assert "mini1 sees the same at 127.0.0.1 (fabric)" in asking.text
        asking.type("n\n")
        asking.wait_for_end()

    other.stop()
    other.extra = f"ListenAddress 127.0.0.3\nPort {two.port}\n"
    other.start()
    controller.fleet(
        {"mini1": mini1, "mini2": f"{ssh_of(two)}, addresses: {{fabric: 127.0.0.3}}"}, networks
    )
    doubted = controller.run("trust", "--yes")
    assert doubted.returncode == 1
    assert (
        f"mini1 sees another key at 127.0.0.3 (fabric): ED25519 {fingerprint(other.host_key)}"
        in (doubted.stdout)
    )
    assert not recorded(controller, two)
