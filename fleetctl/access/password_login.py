"""One command on a node, for which the system's ssh asks the user for the account's password.

The password is typed into ssh and seen by nothing else: ssh reads it from the terminal itself, so
its stdin and output are free for the command.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from fleetctl.access.ssh_argv import ssh_argv
from fleetctl.errors import AuthFailed, ConnectFailed, LinkError, LinkHung
from fleetctl.link.shell import NoiseFilter, command_line
from fleetctl.link.ssh.ask_ssh import config_of_home
from fleetctl.link.ssh.connect import Hop

TIMEOUT_S = 300.0
"""For all prompts together; sshd itself ends a login that takes long (LoginGraceTime, 120 s)."""
PROMPTS = 3
_MOST_BYTES = 64 * 1024
_TOLD_LINES = 50
"""A start-up file of the account may print without end."""
_END_S = 2.0
_DENIED = re.compile(r"Permission denied \(([^)]*)\)")
_OPTIONS = {
    "PreferredAuthentications": "keyboard-interactive,password",
    "PasswordAuthentication": "yes",
    "KbdInteractiveAuthentication": "yes",
    "BatchMode": "no",
    "PubkeyAuthentication": "no",
    "GSSAPIAuthentication": "no",
    "HostbasedAuthentication": "no",
    "NumberOfPasswordPrompts": str(PROMPTS),
}


class Said(Struct, frozen=True):
    """What the command on the node said."""

    output: str
    errors: str
    exit_status: int


def has_terminal() -> bool:
    """Whether ssh can ask for a password."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


async def run_with_password(
    way: Sequence[Hop], script: str, stdin: str, told: Callable[[str], object]
) -> Said:
    """Run a POSIX sh script on the node ``way[0]``, after ssh has asked for the password there.

    :param told: gets what ssh says meanwhile, such as that a password was wrong.
    :raises LinkError: it is no longer possible, the login failed, or the connection broke.
    """
    name = way[0].name
    if shutil.which("ssh") is None:
        raise ConnectFailed(
            name, "there is no ssh on this machine to ask for the password", silent=False
        )
    options = [word for key, value in _OPTIONS.items() for word in ("-o", f"{key}={value}")]
    with config_of_home() as config:
        argv = ssh_argv(way, config=config, options=options, command=command_line(script))
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, "SHELL": "/bin/sh"},  # which ssh runs a ProxyCommand by
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                output, errors = await _talk(process, stdin, told)
        except TimeoutError:
            reason = f"no password was typed, or the login did not end, within {TIMEOUT_S:g} s"
            raise LinkHung(name, reason) from None
        finally:
            await _end(process)
    status = process.returncode or 0
    said, complained = NoiseFilter(), NoiseFilter()
    whole = said.feed(output).decode("utf-8", "replace")
    if not said.started:
        raise _failed(name, way[0], errors or output, status)
    return Said(whole, complained.feed(errors).decode("utf-8", "replace").strip(), status)


async def _talk(
    process: asyncio.subprocess.Process, stdin: str, told: Callable[[str], object]
) -> tuple[bytes, bytes]:
    assert process.stdin
    assert process.stdout
    assert process.stderr
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin.encode())
        process.stdin.close()
    begun = NoiseFilter()
    left = _TOLD_LINES

    def tell(line: str) -> None:
        """What ssh says, and not the script."""
        nonlocal left
        if left <= 0:
            return
        left -= 1
        begun.feed(f"{line}\n".encode())
        if line and not begun.started and not _DENIED.search(line):
            told(line)

    output, errors = await asyncio.gather(
        _collect(process.stdout, lambda _: None), _collect(process.stderr, tell)
    )
    await process.wait()
    return output, errors


async def _collect(pipe: asyncio.StreamReader, told: Callable[[str], object]) -> bytes:
    """What comes until the end, of which only the first bytes are kept."""
    kept, line = b"", b""
    while data := await pipe.read(4096):
        kept = (kept + data)[:_MOST_BYTES]
        *lines, line = (line + data)[-_MOST_BYTES:].split(b"\n")
        for whole in lines:
            told(whole.decode("utf-8", "replace").rstrip("\r"))
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    """End ssh, which gives the terminal its echo back."""
    for end in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            end()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_S)


def _failed(name: str, hop: Hop, said: bytes, status: int) -> LinkError:
    """Why ssh did not come to the script, by what it or the account's shell said."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    account = f"{hop.config.user}@{hop.ssh.host}"
    denied = next((found for line in lines if (found := _DENIED.search(line))), None)
    if denied is None:
        last = next((line for line in reversed(lines) if line), f"ssh ended with {status}")
        return ConnectFailed(name, f"the login to {account} failed: {last}", silent=False)
    offered = set(denied[1].split(","))
    if not offered & {"password", "keyboard-interactive"}:
        return AuthFailed(
            name,
            f"{account} takes no passwords (its SSH server offers {denied[1]})",
            hint="At its screen, add the line of the .pub file to ~/.ssh/authorized_keys; or let "
            "the SSH agent have a key that it takes, and start again.",
        )
    return AuthFailed(
        name,
        f"{account} refused the password {PROMPTS} times",
        hint="Is it the right account (ssh.user)? It may also be locked, or not allowed to log in "
        "by password: the log of its SSH server says which.",
    )
