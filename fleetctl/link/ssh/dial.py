"""A TCP connection to a node, made here so that each kind of failure has its own error.

A name can stand for several addresses, some of them dead: an old lease, a VPN's, IPv6 without a
way. They are tried side by side, each a moment after the one before it (RFC 8305, "happy
eyeballs"), so that a dead one costs that moment and not the node's ``connect_timeout``.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Any

from msgspec import Struct

from fleetctl.errors import ConnectFailed, ConnectRefused, ConnectTimedOut, LinkError
from fleetctl.link.ssh.privacy import explained

STAGGER_S = 0.25
"""After so long without an answer the next address is tried, too (RFC 8305, section 5)."""

_ADDRESSES_TOLD = 6


class _Failure(Struct, frozen=True):
    """What a kind of failure means."""

    reason: str
    short: str
    """Said of one address among others."""
    hint: str
    kind: type[LinkError] = ConnectFailed
    silent: bool = True
    """As in :class:`~fleetctl.errors.LinkError`."""


_NO_ANSWER = _Failure(
    "no answer from {where}",
    "no answer",
    "Is the node switched on, awake and on this network?",
    ConnectTimedOut,
)
# by how much each tells, for several addresses can fail in several ways
_FAILURES = {
    errno.ECONNREFUSED: _Failure(
        "connection refused by {where}",
        "refused",
        "The machine is up, but no SSH server listens there: turn on Remote Login (macOS) or "
        "`sudo systemctl enable --now ssh` (Linux).",
        ConnectRefused,
        silent=False,
    ),
    errno.ETIMEDOUT: _NO_ANSWER,
    errno.EHOSTUNREACH: _Failure(
        "no route to {where}",
        "no route",
        "Is the node on, and is this machine on the same network?",
    ),
    errno.ENETUNREACH: _Failure(
        "no route to {where}", "no route", "Is this machine connected to that network?"
    ),
}

_Address = tuple[int, Any]
"""A family, and an address as the socket module has it."""
_Asked = dict[str, int | str]
"""By address that was asked: the number of the error, or what else is known of it."""


async def dial(name: str, host: str, port: int, family: int, deadline: float) -> socket.socket:
    """A socket that is connected to the first address of ``host`` to answer.

    :param family: as ``AddressFamily`` of ssh_config(5) says.
    :param deadline: by the loop's clock, for all addresses together.
    :raises LinkError: none of them answers; it names those that were asked.
    """
    asked: _Asked = {}
    try:
        async with asyncio.timeout_at(deadline):
            addresses = await _resolve(name, host, port, family)
            return await _first_to_answer(addresses, deadline, asked)
    except TimeoutError:
        if not asked:
            raise ConnectTimedOut(
                name,
                f"the name {host!r} was not resolved within its connect_timeout",
                hint="Does this machine's DNS server answer? An address in ssh.host needs none.",
            ) from None
        raise _error(name, host, port, asked, late=" within its connect_timeout") from None
    except OSError:
        error = _error(name, host, port, asked)
    denied = [address for address, number in asked.items() if number == errno.EHOSTUNREACH]
    raise await explained(error, denied[0]) if denied else error


async def _resolve(name: str, host: str, port: int, family: int) -> Sequence[_Address]:
    """The addresses of ``host``, families in turn, beginning with the one the system prefers."""
    loop = asyncio.get_running_loop()
    kind_of = {"family": family, "type": socket.SOCK_STREAM}
    try:
        with suppress(socket.gaierror, UnicodeError):  # a number needs no DNS, and no thread for it
            digits = host.encode("ascii")  # a str would load all of IDNA
            numbers = socket.getaddrinfo(digits, port, **kind_of, flags=socket.AI_NUMERICHOST)
            return [(family, address) for family, _, _, _, address in numbers]
        found = await loop.getaddrinfo(host, port, **kind_of)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectFailed(
            name,
            f"the name {host!r} is not known ({getattr(error, 'strerror', error)})",
            hint="Set ssh.host in nodes.yaml, or add a Host entry to ~/.ssh/config.",
        ) from None
    if not found:
        raise ConnectFailed(name, f"the name {host!r} has no address")
    families: dict[int, list[_Address]] = {}
    for kind, _, _, _, address in found:
        families.setdefault(kind, []).append((kind, address))
    return [one for one in chain(*zip_longest(*families.values())) if one]


async def _first_to_answer(
    addresses: Sequence[_Address], deadline: float, asked: _Asked
) -> socket.socket:
    """
    :raises OSError: all failed; the errors are in ``asked``.
    """
    left_s = deadline - asyncio.get_running_loop().time()
    stagger_s = min(STAGGER_S, left_s / 2 / len(addresses))
    waiting = list(addresses)
    trying: dict[asyncio.Task[socket.socket], str] = {}
    try:
        while waiting or trying:
            if waiting:
                family, address = waiting.pop(0)
                asked[numeric(address)] = errno.ETIMEDOUT
                trying[asyncio.create_task(_connect(family, address))] = numeric(address)
            done, _ = await asyncio.wait(
                trying,
                timeout=stagger_s if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                text = trying.pop(task)
                try:
                    return task.result()
                except OSError as error:
                    number = error.errno if error.errno in _FAILURES else None
                    asked[text] = number or error.strerror or str(error)
    finally:
        for task in trying:
            task.cancel()
        for other in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(other, socket.socket):
                other.close()
    raise OSError


async def _connect(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _error(name: str, host: str, port: int, asked: _Asked, late: str = "") -> LinkError:
    """What all addresses together say: one reason if they agree, else each one's."""
    where = written(host, port)
    told = [number for number in _FAILURES if number in asked.values()]
    failure = _FAILURES[told[0]] if told else _Failure("", "", "")
    addresses = list(asked)[:_ADDRESSES_TOLD]
    if len(set(asked.values())) > 1:
        each = ", ".join(f"{address}: {_short(asked[address])}" for address in addresses)
        reason = f"no address of {where} can be reached ({each})"
    else:
        reason = failure.reason.format(where=where)
        if not told:
            reason = f"cannot connect to {where}: {asked[addresses[0]]}"
        if addresses != [host]:
            reason += f" ({_list(addresses)} asked)"
        reason += late
    return failure.kind(name, reason, hint=failure.hint, silent=failure.silent)


def _short(failure: int | str) -> str:
    return _FAILURES[failure].short if isinstance(failure, int) else failure


def _list(addresses: Sequence[str]) -> str:
    *others, last = addresses
    return f"{', '.join(others)} and {last}" if others else last


def numeric(address: Any) -> str:
    """The address in a socket address, with its zone if it is link-local (RFC 4007, section 11)."""
    host: str = address[0].partition("%")[0]
    zone = address[3] if len(address) == 4 else 0
    if not zone:
        return host
    try:
        return f"{host}%{socket.if_indextoname(zone)}"
    except OSError:
        return f"{host}%{zone}"


def written(host: str, port: int) -> str:
    """``host:port``, and ``[host]:port`` for an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
