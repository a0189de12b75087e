"""Running the ``prepare`` of a job on its nodes, before anything of it starts there."""

from __future__ import annotations

import asyncio

from fleetctl.errors import LaunchError
from fleetctl.launch.last_lines import LINES
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.logs.lines import read_last
from fleetctl.model.jobs import PREPARE, Instance, Prepare
from fleetctl.model.layout import prepare_dir
from fleetctl.package_files import package_text
from fleetctl.quoting import quote, quote_path

TIMEOUT_S = 3600.0
"""The longest that it may take: on a Pi, an environment with large packages takes many minutes."""


class NotPrepared(LaunchError):
    """The node could not be prepared.

    :param last_lines: what was printed last.
    """

    def __init__(
        self, instance: str, reason: str, *, hint: str, last_lines: tuple[str, ...] = ()
    ) -> None:
        super().__init__(instance, reason, hint=hint)
        self.last_lines = last_lines


class Preparations:
    """Those of one start: once on each node, for all instances there."""

    def __init__(self, fleet: str, prepare: Prepare, links: Links) -> None:
        self._fleet = fleet
        self._prepare = prepare
        self._links = links
        self._running: dict[str, asyncio.Task[str]] = {}

    def line(self, node: str) -> str:
        """What is run on ``node``."""
        return self._prepare.line(node)

    async def prepare(self, instance: Instance) -> None:
        """Return when the node of ``instance`` is prepared.

        :raises NotPrepared: it failed.
        :raises LinkError: the node cannot be reached, or it did not end within :data:`TIMEOUT_S`.
        """
        node = instance.node
        if node not in self._running:
            self._running[node] = asyncio.create_task(self._run(instance))
        said = await asyncio.shield(self._running[node])
        first, _, rest = said.partition("\n")
        if first in ("same", "done"):
            return
        if first == "no folder":
            raise NotPrepared(
                instance.name,
                f"{node} has no folder {self._prepare.workdirs[node]} to prepare the job in",
                hint="Copy the code there: fleetctl sync",
            )
        raise NotPrepared(
            instance.name,
            f"prepare failed on {node} with exit code {first.removeprefix('failed ')}",
            hint=f"All that it printed: fleetctl logs {PREPARE}@{node} -n 10000",
            last_lines=read_last(rest.encode(), LINES),
        )

    async def _run(self, instance: Instance) -> str:
        node = instance.node
        script = (
            f"folder={quote_path(self._prepare.workdirs[node])}\n"
            f"state={quote_path(prepare_dir(self._fleet, instance.job, node))}\n"
            f"command={quote(self.line(node))}\n" + package_text("launch/prepare.sh")
        )
        paths = "".join(f"{path}\n" for path in self._prepare.on).encode()
        with of_node(node):
            link = await self._links.get(node)
            done = await link.run(script, stdin=paths, timeout_s=TIMEOUT_S)
        if done.exit_status:
            reason = done.error_text.partition("\n")[0] or f"exit code {done.exit_status}"
            raise LaunchError(instance.name, f"{node} cannot be prepared: {reason}")
        return done.text

    async def close(self) -> None:
        """End those that still run."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
