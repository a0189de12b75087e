"""Which process on this machine writes the history of a fleet: one at a time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from fleetctl.local_files import private_folder, try_lock
from fleetctl.model.layout import observer_lock


class WriterLock:
    """A lock of the kernel's, flock(2), which ends with the process that has it.

    :param fleet: its name.
    :param path: another file, for a lock on something else.
    """

    def __init__(self, fleet: str, path: Path | None = None) -> None:
        self.path = path or Path(observer_lock(fleet)).expanduser()
        self._file: int | None = None

    def take(self) -> bool:
        """Whether this process has it now.

        :raises OSError: its file cannot be made.
        """
        if self._file is not None:
            return True
        private_folder(self.path.parent)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if not try_lock(file):
                os.close(file)
                return False
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    @property
    def taken(self) -> bool:
        """Whether this process has it."""
        return self._file is not None

    @property
    def holder(self) -> int | None:
        """The process that took it last, for messages; None: not known."""
        with suppress(OSError, ValueError):
            return int(self.path.read_text("ascii"))
        return None

    def release(self) -> None:
        """Let another process take it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
