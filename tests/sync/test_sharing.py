"""Files that nodes send each other, on real nodes: each its folder behind one SSH server, with an
address of its own on the loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.fleet import LiveFleet
from fleetctl.model.syncing import NodeSync
from fleetctl.probes import python3
from fleetctl.sync import spreading
from tests.openssh import Server, bounded, until

NODES = {
    "a": "addresses: {fabric: 127.0.0.2}",
    "b": "addresses: {fabric: 127.0.0.3}",
    "c": "addresses: {fabric: 127.0.0.4}",
    "behind": "addresses: {side: 127.1.0.2}, via: {fabric: a}",
    "apart": "addresses: {}",
}
ADDRESS_OF_A = "gateway: true, addresses: {fabric: 127.0.0.2, side: 127.1.0.1}"


class Trial:
    """A tree here with large files, and nodes to which it goes."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self.code = folder / "code"
        (self.code / "models/deep").mkdir(parents=True)
        (self.code / "run.py").write_text("1")
        (self.code / ".gitignore").write_text("models\n")
        (self.code / "models/deep/big").write_bytes(os.urandom(3_000_001))
        (self.code / "models/empty").write_text("")
        (self.code / "models/link").symlink_to("deep/big")
        (self.code / "models/deep/big").chmod(0o640)
        self.sent = 0
        """Bytes of the stream that the controller sent to a first node."""

    def service(self, moved: Mapping[str, str]) -> LiveFleet:
        """
        :param moved: by node, another address on the fabric.
        """
        s = self._server
        ssh = (
            f"host: 127.0.0.1, port: {s.port}, user: {s.user}, identity_file: {s.key}, "
            f"known_hosts: {s.known_hosts}"
        )
        nodes = {**NODES, "a": ADDRESS_OF_A}
        listed = "".join(
            f"  {n}: {{workdir: ~/{n}, ssh: {{{ssh}}}, {t}}}\n" for n, t in nodes.items()
        )
        text = (
            "fleet: f\ninternet: null\n"
            "networks: {fabric: {cidr: 127.0.0.0/16}, side: {cidr: 127.1.0.0/16}}\n"
            f"nodes:\n{listed}jobs: {{j: {{sync: {{share: models/, over: fabric, delete: true}}, "
            f"services: {{s: {{on: [{', '.join(nodes)}], command: x}}}}}}}}\n"
        )
        fleet = load_text(text, str(self.code / "nodes.yaml"))
        for name, address in moved.items():
            node = fleet.nodes[name]
            elsewhere = {**node.addresses, "fabric": IPv4Address(address)}
            at = {**fleet.nodes, name: replace(node, addresses=elsewhere)}
            fleet = replace(fleet, nodes=at)
        return LiveFleet(fleet, fleet.jobs["j"])

    def sync(self, nodes: Sequence[str] = tuple(NODES), **moved: str) -> dict[str, NodeSync]:
        found: dict[str, NodeSync] = {}

        async def body() -> None:
            async with self.service(moved) as service:
                await service.sync(nodes, lambda result: found.update({result.node: result}))

        bounded(body())
        return found

    def there(self, node: str) -> Path:
        return self._server.home / node / "models"

    def whole(self, node: str) -> bool:
        big, link = self.there(node) / "deep/big", self.there(node) / "link"
        here = self.code / "models/deep/big"
        return (
            big.read_bytes() == here.read_bytes()
            and big.stat().st_mtime_ns == here.stat().st_mtime_ns
            and big.stat().st_mode & 0o777 == 0o640
            and str(link.readlink()) == "deep/big"
            and (self.there(node) / "empty").is_file()
            and not list(self.there(node).rglob(".fleetctl-sync.*"))
        )


@pytest.fixture
def trial(
    make_sshd: Callable[..., Server],
    client_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Trial:
    made = Trial(make_sshd(), tmp_path)
    pieces = spreading.stream_to_head

    def counted(*arguments: Any) -> Any:
        for piece in pieces(*arguments):
            made.sent += len(piece)
            yield piece

    monkeypatch.setattr(spreading, "stream_to_head", counted)
    return made


def sources(found: Mapping[str, NodeSync]) -> dict[str, str | None]:
    return {node: r.shared.source if r.shared else "nothing" for node, r in found.items()}


def test_it_is_sent_once_and_then_from_node_to_node(trial: Trial) -> None:
    size = 3_000_001 + len("deep/big")
    first = trial.sync()
    assert sources(first) == {"a": None, "b": "a", "c": "b", "behind": "a", "apart": None}
    assert [r.state for r in first.values()] == ["synced"] * 5
    assert all(map(trial.whole, NODES)) and (trial.there("a").parent / "run.py").exists()
    shared = first["b"].shared
    assert shared and (shared.size_bytes, len(shared.files)) == (size, 3) and shared.seconds
    apart = first["apart"].shared
    assert apart and apart.note == "it has no way to fabric"
    assert 3_000_000 < trial.sent < 3_002_000
    assert not [path for path in first["b"].files if path.startswith("models")]

    trial.sent = 0
    assert {r.state for r in trial.sync().values()} == {"same"} and not trial.sent

    # one that has it gives it to another, and what is gone here goes there
    shutil.rmtree(trial.there("a"))
    (trial.code / "models/empty").unlink()
    again = trial.sync()
    assert sources(again) == {n: "b" if n == "a" else "nothing" for n in NODES}
    assert trial.sent < 1000 and {r.deleted for n, r in again.items() if n != "a"} == {
        ("models/empty",)
    }


def test_what_was_changed_there_is_left(trial: Trial) -> None:
    trial.sync(["a", "b"])
    (trial.there("b") / "deep/big").write_text("of the job")
    (trial.code / "models/deep/big").write_text("new")
    (trial.code / "run.py").write_text("new")
    found = trial.sync(["a", "b"])
    assert (found["a"].state, found["b"].state) == ("synced", "changed there")
    assert found["b"].changed_there == ("models/deep/big",)
    assert (trial.there("b").parent / "run.py").read_text() == "1", "nothing is done there"


def test_a_node_that_cannot_write_is_out_and_passes_it_on(trial: Trial) -> None:
    trial.sync(["b"])
    shutil.rmtree(trial.there("b"))
    trial.there("b").write_text("a file in place of the folder")
    found = trial.sync(["a", "b", "c"])
    assert found["b"].error and str(found["b"].error).startswith("b: models/")
    assert "cannot be written: " in str(found["b"].error)
    assert sources({n: found[n] for n in "ac"}) == {"a": None, "c": "b"} and trial.whole("c")


def test_where_one_cannot_be_reached_others_go_round_it(trial: Trial) -> None:
    found = trial.sync(["a", "b", "c"], b="192.0.2.1")
    assert [r.state for r in found.values()] == ["synced"] * 3
    b, c = found["b"].shared, found["c"].shared
    assert b and b.source is None and b.note.startswith("it cannot listen on its address: ")
    assert c and c.source == "a"
    assert all(map(trial.whole, "abc"))


def test_without_python_it_comes_from_here(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python3, "_FIND", python3._FIND.replace("python3)", "python33)"))
    found = trial.sync(["a", "b"])
    assert sources(found) == {"a": None, "b": None}
    assert {r.shared.note for r in found.values() if r.shared} == {"it has no python3"}
    assert all(map(trial.whole, "ab"))


def test_ctrl_c_ends_it_on_all_nodes(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream stops in the midst of a file."""
    stopped, resumed = threading.Event(), threading.Event()
    whole = spreading.stream_to_head

    def half(*arguments: Any) -> Any:
        for number, piece in enumerate(whole(*arguments)):
            if number == 5:
                stopped.set()
                resumed.wait(20)
            yield piece

    monkeypatch.setattr(spreading, "stream_to_head", half)

    def parts() -> list[int]:
        return [
            p.pid
            for p in psutil.process_iter(["cmdline"])
            if any("One node's part in sharing" in word for word in p.info["cmdline"] or ())
        ]

    def beside() -> list[Path]:
        return list(trial.there("c").rglob(".fleetctl-sync.*"))

    async def body() -> None:
        async with trial.service({}) as service:
            task = asyncio.create_task(service.sync(["a", "b", "c"], lambda _result: None))
            await until(stopped.is_set, "half of it is sent")
            assert parts()
            threading.Timer(0.1, resumed.set).start()  # the piece that is being read ends
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: not parts() and not beside(), "nothing is left")

    bounded(body())
    assert not (trial.there("c") / "deep/big").exists()
