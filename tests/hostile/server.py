"""An SSH server on the loopback that answers every command as a hostile node would.

``python -m tests.hostile.server FOLDER`` prints its port. The user's name says how it behaves; see
:data:`BEHAVIOURS`. FOLDER has its ``host_key``, and in ``key.pub`` who may log in.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncssh

CHUNK = b"y" * 32 * 1024
START = b"\x1efleetctl\x1e\n"

Process = asyncssh.SSHServerProcess[bytes]


async def _flood(process: Process, data: bytes, error: bool = False) -> None:
    """Send ``data`` again and again, for ever."""
    out = process.stderr if error else process.stdout
    while True:
        out.write(data)
        await out.drain()


async def _yes(process: Process) -> None:
    process.stdout.write(START)
    process.stderr.write(START)
    await _flood(process, b"y\n" * (len(CHUNK) // 2))


async def _no_newline(process: Process) -> None:
    process.stdout.write(START)
    process.stderr.write(START)
    await _flood(process, CHUNK)


async def _stderr(process: Process) -> None:
    process.stdout.write(START)
    process.stderr.write(START)
    await _flood(process, CHUNK, error=True)


async def _noise(process: Process) -> None:
    """Never comes to the script."""
    await _flood(process, CHUNK)


async def _after(process: Process) -> None:
    """Answers rightly, and goes on after the end mark and the status."""
    await _answer(process, b"")
    request = getattr(process.channel, "_send_request")  # noqa: B009  # else it closes the channel
    request(b"exit-status", (0).to_bytes(4, "big"))
    await _flood(process, CHUNK)


async def _both(process: Process) -> None:
    process.stdout.write(START)
    process.stderr.write(START)
    while True:
        process.stdout.write(CHUNK)
        process.stderr.write(CHUNK)
        await process.stdout.drain()
        await process.stderr.drain()


async def _cut(process: Process) -> None:
    """Answers the first half, and exits."""
    await _answer(process, b"", half=True)
    process.exit(0)


async def _words(process: Process) -> None:
    """Is no shell: says the same to whatever it is asked."""
    process.stdout.write(START + b"\xff\x00 unexpected \x1b]52;c;aGk=\x07 words\n" * 3)
    process.stderr.write(START + b"\x1e\x1e\x1e 999999999999999999999999 \n")
    process.exit(0)


async def _right(process: Process) -> None:
    await _answer(process, b"")
    process.exit(0)


async def _answer(process: Process, stdin: bytes, *, half: bool = False) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", process.command or ""],
        input=stdin,
        capture_output=True,
        timeout=30,
        check=False,
    )
    size = len(done.stdout) // 2 if half else len(done.stdout)
    process.stdout.write(done.stdout[:size])
    process.stderr.write(done.stderr)
    await process.stdout.drain()


BEHAVIOURS: dict[str, Callable[[Process], Awaitable[None]]] = {
    "yes": _yes,
    "no-newline": _no_newline,
    "stderr": _stderr,
    "noise": _noise,
    "after": _after,
    "both": _both,
    "cut": _cut,
    "words": _words,
    "right": _right,
}


async def _serve(process: Process) -> None:
    with suppress(asyncssh.Error, OSError, asyncio.CancelledError):
        await BEHAVIOURS[process.get_extra_info("username")](process)


async def main(folder: Path) -> None:
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "key.pub"),
        process_factory=_serve,
        encoding=None,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
