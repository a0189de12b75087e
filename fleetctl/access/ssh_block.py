"""A fleet's block in ``~/.ssh/config`` (ssh_config(5)): plain ``ssh mini1`` works as well. Pure.

ssh takes the first value that it finds. So the block stands at the top of the file, and ends with
``Host *``: what follows it counts for all hosts, as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from fleetctl.errors import FleetctlError


class Host(Struct, frozen=True):
    """A node's entry. What is left empty is not written."""

    name: str
    host_name: str = ""
    user: str = ""
    port: int | None = None
    identity_file: str = ""
    known_hosts: str = ""
    proxy_jump: str = ""

    def lines(self) -> Iterable[str]:
        """
        :raises FleetctlError: a value cannot be written into that file.
        """
        yield f"Host {self.name}"
        values: Mapping[str, str] = {
            "HostName": self.host_name,
            "User": self.user,
            "Port": str(self.port or ""),
            "IdentityFile": _path(self.identity_file),
            "IdentitiesOnly": "yes" if self.identity_file else "",
            "UserKnownHostsFile": _path(self.known_hosts),
            "ProxyJump": self.proxy_jump,
        }
        for directive, value in values.items():
            if value:
                yield f"    {directive} {value}"


def _path(path: str) -> str:
    if any(c in path for c in '"\\$\n'):
        raise FleetctlError(f"the path {path} cannot be written into ~/.ssh/config")
    path = path.replace("%", "%%")
    return f'"{path}"' if " " in path else path


def _first(fleet: str) -> str:
    return f"# >>> fleetctl: {fleet} >>> written by `fleetctl keys --ssh-config`, and again by it"


def _last(fleet: str) -> str:
    return f"# <<< fleetctl: {fleet} <<<"


def block(fleet: str, hosts: Sequence[Host]) -> str:
    """The block, with its first and last line.

    :raises FleetctlError: a value cannot be written into that file.
    """
    entries = ["\n".join(host.lines()) for host in hosts]
    return "\n\n".join([_first(fleet), *entries, f"Host *\n{_last(fleet)}\n"])


def put_in(config: bytes, fleet: str, written: str) -> bytes:
    """``config`` with the block of ``fleet`` as ``written``: in the place of the one that is there,
    else before everything. Every other byte stays.

    :raises FleetctlError: the first or last line of the block that is there is missing, or twice.
    """
    lines = config.splitlines(keepends=True)
    begins = [n for n, line in enumerate(lines) if line.startswith(_mark(_first(fleet), ">>>"))]
    ends = [n for n, line in enumerate(lines) if line.startswith(_mark(_last(fleet), "<<<"))]
    if not begins and not ends:
        return written.encode() + (b"\n" if config else b"") + config
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        numbers = " and ".join(str(n + 1) for n in sorted(begins + ends))
        raise FleetctlError(
            f"the block of {fleet} in ~/.ssh/config has not one beginning and one end, but line "
            f"{numbers}",
            hint="Remove these lines, and what belongs to them.",
        )
    before, after = lines[: begins[0]], lines[ends[0] + 1 :]
    return b"".join([*before, written.encode(), *after])


def _mark(line: str, sign: str) -> bytes:
    """What the line is found by, whatever is said behind it."""
    return line[: line.rindex(sign) + len(sign)].encode()


def others(config: bytes, names: Iterable[str], fleet: str) -> dict[str, int]:
    """By name: the line of an entry for it outside of the block of ``fleet``."""
    wanted = set(names)
    found: dict[str, int] = {}
    inside = False
    for number, line in enumerate(config.decode("utf-8", "replace").splitlines(), 1):
        if line.encode().startswith(_mark(_first(fleet), ">>>")):
            inside = True
        elif line.encode().startswith(_mark(_last(fleet), "<<<")):
            inside = False
        words = line.replace("=", " ").split()
        if not inside and words and words[0].lower() == "host":
            for name in wanted.intersection(words[1:]):
                found.setdefault(name, number)
    return found
