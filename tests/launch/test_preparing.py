"""``prepare``: what runs on a node before a job starts there."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from fleetctl.errors import LinkError
from fleetctl.launch.preparing import NotPrepared, Preparations
from fleetctl.launch.runner import Runner
from fleetctl.launch.secrets import Secrets
from fleetctl.link.links import Links
from fleetctl.logs.events import LogBatch, LogEvent, PastLog, Wanted
from fleetctl.logs.feed import feed, past
from fleetctl.logs.segments import LogLocation
from fleetctl.model.jobs import Instance, Prepare, PrepareLog
from fleetctl.model.plan import plan
from fleetctl.model.topology import SSH, Fleet, Node
from tests.launch.jobs import instance, job
from tests.openssh import bounded, until
from tests.simulated import FLEET, SimulatedFleet

ONE = instance()
COMMAND = (
    'echo "run in $PWD"; echo ran >>../ran; [ ! -e wrong ] || { echo no such wheel >&2; exit 3; }'
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the folder of the code, in which a lock file is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "code").mkdir()
    (tmp_path / "code/uv.lock").write_text("1")
    return tmp_path


def with_links(body: Callable[[Links], Awaitable[None]]) -> None:
    async def main() -> None:
        node = Node(ONE.node, SSH(ONE.node), connection="local")
        async with Links(Fleet("f", {}, {ONE.node: node})) as links:
            await body(links)

    bounded(main())


def prepare(command: str = COMMAND, *on: str, workdir: str = "~/code") -> None:
    """Twice at once, as for two instances of the node."""

    async def body(links: Links) -> None:
        preparations = Preparations("f", Prepare(command, on, {ONE.node: workdir}), links)
        both = (preparations.prepare(ONE), preparations.prepare(ONE))
        found = await asyncio.gather(*both, return_exceptions=True)
        await preparations.close()
        for error in found:
            if error:
                raise error

    with_links(body)


def runs(home: Path) -> int:
    return (home / "ran").read_text().count("ran")


def test_it_runs_once_until_what_it_depends_on_changes(home: Path) -> None:
    for _ in range(2):
        prepare(COMMAND, "uv.lock", "not there")
    assert runs(home) == 1
    (home / "code/not there").write_text("2")
    prepare(COMMAND, "uv.lock", "not there")
    assert runs(home) == 2
    prepare(COMMAND)
    assert runs(home) == 3, "it depends on other files"
    [log] = home.glob(".local/state/fleetctl/f/.prepare/*/output/*.log")
    assert log.read_text() == f"run in {home}/code\n"


def test_one_that_failed_says_what_it_printed_and_runs_again(home: Path) -> None:
    (home / "code/wrong").touch()
    for count in (1, 2):
        with pytest.raises(NotPrepared) as raised:
            prepare()
        assert raised.value.reason == f"prepare failed on {ONE.node} with exit code 3"
        assert raised.value.last_lines == (f"run in {home}/code", "no such wheel")
        assert f"fleetctl logs prepare@{ONE.node}" in raised.value.hint
        assert runs(home) == count
    (home / "code/wrong").unlink()
    prepare()
    prepare()
    assert runs(home) == 3


def test_what_it_prints_is_a_log(home: Path) -> None:
    source = PrepareLog(ONE.job, ONE.node)
    log = LogLocation.of("f", source)

    def printed(text: str) -> PastLog:
        found: list[PastLog] = []

        async def body(links: Links) -> None:
            preparations = Preparations("f", Prepare(text, (), {ONE.node: "~/code"}), links)
            await preparations.prepare(ONE)
            found.append(await past(links, log, ONE.node, Wanted()))

        with_links(body)
        return found[0]

    first = printed("echo one; printf two")
    assert (first.start, first.data) == (0, b"one\ntwo\n")
    second = printed("echo three")
    assert (second.start, second.data) == (8, b"three\n"), "no offset means two bytes"
    assert second.index and abs((second.index.at(14) or 0) - time.time()) < 60


def test_a_follower_gets_the_lines_of_a_run_as_they_come(home: Path) -> None:
    source = PrepareLog(ONE.job, ONE.node, only_new=True)
    lines = ""

    def took(event: LogEvent) -> None:
        nonlocal lines
        assert isinstance(event, LogBatch), event
        lines += event.data.decode()

    async def body(links: Links) -> None:
        async def run(text: str) -> None:
            await Preparations("f", Prepare(text, (), {ONE.node: "~/code"}), links).prepare(ONE)

        await run("echo before")
        following = asyncio.create_task(feed(links, "f", [source], Wanted(), took))
        try:
            # until the follower stands at the end, which nothing shows, a run may be past
            for number in itertools.count():
                await run(f"echo run {number}")
                with suppress(AssertionError):
                    await until(lambda: lines, "a line comes", 3)
                    break
            going = asyncio.create_task(run("echo goes on; while [ ! -e end ]; do sleep 0.1; done"))
            await until(lambda: lines.endswith("goes on\n"), "it comes while it runs")
            (home / "code/end").touch()
            await going
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    with_links(body)
    assert "before" not in lines


def test_a_folder_that_is_missing_is_named(home: Path) -> None:
    with pytest.raises(NotPrepared, match=r"has no folder ~/else to prepare the job in.*sync"):
        prepare(workdir="~/else")
    assert not (home / "ran").exists()


def test_a_start_that_is_given_up_ends_it(home: Path) -> None:
    async def body(links: Links) -> None:
        command = "echo $$ >../pid; exec sleep 100"
        preparations = Preparations("f", Prepare(command, (), {ONE.node: "~/code"}), links)
        waiting = asyncio.create_task(preparations.prepare(ONE))
        pid = home / "pid"
        await until(lambda: pid.exists() and pid.read_text(), "it runs")
        await preparations.close()
        with pytest.raises((asyncio.CancelledError, LinkError)):
            await waiting
        await until(lambda: not Path(f"/proc/{int(pid.read_text())}").exists(), "it has ended")

    with_links(body)


class _Failing(Preparations):
    """Cannot prepare pi4."""

    async def prepare(self, instance: Instance) -> None:
        if instance.node == "pi4":
            raise NotPrepared(instance.name, "prepare failed", hint="Look.", last_lines=("no uv",))


def test_a_node_that_cannot_be_prepared_is_out_and_the_others_go_on() -> None:
    two = job({"worker": (["pi4", "pi5"], [])})
    links = SimulatedFleet(["pi4", "pi5"])
    told: list[str] = []

    async def body() -> None:
        runner = Runner(
            FLEET,
            links,
            links.status,
            Secrets(two.instances),
            lambda progress: told.append(f"{progress.instance}: {progress.reason}"),
            preparations=_Failing(FLEET, Prepare("uv sync", (), {}), links),
        )
        found = await runner.start(plan(two, two.instances))
        failed = found["worker@pi4"]
        assert (failed.state, failed.reason) == ("failed", "prepare failed. Look.")
        assert failed.last_lines == ("no uv",)
        assert found["worker@pi5"].state == "ready"

    bounded(body())
    assert "worker@pi5: prepares pi5: uv sync" in told
