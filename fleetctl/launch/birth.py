"""Starts one instance's process on its node: files, window, log pipe, command, in that order.

The command starts only once the window exists and its output is piped to the log, so no output is
lost, and the exit status can be read afterwards.
"""

from __future__ import annotations

import asyncio
import secrets as random
import time
from contextlib import suppress

from msgspec import Struct

from fleetctl.errors import LaunchError, LinkError, TmuxError
from fleetctl.health.machine_problems import OLDEST_TMUX_TEXT, too_old
from fleetctl.health.port_problems import port_in_use
from fleetctl.health.sockets import strangers
from fleetctl.launch import node_files
from fleetctl.launch.membership import Memberships
from fleetctl.launch.secrets import Secrets
from fleetctl.link.mistakes import of_node
from fleetctl.link.protocol import Link
from fleetctl.model.facts import Listener
from fleetctl.model.jobs import Instance
from fleetctl.model.layout import TMUX_OPTIONS
from fleetctl.model.write_refusals import write_refusal
from fleetctl.observe.look import look
from fleetctl.probes.asked.sockets import read_listeners
from fleetctl.probes.node import services_script
from fleetctl.probes.port_user import port_user_text
from fleetctl.probes.script import Answer
from fleetctl.tmux.server import NodeTmux

SCRIPT_TIMEOUT_S = 20.0


class _Prepared(Struct, frozen=True):
    folder: str
    """Absolute path of the instance's folder on the node."""
    old_windows: tuple[str, ...]
    tmux_version: str
    """Without tmux: what the shell said instead."""
    listeners: tuple[Listener, ...] | None


class Birth:
    """Starts instances on one node."""

    def __init__(
        self, fleet: str, link: Link, secrets: Secrets, memberships: Memberships | None = None
    ) -> None:
        self._fleet = fleet
        self._link = link
        self._secrets = secrets
        self._memberships = memberships
        self._tmux = NodeTmux(link)
        self._session_lock = asyncio.Lock()  # so that the tmux session is made only once

    async def start(self, instance: Instance) -> bool:
        """Start ``instance``, unless it runs already; false: another controller has its lock.

        :raises LaunchError: it cannot be started there.
        :raises TmuxError: tmux refuses.
        :raises LinkError: the node is lost.
        """
        with of_node(instance.node):
            return await self._start(instance)

    async def _start(self, instance: Instance) -> bool:
        run = random.token_hex(8)
        prepared = await self._prepare(instance, run)
        if not isinstance(prepared, _Prepared):
            return prepared == node_files.RUNNING
        try:
            if too_old(prepared.tmux_version):
                raise TmuxError(
                    instance.node,
                    f"tmux {prepared.tmux_version} is too old: {OLDEST_TMUX_TEXT} is needed",
                    hint="Install a newer one on the node.",
                )
            if taken := strangers(instance, prepared.listeners):
                raise await self._port_taken(instance, taken[0])
            await self._run(instance, run, prepared)
        except BaseException:
            with suppress(LinkError):
                await self._script(node_files.unlock_script(self._fleet, instance, forget=True))
            raise
        await self._script(node_files.unlock_script(self._fleet, instance))
        for window_id in prepared.old_windows:
            await self._tmux.close_window(window_id)
        return True

    async def _port_taken(self, instance: Instance, taken: Listener) -> LaunchError:
        facts = await look(self._link, services_script(self._fleet, instance.node))
        pid = taken.pids[0] if taken.pids else None
        said = await self._link.run(port_user_text(taken.port, pid), timeout_s=SCRIPT_TIMEOUT_S)
        user = said.text.strip()
        problem = port_in_use(instance, taken, facts, (instance.name,), user)
        hint = "End it, or give the service another port in nodes.yaml."
        if problem.fix:
            hint = f"Stop it: {problem.fix.commands[0]}"
        return LaunchError(instance.name, problem.summary, hint=hint, code=problem.code)

    def close(self) -> None:
        self._tmux.close()

    async def _run(self, instance: Instance, run: str, prepared: _Prepared) -> None:
        folder = prepared.folder
        async with self._session_lock:
            window = await self._tmux.open_window(
                self._fleet, instance.service, config=f"{folder}/tmux.conf"
            )
        values = (
            instance.job,
            instance.name,
            run,
            instance.definition_hash,
            f"{time.time():.3f}",
        )
        await self._tmux.run_in(
            window,
            ("sh", f"{folder}/supervisor", folder),
            options={
                f"fleetctl_{name}": value for name, value in zip(TMUX_OPTIONS, values, strict=True)
            },
            log_command=(
                "sh",
                f"{folder}/logger",
                f"{folder}/log",
                str(node_files.SEGMENT_BYTES),
                str(node_files.SEGMENTS_KEPT),
            ),
        )

    async def _prepare(self, instance: Instance, run: str) -> _Prepared | int:
        """Write the instance's files on the node; if not done: ``RUNNING`` or ``LOCKED``."""
        environment = instance.environment(self._fleet, self._secrets.of(instance))
        part = await self._memberships.part(instance, run) if self._memberships else None
        spec = node_files.spec_text(instance, run, environment, part).encode()
        script = node_files.prepare_script(self._fleet, instance, len(spec))
        done = await self._link.run(script, stdin=spec, timeout_s=SCRIPT_TIMEOUT_S)
        if done.exit_status == 0:
            lines = done.text.split("\n", 4)
            if len(lines) < 5 or not lines[0].startswith("/"):
                raise LaunchError(
                    instance.name,
                    f"{instance.node} prepared it and said {done.text[:200]!r}, which is not what "
                    "was asked",
                )
            folder, windows, tmux, os_name, listening = lines
            return _Prepared(
                folder,
                tuple(windows.split()[1:]),
                tmux.removeprefix("tmux "),
                read_listeners(os_name, Answer(listening, 0)),
            )
        if done.exit_status in (node_files.RUNNING, node_files.LOCKED):
            return done.exit_status
        raise _refusal(instance, done.exit_status, done.error_text or done.text.strip())

    async def _script(self, script: str) -> None:
        await self._link.run(script, timeout_s=SCRIPT_TIMEOUT_S)


def _refusal(instance: Instance, status: int, said: str) -> LaunchError:
    """The error for the prepare script's exit status."""
    node = instance.node
    if status == node_files.NO_WORKDIR:
        return LaunchError(
            instance.name,
            f"its workdir {instance.workdir or '~'} on {node} does not exist or may not be entered",
            hint="Create it there, or change workdir in nodes.yaml.",
            code="workdir-missing",
        )
    if status == node_files.TORN:
        return LaunchError(
            instance.name,
            f"less of what it is to run arrived on {node} than was sent: a start-up file of the "
            "account there asks a question, or runs something that reads stdin",
            hint="Look at its start-up files, such as ~/.bashrc: only a login at a terminal may "
            "be asked.",
        )
    if status == node_files.LEFT:
        pids = said.split()
        many = f"{len(pids)} processes of an earlier run of it still run"
        one = f"a process of an earlier run of it, {pids[0]}, still runs" if pids else many
        named = f" ({', '.join(pids)})" if len(pids) > 1 else ""
        return LaunchError(
            instance.name,
            f"{many if len(pids) > 1 else one} on {node}{named}, without their tmux window",
            hint=f"End them: fleetctl stop {instance.name}",
        )
    if status == node_files.UNREAD:
        return LaunchError(
            instance.name, f"whether it runs on {node} already cannot be told: {said}"
        )
    if status == node_files.NO_VALUE:
        return LaunchError(
            instance.name,
            f"{node} cannot tell what is to be in its command or environment: {said}",
            hint=f"See what is wrong there: fleetctl check {node}",
        )
    if status == node_files.NOT_WRITTEN:
        told = write_refusal(node, said)
        return LaunchError(
            instance.name,
            f"its files cannot be written on {node}: {said or 'unknown reason'}",
            hint=told.hint,
            code=told.code,
        )
    return LaunchError(
        instance.name, f"it cannot be prepared on {node} (exit status {status}): {said}"
    )
