"""Processes inside namespaces: starting, identifying and ending them.

Linux only. The calls are those of setns(2), pid_namespaces(7) and pidfd_open(2).
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

CLONE_NEWNET = 0x40000000
CLONE_NEWPID = 0x20000000
_ENTER = (sys.executable, "-E", "-s", "-S", str(Path(__file__).with_name("enter.py")))


class Process(Struct, frozen=True):
    """A process, identified by id and start time: process ids are recycled."""

    pid: int
    started: int
    """Clock ticks after boot: field 22 of /proc/PID/stat, see proc_pid_stat(5)."""

    @classmethod
    def of(cls, pid: int) -> Process:
        """The running process ``pid``.

        :raises ProcessLookupError: there is none.
        """
        started = _start_time(pid)
        if started is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid, started)

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return _start_time(self.pid) == self.started

    @property
    def root(self) -> Path:
        """Its file system, seen from outside."""
        return Path(f"/proc/{self.pid}/root")

    def kill(self, *, timeout_s: float) -> bool:
        """Kill it, and if it is process 1 of a PID namespace, all processes in that.

        Returns whether it is gone within ``timeout_s``; True at once when it was gone before.
        """
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if _start_time(self.pid) != self.started:
                return True
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            except ProcessLookupError:
                return True
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            gone = bool(poll.poll(timeout_s * 1000))
        finally:
            os.close(pidfd)
        with suppress(ChildProcessError):  # a child of this process would stay a zombie
            os.waitpid(self.pid, os.WNOHANG)
        return gone


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command name in parentheses and may hold anything.
    fields = stat.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in "ZX" else int(started)


def _setns(path: str, kind: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, kind) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), path)
    finally:
        os.close(fd)


@contextmanager
def _births_in(process: Process) -> Iterator[None]:
    """While inside, the calling thread starts processes in the PID namespace of ``process``.

    They are direct children, without a process in between that would not pass on signals.
    """
    _setns(f"/proc/{process.pid}/ns/pid", CLONE_NEWPID)
    try:
        yield
    finally:
        _setns("/proc/self/ns/pid", CLONE_NEWPID)


@contextmanager
def births_in_new() -> Iterator[None]:
    """While inside, the thread's first child is process 1 of a new PID namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWPID) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare of the PID namespace: {os.strerror(error)}")
    try:
        yield
    finally:
        _setns("/proc/self/ns/pid", CLONE_NEWPID)


@contextmanager
def network_of(process: Process) -> Iterator[None]:
    """While inside, the calling thread makes sockets in the network namespace of ``process``."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(f"/proc/{process.pid}/ns/net", CLONE_NEWNET)
        try:
            yield
        finally:
            _setns(f"/proc/self/fd/{back}", CLONE_NEWNET)
    finally:
        os.close(back)


def popen(
    process: Process,
    argv: Sequence[str | os.PathLike[str]],
    *,
    uid: int = 0,
    directory: str = "/",
    confined: bool = True,
    **kwargs: Any,
) -> subprocess.Popen[bytes]:
    """Start ``argv`` in the namespaces of ``process``.

    The returned process *is* the command: its pid takes signals, its exit status is the command's.

    :param uid: the account, whose group has the same number.
    :param directory: the working directory inside; if it does not exist, the exit status is 125.
    :param confined: with the rights of a node's processes; else with all of this process, for
        those whose files no node can change: the lab's keeper and its controller.
    :param kwargs: as of :class:`subprocess.Popen`.
    """
    if confined:
        command = [*_ENTER, str(process.pid), str(uid), directory]
    else:
        command = [tool("nsenter"), f"--target={process.pid}", "--mount", "--uts", "--ipc", "--net"]
        if Path("/proc/self/ns/time").exists():
            command.append("--time")
        if uid:
            command += [f"--setuid={uid}", f"--setgid={uid}"]
        command += ["--", "env", f"--chdir={directory}", "--"]
    with _births_in(process):
        return subprocess.Popen([*command, *argv], **kwargs)


def tool(name: str) -> str:
    """The absolute path of a system tool, also where PATH lacks the sbin folders.

    :raises FileNotFoundError: it is not installed.
    """
    folders = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=folders)
    if found is None:
        raise FileNotFoundError(name)
    return found
