"""Simulated nodes with instances, which print what a Linux node with tmux would.

A program is a coroutine; its sockets and output show in the probes and in the log. Tests can read
and change everything on a node.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import shlex
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.fleet import LiveFleet
from fleetctl.health.services import service_status, unknown_status
from fleetctl.launch.node_files import LOCKED, RUNNING
from fleetctl.model.facts import Listener, Pane
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.layout import TMUX_OPTIONS
from fleetctl.model.records import Record
from fleetctl.model.status import ServiceStatus
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.observe.look import look
from fleetctl.probes.node import services_script
from fleetctl.probes.times import epoch_time
from tests.scripted import Script, ScriptedLinks, ScriptedNode, says

FLEET = "fleet"
Key = tuple[str, str]
"""Job and instance name."""
_KEY = re.compile(r"\.local/state/fleetctl/[^/]+/([^/]+)/([\w.-]+@[\w.-]+)")
_numbers = itertools.count(101)


class Process:
    """An attempt of an instance, as its program sees it."""

    def __init__(self, node: SimulatedNode, key: Key) -> None:
        self.pid = next(_numbers)
        self._node = node
        self._key = key

    def prints(self, text: str) -> None:
        self._node.logs[self._key].write(text.encode())

    def listens(self, address: str, port: int) -> None:
        self._node.listeners.append(Listener(address, port, (self.pid,), "program"))


Program = Callable[[Process], Awaitable[int]]
"""The program of an instance; it returns the exit code."""


async def forever(_: Process) -> int:
    """Run until it is stopped."""
    await asyncio.Event().wait()
    return 0


def server(address: str, port: int, after_s: float = 0.0) -> Program:
    """Listens after some seconds."""

    async def run(process: Process) -> int:
        await asyncio.sleep(after_s)
        process.listens(address, port)
        return await forever(process)

    return run


def ends(code: int, after_s: float = 0.0) -> Program:
    """Ends by itself."""

    async def run(_: Process) -> int:
        await asyncio.sleep(after_s)
        return code

    return run


class Log:
    """An instance's log, from the first byte that was not rotated away."""

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.data = bytearray()
        self._grown = asyncio.Event()

    @property
    def end(self) -> int:
        return self.first + len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data
        self._grown.set()

    def rotate(self, first: int) -> None:
        """Drop all before an offset."""
        del self.data[: first - self.first]
        self.first = first

    def _from(self, offset: int, end: int) -> bytes:
        return bytes(self.data[offset - self.first : end - self.first])

    async def answer(self, script: Script, mode: str, asked: dict[str, int]) -> None:
        """As segments.sh answers, for a log without an index."""
        offset = min(max(asked.get("offset", 0), self.first), self.end)
        end = self.end
        match mode:
            case "from":
                end = min(end, offset + asked["limit"])
            case "last":
                lines = re.findall(rb"[^\n]*\n|[^\n]+\Z", self.data)[-asked["lines"] or end :]
                offset = end - sum(map(len, lines))
            case "since" | "index":
                script.prints(f"{self.first} {end}\n")
                return
        script.prints(f"{offset} {end}\n")
        script.prints(self._from(offset, end))
        while mode == "follow":
            self._grown.clear()
            await self._grown.wait()
            script.prints(self._from(end, self.end))
            end = self.end


@dataclass
class Started:
    """An instance with a begun start."""

    spec: str = ""
    """The supervisor's spec; empty: removed."""
    locked: bool = False
    files: dict[str, str] = field(default_factory=dict)
    """The controllers' notes: the lines of ``ready`` and ``searched``."""
    task: asyncio.Task[None] | None = None
    """Its supervisor."""


class SimulatedNode(ScriptedNode):
    """One node, at first without instances."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.programs: dict[str, Program] = {}
        """By instance name; by default :func:`forever`."""
        self.instances: dict[Key, Started] = {}
        self.records: dict[Key, Record] = {}
        self.logs: dict[Key, Log] = {}
        self.panes: dict[str, Pane] = {}
        """By window id."""
        self.listeners: list[Listener] = []
        self.runs: dict[str, tuple[int, ...]] = {}
        self.told: dict[str, str] = {}
        """By name of any other probe: its output; missing ones are cut off."""
        self.answers = {
            "prepare": self._prepare,
            "unlock": self._unlock,
            "stop": self._stop,
            "forget": self._forget,
            "log": self._log,
            "note": self._note,
            "conversation": self._conversation,
            "look": self._look,
            "tmux": self._tmux,
            "path": self._succeed,
            "port user": says("root\n"),
        }

    # what tests look at, and set

    def has(self, instance: Instance) -> Started:
        """The state of an instance; a new one if it was never started."""
        key = (instance.job, instance.name)
        self.logs.setdefault(key, Log())
        return self.instances.setdefault(key, Started())

    def already_runs(self, instance: Instance, **more: object) -> Record:
        """Let an instance run since long ago; ``more`` are fields of its record."""
        key = (instance.job, instance.name)
        self.has(instance)
        run, number = f"{next(_numbers):x}", next(_numbers)
        marks = (instance.job, instance.name, run, instance.definition_hash, "1000")
        self._open_window(FLEET, dict(zip(TMUX_OPTIONS, marks, strict=True)))
        self.runs[run] = (number,)
        self.records[key] = replace(_record(key, run, number, 0, 0), **more)
        return self.records[key]

    def log_of(self, instance: Instance) -> Log:
        self.has(instance)
        return self.logs[instance.job, instance.name]

    # probes

    def _frames(self, text: str) -> Iterator[str]:
        """The output of a script's probes, each in its frame."""
        found = re.search(r"\\036([0-9a-f]{12}) %s %s", text)
        assert found
        token = found[1]
        yield f"Linux {self.name} x86_64\n\n\x1e{token} uname 0\n"
        for name in dict.fromkeys(re.findall(rf"\\036{token} %s %s\\n' (\w+) \$\?", text)):
            answer = self.probe(name)
            if answer is not None:
                yield f"{answer[0]}\n\x1e{token} {name} {answer[1]}\n"

    def probe(self, name: str) -> tuple[str, int] | None:
        """A probe's output and exit status; None: it is cut off."""
        match name:
            case "records":
                return "".join(self._record_lines()), 0
            case "listeners":
                return self._listening(), 0
            case "runs":
                lines = (
                    f"{run} {pid} {pid} own\n" for run, pids in self.runs.items() for pid in pids
                )
                return "".join(lines), 0
            case "tmux":
                if not self.panes:
                    return "no server running on /tmp/tmux-1000/fleetctl\ntmux 3.3a\n", 1
                return "".join(map(_pane_line, self.panes.values())), 0
        return (self.told[name], 0) if name in self.told else None

    def _record_lines(self) -> Iterator[str]:
        for (job, name), record in self.records.items():
            state = {
                "run": record.run,
                "phase": record.phase,
                "restarts": record.restarts,
                "started": _seconds(record.started_at),
                "pid": record.pid,
                "log": record.log_start,
                "ended": _seconds(record.ended_at),
                "exit": record.exit_code,
            }
            for word, value in state.items():
                if value is not None:
                    yield f"{job}/{name}/state:{word}={value}\n"
            for file, line in self.instances[job, name].files.items():
                yield f"{job}/{name}/{file}:{line}\n"
        for (job, name), log in self.logs.items():
            size = f"{len(log.data)} Jan 31 12:00"
            yield f"-rw------- 1 1000 1000 {size} {job}/{name}/log/{log.first}.log\n"

    def _listening(self) -> str:
        lines = ""
        for one in self.listeners:
            users = ",".join(f'("{one.process}",pid={pid},fd=3)' for pid in one.pids)
            lines += f"LISTEN 0 128 {one.address}:{one.port} 0.0.0.0:* users:({users})\n"
        return lines

    async def _look(self, script: Script) -> int:
        script.prints("".join(self._frames(script.text)))
        return 0

    async def _conversation(self, script: Script) -> int:
        found = re.search(r"\\036([0-9a-f]{12}) end", script.text)
        assert found
        parts = re.split(r"^ask_(\w+)\(\) \{$", script.text, flags=re.M)
        texts = dict(zip(parts[1::2], parts[2::2], strict=True))
        while (asked := await script.line()) is not None:
            if not asked:
                continue
            await self.turn("look")
            frames = "".join(self._frames(texts[asked]))
            script.prints(f"{frames}\n\x1e{found[1]} errors\n\n\x1e{found[1]} end\n")
        return 0

    # starts

    async def _prepare(self, script: Script) -> int:
        key = _key(script.text)
        self.logs.setdefault(key, Log())
        started = self.instances.setdefault(key, Started())
        if started.locked:
            return LOCKED
        windows = [w for w, pane in self.panes.items() if (pane.job, pane.instance) == key]
        if any(not self.panes[window].dead for window in windows):
            return RUNNING
        started.locked = True
        started.spec = script.stdin.decode()
        started.files.clear()
        script.prints(f"/home/it/{key[1]}\nwindows {' '.join(windows)}\ntmux 3.3a\nlinux\n")
        script.prints(self._listening())
        return 0

    async def _unlock(self, script: Script) -> int:
        started = self.instances[_key(script.text)]
        started.locked = False
        if "rm -f spec" in script.text:
            started.spec = ""
        return 0

    async def _tmux(self, script: Script) -> int:
        argv = shlex.split(script.text)
        verb = next(place for place, word in enumerate(argv[2:], 2) if not word.startswith("-"))
        command, *arguments = argv[verb:]
        target = dict(itertools.pairwise(arguments)).get("-t", "")
        match command:
            case "new-window" if not self.panes:
                script.complains(f"can't find session: {target.strip('=:')}\n")
                return 1
            case "new-window" | "new-session":
                pane = self._open_window(FLEET, {})
                script.prints(f"{pane.window_id} {_pane_id(pane.window_id)}\n")
            case "kill-window":
                self.panes.pop(target, None)
            case "set-option":
                marks = dict(re.findall(r"@fleetctl_(\w+) (\S+)", " ".join(arguments)))
                window = target.replace("%", "@")
                self.panes[window] = _marked(self.panes[window], marks)
                key = (marks["job"], marks["instance"])
                self.instances[key].task = asyncio.create_task(self._supervise(key, window))
        return 0

    def _open_window(self, session: str, marks: dict[str, str]) -> Pane:
        pane = Pane(session, f"@{next(_numbers)}", False, None, *("",) * 4, None)
        self.panes[pane.window_id] = _marked(pane, marks)
        return pane

    async def _supervise(self, key: Key, window: str) -> None:
        """What supervisor.sh does."""
        head, _, _ = self.instances[key].spec.partition("environment()")
        spec = dict(word.split("=", 1) for word in shlex.split(head))
        pauses = [float(pause) for pause in spec["pauses"].split()]
        restarts = 0
        while True:
            process = Process(self, key)
            self.runs[spec["run"]] = (process.pid,)
            record = _record(key, spec["run"], process.pid, restarts, self.logs[key].end)
            self.records[key] = record
            try:
                code = await self.programs.get(key[1], forever)(process)
            finally:
                self._bury(process.pid)
            again = spec["policy"] == "always" or (spec["policy"] == "on-failure" and code)
            phase = "backoff" if again and restarts < int(spec["max"]) else "ended"
            self.records[key] = replace(record, phase=phase, exit_code=code, ended_at=_now())
            if phase == "ended":
                self.logs[key].write(f"fleetctl: ended with exit code {code}\r\n".encode())
                break
            await asyncio.sleep(pauses[min(restarts, len(pauses) - 1)])
            restarts += 1
        self.instances[key].spec = ""
        self.panes[window] = replace(self.panes[window], dead=True, dead_status=code)

    def _bury(self, pid: int) -> None:
        self.listeners = [one for one in self.listeners if pid not in one.pids]
        self.runs = {run: pids for run, pids in self.runs.items() if pid not in pids}

    async def _stop(self, script: Script) -> int:
        """As stop.sh, for instances that end at the first signal."""
        key = _key(script.text)
        record = self.records.get(key)
        if record is None:
            script.prints("done\n")
            return 0
        if pids := self.runs.get(record.run):
            script.prints(f"signalled {len(pids)}\n")
            if task := self.instances[key].task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            for pid in pids:
                self._bury(pid)
            record = replace(record, exit_code=143)
        self.instances[key].files.pop("ready", None)
        self.instances[key].spec = ""
        self.records[key] = replace(record, phase="stopped", pid=None, ended_at=_now())
        windows = [w for w, pane in self.panes.items() if (pane.job, pane.instance) == key]
        script.prints(f"done {record.exit_code}\nwindows {' '.join(windows)}\n")
        return 0

    # the rest

    async def _forget(self, script: Script) -> int:
        key = _key(script.text)
        record = self.records.get(key)
        if record and record.phase == "ended" and not self.runs.get(record.run):
            self.records[key] = replace(record, phase="stopped")
        return 0

    async def _log(self, script: Script) -> int:
        words = shlex.split(script.text.partition("\n")[0])
        given = dict(word.split("=", 1) for word in words)
        numbers = {name: int(value) for name, value in given.items() if value.isdigit()}
        log = self.logs.get(_key(script.text), Log())
        await log.answer(script, given["mode"], numbers)
        return 0

    async def _note(self, script: Script) -> int:
        found = re.search(r"printf '%s\\n' (.*) >(\w+)\.new ", script.text)
        assert found
        self.instances[_key(script.text)].files[found[2]] = shlex.split(found[1])[0]
        return 0

    async def _succeed(self, _: Script) -> int:
        return 0


def _key(text: str) -> Key:
    """The instance, by the folder that a script uses."""
    found = _KEY.search(text)
    assert found
    return found[1], found[2]


def _record(key: Key, run: str, pid: int, restarts: int, log_start: int) -> Record:
    return Record(
        *key, run, "running", pid, _now(), None, None, restarts, ready=False, log_start=log_start
    )


def _marked(pane: Pane, marks: dict[str, str]) -> Pane:
    if not marks:
        return pane
    return replace(
        pane,
        job=marks["job"],
        instance=marks["instance"],
        run=marks["run"],
        definition_hash=marks["hash"],
        started_at=epoch_time(marks["started"]),
    )


def _pane_id(window: str) -> str:
    """The id of a window's only pane."""
    return window.replace("@", "%")


def _pane_line(pane: Pane) -> str:
    dead = "1" if pane.dead else "0"
    status = "" if pane.dead_status is None else str(pane.dead_status)
    marks = (pane.job, pane.instance, pane.run, pane.definition_hash, _seconds(pane.started_at))
    fields = ("3.3a", pane.session, pane.window_id, dead, status, *marks)
    return "|".join(str(f) for f in fields) + "\n"


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


class SimulatedFleet(ScriptedLinks):
    """The links to simulated nodes, at ``node["pi4"]``."""

    def __init__(self, names: Sequence[str], fleet: Fleet | None = None) -> None:
        self.node = {name: SimulatedNode(name) for name in names}
        nodes = {name: Node(name, SSH(name)) for name in names}
        self.fleet = fleet or Fleet(FLEET, {}, nodes)
        super().__init__(self.fleet, self.node)

    def service(self, job: Job | None = None) -> LiveFleet:
        """The service of both front ends, over these links."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fleetctl.connected_fleet.Links", lambda _, warm: self)
            return LiveFleet(self.fleet, job)

    async def status(self, instance: Instance) -> ServiceStatus:
        """The status of an instance, as its node says now."""
        try:
            link = await self.get(instance.node)
            facts = await look(link, services_script(FLEET, instance.node))
        except LinkError as error:
            return unknown_status(instance, error.reason)
        return service_status(FLEET, instance, facts)
