"""``uname -a`` and ``uname -sm``."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_SYSTEMS = frozenset({"Darwin", "Linux", "FreeBSD"})
_MACHINES = frozenset(
    ("arm64", "aarch64", "armv7l", "armv6l", "armv8l", "x86_64", "i386", "i686", "amd64", "riscv64")
)


class Uname(Struct, frozen=True):
    """The kernel's name and the machine."""

    system: str
    """``Darwin`` or ``Linux``."""
    machine: str | None
    """A shell under Rosetta says x86_64 on Apple silicon."""
    node: str | None = None
    release: str | None = None


def parse_uname(text: str) -> Uname | Unparsed:
    """The first line in ``text`` that begins with the name of a system."""
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] not in _SYSTEMS:
            continue
        # Linux -a ends in "GNU/Linux", older coreutils repeat the machine before it.
        machine = next((word for word in reversed(words) if word in _MACHINES), None)
        if len(words) <= 2:
            return Uname(words[0], machine)
        return Uname(words[0], machine, node=words[1], release=words[2])
    return unparsed(text)
