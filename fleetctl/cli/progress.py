"""Progress on stderr: a line for each change, and a last line with what is still awaited."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from shutil import get_terminal_size

import click

from fleetctl.cli.render import plain, state
from fleetctl.model.progress import ActionStage, Progress

_TICK_S = 0.5
_DOING: Mapping[ActionStage, str] = {"start": "starting", "stop": "stopping"}


class ProgressLines:
    """Prints :class:`Progress` values.

    :param names: of the instances or nodes, for alignment.
    :param doing: "starting", "asking" …, for the last line.
    """

    def __init__(self, names: Sequence[str], doing: str) -> None:
        self._wide = max(map(len, names), default=0)
        self._names = names
        self._doing = doing
        self._stage: str | None = None
        self._pending = dict.fromkeys(names)  # an ordered set
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()

    def report(self, progress: Progress) -> None:
        """Print the new state of an instance."""
        if progress.stage != self._stage:  # the stop of a restart is over, its start begins
            self._stage = progress.stage
            self._doing = _DOING[progress.stage]
            self._pending = dict.fromkeys(self._names)
        if progress.settled:
            self._pending.pop(progress.instance, None)
        else:
            self._pending[progress.instance] = None
        self.became(progress.instance, progress.state, progress.reason, progress.elapsed_s)

    def became(self, name: str, now: str, reason: str | None, elapsed_s: float) -> None:
        """Print the state that ``name`` has now."""
        why = f"  {reason}" if reason else ""
        self.say(f"{elapsed_s:6.1f}s  {name.ljust(self._wide)}  {state(now, err=True)}{why}")

    def say(self, line: str, *, err: bool = True) -> None:
        """Print a line above the last one.

        :param err: on stderr.
        """
        self.clear()
        click.echo(line, err=err)

    def settle(self, name: str) -> None:
        """Stop waiting for ``name``."""
        self._pending.pop(name, None)

    def expect(self, name: str) -> None:
        """Wait for ``name`` again."""
        self._pending[name] = None

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """While inside, on a terminal, a last line shows what is awaited, and for how long."""
        task = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.clear()

    async def _tick(self) -> None:
        while self._live:
            await asyncio.sleep(_TICK_S)
            elapsed_s = time.monotonic() - self._began
            names = ", ".join(self._pending)
            line = plain(f"{elapsed_s:6.1f}s  {self._doing} … {names}", err=True)
            self.clear()
            click.echo(line[: get_terminal_size((80, 24)).columns - 1], err=True, nl=False)

    def clear(self) -> None:
        """Remove the last line, before something else is printed."""
        if self._live:
            click.echo("\r\x1b[K", err=True, nl=False)
