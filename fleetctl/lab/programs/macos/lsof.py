"""lsof(8) for TCP sockets: shows those of the caller's own processes."""

from __future__ import annotations

from ..node import complain, say
from . import sockets
from .processes import Process, account


def main(argv: list[str], _name: str) -> int:
    ports: set[int] = set()
    states: set[str] = set()
    addresses: set[str] = set()
    pids: set[int] = set()
    fields: str | None = None
    terse = False
    words = iter(argv)
    for word in words:
        if word.startswith("-i"):
            spec = word[2:] or ""
            if not _internet(spec, ports, addresses):
                complain(f"lsof: unacceptable internet protocol specification: {word}")
                return 1
        elif word.startswith("-s"):
            value = word[2:] or next(words, "")
            states |= set(value.partition(":")[2].upper().split(","))
        elif word.startswith("-F"):
            fields = word[2:] or "pcfn"
        elif word.startswith("-p"):
            value = word[2:] or next(words, "")
            pids |= {int(part) for part in value.split(",") if part.isdigit()}
        elif word == "-t":
            terse = True
        elif word.startswith("-") and not set(word[1:]) - set("nPalwtbO"):
            terse |= "t" in word
        elif word.startswith("+c"):
            continue
        else:
            complain(f"lsof: illegal option: {word}")
            return 1
    return _list(ports, states, addresses, pids, fields, terse)


def _internet(spec: str, ports: set[int], addresses: set[str]) -> bool:
    """The part after -i: [46][protocol][@host][:ports]. Returns whether TCP is asked for."""
    spec = spec.lstrip("46")
    head, colon, service = spec.partition(":")
    protocol, at, host = head.partition("@")
    if protocol and protocol.upper() not in ("TCP", "UDP"):
        return False
    if at:
        addresses.add(host)
    for part in service.split(",") if colon else ():
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            return False
        ports.update(range(int(first), int(last or first) + 1))
    if protocol.upper() == "UDP":
        ports.add(-1)
    return True


def _list(
    ports: set[int],
    states: set[str],
    addresses: set[str],
    pids: set[int],
    fields: str | None,
    terse: bool,
) -> int:
    holders = sockets.holders()
    rows: dict[int, list[tuple[str, sockets.Socket]]] = {}
    for one in sockets.tcp():
        if ports and not ports & {one.local[1], one.remote[1]}:
            continue
        if states and one.state not in states:
            continue
        if addresses and not addresses & {one.local[0], one.remote[0]}:
            continue
        for pid, fd in holders.get(one.inode, ()):
            if not pids or pid in pids:
                rows.setdefault(pid, []).append((fd, one))
    if fields is None and not terse and rows:
        say(
            f"{'COMMAND':9} {'PID':>5} {'USER':>8} {'FD':>4}  TYPE {'DEVICE':>18} "
            "SIZE/OFF NODE NAME"
        )
    for pid in sorted(rows):
        if terse:
            say(str(pid))
            continue
        _show(pid, sorted(rows[pid], key=lambda row: int(row[0])), fields)
    return 0 if rows else 1


def _show(pid: int, held: list[tuple[str, sockets.Socket]], fields: str | None) -> None:
    try:
        process = Process(pid)
    except OSError:  # it has just ended
        return
    user = account(process.uid)
    if fields is not None:
        say(f"p{pid}")
        for letter, value in (
            ("g", process.pgid),
            ("R", process.ppid),
            ("c", process.name),
            ("u", process.uid),
            ("L", user),
        ):
            if letter in fields:
                say(f"{letter}{value}")
    for fd, one in held:
        kind = "IPv4" if one.family == "4" else "IPv6"
        name = _name(one)
        if fields is None:
            command = process.name.replace(" ", "\\x20")[:9]
            say(
                f"{command:9} {pid:>5} {user:>8} {fd + 'u':>5} {kind:>5} {int(one.inode):#18x} "
                f"{'0t0':>8} {'TCP':>4} {name} ({one.state})"
            )
            continue
        say(f"f{fd}")
        for letter, value in (("t", kind), ("P", "TCP"), ("n", name)):
            if letter in fields:
                say(f"{letter}{value}")
        if "T" in fields:
            say(f"TST={one.state}")


def _name(one: sockets.Socket) -> str:
    local = _end(one.local)
    return local if one.state == "LISTEN" else f"{local}->{_end(one.remote)}"


def _end(end: tuple[str, int]) -> str:
    address, port = end
    shown = "*" if address in ("0.0.0.0", "::") else f"[{address}]" if ":" in address else address
    return f"{shown}:{port}"
