"""``fleetctl`` without a command: opens the dashboard. The only import of ``tui`` in ``cli``."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import termios
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from fleetctl.cli.apart import start_apart
from fleetctl.cli.context import Context, NodesFile
from fleetctl.cli.terminal import given_back, require_screen
from fleetctl.demo import present
from fleetctl.errors import ConfigError, FleetctlError
from fleetctl.model.status import FleetStatus
from fleetctl.serve.quick import served

if TYPE_CHECKING:
    from fleetctl.service import FleetService
    from fleetctl.tui.app import FleetApp
    from fleetctl.tui.known import Known
    from fleetctl.tui.seen import Seen

EXAMPLE = Path("nodes.yaml")
TERMINAL_CHECK_S = 2.0
ORPHANED_S = 30.0
"""How long a dashboard may take to end once its server is gone."""
ESCAPE_MS = 30
"""How long Esc waits for the rest of a key's sequence, where ``ESCDELAY`` says nothing else: with
Textual's 100 ms each Esc would seem slow. Sequences of one key arrive at once, also over SSH."""
PATIENCE_S = 1.0
"""After this time, leaving says what it waits for."""


def run(context: Context, *, read_only: bool = False, browser_of: int | None = None) -> int:
    """Show the dashboard until it is left; returns the exit code.

    Without a nodes.yaml, and none named, it offers the demo and an example.

    :param read_only: it shows, and changes nothing.
    :param browser_of: the process that has it shown in a browser, and without which it ends; None:
        it is shown in this terminal.
    :raises UsageError: there is no terminal for it.
    """
    from fleetctl.config.file import VARIABLE, find

    if browser_of is not None:
        return asyncio.run(_dashboard(context, read_only, browser_of))
    instead = "For a table, or JSON: fleetctl status [--json]"
    require_screen("the dashboard", instead=instead, fds=(0, 1, 2))  # Textual draws on stderr
    if context.config_path is None and not os.environ.get(VARIABLE):
        try:
            find(None)
        except ConfigError as error:
            return _welcome(str(error))
    with given_back():
        return asyncio.run(_dashboard(context, read_only))


async def _dashboard(context: Context, read_only: bool, browser_of: int | None = None) -> int:
    gc.disable()  # what is imported stays; from its first frame on the dashboard collects garbage
    if browser_of is None:
        for name in ("COLUMNS", "LINES"):  # Textual would take them for this terminal's size
            os.environ.pop(name, None)
    file = NodesFile(context)
    shown: FleetService = file.read()
    os.environ.setdefault("ESCDELAY", str(ESCAPE_MS))  # read when Textual is imported
    from fleetctl.tui.seen import Seen

    seen = Seen()
    while True:
        code, again = await _show(context, file, shown, seen, read_only, browser_of)
        if again is None:
            return code
        shown = again


async def _show(
    context: Context,
    file: NodesFile,
    service: FleetService,
    seen: Seen,
    read_only: bool,
    browser_of: int | None,
) -> tuple[int, FleetService | None]:
    """Show ``service`` until it is left; returns the exit code, and what to show next, if any.

    :param seen: what dashboards before this have seen; this one adds to it.
    """
    async with service:
        from fleetctl.tui.host import Left

        known = None if context.fresh else _known(file.path())
        app = _app(file, service, seen, known, read_only, in_browser=browser_of is not None)

        def go_on(instances: tuple[str, ...]) -> None:
            if instances:
                _go_on_starting(context, app.service, instances)

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, app.leave, 128 + signal.SIGTERM)
        hang_up = partial(app.leave, 128 + signal.SIGHUP)
        if browser_of is None:
            terminal_left = _watch_terminal(hang_up, lambda: go_on(app.going_on))
        else:
            terminal_left = _watch_server(browser_of, hang_up)
        # a browser that is closed says nothing of a start that is not over
        left = await app.run_async() or Left(app.going_on if browser_of else ())
        terminal_left.set()
        go_on(left.starting)
        finishing = partial(click.echo, "Finishing what was begun on a node …", err=True)
        patience = loop.call_later(PATIENCE_S, finishing)
    patience.cancel()
    told = app.return_code or left.starting or left.again or browser_of or present()
    if not told:
        click.echo("Left the dashboard; what was started runs on: fleetctl status", err=True)
    return app.return_code or 0, left.again


def _known(path: Path) -> Known:
    """What a `fleetctl serve` tells of the file."""

    def ask(job: str | None) -> FleetStatus | None:
        found = served(str(path), job)
        return found and msgspec.json.decode(found[1], type=FleetStatus)

    return ask


def _app(
    file: NodesFile,
    service: FleetService,
    seen: Seen,
    known: Known | None,
    read_only: bool,
    *,
    in_browser: bool,
) -> FleetApp:
    from fleetctl.tui import kept
    from fleetctl.tui.app import FleetApp, preferences
    from fleetctl.tui.limits import Limits

    given: dict[str, Any] = {
        "file": file,
        "kept": kept.read(),
        "preferences": preferences(),
        "seen": seen,
        "known": known,
    }
    if not in_browser:  # how it looks there says nothing of terminals
        given |= {"write": kept.write, "keep_events": True}
    return FleetApp(service, limits=Limits(read_only, in_browser), **given)


def _watch_server(process: int, end: Callable[[], object]) -> threading.Event:
    """Call ``end`` in the event loop when ``process``, whose child this is, is gone.

    :returns: to be set when it is no longer needed.
    """
    loop = asyncio.get_running_loop()
    left = threading.Event()

    def watch() -> None:
        while not left.wait(TERMINAL_CHECK_S):
            if os.getppid() != process:
                loop.call_soon_threadsafe(end)
                break
        if not left.wait(ORPHANED_S):
            os._exit(128 + signal.SIGHUP)

    threading.Thread(target=watch, daemon=True).start()
    return left


def _watch_terminal(
    end: Callable[[], object], before_exit: Callable[[], object]
) -> threading.Event:
    """Call ``end`` in the event loop when the terminal is gone, also where no SIGHUP is sent. If
    the loop is blocked in a write to the terminal, which never returns, a thread calls
    ``before_exit`` and ends this process.

    :returns: to be set when the terminal is no longer needed.
    """
    loop = asyncio.get_running_loop()
    left = threading.Event()

    def hung_up() -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(nowhere, fd)
        end()

    def watch() -> None:
        while not left.wait(TERMINAL_CHECK_S):
            try:
                termios.tcgetattr(0)
            except (termios.error, OSError):
                loop.call_soon_threadsafe(hung_up)
                break
        if not left.wait(TERMINAL_CHECK_S):
            before_exit()
            os._exit(128 + signal.SIGHUP)

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    threading.Thread(target=watch, daemon=True).start()
    return left


def _go_on_starting(context: Context, service: FleetService, instances: tuple[str, ...]) -> None:
    """Start a process that finishes the start of ``instances`` and logs its progress."""
    job = service.job.name if service.job else None
    apart = start_apart(context, service.fleet.name, instances, job=job)
    click.echo(
        f"Left the dashboard; process {apart.process.pid} goes on with the start: fleetctl status\n"
        f"It writes what it does to: {apart.log}",
        err=True,
    )


def _welcome(searched: str) -> int:
    from fleetctl.tui.welcome import DEMO, WelcomeApp
    from fleetctl.tui.welcome import EXAMPLE as WRITE

    answer = WelcomeApp(searched, EXAMPLE).run()
    if answer == DEMO:
        from fleetctl.cli.demo import command

        return int(click.get_current_context().invoke(command))
    if answer == WRITE:
        _write_example()
    return 0


def _write_example() -> None:
    from fleetctl.lab.shipped import nodes_yaml

    try:
        with EXAMPLE.open("x", encoding="utf-8") as file:
            file.write(nodes_yaml().read_text("utf-8"))
    except OSError as error:
        raise FleetctlError(f"{EXAMPLE} cannot be written: {error.strerror}") from None
    click.echo(f"Wrote {EXAMPLE}. Change it to your cluster, then: fleetctl config check", err=True)
