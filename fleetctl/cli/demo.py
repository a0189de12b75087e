"""`fleetctl demo`: a virtual fleet with its job and the dashboard, until it is left."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from fleetctl import config
from fleetctl.cli.context import Context
from fleetctl.cli.terminal import PLAIN_SCREEN, has_screen
from fleetctl.cli.told import remember
from fleetctl.config.file import VARIABLE as CONFIG_VARIABLE
from fleetctl.demo import VARIABLE, Demo
from fleetctl.errors import ConfigError, LabError
from fleetctl.lab import Lab, app, shipped
from fleetctl.lab.loopback import CANNOT_SHOW, LoopbackLab
from fleetctl.lab.requests import serving
from fleetctl.lab.requirements import why_only_loopback
from fleetctl.lab.tour import Tour
from fleetctl.model.targets import choose_job
from fleetctl.model.topology import Fleet

GRACE_S = 5.0
FOLLOW_S = 10.0
"""How long logs are followed without a terminal: some training steps of each worker."""
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(short_help="a virtual fleet with its job, and the dashboard on it")
@click.option("--loopback", is_flag=True, help="SSH servers on the loopback: needs no root.")
@click.option("--keep", is_flag=True, help="Leave the fleet running.")
@click.option("--then", hidden=True, help="A command to run in place of the dashboard.")
@click.pass_obj
def command(context: Context, loopback: bool, keep: bool, then: str | None) -> int:
    """Build the fleet of nodes.yaml, or of the one that comes with fleetctl, as a lab; start its
    job; open the dashboard in this terminal.

    Leaving it takes everything down. Without a terminal it shows the status and follows the logs
    for ten seconds instead.
    """
    path = _config_file(context)
    fleet = config.load(path)
    job = choose_job(fleet, context.job)
    if not loopback and (why := why_only_loopback()):
        _say(f"{why}: using SSH servers on the loopback")
        loopback = True
    name = f"demo-{os.getpid()}"
    up = False
    with _ended_by_signals():
        try:
            lab = _build(fleet, path, name, loopback=loopback, keep=keep)
            up = True
            fleet = config.load(lab.config_path)
            remember(lab.config_path, fleet, home=lab.home)
            job = choose_job(fleet, job.name if job else None)
            _start_apps(lab, fleet)
            return _show(lab, Tour(lab, fleet, job), context.job, then, keep=keep)
        finally:
            for number in _ENDINGS:  # nothing may interrupt taking it down
                signal.signal(number, signal.SIG_IGN)
            if keep and up:
                _say(
                    f"the fleet runs on. Go on: fleetctl lab run --name {name} -- fleetctl status. "
                    f"End it: fleetctl lab down {name}"
                )
            else:
                _say("taking it all down")
                (LoopbackLab if loopback else Lab)(name).down()


def _config_file(context: Context) -> Path:
    """The user's nodes.yaml, or the shipped one if there is none and none is named."""
    named = context.config_path is not None or os.environ.get(CONFIG_VARIABLE)
    try:
        return config.find(context.config_path)
    except ConfigError:
        if named:
            raise
        return shipped.nodes_yaml()


def _build(fleet: Fleet, path: Path, name: str, *, loopback: bool, keep: bool) -> Lab | LoopbackLab:
    copies = shipped.examples()
    _say(f"building the fleet {fleet.name!r} of {path}")
    if not loopback:
        return Lab.up(fleet, path, name=name, copies=copies, progress=_say)
    lab = LoopbackLab.up(
        fleet,
        path,
        name=name,
        copies=copies,
        env=shipped.ELASTIC_ENV,
        progress=_say,
        lifeline=not keep,
    )
    for note in lab.state.notes:
        _say(note)
    _say(CANNOT_SHOW)
    return lab


def _start_apps(lab: Lab | LoopbackLab, fleet: Fleet) -> None:
    """Start the stand-ins for apps; a demo without them shows its other jobs."""
    for played in app.played(fleet):
        try:
            where = app.start(lab, fleet, played.node)
        except LabError as error:
            _say(str(error))
        else:
            _say(f"an app on {played.node} listens at {where}")


def _show(
    lab: Lab | LoopbackLab, tour: Tour, job: str | None, then: str | None, *, keep: bool
) -> int:
    """Start the job and show it; returns the exit code."""
    call = ["fleetctl", *(["--job", job] if job else [])]
    _say("starting the job")
    started = _run(lab, [*call, "start"])
    if not has_screen():
        status = _run(lab, [*call, "status"])
        if started:  # the logs may get no more lines
            _run(lab, [*call, "logs"])
        else:
            _say(f"following its logs for {FOLLOW_S:g} s")
            _run(lab, [*call, "logs", "--follow"], at_most_s=FOLLOW_S)
        return status or started
    if started:
        _say("not everything started; the dashboard says what is wrong")
    about = lab.home / ".fleetctl-demo.json"
    place = lab.home / "demo.sock"
    note = CANNOT_SHOW if isinstance(lab, LoopbackLab) else ""
    about.write_bytes(msgspec.json.encode(Demo(str(place), lab.name, note, keep)))
    with serving(place, tour.answer), _terminal_kept():
        # Keys go to the dashboard; a handler that does nothing is not inherited, as SIG_IGN is.
        signal.signal(signal.SIGINT, lambda *_: None)
        env = {VARIABLE: str(about)}
        code = _run(lab, shlex.split(then) if then else call, env=env, keyboard=True)
    about.unlink(missing_ok=True)
    return code


def _run(
    lab: Lab | LoopbackLab,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    keyboard: bool = False,
    at_most_s: float | None = None,
) -> int:
    """Run a command on the controller; returns its exit code. It ends with this process.

    :param keyboard: the command gets the keys, also Ctrl-C; else only this process gets Ctrl-C.
    :param at_most_s: end it after this time.
    """
    process = lab.popen("controller", argv, env=env, start_new_session=not keyboard)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(at_most_s)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    status = process.returncode
    return 128 - status if status < 0 else status


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raises SystemExit for the first signal that ends a process, and ignores those after it."""

    def end(number: int, _frame: Any) -> None:
        for other in _ENDINGS:
            signal.signal(other, signal.SIG_IGN)
        # Nothing waits for a process that is just being started, and its zombie would keep the PID
        # namespace of the lab alive: with SIGCHLD ignored there are no new zombies, and those
        # that exist (the same signal may hit a child before its exec) are reaped here.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in _ENDINGS}
    before[signal.SIGCHLD] = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Restores the terminal, however the dashboard ended."""
    before = termios.tcgetattr(0)
    orderly = False
    try:
        yield
        orderly = True
    finally:
        with suppress(termios.error, OSError):  # the terminal is gone
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            if not orderly:
                sys.stdout.write(PLAIN_SCREEN)
                sys.stdout.flush()


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal is gone
        click.echo(f"demo: {line}", err=True)
