"""Running repairs on one node, and undoing them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from fleetctl.errors import LinkError, RepairRefused
from fleetctl.finishing import to_the_end
from fleetctl.link.protocol import Completed, Link
from fleetctl.model.layout import fixes_dir
from fleetctl.model.repairs import (
    KeptRecord,
    OutcomeState,
    RepairRecord,
    StepOutcome,
    refusal,
)
from fleetctl.model.status import RepairStep
from fleetctl.quoting import quote_path
from fleetctl.repair.judging import complaint, sudo_refused, undone_already
from fleetctl.repair.records import (
    CANNOT_WRITE,
    bare_script,
    file_name,
    forget_script,
    list_script,
    number_of,
    read_records,
    run_script,
)

STEP_TIMEOUT_S = 30.0
"""The slowest command, networksetup, may take some seconds."""
ASK_TIMEOUT_S = 10.0

Report = Callable[[StepOutcome], object]


class Repairer:
    """Runs steps on one node; each is recorded there before it is run.

    :param protected: interfaces that no step may change; see
        :func:`fleetctl.health.routing.ssh_interfaces`.
    :param report: called for every command that ended, even if the caller was cancelled while it
        ran.
    """

    def __init__(self, link: Link, fleet: str, protected: frozenset[str], report: Report) -> None:
        self._link = link
        self._fleet = fleet
        self._protected = protected
        self._report = report
        self._sudo = "sudo -n "
        self._number = 0

    async def prepare(self) -> None:
        """Make sure that commands can be run as root on the node.

        :raises RepairRefused: they cannot; the hint says what to do.
        :raises LinkError: the node is lost.
        """
        folder = quote_path(fixes_dir(self._fleet))
        done = await self._link.run(
            f"ls {folder} 2>/dev/null; echo\n"
            "if command -v sudo >/dev/null; then exec sudo -n true </dev/null; fi\n"
            '[ "$(id -u)" = 0 ] && echo root',
            timeout_s=ASK_TIMEOUT_S,
        )
        if done.exit_status != 0:
            said = (done.error_text.splitlines() or ["there is no sudo"])[-1]
            raise RepairRefused(
                f"{self._link.node} does not allow commands as root without a password ({said})",
                hint="Allow it there with `sudo visudo -f /etc/sudoers.d/fleetctl` and a line "
                "`USER ALL=(ALL) NOPASSWD: ALL`, or run the commands on it by hand.",
            )
        lines = done.text.splitlines()
        if lines[-1:] == ["root"]:  # a system without sudo, logged in as root
            self._sudo = ""
        self._number = max(map(number_of, lines), default=0)

    async def apply(self, code: str, step: RepairStep) -> StepOutcome:
        """Run one step of the repair of ``code``. Its record is kept unless it is known to have
        failed.

        If the connection is lost, the outcome is ``unknown``.
        """
        return await to_the_end(self._apply(code, step))

    async def _apply(self, code: str, step: RepairStep) -> StepOutcome:
        node = self._link.node
        if why := refusal(node, step, self._protected):
            return self._tell(code, step.command, "refused", why)
        record = RepairRecord(node=node, code=code, at=datetime.now(UTC), step=step)
        self._number += 1
        name = file_name(self._number, record)
        script = run_script(self._fleet, name, self._as_root(step.command))
        try:
            done = await self._link.run(
                script, stdin=msgspec.json.encode(record), timeout_s=STEP_TIMEOUT_S
            )
            failed = self._failed(step.command, done)
            if failed is None:
                return self._tell(code, step.command, "done")
            await self._forget(name)
        except LinkError as error:
            return self._tell(code, step.command, "unknown", error.reason)
        return self._tell(code, step.command, "failed", failed)

    async def records(self) -> tuple[KeptRecord, ...]:
        """The commands that were run on the node and not undone yet, newest first.

        :raises LinkError: the node is lost.
        """
        done = await self._link.run(list_script(self._fleet), timeout_s=ASK_TIMEOUT_S)
        return tuple(reversed([*read_records(done.text)]))

    async def undo(self, kept: KeptRecord) -> StepOutcome:
        """Run the undo command of a record, and delete the record if that worked."""
        return await to_the_end(self._undo(kept))

    async def _undo(self, kept: KeptRecord) -> StepOutcome:
        code, step = kept.record.code, kept.record.step
        if why := refusal(self._link.node, step, self._protected):
            return self._tell(code, step.undo, "refused", why)
        try:
            if step.undo:
                script = bare_script(self._as_root(step.undo))
                done = await self._link.run(script, timeout_s=STEP_TIMEOUT_S)
                failed = self._failed(step.undo, done)
                if failed is not None and not undone_already(done.text):
                    return self._tell(code, step.undo, "failed", failed)
            await self._forget(kept.name)
        except LinkError as error:
            return self._tell(code, step.undo, "unknown", error.reason)
        return self._tell(code, step.undo, "done")

    def _as_root(self, command: str) -> str:
        """With ``sudo -n``, which never asks for a password, or as it is."""
        if not command.startswith("sudo "):
            return command
        return self._sudo + command.removeprefix("sudo ")

    def _failed(self, command: str, done: Completed) -> str | None:
        if done.exit_status == CANNOT_WRITE and done.error_text:
            return f"how to undo it cannot be written down: {done.error_text}"
        if sudo_refused(done.text):
            return f"sudo refuses it without a password: {done.text.strip()}"
        return complaint(command, done.text, done.exit_status)

    async def _forget(self, name: str) -> None:
        await self._link.run(forget_script(self._fleet, name), timeout_s=ASK_TIMEOUT_S)

    def _tell(self, code: str, command: str, state: OutcomeState, said: str = "") -> StepOutcome:
        outcome = StepOutcome(self._link.node, code, command, state, said)
        self._report(outcome)
        return outcome
