"""What supervisors note for controllers that did not watch, as the node's shells write it."""

from __future__ import annotations

import asyncio
import time

from fleetctl.link.local import LocalLink
from fleetctl.model.jobs import Instance, Restart
from fleetctl.model.past import Past
from fleetctl.probes.past import past_text, read_past
from tests.launch.conftest import FLEET, Node, eventually
from tests.launch.jobs import instance
from tests.launch.test_userlands import foreign

__all__ = ["foreign"]

FAILS = instance(command="exit 3", restart=Restart("always", delay_s=0.05, max=2))


def asked(node: Node, since_s: float = 0.0) -> Past:
    text = past_text(FLEET, FAILS.node, int(since_s))
    done = asyncio.run(LocalLink(FAILS.node).run(text, timeout_s=20))
    assert (done.exit_status, done.error_text) == (0, "")
    return read_past(done.text)


def ran(node: Node, one: Instance = FAILS) -> None:
    node.start(one)
    node.await_phase(one, "ended")
    eventually(lambda: "not restarted again" in node.log(one), "it is over")
    node.stop(one)


def noted_in(node: Node) -> None:
    began_s = time.time()
    ran(node)
    found = asked(node)
    assert [(x.what, x.restarts, x.exit_code) for x in found.lines] == [
        ("start", 0, None),
        ("end", 0, 3),
        ("start", 1, None),
        ("end", 1, 3),
        ("start", 2, None),
        ("end", 2, 3),
    ]
    assert {(x.job, x.instance) for x in found.lines} == {(FAILS.job, FAILS.name)}
    assert all(began_s - 3 < x.at_s < time.time() + 3 for x in found.lines)
    assert found.booted_s is not None
    assert found.booted_s < began_s


def test_each_begin_and_end_is_noted_and_outlives_a_stop(node: Node) -> None:
    noted_in(node)


def test_with_other_shells(foreign: Node) -> None:
    noted_in(foreign)


def test_it_is_bounded_and_a_torn_line_costs_only_itself(node: Node) -> None:
    folder = node.folder(FAILS)
    folder.mkdir(parents=True)
    old = f"end 1700000000 ab12 0 1 - boot{'x' * 40} .\n"
    (folder / "past").write_text(old * 500 + old[:31])  # about 40 KiB
    ran(node)
    assert len(asked(node).lines) == 500 + 6
    assert len(asked(node, 1_700_000_001).lines) == 6
    assert (folder / "past.old").stat().st_size < 65536
    (folder / "past").write_bytes(old.encode() * 500 + b"\0" * 99)
    ran(node)
    assert (folder / "past").stat().st_size + (folder / "past.old").stat().st_size < 65536
    assert [x.what for x in asked(node, 1_700_000_001).lines[-6:]] == ["start", "end"] * 3
