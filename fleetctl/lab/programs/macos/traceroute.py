"""traceroute(8) with ICMP echo requests of increasing time to live, as with -I on a Mac."""

from __future__ import annotations

import _socket
import select
import struct
import time

from ..node import complain, dotted, say
from .ping import ECHO, IP_TTL, Refused, _resolve

IP_RECVERR, MSG_ERRQUEUE = 11, 0x2000  # <bits/in.h>, <bits/socket.h>
USAGE = "usage: traceroute [-adDeFInrSvx] [-m max_ttl] [-q nqueries] [-w waittime] host"


def main(argv: list[str], _name: str) -> int:
    values = {"m": 64.0, "q": 3.0, "w": 5.0}
    host = ""
    words = iter(argv)
    for word in words:
        if not word.startswith("-"):
            host = host or word
            continue
        for position, letter in enumerate(word[1:], 1):
            if letter in "mqwfpPszig":
                value = word[position + 1 :] or next(words, "")
                if letter in values:
                    values[letter] = float(value)
                break
            if letter not in "adDeFInrSvx":
                complain(f"traceroute: illegal option -- {letter}\n{USAGE}")
                return 1
    if not host:
        complain(USAGE)
        return 1
    try:
        address = _resolve(host)
    except Refused:
        complain(f"traceroute: unknown host {host}")
        return 1
    limit = int(values["m"])
    complain(f"traceroute to {host} ({address}), {limit} hops max, 40 byte packets")
    for ttl in range(1, limit + 1):
        line, shown = f"{ttl:2} ", ""
        for _ in range(int(values["q"])):
            hop, took_ms = _probe(address, ttl, values["w"])
            if not hop:
                line += " *"
                continue
            if hop != shown:
                line += f" {hop} ({hop})" if "-n" not in argv else f" {hop}"
                shown = hop
            line += f"  {took_ms:.3f} ms"
        say(line)
        if shown == address:
            break
    return 0


def _probe(address: str, ttl: int, wait_s: float) -> tuple[str, float]:
    """The address that answers a packet with this time to live, or "", and the time in ms."""
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM, 1)
    try:
        sock.setsockopt(_socket.IPPROTO_IP, IP_TTL, ttl)
        sock.setsockopt(_socket.IPPROTO_IP, IP_RECVERR, 1)
        began = time.monotonic()
        try:
            sock.sendto(bytes([ECHO, 0, 0, 0, 0, 0, 0, ttl]) + bytes(32), (address, 0))
        except OSError:
            return "", 0.0
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN | select.POLLERR)
        if not poll.poll(wait_s * 1000):
            return "", 0.0
        took_ms = (time.monotonic() - began) * 1000
        try:
            sock.recvfrom(1024)
        except OSError:
            _, extra, _, _ = sock.recvmsg(1024, 512, MSG_ERRQUEUE)
            for _, kind, value in extra:
                if kind == IP_RECVERR:
                    # after the 16 bytes of sock_extended_err: the sockaddr_in of the hop
                    return dotted(struct.unpack("!I", value[20:24])[0]), took_ms
            return "", 0.0
        return address, took_ms
    finally:
        sock.close()
