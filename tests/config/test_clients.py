"""Warnings about services that what starts after them cannot reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetctl.cli.config import command
from fleetctl.config import load_with_notes
from tests.config.test_config_command import Call
from tests.config.texts import RIGHT


def warned(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "nodes.yaml"
    path.write_text(text)
    _, notes = load_with_notes(path)
    return [note.removeprefix(f"{path}:") for note in notes]


def text(**services: str) -> str:
    """The nodes of RIGHT, with other services: each its flow mapping."""
    head = RIGHT.partition("jobs:\n")[0]
    lines = "".join(f"      {name}: {{{entry}}}\n" for name, entry in services.items())
    return f"{head}jobs:\n  job:\n    services:\n{lines}"


def test_a_right_file_has_none(tmp_path: Path) -> None:
    assert warned(tmp_path, RIGHT) == []


def test_a_listen_on_a_network_that_a_client_is_not_on(tmp_path: Path) -> None:
    """pi5 has a via to the fabric, mini2 none to the edge."""
    server = "on: mini1, command: a, listen: '{}:1'"
    worker = "on: [mini2, pi5], command: b, after: [server]"
    fabric, edge = server.format("fabric"), server.format("edge")
    assert warned(tmp_path, text(server=fabric, worker=worker)) == []
    (warning,) = warned(tmp_path, text(server=edge, worker=worker))
    place, _, what = warning.partition(": warning: ")
    assert place.startswith("28:")
    assert what == (
        "service 'worker' starts after 'server', but mini2 cannot reach 192.168.50.1:1 of "
        "server@mini1 on 'edge': it is not on that network and has no via to it"
    )


@pytest.mark.parametrize(
    ("listen", "client", "number"),
    [
        ("0.0.0.0:1", "ipad", 0),  # it shares the Wi-Fi with mini1
        ("fabric:1", "ipad", 1),
        ("fabric:1", "mini1", 0),
        ("172.30.0.1:1", "ipad", 0),  # on no network that nodes.yaml knows
    ],
)
def test_who_reaches_what(tmp_path: Path, listen: str, client: str, number: int) -> None:
    entry = f"on: {client}, after: [a], ready: {{connect: '10.0.0.1:2'}}"
    if client != "ipad":
        entry += ", command: b"
    found = warned(tmp_path, text(a=f"on: mini1, command: a, listen: '{listen}'", b=entry))
    assert len(found) == number


def test_a_loopback_listen_with_clients_on_other_nodes(tmp_path: Path) -> None:
    server = "on: mini1, command: a, listen: '127.0.0.1:80'"
    client = "command: b, after: [a], on: {}"
    assert warned(tmp_path, text(a=server, b=client.format("mini1"))) == []
    (warning,) = warned(tmp_path, text(a=server, b=client.format("[mini1, mini2]")))
    assert warning.partition(": warning: ")[2] == (
        "service 'a' listens on 127.0.0.1:80, which only its own node reaches, and is needed on "
        "other nodes, by b@mini2: name a network, such as 'NETWORK:80'"
    )


def test_each_client_may_have_a_server_of_its_own(tmp_path: Path) -> None:
    both = "on: [mini1, mini2], command: a"
    assert (
        warned(tmp_path, text(a=f"{both}, listen: '127.0.0.1:80'", b=f"{both}, after: [a]")) == []
    )


def test_config_check_prints_them_and_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    server = "on: mini1, command: a, listen: '127.0.0.1:80'"
    path.write_text(text(a=server, b="on: mini2, command: b, after: [a]"))
    done = CliRunner().invoke(command, ["check"], obj=Call(path))
    assert done.exit_code == 0
    assert f"{path}:27:" in done.stderr
    assert " warning: service 'a' listens on 127.0.0.1:80" in done.stderr
    assert done.stdout.startswith(f"{path} is fine")
