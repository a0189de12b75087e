"""stdin as a stream of bytes, read as it comes."""

from __future__ import annotations

import os
from contextlib import suppress

from fleetctl.errors import UsageError

_CHUNK = 64 * 1024


async def read() -> bytes:
    """The next bytes of stdin; empty at its end. A terminal's are those of its finished lines, and
    a job in the background of a shell gets none: its shell would stop it.

    :raises UsageError: it cannot be read, such as a folder.
    """
    from fleetctl.link.readiness import readable

    try:
        if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
            return b""
        with suppress(PermissionError):  # of epoll: a file, which never makes a reader wait
            await readable(0)
        return os.read(0, _CHUNK)
    except OSError as error:
        raise UsageError(
            f"stdin cannot be read: {error.strerror}",
            hint="Give it something else, or nothing: --no-stdin.",
        ) from None
