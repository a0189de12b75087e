"""Running repairs on one node, and undoing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from fleetctl.errors import LinkError, RepairRefused
from fleetctl.finishing import to_the_end
from fleetctl.link.protocol import Link, cut_off
from fleetctl.model.layout import fixes_dir
from fleetctl.model.repairs import (
    KeptRecord,
    OutcomeState,
    RepairRecord,
    StepOutcome,
    refusal,
)
from fleetctl.model.status import RepairStep
from fleetctl.model.sudo import SudoPassword
from fleetctl.quoting import quote_path
from fleetctl.repair.judging import complaint, sudo_refused, undone_already
from fleetctl.repair.records import (
    file_name,
    forget_script,
    list_script,
    number_of,
    read_records,
    write_script,
)
from fleetctl.repair.root import ASK_TIMEOUT_S, INSTALL_TIMEOUT_S, STEP_TIMEOUT_S, Root

Report = Callable[[StepOutcome], object]


class Repairer:
    """Runs steps on one node; each is recorded there before it is run.

    :param protected: interfaces that no step may change; see
        :func:`fleetctl.health.routing.ssh_interfaces`.
    :param report: called for every command that ended, even if the caller was cancelled while it
        ran.
    :param password: for a sudo that wants one.
    """

    def __init__(
        self,
        link: Link,
        fleet: str,
        protected: frozenset[str],
        report: Report,
        password: SudoPassword | None = None,
    ) -> None:
        self._link = link
        self._fleet = fleet
        self._protected = protected
        self._report = report
        self._root = Root(link, password)
        self._number = 0

    async def prepare(self, commands: Sequence[str]) -> None:
        """Make sure that ``commands``, those that are going to be run, can be run on the node.

        :raises RepairRefused: none that needs root can; the hint says what to do.
        :raises LinkError: the node is lost.
        """
        await self._root.prepare(commands)
        folder = quote_path(fixes_dir(self._fleet))
        done = await self._link.run(f"ls {folder} 2>/dev/null\ntrue\n", timeout_s=ASK_TIMEOUT_S)
        self._number = max(map(number_of, done.text.splitlines()), default=0)

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
        if why := self._root.refusal(step.command):
            return self._tell(code, step.command, "failed", why)
        record = RepairRecord(node=node, code=code, at=datetime.now(UTC), step=step)
        self._number += 1
        name = file_name(self._number, record)
        try:
            text = msgspec.json.encode(record)
            done = await self._link.run(
                write_script(self._fleet, name, len(text)),
                stdin=text,
                timeout_s=ASK_TIMEOUT_S,
            )
            if done.exit_status != 0:
                why = (
                    f"how to undo it cannot be written down: {done.error_text or done.exit_status}"
                )
                return self._tell(code, step.command, "failed", why)
            failed = await self._run(step.command, step)
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
        if done.exit_status != 0:
            raise cut_off(self._link.node, done.exit_status, done.stdout, done.stderr)
        return tuple(reversed([*read_records(done.text)]))

    async def undo(self, kept: KeptRecord) -> StepOutcome:
        """Run the undo command of a record, and delete the record if that worked."""
        return await to_the_end(self._undo(kept))

    async def _undo(self, kept: KeptRecord) -> StepOutcome:
        code, step = kept.record.code, kept.record.step
        if why := refusal(self._link.node, step, self._protected):
            return self._tell(code, step.undo, "refused", why)
        if why := self._root.refusal(step.undo):
            return self._tell(code, step.undo, "failed", why)
        try:
            failed = await self._run(step.undo, step, undo=True) if step.undo else None
            if failed is not None:
                return self._tell(code, step.undo, "failed", failed)
            await self._forget(kept.name)
        except LinkError as error:
            return self._tell(code, step.undo, "unknown", error.reason)
        return self._tell(code, step.undo, "done")

    async def _run(self, command: str, step: RepairStep, *, undo: bool = False) -> str | None:
        """Run a command of ``step``; why it failed, None: it did not."""
        try:
            timeout_s = INSTALL_TIMEOUT_S if step.installs else STEP_TIMEOUT_S
            done = await self._root.run(command, timeout_s)
        except RepairRefused as error:
            return error.message
        if undo and undone_already(done.text):
            return None
        if sudo_refused(done.text):
            return f"sudo refuses it without a password: {done.text.strip()}"
        return complaint(command, done.text, done.exit_status)

    async def _forget(self, name: str) -> None:
        await self._link.run(forget_script(self._fleet, name), timeout_s=ASK_TIMEOUT_S)

    def _tell(self, code: str, command: str, state: OutcomeState, said: str = "") -> StepOutcome:
        outcome = StepOutcome(self._link.node, code, command, state, said)
        self._report(outcome)
        return outcome
