"""Common functions of the programs: files, real tools, the machine's description, addresses."""

from __future__ import annotations

import os
import sys

ROOT = "/.lab"
PROC = f"{ROOT}/proc"
SYS = f"{ROOT}/sys"
IP = f"{ROOT}/sbin/ip"
MACHINE = f"{ROOT}/machine"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")


def read(path: str) -> str:
    """The text of a file, or "" when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def write(path: str, text: str, mode: int = 0o644) -> None:
    """Replace a file atomically."""
    draft = f"{path}.new"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(draft, mode)
    os.rename(draft, path)


def run(*argv: str, stdin: str = "") -> tuple[int, str]:
    """Run a program to its end. Returns its status, and its stdout and stderr as one text."""
    out, write_end = os.pipe()
    take, give = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, take, 0),
        (os.POSIX_SPAWN_DUP2, write_end, 1),
        (os.POSIX_SPAWN_DUP2, write_end, 2),
    ]
    pid = os.posix_spawn(argv[0], argv, {"PATH": "/usr/bin:/bin"}, file_actions=actions)
    os.close(write_end)
    os.close(take)
    os.write(give, stdin.encode())
    os.close(give)
    said = b""
    while part := os.read(out, 65536):
        said += part
    os.close(out)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, said.decode(errors="replace")


def ip(*argv: str) -> tuple[int, str]:
    """The real `ip`, on IPv4."""
    return run(IP, "-4", *argv)


class Port:
    """One real interface, as the lab built it."""

    def __init__(self, fields: list[str]) -> None:
        self.device, self.kind, self.mac, addresses, self.gateway, self.metric = fields
        self.addresses = addresses.split()
        """Addresses that DHCP assigns, with prefix length."""


class Machine:
    """This machine, as the lab built it: lines of a key and its values, separated by tabs."""

    def __init__(self, text: str) -> None:
        lines = [line.split("\t") for line in text.splitlines()]
        self.ports = [Port(line[1:]) for line in lines if line[0] == "port"]
        self.peers = [line[1:] for line in lines if line[0] == "peer"]
        self.values = {line[0]: line[1] for line in lines if len(line) == 2}


def machine() -> Machine:
    return Machine(read(MACHINE))


def seconds_up() -> float:
    return float(read(f"{PROC}/uptime").split()[0])


def prefix_of(mask: str) -> int | None:
    """24 for 255.255.255.0 or 0xffffff00; None if ``mask`` is not a mask."""
    try:
        number = int(mask, 16) if mask.startswith("0x") else number_of(mask)
    except ValueError:
        return None
    ones = bin(number).count("1")
    return ones if number == mask_number(ones) else None


def mask_number(prefix: int) -> int:
    return (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF


def mask_of(prefix: int) -> str:
    return dotted(mask_number(prefix))


def number_of(address: str) -> int:
    """:raises ValueError: it is no IPv4 address."""
    parts = address.split(".")
    if len(parts) != 4:
        raise ValueError(address)
    number = 0
    for part in parts:
        if not part.isdigit() or int(part) > 255:
            raise ValueError(address)
        number = number << 8 | int(part)
    return number


def dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def network_of(address: str, prefix: int) -> str:
    return dotted(number_of(address) & mask_number(prefix))


def broadcast_of(address: str, prefix: int) -> str:
    return dotted(number_of(address) | ~mask_number(prefix) & 0xFFFFFFFF)
