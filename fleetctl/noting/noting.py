"""Noting actions on the nodes that they touch, beside the actions themselves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from fleetctl.errors import FleetctlError, LinkError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.model.actions import NAMES, Ending, Note, action_key
from fleetctl.model.events import Actor
from fleetctl.model.jobs import Instance
from fleetctl.model.progress import GOOD, ActionResult

WRITE_TIMEOUT_S = 10.0
CLOSE_S = 3.0
"""The longest that leaving waits for notes."""
SAID = 200


def places(chosen: Iterable[Instance]) -> dict[str, tuple[str, ...]]:
    """By node: those of ``chosen`` that are started and stopped there."""
    found: dict[str, tuple[str, ...]] = {}
    for instance in chosen:
        if instance.command is not None:
            found[instance.node] = (*found.get(instance.node, ()), instance.name)
    return found


class Noting:
    """The notes of one controller. Never delays an action, nor makes it fail.

    :param by: tells who acts; None: nothing is noted.
    :param tell: takes a sentence for the user where a note cannot be written, once for each node.
    """

    def __init__(
        self,
        fleet: str,
        links: Links,
        by: Callable[[], Actor] | None,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.on = by is not None
        """Whether anything is noted."""
        self._by = by
        self._fleet = fleet
        self._links = links
        self._tell = tell
        self._told: set[str] = set()
        self._reaching: set[asyncio.Task[Any]] = set()
        """Those that have no connection yet."""
        self._writing: set[asyncio.Task[bool]] = set()

    @cached_property
    def by(self) -> Actor:
        """Who acts; while :attr:`on`."""
        assert self._by
        return self._by()

    def noted(
        self, action: str, where: Mapping[str, Iterable[str]], job: str | None = None
    ) -> Noted:
        """An action that is going to be done.

        :param where: by node: the instances there that it is about.
        """
        return Noted(self, action, where, job or "")

    def script_that_notes(self, action: str, script: str) -> str:
        """``script``, which notes on its node that it is run there."""
        if not self.on:
            return script
        from fleetctl.noting.scripts import noted_first

        note = Note(os.urandom(8).hex(), datetime.now(UTC), action, self.by)
        return noted_first(self._fleet, note, script)

    def write(self, node: str, note: Note, after: asyncio.Task[bool] | None) -> asyncio.Task[bool]:
        """Begin to write ``note`` on ``node``, once ``after`` is over, and unless that did not
        reach it; whether it is reached."""
        task = asyncio.create_task(self._write(node, note, after))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def _write(self, node: str, note: Note, after: asyncio.Task[bool] | None) -> bool:
        if after is not None:
            await asyncio.wait([after])
            if after.cancelled() or not after.result():
                return False
        mine = asyncio.current_task()
        assert mine
        self._reaching.add(mine)
        from fleetctl.noting.scripts import note_script  # few commands need it

        try:
            with of_node(node):
                link = await self._links.get(node)
                self._reaching.discard(mine)
                script = note_script(self._fleet, replace(note, sent=datetime.now(UTC)))
                done = await link.run(script, timeout_s=WRITE_TIMEOUT_S)
        except LinkError:
            return False  # the action says that its node cannot be reached
        finally:
            self._reaching.discard(mine)
        if done.exit_status != 0 and node not in self._told:
            self._told.add(node)
            why = done.error_text.splitlines()[-1:] or [f"exit status {done.exit_status}"]
            self._tell(
                f"{note.action} could not be noted on {node}, so that others do not see it in "
                f"`fleetctl events`: {why[0]}"
            )
        return True

    async def close(self) -> None:
        """Wait a moment for what is being written. Nodes that are not reached yet are left."""
        for task in self._reaching:
            task.cancel()
        if self._writing:
            await asyncio.wait(self._writing, timeout=CLOSE_S)
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)


class Noted:
    """One action, which is noted when it begins and when it ends."""

    def __init__(
        self, noting: Noting, action: str, where: Mapping[str, Iterable[str]], job: str
    ) -> None:
        self._noting = noting
        self._action = action
        self._where = {node: tuple(names)[:NAMES] for node, names in where.items()}
        self._job = job
        self._id = os.urandom(8).hex()
        self._begun: dict[str, asyncio.Task[bool]] = {}
        self._begin: Note | None = None
        self.state = "ok"
        self.said = ""

    @property
    def key(self) -> str:
        """Of its event; empty: it is not noted."""
        return action_key(self._id) if self._noting.on else ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """While inside, it goes on. An error ends it as failed."""
        self._note_begin()
        try:
            yield
        except asyncio.CancelledError:
            self.state, self.said = "stopped", "no longer waited for"
            raise
        except FleetctlError as error:
            self.state, self.said = "failed", error.message
            raise
        except BaseException:
            self.state, self.said = "failed", "a mistake in fleetctl"
            raise
        finally:
            self._note_end()

    def came_to(self, result: ActionResult) -> None:
        """It was a start, stop or restart, with this result."""
        self.state = "failed" if result.bad else "ok"
        of, good = len(result.services), len(result.services) - len(result.bad)
        word = "stopped" if result.stage == "stop" else "ready"
        states = {status.state for status in result.services.values()}
        if result.stage == "start" and states & (GOOD["start"] - {"ready"}):
            word = "ready or done"
        self.said = f"{good} of {of} {word}" if of else "nothing to do"
        if bad := result.bad[:1]:
            status = result.services[bad[0]]
            self.said += f"; {bad[0]} is {status.state}"
            self.said += f": {status.reason}" if status.reason else ""
        for name, status in result.services.items():
            if status.node not in self._where:  # left over from another nodes.yaml
                self._where[status.node] = (name,)

    def _note_begin(self) -> None:
        if not self._noting.on:
            return
        self._begin = Note(self._id, datetime.now(UTC), self._action, self._noting.by, self._job)
        for node, names in self._where.items():
            note = replace(self._begin, instances=names)
            self._begun[node] = self._noting.write(node, note, None)

    def _note_end(self) -> None:
        if self._begin is None:
            return
        end = Ending(datetime.now(UTC), self.state, self.said[:SAID])
        for node, names in self._where.items():
            note = replace(self._begin, instances=names, end=end)
            self._noting.write(node, note, self._begun.get(node))
