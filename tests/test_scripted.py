"""Scripted nodes recognise each script, and answer like real nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.errors import LinkHung, LinkLost
from fleetctl.launch.node_files import prepare_script, stop_script, unlock_script
from fleetctl.link.local import LocalLink
from fleetctl.link.protocol import Link
from fleetctl.logs.segments import LogLocation
from fleetctl.model.questions import Questions
from fleetctl.probes.echoes import path_text
from fleetctl.probes.node import node_script, services_script
from tests.clock import jumping
from tests.launch.jobs import instance, listen
from tests.logs.loggers import write_segments
from tests.openssh import bounded
from tests.scripted import Kind, ScriptedNode, kind_of, says
from tests.simulated import Log, SimulatedFleet

ONE = instance()
PLACE = LogLocation("fleet", "job", "worker@pi4")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("prepare", prepare_script("fleet", ONE, 1)),
        ("unlock", unlock_script("fleet", ONE)),
        ("unlock", unlock_script("fleet", ONE, forget=True)),
        ("stop", stop_script("fleet", ONE)),
        ("log", PLACE.script("from", offset=0, limit=9)),
        ("look", services_script("fleet", "pi4").text),
        ("look", node_script(Questions("fleet", "pi4", instances=(ONE,))).text),
        ("path", path_text(listen().address, 22)),
        ("other", "exec df -h"),
    ],
)
def test_each_script_is_recognised(kind: Kind, text: str) -> None:
    assert kind_of(text) == kind


LINES = b"one\ntwo\n\nthree\r\nfo"


@pytest.mark.parametrize("first", [0, 40])
@pytest.mark.parametrize(
    "asked",
    [
        {"mode": "from", "offset": 0, "limit": 5},
        {"mode": "from", "offset": 44, "limit": 100},
        {"mode": "from", "offset": 99, "limit": 100},
        {"mode": "last", "lines": 0},
        {"mode": "last", "lines": 2},
        {"mode": "last", "lines": 99},
        {"mode": "since", "seconds": 1},
        {"mode": "index", "offset": 0},
    ],
    ids=str,
)
def test_a_simulated_log_is_read_as_a_real_one(
    asked: dict[str, object], first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".local/state/fleetctl/fleet/job/worker@pi4/log"
    write_segments(folder, {first: LINES[:9], first + 9: LINES[9:]}, {})
    script = PLACE.script(**asked)  # type: ignore[arg-type]  # as given above

    async def simulated() -> bytes:
        links = SimulatedFleet(["pi4"])
        links.node["pi4"].log_of(ONE).write(b"x" * first + LINES)
        links.node["pi4"].log_of(ONE).rotate(first)
        link = await links.get("pi4")
        return (await link.run(script, timeout_s=5)).stdout

    real = bounded(LocalLink("pi4").run(script, timeout_s=20))
    assert jumping(simulated()) == real.stdout


def test_an_answer_may_be_late_held_up_or_cut_off() -> None:
    async def body() -> None:
        node = ScriptedNode("pi4")
        node.answers["other"] = says("a", 3.0, "b")
        link: Link = node.link()
        assert (await link.run("it", stdin=b"word", timeout_s=4)).text == "ab"
        assert node.of("other")[0].stdin == b"word"
        with pytest.raises(LinkHung) as hung:
            await link.run("it", timeout_s=2)
        assert hung.value.output == b"a"
        node.late_s["other"] = 2.0
        with pytest.raises(LinkHung):
            await link.run("it", timeout_s=4)
        node.hold("other").set()
        node.cut_at("other", after=1)
        assert (await link.run("it", timeout_s=6)).text == "ab"
        with pytest.raises(LinkLost):
            await link.run("it", timeout_s=6)
        assert link.closed

    jumping(body())


def test_a_stream_is_read_as_it_comes() -> None:
    async def body() -> None:
        node = ScriptedNode("pi4")
        node.answers["other"] = says("a", 3.0, "b", status=4)
        async with node.link().stream("it") as stream:
            assert await stream.read(1) == b"a"
            with pytest.raises(LinkHung):
                await stream.read(1)
            assert await stream.read(3) == b"b"
            assert await stream.read(3) == b""
            assert stream.exit_status == 4

    jumping(body())


def test_a_followed_log_goes_on() -> None:
    async def body() -> None:
        node = SimulatedFleet(["pi4"]).node["pi4"]
        log: Log = node.log_of(ONE)
        log.write(b"one\n")
        async with node.link().stream(PLACE.script("follow", offset=0)) as stream:
            assert await stream.read(1) == b"0 4\none\n"
            log.write(b"two\n")
            assert await stream.read(1) == b"two\n"

    jumping(body())


def test_an_exception_in_an_answer_is_raised() -> None:
    async def body() -> None:
        await ScriptedNode("pi4").link().run("it", timeout_s=5)

    with pytest.raises(AssertionError, match="pi4 has no answer to 'it'"):
        jumping(body())
