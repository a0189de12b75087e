"""ping(8) of macOS: its flags, output and exit statuses, with real ICMP (Apple's ping.c)."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # has no stub; importing `signal` takes 5 ms more
import _socket
import errno
import os
import select
import time

from ..node import complain, number_of, read, say

IP_RECVTTL, IP_TTL, IP_MTU_DISCOVER, IP_PMTUDISC_DO = 12, 2, 10, 2  # <bits/in.h>
ECHO, ECHO_REPLY = 8, 0
FINAL_WAIT_S = 10.0
"""ping.c's MAXWAIT: how long to wait for the last replies without -W."""
SHORTEST_INTERVAL_S = 0.1
VALUES = "cistWmgGhIkKlMpSTz"
USAGE = (
    "usage: ping [-AaDdfnoQqRrv] [-c count] [-i wait] [-m ttl] [-s size] [-t timeout]\n"
    "            [-W waittime] host"
)


class Options:
    def __init__(self) -> None:
        self.count = 0
        self.interval_s = 1.0
        self.size = 56
        self.timeout_s = 0.0
        self.wait_s: float | None = None
        self.ttl = 0
        self.flags = ""
        self.host = ""


class Refused(Exception):
    """An error that ends ping at once, with message and exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def main(argv: list[str], _name: str) -> int:
    try:
        options = _options(argv)
        address = _resolve(options.host)
        return _Ping(options, address).run()
    except Refused as error:
        complain(str(error))
        return error.status


def _options(argv: list[str]) -> Options:
    options = Options()
    words = iter(argv)
    for word in words:
        if not word.startswith("-") or word == "-":
            if options.host:
                raise Refused(USAGE, 64)
            options.host = word
            continue
        for position, letter in enumerate(word[1:], 1):
            if letter in VALUES:
                _take(options, letter, word[position + 1 :] or next(words, ""))
                break
            if letter not in "AaCDdfnoQqRrv":
                raise Refused(f"ping: illegal option -- {letter}\n{USAGE}", 64)
            options.flags += letter
    if not options.host:
        raise Refused(USAGE, 64)
    if options.interval_s < SHORTEST_INTERVAL_S and os.geteuid() != 0:
        raise Refused("ping: -i interval too short: Operation not permitted", 77)
    return options


def _take(options: Options, letter: str, value: str) -> None:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    whole = number == int(number)
    if letter == "c":
        if number <= 0 or not whole:
            raise Refused(f"ping: invalid count of packets to transmit: `{value}'", 64)
        options.count = int(number)
    elif letter == "i":
        if number <= 0:
            raise Refused(f"ping: invalid timing interval: `{value}'", 64)
        options.interval_s = number
    elif letter == "s":
        if number < 0 or not whole:
            raise Refused(f"ping: invalid packet size: `{value}'", 64)
        options.size = int(number)
    elif letter == "t":
        if not 1 <= number <= 3600 or not whole:
            raise Refused(f"ping: invalid timeout: `{value}' > 3600", 64)
        options.timeout_s = number
    elif letter == "W":
        if number < 0 or not whole:
            raise Refused(f"ping: invalid timing interval: `{value}'", 64)
        options.wait_s = number / 1000
    elif letter == "m":
        if not 1 <= number <= 255:
            raise Refused(f"ping: invalid TTL: `{value}'", 64)
        options.ttl = int(number)


def _resolve(host: str) -> str:
    try:
        number_of(host)
    except ValueError:
        pass
    else:
        return host
    for line in read("/etc/hosts").splitlines():
        words = line.partition("#")[0].split()
        if host in words[1:] and "." in words[0]:
            return words[0]
    raise Refused(f"ping: cannot resolve {host}: Unknown host", 68)


class _Ping:
    def __init__(self, options: Options, address: str) -> None:
        self.options = options
        self.address = address
        self.sent: dict[int, float] = {}
        self.answered: set[int] = set()
        self.round_trips: list[float] = []
        self.duplicates = self.late = 0
        self.stopped = False
        icmp = _socket.getprotobyname("icmp") if read("/etc/protocols") else 1
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM, icmp)
        self.socket.setblocking(False)
        self.socket.setsockopt(_socket.IPPROTO_IP, IP_RECVTTL, 1)
        if options.ttl:
            self.socket.setsockopt(_socket.IPPROTO_IP, IP_TTL, options.ttl)
        if "D" in options.flags:
            self.socket.setsockopt(_socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)

    def run(self) -> int:
        options = self.options
        for number in (_signal.SIGINT, _signal.SIGALRM):
            _signal.signal(number, lambda *_: setattr(self, "stopped", True))
        shown = options.host
        say(f"PING {shown} ({self.address}): {options.size} data bytes")
        started = time.monotonic()
        end = started + options.timeout_s if options.timeout_s else float("inf")
        number = 0
        while not self.stopped and (not options.count or number < options.count):
            due = started + number * options.interval_s
            self._listen(min(due, end))
            if self.stopped or time.monotonic() >= end:
                break
            self._report_silence(number)
            self._send(number)
            number += 1
        last_wait = FINAL_WAIT_S if options.wait_s is None else options.wait_s
        if options.wait_s is None and self.round_trips:
            last_wait = max(2 * max(self.round_trips) / 1000, 0.1)
        if number and not self.stopped:
            self._listen(min(self.sent[number - 1] + last_wait, end), until_all=True)
        return self._statistics()

    def _report_silence(self, number: int) -> None:
        """Before packet N is sent, report that N - 1 had no reply in time."""
        if number and number - 1 not in self.answered and "q" not in self.options.flags:
            say(f"Request timeout for icmp_seq {number - 1}")

    def _send(self, number: int) -> None:
        head = bytes([ECHO, 0, 0, 0, 0, 0]) + number.to_bytes(2, "big")
        self.sent[number] = time.monotonic()
        try:
            self.socket.sendto(head + bytes(self.options.size), (self.address, 0))
        except OSError as error:
            complain(f"ping: sendto: {_bsd_text(error)}")

    def _listen(self, until: float, *, until_all: bool = False) -> None:
        while not self.stopped:
            if until_all and len(self.answered) == len(self.sent):
                return
            left = until - time.monotonic()
            try:
                ready = select.select([self.socket], [], [], max(left, 0))[0]
            except InterruptedError:
                continue
            if ready:
                self._receive()
                if "o" in self.options.flags and self.answered:
                    self.stopped = True
            elif left <= 0:
                return

    def _receive(self) -> None:
        try:
            data, extra, _, sender = self.socket.recvmsg(65536, 64)
        except OSError:  # an ICMP error for an earlier packet, which counts as lost
            return
        now = time.monotonic()
        if len(data) < 8 or data[0] != ECHO_REPLY:
            return
        number = next((n for n in self.sent if n & 0xFFFF == int.from_bytes(data[6:8], "big")), -1)
        if number < 0:
            return
        rtt_ms = (now - self.sent[number]) * 1000
        repeated = number in self.answered
        self.answered.add(number)
        self.round_trips.append(rtt_ms)
        if repeated:
            self.duplicates += 1
        wait_s = self.options.wait_s
        if wait_s is not None and rtt_ms > wait_s * 1000:
            self.late += 1
            return
        if "q" in self.options.flags:
            return
        ttl = next((int.from_bytes(value[:4], "little") for _, _, value in extra), 64)
        mark = " (DUP!)" if repeated else ""
        say(
            f"{len(data)} bytes from {sender[0]}: icmp_seq={number} ttl={ttl} "
            f"time={rtt_ms:.3f} ms{mark}"
        )

    def _statistics(self) -> int:
        sent, received = len(self.sent), len(self.answered)
        say(f"\n--- {self.options.host} ping statistics ---")
        line = f"{sent} packets transmitted, {received} packets received, "
        if self.duplicates:
            line += f"+{self.duplicates} duplicates, "
        if sent:
            line += f"{(sent - received) * 100 / sent:.1f}% packet loss"
        if self.late:
            line += f", {self.late} packets out of wait time"
        say(line)
        if self.round_trips:
            times = self.round_trips
            mean = sum(times) / len(times)
            spread = (sum(t * t for t in times) / len(times) - mean * mean) ** 0.5
            say(
                "round-trip min/avg/max/stddev = "
                f"{min(times):.3f}/{mean:.3f}/{max(times):.3f}/{abs(spread):.3f} ms"
            )
        return 0 if self.answered else 2


def _bsd_text(error: OSError) -> str:
    """The error as on a Mac: "No route to host", where Linux says "Network is unreachable"."""
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "No route to host"
    return os.strerror(error.errno or 0)
