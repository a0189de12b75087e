"""The screen that undoes repairs: the commands that bring back what was, by node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from textual.content import Content

from fleetctl.errors import FleetctlError
from fleetctl.marks import mark
from fleetctl.model.repairs import KeptRecord
from fleetctl.model.ways_in import outward
from fleetctl.quantities import count
from fleetctl.tui.screens.commands import CommandsPage, Part, rows_of
from fleetctl.tui.tones import drawn
from fleetctl.undertakings import Repairs
from fleetctl.words.repairs import NOTHING_TO_UNDO, record_head, record_lines


class UndoScreen(CommandsPage):
    """What was run on ``nodes`` to repair them, and what takes it back; only ``y`` runs that."""

    takes_back = True

    def __init__(self, nodes: Sequence[str]) -> None:
        where = nodes[0] if len(nodes) == 1 else count(len(nodes), "node")
        super().__init__(f"Undo · {where}")
        self._asked = tuple(nodes)
        self._repairs: Repairs | None = None
        self._records: dict[str, tuple[KeptRecord, ...]] = {}
        """By node, newest first; nodes without any are missing."""
        self._unasked: list[FleetctlError] = []

    def can_apply(self) -> bool:
        return bool(self._todo and not self.failed)

    @property
    def _todo(self) -> dict[str, list[KeptRecord]]:
        """By node: the records that have their box."""
        chosen = {
            node: [kept for kept in records if self.chosen(f"{node} {kept.name}")]
            for node, records in self._records.items()
        }
        return {node: records for node, records in chosen.items() if records}

    async def look(self) -> None:
        self.work("asking what was repaired")
        self._repairs = repairs = self.app.service.fix(self._asked, password=self.password)
        await repairs.check()
        await self._read(repairs)
        self.work("")

    async def _read(self, repairs: Repairs) -> None:
        fleet = self.app.service.fleet
        inward = outward(fleet, self._asked, repairs.ways)[::-1]  # so that no way is cut first
        answers = await asyncio.gather(*map(repairs.records, inward), return_exceptions=True)
        self._records, self._unasked = {}, []
        for node, answer in zip(inward, answers, strict=True):
            if isinstance(answer, FleetctlError):
                self._unasked.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            elif answer:
                self._records[node] = answer

    async def apply(self) -> None:
        """Run the commands that are shown, then read what is left to undo."""
        if self._repairs is None:
            return
        for node, records in self._todo.items():
            self.work("running")
            try:
                await self._repairs.undo(node, records, self.done)
            except FleetctlError as error:  # the other nodes are brought back all the same
                self.node_failed(error)
        self.work("asking what is left")
        await self._read(self._repairs)
        self.work("")
        self.app.hurry()

    def parts(self) -> Iterator[Part]:
        for error in self._unasked:
            yield Part(Content.assemble(drawn(mark("unknown")), f" {error}"))
        for node, records in self._records.items():
            yield from rows_of([record_head(node, records)])
            for kept in records:
                yield from rows_of(record_lines(kept), f"{node} {kept.name}")
        if self._records:
            todo = self._todo
            yield self.offer(sum(map(len, todo.values())), todo)
        elif not self._unasked:
            yield Part(Content.assemble(drawn(mark("ok")), f" {NOTHING_TO_UNDO}"))
