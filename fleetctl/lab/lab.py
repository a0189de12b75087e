"""The lab in network namespaces: a user's fleet on one Linux machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from fleetctl.errors import LabError
from fleetctl.lab import building, controller, state
from fleetctl.lab.blueprint import CONTROLLER, Blueprint, Machine
from fleetctl.lab.building import Progress
from fleetctl.lab.copies import Copies, checked
from fleetctl.lab.draft import draw
from fleetctl.lab.faults import breaking
from fleetctl.lab.mounts import Wanted
from fleetctl.lab.mounts import checked as mounts_of
from fleetctl.lab.namespaces import popen
from fleetctl.lab.personality import personality
from fleetctl.lab.requirements import check_machine
from fleetctl.lab.state import Fault, State
from fleetctl.model.topology import Fleet


class Lab:
    """A running lab. Make one with :meth:`up`, find one with :meth:`open`."""

    def __init__(self, name: str) -> None:
        self.name = name

    # -- finding and building ------------------------------------------------------------------

    @staticmethod
    def names() -> list[str]:
        """The labs that run on this machine."""
        return state.names()

    @staticmethod
    def left_behind() -> list[str]:
        """As :meth:`names`, with labs of which only files are left, as after a reboot."""
        return state.left_behind()

    @classmethod
    def open(cls, name: str) -> Lab:
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
        mounts: Wanted = (),
        as_guide: bool = False,
        factory: bool = False,
        progress: Progress | None = None,
    ) -> Lab:
        """Build a lab for ``fleet`` and wait until every SSH server answers.

        :param config_path: the fleet's nodes.yaml; the controller gets a copy.
        :param name: of the lab; None: the fleet's.
        :param copies: files or folders, each with its destination (``~/…``) in every home.
        :param mounts: folders of this machine that every node can read; see
            :mod:`fleetctl.lab.mounts`.
        :param as_guide: leave out the return routes, which are easily forgotten.
        :param factory: build nodes as out of their boxes: no addresses but those that SSH needs, no
            routes, no forwarding.
        :param progress: called with a line about each step.
        :raises LabError: this machine lacks something, a lab of that name runs, or a step failed;
            what was built so far is removed.
        """
        check_machine()
        say = progress or (lambda _line: None)
        blueprint = draw(fleet, as_guide=as_guide, factory=factory)
        lab = cls(state.check_name(name or fleet.name))
        copies = checked(copies)
        mounted = mounts_of(mounts, blueprint)
        state.folder(lab.name).mkdir(mode=0o700, parents=True, exist_ok=True)
        with state.locked(lab.name, wait_s=0):
            if state.living_keeper(lab.name):
                raise LabError(
                    f"a lab {lab.name!r} runs already",
                    hint=f"fleetctl lab down {lab.name}, or give this one another --name.",
                )
            state.clear(lab.name)
            try:
                building.build(lab.name, blueprint, fleet, config_path, copies, mounted, say)
            except BaseException:
                building.tear_down(lab.name)
                raise
        return lab

    def down(self) -> None:
        """End every process, namespace and mount of the lab, and remove its files."""
        if state.folder(self.name).exists():
            building.tear_down(self.name)

    # -- state --------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The lab's state file, read again each time.

        :raises LabError: the lab does not run.
        """
        return state.read(self.name)

    @property
    def blueprint(self) -> Blueprint:
        return self.state.blueprint

    @property
    def home(self) -> Path:
        """The controller's home: the same path outside and inside of the lab."""
        return building.home_of(self.name)

    @property
    def config_path(self) -> Path:
        """The controller's copy of nodes.yaml."""
        return self.home / "nodes.yaml"

    def path(self, where: str, path: str) -> Path:
        """A file on a node's disk as seen from outside, also while the node is off.

        :param path: absolute, or ``~/…`` for a file in the home folder of the node's account.
        """
        machine = self.blueprint.machine(where)
        if machine.key == CONTROLLER:
            return self.home / path[2:] if path.startswith("~/") else Path(path)
        absolute = f"{machine.home}/{path[2:]}" if path.startswith("~/") else path
        process = self.state.processes.get(machine.key)
        if process is not None and process.alive:
            return process.root / absolute.lstrip("/")
        return building.disk_of(self.state, machine.key) / "fs" / absolute.lstrip("/")

    def status(self) -> dict[str, Any]:
        """What runs and what is broken, as plain values for JSON."""
        now = self.state
        nodes = {}
        for key in (CONTROLLER, *now.blueprint.nodes):
            machine = now.blueprint.machines[key]
            process = now.processes.get(key)
            nodes["controller" if key == CONTROLLER else key] = {
                "role": machine.role,
                "on": process is not None and process.alive,
                "pid": process.pid if process else None,
                "user": machine.user,
                "addresses": {p.network: [*p.addresses] for p in machine.ports},
                "interfaces": {p.network: p.interface for p in machine.ports},
                "ssh": f"{machine.login.address}:{machine.login.port}" if machine.login else None,
            }
        return {
            "lab": self.name,
            "fleet": now.blueprint.fleet,
            "config": now.config,
            "home": str(self.home),
            "factory": now.blueprint.factory,
            "as_guide": now.blueprint.as_guide,
            "internet": now.blueprint.internet,
            "keeper_pid": now.keeper.pid,
            "nodes": nodes,
            "mounts": {mount.place: mount.source for mount in now.mounts},
            "faults": [
                {"kind": f.kind, "node": f.node.removeprefix("@"), "network": f.network}
                for f in now.faults
            ],
        }

    # -- breaking and mending -------------------------------------------------------------------

    def fault(self, kind: str, node: str, *, network: str | None = None) -> Fault:
        """Break something; see :data:`fleetctl.lab.faults.registry.KINDS`.

        :param network: which of the node's networks, if the kind is about one; None: the first.
        :raises LabError: no such kind or node, or the kind does not fit the node.
        """
        return breaking.inject(self.name, kind, node, network)

    def heal(self, kind: str | None = None, node: str | None = None) -> tuple[Fault, ...]:
        """Mend everything, or only what matches ``kind`` and ``node``. Returns what was mended.

        :raises LabError: no such kind or node.
        """
        return breaking.heal(self.name, kind, node)

    # -- running something in it ---------------------------------------------------------------

    def popen(
        self,
        where: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: str | None = None,
        **kwargs: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a command on a node or on ``controller``.

        It runs in the home folder, as the node's account (root on the controller) unless ``user``
        says otherwise. The returned process is the command itself, so signals reach it.

        :param env: added to a login's environment; on the controller, to this process's.
        :param user: the node's account or ``root``.
        :param cwd: a folder inside instead of the home folder.
        :param kwargs: as of :class:`subprocess.Popen`.
        :raises LabError: no such machine or user, or the machine is off.
        """
        now = self.state
        machine = now.blueprint.machine(where)
        process = now.processes.get(machine.key)
        if process is None or not process.alive:
            raise LabError(
                f"{where} is powered off", hint=f"fleetctl lab heal power-off {machine.key}"
            )
        uid, home = self._account(machine, user)
        if machine.key == CONTROLLER:
            environment = controller.environment(self.home, env or {})
        else:
            environment = _login_environment(machine, uid, home, env or {})
        return popen(
            process,
            argv,
            uid=uid,
            directory=cwd or str(home),
            confined=machine.key != CONTROLLER,
            env=environment,
            **kwargs,
        )

    def run(
        self,
        where: str,
        argv: Sequence[str],
        *,
        input: bytes | None = None,
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: str | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end and return what it wrote; see :meth:`popen`.

        :raises LabError: it had not ended after ``timeout_s``; it is killed then.
        """
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        process = self.popen(
            where,
            argv,
            env=env,
            user=user,
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        with process:
            try:
                out, err = process.communicate(input, timeout=timeout_s)
            except BaseException as error:
                _kill_group(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise LabError(
                        f"{where}: {argv[0]} had not ended after {timeout_s:g} s and was killed"
                    ) from None
                raise
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def exec(
        self,
        where: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> NoReturn:
        """Run a command on this terminal, and exit with it.

        :raises SystemExit: with the command's exit status; 128 + N when signal N ended it.
        """
        started: list[subprocess.Popen[bytes]] = []
        early: list[int] = []

        def pass_on(number: int, _frame: object) -> None:
            if started:
                started[0].send_signal(number)
            else:
                early.append(number)

        # Keys like Ctrl-C reach the command by the terminal; other signals are passed on.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        process = self.popen(where, argv, env=env, user=user)
        started.append(process)
        for missed in early:
            process.send_signal(missed)
        for number in (signal.SIGINT, signal.SIGQUIT):  # last: the command would inherit it
            signal.signal(number, signal.SIG_IGN)
        status = process.wait()
        raise SystemExit(128 - status if status < 0 else status)

    def _account(self, machine: Machine, user: str | None) -> tuple[int, Path]:
        if machine.key == CONTROLLER and user in (None, "root"):
            return 0, self.home
        if user == "root":
            return 0, Path(personality(machine.os).root_home)
        if user in (None, machine.user):
            return machine.uid, Path(machine.home)
        known = ", ".join(dict.fromkeys([machine.user, "root"]))
        raise LabError(f"{machine.hostname} has no account {user!r}", hint=f"It has: {known}.")


def _login_environment(
    machine: Machine, uid: int, home: Path, extra: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a login on a node; only TERM is taken from this process."""
    user = "root" if uid == 0 else machine.user
    places = personality(machine.os)
    own = {"HOME": str(home), "USER": user, "LOGNAME": user, "SHELL": places.shell}
    own["PATH"] = places.root_path if uid == 0 else places.path
    if "TERM" in os.environ:
        own["TERM"] = os.environ["TERM"]
    return {**own, **extra}


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group of a command that leads one."""
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, signal.SIGKILL)
