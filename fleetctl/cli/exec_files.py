"""Writes all that nodes print into a folder, a file for each node and stream."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from fleetctl.errors import FleetctlError
from fleetctl.model.execution import Said


class OutputFiles:
    """``NODE.out`` and, where a node prints to stderr, ``NODE.err`` in ``folder``.

    Files of these names that an earlier command left are replaced.

    :raises FleetctlError: they cannot be written.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._open: dict[tuple[str, bool], BinaryIO] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                folder.joinpath(f"{name}.err").unlink(missing_ok=True)
                self._file(name, error=False)
        except OSError as error:
            raise self._failed(error) from None

    def said(self, event: Said) -> None:
        """Append some output of a node.

        :raises FleetctlError: the disk is full, for example.
        """
        try:
            self._file(event.node, event.error).write(event.data)
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """:raises FleetctlError: what is left cannot be written."""
        try:
            for file in self._open.values():
                file.close()
        except OSError as error:
            raise self._failed(error) from None

    def _file(self, name: str, error: bool) -> BinaryIO:
        if (name, error) not in self._open:
            path = self._folder / f"{name}.{'err' if error else 'out'}"
            self._open[name, error] = path.open("wb")
        return self._open[name, error]

    def _failed(self, error: OSError) -> FleetctlError:
        return FleetctlError(
            f"the output cannot be written to {self._folder}: {error.strerror or error}"
        )
