"""The lab on this machine's loopback, with the same methods as :class:`fleetctl.lab.Lab`."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from fleetctl.errors import LabError
from fleetctl.lab.building import Progress
from fleetctl.lab.controller import Home
from fleetctl.lab.copies import Copies, checked
from fleetctl.lab.loopback import state, surroundings
from fleetctl.lab.loopback.derive import HOST, Door, derive
from fleetctl.lab.loopback.ending import end_all
from fleetctl.lab.loopback.state import CONTROL, MARKER, Process, Spot, State, Task
from fleetctl.lab.requests import ask
from fleetctl.lab.state import Fault
from fleetctl.model.topology import Fleet

START_TIMEOUT_S = 30.0
ASK_TIMEOUT_S = 15.0

NODE_DOWN = "node-down"
KINDS = {
    NODE_DOWN: "The node's SSH server stops answering and drops its connections; what runs on the "
    "node runs on."
}
"""The faults of a loopback lab, with what each does."""


class LoopbackLab:
    """A running lab on the loopback. Make one with :meth:`up`, find one with :meth:`open`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lifeline: subprocess.Popen[bytes] | None = None

    @staticmethod
    def names() -> list[str]:
        """The labs of this user that run on the loopback."""
        return state.names()

    @staticmethod
    def left_behind() -> list[str]:
        """As :meth:`names`, with labs of which only files are left."""
        return state.left_behind()

    @classmethod
    def open(cls, name: str) -> LoopbackLab:
        """The running lab called ``name``.

        :raises LabError: there is none.
        """
        state.read(name)
        return cls(name)

    @classmethod
    def up(
        cls,
        fleet: Fleet,
        config_path: Path,
        *,
        name: str | None = None,
        copies: Copies = (),
        env: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        lifeline: bool = False,
    ) -> LoopbackLab:
        """Build a loopback lab for ``fleet``; its SSH servers answer when this returns.

        :param config_path: the fleet's nodes.yaml, from which the lab's is derived.
        :param name: of the lab; None: the fleet's.
        :param copies: files or folders, each with its destination (``~/…``) in every home.
        :param env: variables for programs with addresses of their own; see
            :func:`fleetctl.lab.loopback.derive.derive`.
        :param progress: called with a line about each step.
        :param lifeline: whether the lab ends with this process, however that ends.
        :raises LabError: this machine lacks something, a lab of that name runs, or a step failed;
            what was built so far is removed.
        """
        surroundings.check_machine()
        lab = cls(name or fleet.name[:30])
        folder = state.folder(lab.name)
        copies = checked(copies)
        state.make_root()
        if state.living_keeper(lab.name):
            raise LabError(
                f"a lab {lab.name!r} runs already",
                hint=f"fleetctl lab down {lab.name}, or give this one another --name.",
            )
        if folder.exists():
            end_all(folder, None)  # what an earlier lab left
            state.make_root()
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise LabError(f"another command is building the lab {lab.name!r}") from None
        try:
            lab._build(fleet, config_path, copies, env or {}, progress, lifeline)
        except BaseException:
            lab.down()
            raise
        return lab

    def _build(
        self,
        fleet: Fleet,
        config: Path,
        copies: Copies,
        env: Mapping[str, str],
        progress: Progress | None,
        lifeline: bool,
    ) -> None:
        say = progress or (lambda _line: None)
        folder = state.folder(self.name)
        now = State(self.name, fleet.name, Process.of(os.getpid()))
        state.write(now)
        logins = [node.name for node in fleet.nodes.values() if node.connection == "ssh"]
        say(f"starting {len(logins)} SSH servers on {HOST}")
        home = Home(self.home, folder / "placed")
        env_files = {i.env_file for job in fleet.jobs.values() for i in job.instances if i.env_file}
        home.copy_config(config, sorted(env_files))
        places = {}
        for number, name in enumerate(logins):
            places[name] = (folder / "nodes" / name, folder / "t" / str(number))
        surroundings.controller_tmux(folder).mkdir(parents=True, mode=0o700)
        for own_home, tmux_folder in places.values():
            own_home.mkdir(parents=True)
            tmux_folder.mkdir(mode=0o700)
        homes = {name: place[0] for name, place in places.items()}
        surroundings.fill_homes(fleet, homes, self.home, copies)

        identity, known = self.home / ".ssh/id_ed25519", self.home / ".ssh/known_hosts"
        task = Task(
            folder=str(folder),
            identity_file=str(identity),
            known_hosts=str(known),
            environments={
                n: surroundings.node_environment(folder, *place) for n, place in places.items()
            },
            lifeline=lifeline,
        )
        keeper, ports = self._start_keeper(task)
        now = replace(now, keeper=keeper)
        state.write(now)
        spots = {n: Spot(ports[n], str(h), str(t)) for n, (h, t) in places.items()}
        doors = {
            n: Door(port, surroundings.user(), str(identity), str(known))
            for n, port in ports.items()
        }
        with ExitStack() as held:
            derived = derive(
                config.read_text("utf-8-sig"), fleet, doors, lambda: _free_port(held), env
            )
        self.config_path.write_text(derived.text)
        state.write(
            replace(
                now,
                nodes=spots,
                local_nodes=tuple(n.name for n in fleet.nodes.values() if n.connection == "local"),
                notes=derived.notes,
                ready=True,
            )
        )

    def _start_keeper(self, task: Task) -> tuple[Process, dict[str, int]]:
        log = state.folder(self.name) / "keeper.log"
        with log.open("wb") as errors:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "fleetctl.lab.loopback"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                cwd="/",
                env={**os.environ, MARKER: task.folder, "PYTHONPATH": _package_folder()},
            )
        known = Process.of(keeper.pid)
        assert keeper.stdin and keeper.stdout
        try:
            keeper.stdin.write(msgspec.json.encode(task) + b"\n")
            keeper.stdin.flush()
        except BrokenPipeError:
            pass  # the keeper has ended; its log says why
        if task.lifeline:
            self._lifeline = keeper
        else:
            keeper.stdin.close()
        with keeper.stdout as output:
            said = _read_all(output.fileno())
        keeper.returncode = 0  # no warning of subprocess: the keeper outlives this process
        if not said:
            why = log.read_text(errors="replace").strip() or f"silent for {START_TIMEOUT_S:g} s"
            raise LabError(f"the lab's SSH servers did not start: {why.splitlines()[-1]}")
        return known, msgspec.json.decode(said, type=dict[str, int])

    def down(self) -> None:
        """End every process of the lab and remove its files."""
        folder = state.folder(self.name)
        if folder.exists():
            keeper = state.living_keeper(self.name)
            end_all(folder, keeper if keeper and keeper.pid != os.getpid() else None)

    # -- state --------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The lab's state file, read again each time.

        :raises LabError: the lab does not run.
        """
        return state.read(self.name)

    @property
    def home(self) -> Path:
        """The controller's home."""
        return state.folder(self.name) / "home"

    @property
    def config_path(self) -> Path:
        """The nodes.yaml of the fleet on the loopback."""
        return self.home / "nodes.yaml"

    def status(self) -> dict[str, Any]:
        """What runs and what is broken, as plain values for JSON."""
        now = self.state
        down = self._ask({"do": "status"})
        return {
            "lab": self.name,
            "fleet": now.fleet,
            "config": str(self.config_path),
            "home": str(self.home),
            "loopback": True,
            "keeper_pid": now.keeper.pid,
            "nodes": {
                name: {"on": name not in down, "ssh": f"{HOST}:{spot.port}", "home": spot.home}
                for name, spot in now.nodes.items()
            },
            "faults": [{"kind": NODE_DOWN, "node": node, "network": None} for node in down],
        }

    # -- breaking and mending -------------------------------------------------------------------

    def fault(self, kind: str, node: str, *, network: str | None = None) -> Fault:
        """Break something; see :data:`KINDS`.

        :raises LabError: no such kind or node, or a network is named.
        """
        _check_kind(kind)
        if network is not None:
            raise LabError("a lab on the loopback has no networks")
        self._ask({"do": "fault", "node": node})
        return Fault(kind, node)

    def heal(self, kind: str | None = None, node: str | None = None) -> tuple[Fault, ...]:
        """Mend everything, or only what matches ``kind`` and ``node``. Returns what was mended.

        :raises LabError: no such kind or node.
        """
        if kind is not None:
            _check_kind(kind)
        down = self._ask({"do": "status"})
        chosen = down if node is None else [node]
        for one in chosen:
            self._ask({"do": "heal", "node": one})
        return tuple(Fault(NODE_DOWN, one) for one in chosen if one in down)

    def _ask(self, request: Mapping[str, Any]) -> list[str]:
        """The nodes that are down after ``request``."""
        self.state  # noqa: B018 -- its error is clearer than that of a socket without a server
        answer = ask(state.folder(self.name) / CONTROL, request, timeout_s=ASK_TIMEOUT_S)
        return list(answer["down"])

    # -- running something in it ---------------------------------------------------------------

    def popen(
        self,
        where: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        **kwargs: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a command on a node or on ``controller``, in its home folder.

        :param env: added to the environment there.
        :param kwargs: as of :class:`subprocess.Popen`.
        :raises LabError: no such node.
        """
        environment = {**self._environment_of(where), **(env or {})}
        return subprocess.Popen(argv, env=environment, cwd=cwd or environment["HOME"], **kwargs)

    def run(
        self, where: str, argv: Sequence[str], *, timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end and return what it wrote; see :meth:`popen`.

        :raises LabError: it had not ended after ``timeout_s``; it is killed then.
        """
        with self.popen(
            where,
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise LabError(
                    f"{where}: {argv[0]} had not ended after {timeout_s:g} s and was killed"
                ) from None
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def exec(self, where: str, argv: Sequence[str], *, user: str | None = None) -> NoReturn:
        """Replace this process by the command.

        :raises LabError: no such node or program; another user is named.
        """
        if user not in (None, surroundings.user()):
            raise LabError(
                f"everything on the loopback is {surroundings.user()}'s; there is no other account"
            )
        environment = self._environment_of(where)
        os.chdir(environment["HOME"])
        try:
            os.execvpe(argv[0], list(argv), environment)
        except OSError as error:
            raise LabError(f"{where}: cannot run {argv[0]}: {error.strerror}") from None

    def _environment_of(self, where: str) -> dict[str, str]:
        now = self.state
        if where == "controller" or where in now.local_nodes:
            return surroundings.controller_environment(state.folder(self.name), self.home)
        if where not in now.nodes:
            names = ", ".join([*now.nodes, *now.local_nodes, "controller"])
            raise LabError(f"the lab has no machine {where!r}", hint=f"It has: {names}.")
        spot = now.nodes[where]
        own = surroundings.node_environment(
            state.folder(self.name), Path(spot.home), Path(spot.tmux_folder)
        )
        return {**own, "TERM": os.environ["TERM"]} if "TERM" in os.environ else own


def _package_folder() -> str:
    """The folder from which `import fleetctl` imports this package."""
    return str(Path(__file__).resolve().parents[3])


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise LabError(
            f"there is no fault {kind!r} on the loopback", hint=f"There is: {', '.join(KINDS)}."
        )


def _free_port(held: ExitStack) -> int:
    """An unused port; it stays bound until ``held`` closes, so that the next one differs."""
    taken = held.enter_context(socket.socket())
    taken.bind((HOST, 0))
    return int(taken.getsockname()[1])


def _read_all(fd: int) -> bytes:
    """Read until the end of the output; empty if that takes too long."""
    said = b""
    deadline = time.monotonic() + START_TIMEOUT_S
    while select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(fd, 65536)
        if not part:
            return said
        said += part
    return b""
