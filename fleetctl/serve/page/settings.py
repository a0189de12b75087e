"""Where a server answers HTTP, and to which browsers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct

from fleetctl.errors import UsageError

LOOPBACK = "127.0.0.1"


class HttpSettings(Struct, frozen=True):
    """
    :param address: of this machine; 0.0.0.0 and ::, all of them.
    :param token: who does not know it is refused; None: who reaches the address is let in.
    :param names: further host names under which a browser may ask.
    :param actions: whether the dashboard in the browser may start, stop and repair.
    :param dashboard: the command that shows it, whatever the job.
    """

    address: IPv4Address | IPv6Address
    port: int
    token: str | None = None
    names: tuple[str, ...] = ()
    actions: bool = False
    dashboard: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Of the page, for a browser of this machine."""
        host = self.address
        if host.is_unspecified:
            host = ip_address("127.0.0.1" if host.version == 4 else "::1")
        return f"http://{f'[{host}]' if host.version == 6 else host}:{self.port}/"


def address_of(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    """Address and port of ``127.0.0.1:9464``, ``[::1]:9464``, ``localhost:9464``, or of a port.

    :raises UsageError: it is none of these.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = ip_address(LOOPBACK if host in ("", "localhost") else host)
        number = int(port) if port.isascii() and port.isdecimal() else 0
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise UsageError(
            f"{text!r} is no address and port of this machine",
            hint=f"Such as {LOOPBACK}:9464, or 0.0.0.0:9464 for all of its networks.",
        )
    return address, number


def require_token(address: IPv4Address | IPv6Address, *, token: bool) -> None:
    """
    :raises UsageError: other machines reach the address, and nothing is asked of them.
    """
    if not (address.is_loopback or token):
        raise UsageError(
            f"other machines reach {address}, so --token must be there, too",
            hint="Or listen on 127.0.0.1 only, and reach it by ssh -L 9464:127.0.0.1:9464.",
        )
