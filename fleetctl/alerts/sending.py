"""Sending one message to one destination, by a program that is ended when it takes too long."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path

import msgspec
from msgspec import Struct

from fleetctl.env_file import read_env_file
from fleetctl.errors import UsageError
from fleetctl.escaping import visible
from fleetctl.hiding import HIDDEN, hidden
from fleetctl.model.alerts import (
    PLACEHOLDER,
    AlertRule,
    Command,
    Desktop,
    Destination,
    Message,
    Url,
)

DEADLINE_S = 10.0
"""How long a program of the user may take."""
APPRISE_S = 30.0
"""How long apprise may take; to import it alone may take seconds."""
MOST_SAID = 4096
"""Bytes of what a program prints that are kept; the rest is read and dropped."""
_SAID_SHOWN = 200
_END_S = 2.0
_APPRISE = Path(__file__).with_name("apprise_program.py")
_OSASCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)
"""osascript(1) gives its arguments to ``run``: no text becomes part of a script."""


class Ended(Struct, frozen=True):
    """How a program ended."""

    code: int | None
    """None: it was ended."""
    said: str
    """The beginning of what it printed."""


async def send(
    rule: AlertRule, to: Destination, message: Message, deadline_s: float | None = None
) -> str:
    """Send ``message``; never raises but when cancelled.

    :param deadline_s: another time than the usual one.
    :returns: why it could not be sent, as a clause; empty: it was.
    """
    try:
        variables = await asyncio.to_thread(read_env_file, rule.env_file) if rule.env_file else {}
    except UsageError as error:
        return str(error)
    match to:
        case Command():
            return await _command(rule, to, message, variables, deadline_s or DEADLINE_S)
        case Desktop():
            return await _desktop(message, deadline_s or DEADLINE_S)
        case Url():
            return await _apprise(to, message, variables, deadline_s or APPRISE_S)


async def _command(
    rule: AlertRule,
    to: Command,
    message: Message,
    variables: Mapping[str, str],
    deadline_s: float,
) -> str:
    argv = ("/bin/sh", "-c", to.words[0]) if len(to.words) == 1 else to.words
    stdin = msgspec.json.encode(message) + b"\n"
    env = {**os.environ, **variables}
    try:
        ended = await run(argv, stdin, deadline_s, folder=rule.folder, env=env)
    except OSError as error:
        return f"it cannot be run in {rule.folder}: {error.strerror or error}"
    secrets = [value for value in variables.values() if value]
    return _failure(ended, deadline_s, secrets)


def _failure(ended: Ended, deadline_s: float, secrets: Sequence[str]) -> str:
    said = f"; it said: {_clean(ended.said, secrets)}" if ended.said.strip() else ""
    if ended.code is None:
        return f"it did not end within {deadline_s:g} s, and was ended{said}"
    return "" if ended.code == 0 else f"it ended with exit code {ended.code}{said}"


def _clean(said: str, secrets: Sequence[str]) -> str:
    """For a line on a screen: without secrets."""
    for secret in secrets:
        said = said.replace(secret, HIDDEN)
    return visible(hidden(said.strip()))[:_SAID_SHOWN]


async def _desktop(message: Message, deadline_s: float) -> str:
    title, body = visible(message.title), visible(message.text.partition("\n")[0])
    if sys.platform == "darwin":
        script = (word for line in _OSASCRIPT for word in ("-e", line))
        argv: tuple[str, ...] = ("osascript", *script, title, body)
    else:  # the body may have markup (Desktop Notifications Specification)
        argv = ("notify-send", "--app-name=fleetctl", "--", title, escape(body, quote=False))
    try:
        ended = await run(argv, b"", deadline_s, folder="/", env=os.environ)
    except FileNotFoundError:
        return f"there is no {argv[0]} on this machine (on Debian it is in libnotify-bin)"
    except OSError as error:
        return f"{argv[0]} cannot be run: {error.strerror or error}"
    return _failure(ended, deadline_s, ())


async def _apprise(
    to: Url, message: Message, variables: Mapping[str, str], deadline_s: float
) -> str:
    missing = [name for name in to.variables if name not in variables]
    if missing:
        return f"its env_file has no {missing[0]}"
    url = PLACEHOLDER.sub(lambda found: variables[found[1]], to.url)
    stdin = msgspec.json.encode({"url": url, "title": message.title, "body": message.text})
    argv = (sys.executable, "-P", str(_APPRISE))
    try:
        ended = await run(argv, stdin, deadline_s, folder="/", env=os.environ)
    except OSError as error:
        return f"{sys.executable} cannot be run: {error.strerror or error}"
    if ended.code == 3:
        return "it needs apprise, which `pip install 'fleetctl[serve]'` brings"
    if ended.code == 2:
        return "apprise knows no such URL (https://github.com/caronc/apprise/wiki)"
    secrets = [url, url.partition("://")[2], *(v for v in variables.values() if v)]
    if ended.code == 1:
        said = _clean(ended.said, secrets)
        return f"the service did not take it{f': {said}' if said else ''}"
    return _failure(ended, deadline_s, secrets)


async def run(
    argv: Sequence[str],
    stdin: bytes,
    deadline_s: float,
    *,
    folder: str,
    env: Mapping[str, str],
) -> Ended:
    """Run a program in a process group of its own. After ``deadline_s`` all of the group is ended,
    also what it left in the background that holds its output open; the same when cancelled.

    :raises OSError: it cannot be run.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=folder,
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    said = bytearray()
    over = False
    try:
        async with asyncio.timeout(deadline_s):
            await asyncio.gather(
                _feed(process.stdin, stdin), _read(process.stdout, said), process.wait()
            )
        over = True
    except TimeoutError:
        pass
    finally:
        if not over:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # there is no other way
    code = process.returncode if over else None
    return Ended(code, bytes(said).decode("utf-8", "replace"))


async def _feed(pipe: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it need not read its stdin
        pipe.write(data)
        await pipe.drain()
    pipe.close()


async def _read(pipe: asyncio.StreamReader, into: bytearray) -> None:
    while data := await pipe.read(64 * 1024):
        into += data[: MOST_SAID - len(into)]
