"""TCP sockets of this machine and their processes, from the real /proc."""

from __future__ import annotations

import os

from ..node import PROC, ROOT, dotted, read, run

# by number of include/net/tcp_states.h, with the names of BSD's tcp_fsm.h
STATES = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RCVD",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "TIME_WAIT",
    "CLOSED",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "SYN_RCVD",
)
SS = f"{ROOT}/usr/bin/ss"
MAPPED = "0000000000000000FFFF0000"


class Socket:
    """One line of /proc/net/tcp or tcp6."""

    def __init__(self, words: list[str]) -> None:
        self.family = "6" if len(words[1]) > 13 else "4"
        self.local = _end(words[1])
        self.remote = _end(words[2])
        self.state = STATES[int(words[3], 16)]
        sent, _, received = words[4].partition(":")
        self.sent, self.received = int(sent, 16), int(received, 16)
        self.inode = words[9]
        if self.family == "6" and self.local[0] == "::":
            self.family = "46"
        elif self.family == "6" and ":" not in self.local[0]:
            self.family = "4"


def tcp() -> list[Socket]:
    lines = []
    for name in ("tcp", "tcp6"):
        lines += read(f"{PROC}/net/{name}").splitlines()[1:]
    found = [Socket(line.split()) for line in lines]
    if any(one.family == "46" for one in found):
        # only the real ss is told which of them take no IPv4
        said = run(SS, "-6ltnH")[1].splitlines()
        ports = {line.split()[3].rpartition(":")[2] for line in said if " [::]:" in line}
        for one in found:
            if one.family == "46" and str(one.local[1]) in ports:
                one.family = "6"
    return found


def _end(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    if len(address) == 8:
        shown = _v4(address)
    elif address.startswith(MAPPED):
        shown = _v4(address[24:])
    else:
        shown = _v6(address)
    return shown, int(port, 16)


def _v4(text: str) -> str:
    return dotted(int.from_bytes(bytes.fromhex(text), "little"))


def _v6(text: str) -> str:
    words = [int.from_bytes(bytes.fromhex(text[i : i + 8]), "little") for i in range(0, 32, 8)]
    groups = [group for word in words for group in (word >> 16, word & 0xFFFF)]
    if not any(groups):
        return "::"
    if not any(groups[:7]):
        return f"::{groups[7]:x}"
    return ":".join(f"{group:x}" for group in groups)


def holders() -> dict[str, list[tuple[int, str]]]:
    """(process, descriptor) by inode, for processes that the caller may read."""
    found: dict[str, list[tuple[int, str]]] = {}
    for pid in os.listdir(PROC):
        if not pid.isdigit():
            continue
        try:
            for fd in os.listdir(f"{PROC}/{pid}/fd"):
                target = os.readlink(f"{PROC}/{pid}/fd/{fd}")
                if target.startswith("socket:["):
                    found.setdefault(target[8:-1], []).append((int(pid), fd))
        except OSError:  # of another account, or ended
            continue
    return found
