"""A start that goes on in a process of its own, without this terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from fleetctl.cli.context import Context
from fleetctl.local_files import private_folder
from fleetctl.model.layout import start_log
from fleetctl.model.progress import Progress
from fleetctl.service import Report

DETACHED_SCHEMA = "fleetctl.detached/1"
HAND_OVER_S = 120.0
"""A lost node is known much sooner."""
END_S = 30.0
"""How long a process that is interrupted, or has closed its pipe, may take to end."""
_OVER = b"1"


class Apart(Struct, frozen=True):
    """The process, and where it writes what it does."""

    process: subprocess.Popen[bytes]
    log: str
    """Begins with ``~/``; or why there is none."""
    written: bool


def start_apart(
    context: Context,
    fleet: str,
    arguments: Sequence[str],
    *,
    job: str | None = None,
    fds: Sequence[int] = (),
) -> Apart:
    """Run ``fleetctl start ARGUMENTS`` in a session of its own.

    :param job: None: the one that this command is about.
    :param fds: file descriptors that it gets.
    """
    options = [] if context.config_path is None else ["-f", str(context.config_path)]
    job = job or context.job
    options += [] if job is None else ["--job", job]
    log = start_log(fleet)
    said, written = subprocess.DEVNULL, False
    try:
        path = Path(log).expanduser()
        private_folder(path.parent)
        said = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        written = True
    except (OSError, RuntimeError) as error:  # no space, or no home folder
        log = f"nowhere, since {error}"
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetctl", *options, "start", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        start_new_session=True,
        pass_fds=fds,
    )
    if written:
        os.close(said)
    return Apart(process, log, written)


def detach(context: Context, fleet: str, arguments: Sequence[str], as_json: bool) -> int:
    """Start it apart, and return once it is handed over; the exit code.

    That is so when the network was found good enough, and every node has answered or is lost.
    What goes wrong before is told as ``start`` itself would have told it.
    """
    reader, writer = os.pipe()
    try:
        try:
            apart = start_apart(
                context, fleet, ["--hand-over", str(writer), *arguments], fds=[writer]
            )
        finally:
            os.close(writer)
        try:
            heard = select.select([reader], [], [], HAND_OVER_S)[0]
            failed = bool(heard) and os.read(reader, 1) != _OVER
        except KeyboardInterrupt:
            apart.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                apart.process.wait(END_S)
            click.echo(_said(apart), err=True, nl=False)
            raise
    finally:
        os.close(reader)
    code = 0
    if failed:
        try:
            code = apart.process.wait(END_S) or 1
        except subprocess.TimeoutExpired:
            code = 1
    if as_json:
        told = {
            "schema": DETACHED_SCHEMA,
            "ok": not failed,
            "pid": None if failed else apart.process.pid,
            "log": apart.log if apart.written else None,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(told)))
    if failed:
        click.echo(_said(apart), err=True, nl=False)
    elif not as_json:
        late = "" if heard else ", though not every node has answered yet"
        click.echo(
            f"process {apart.process.pid} goes on with the start{late}; to see what comes of it: "
            f"fleetctl wait, fleetctl status\nIt writes what it does to: {apart.log}",
            err=True,
        )
    return code


def _said(apart: Apart) -> str:
    if not apart.written:
        return f"it wrote what it did {apart.log}\n"
    try:
        return Path(apart.log).expanduser().read_text("utf-8", "replace")
    except OSError as error:
        return f"{apart.log} cannot be read: {error.strerror}\n"


def handing_over(report: Report, instances: Collection[str], fd: int) -> Report:
    """``report``, which also tells the process that waits at ``fd`` once it was told of all
    ``instances``: then each is about to be started, waits for others, or is known to fail."""
    pending = set(instances)
    with suppress(OSError):
        os.set_inheritable(fd, False)

    def told(progress: Progress) -> None:
        report(progress)
        if progress.instance not in pending:
            return
        pending.remove(progress.instance)
        if not pending:
            with suppress(OSError):  # nobody waits any more
                os.write(fd, _OVER)
                os.close(fd)

    return told
