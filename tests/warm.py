"""Commands `fleetctl`, on labs and here, that are forks of a process that has imported it before.

Imports take most of the CPU time of a short command, and hundreds of them are run. Each is a
process of its own all the same, with its own arguments, environment, folder, pipes and exit code.
What tests begin, or type in a terminal, is started as users start it.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

import fleetctl
from fleetctl.errors import LabError
from fleetctl.lab import Lab, controller

ANSWER_S = 15.0
"""How long an answer may take in addition to its command."""
ARGV = [sys.executable, str(Path(__file__))]
"""How the process is started that is forked for each command."""
OWN = {"PYTHONPATH": str(Path(__file__).parents[1])}
UNUSED = ("fleetctl.__main__", "fleetctl.lab", "fleetctl.tui")
"""Modules that are not imported beforehand."""


class Warm:
    """A process that has imported `fleetctl`, and is forked for each command."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """:param process: :data:`ARGV`, with pipes to its stdin and stdout."""
        self._process = process
        self._turn = threading.Lock()

    @classmethod
    def here(cls) -> Self:
        """On this machine, not on a lab's."""
        env = {**os.environ, **OWN}
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(ARGV, env=env, stdin=pipe, stdout=pipe))

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        timeout_s: float,
        stdout: str = "",
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end.

        :param stdout: the file to write to, instead of a pipe.
        :raises LabError: it had not ended after ``timeout_s``; it is killed then.
        """
        request = {"argv": list(argv), "env": dict(env), "cwd": cwd, "timeout_s": timeout_s}
        with self._turn:
            answer = self._ask({**request, "stdout": stdout})
        if answer["code"] is None:
            raise LabError(f"fleetctl had not ended after {timeout_s:g} s and was killed")
        out, err = (answer[name].encode("latin-1") for name in ("out", "err"))
        return subprocess.CompletedProcess(list(argv), answer["code"], out, err)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        wait_s = request["timeout_s"] + ANSWER_S
        readable = select.select([self._process.stdout], [], [], wait_s)[0]
        assert readable, f"no answer within {wait_s:g} s"
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        with self._process:
            self._process.kill()


class WarmLab(Lab):
    """Commands `fleetctl` that :meth:`run` runs on the controller are forks of one process."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._warm: Warm | None = None
        self._turn = threading.Lock()

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
        """As :meth:`Lab.run`."""
        special = input is not None or env or user
        if special or (where, argv[0]) != ("controller", "fleetctl"):
            return super().run(
                where, argv, input=input, timeout_s=timeout_s, env=env, user=user, cwd=cwd
            )
        with self._turn:
            if self._warm is None:
                pipe = subprocess.PIPE
                process = self.popen("controller", ARGV, env=OWN, stdin=pipe, stdout=pipe)
                self._warm = Warm(process)
        return self._warm.run(
            argv,
            env=controller.environment(self.home, {}),
            cwd=cwd or str(self.home),
            timeout_s=timeout_s,
        )

    def down(self) -> None:
        """As :meth:`Lab.down`."""
        if self._warm is not None:
            self._warm.end()
            self._warm = None
        super().down()


def serve() -> None:
    """Run what is asked for on stdin, one command after the other."""
    for module in pkgutil.walk_packages(fleetctl.__path__, "fleetctl."):
        if not module.name.startswith(UNUSED):
            import_module(module.name)
    gc.freeze()  # so that no child looks at all that, and copies it
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(_run(**json.loads(line))) + "\n")
        sys.stdout.flush()


def _run(
    argv: list[str], env: dict[str, str], cwd: str, timeout_s: float, stdout: str
) -> dict[str, str | int | None]:
    """The exit code (None: it was killed after ``timeout_s``), stdout and stderr."""
    deadline = time.monotonic() + timeout_s
    pipes = [os.pipe(), os.pipe()]
    pid = os.fork()
    if pid == 0:
        writes = [write for _, write in pipes]
        if stdout:
            writes[0] = os.open(stdout, os.O_WRONLY)
        _become(argv, env, cwd, writes)
    for _, write in pipes:
        os.close(write)
    said = {read: b"" for read, _ in pipes}
    unfinished = list(said)
    late = False
    while unfinished:
        readable = select.select(unfinished, [], [], max(0.0, deadline - time.monotonic()))[0]
        if not readable and not late:
            os.killpg(pid, signal.SIGKILL)
            late, deadline = True, time.monotonic() + ANSWER_S / 2
        elif not readable:
            break
        for end in readable:
            part = os.read(end, 65536)
            said[end] += part
            if not part:
                unfinished.remove(end)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for end in said:
        os.close(end)
    out, err = (text.decode("latin-1") for text in said.values())
    return {"code": None if late else code, "out": out, "err": err}


def _become(argv: list[str], env: dict[str, str], cwd: str, writes: list[int]) -> NoReturn:
    """Be the command, as the child."""
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, *writes)):
            os.dup2(descriptor, number)
        os.closerange(3, 64)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # as long as the process
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = argv
        from fleetctl.__main__ import main

        main()
    finally:
        os._exit(125)


if __name__ == "__main__":
    serve()
