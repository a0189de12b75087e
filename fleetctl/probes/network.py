"""A node's own network: interfaces, routes, ways taken, neighbours, forwarding."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Protocol, TypeVar

from fleetctl.model.facts import CUT_OFF, NetworkFacts
from fleetctl.model.network import Interface, Neighbour, Route, RouteTaken
from fleetctl.model.questions import Questions
from fleetctl.probes.parsers.address import ipv4
from fleetctl.probes.parsers.arp import parse_arp
from fleetctl.probes.parsers.ifconfig import parse_ifconfig
from fleetctl.probes.parsers.ip_addr import parse_ip_addr
from fleetctl.probes.parsers.ip_neigh import parse_ip_neigh
from fleetctl.probes.parsers.ip_route import parse_ip_route
from fleetctl.probes.parsers.ip_route_get import parse_ip_route_get
from fleetctl.probes.parsers.netstat_routes import parse_netstat_routes, routes
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.route_get import parse_route_get
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.probe import Answer, Probe

_T = TypeVar("_T")


class _Way(Protocol):
    """What the parsers of both systems make of an answer to "which way"."""

    def taken(self, asked: IPv4Address) -> RouteTaken: ...


# One process answers everything on Linux. `-force` goes on after a command that fails, which then
# prints no JSON but "Command failed -:LINE" (iproute2's ip.c, do_batch).
_LINUX_HEAD = ("addr show", "route show table main", "neigh show")

# dash reads byte by byte, and these files tell only their first byte then: one digit is enough,
# and `read`, which misses the end of the line, fails.
_FORWARD_LINUX = """read -r f </proc/sys/net/ipv4/ip_forward; echo "ip_forward $f"
for d in /proc/sys/net/ipv4/conf/*; do read -r f <"$d/rp_filter"; echo "rp_filter ${d##*/} $f"; done
echo "ssh $SSH_CONNECTION"
"""
# Debian's systemd-sysctl reads these folders at boot, and no /etc/sysctl.conf unless 99-sysctl.conf
# leads to it (sysctl.d(5)).
_BOOT_LINUX = """\
grep -EHs '^ *-?net[./]ipv4[./](ip_forward|conf[./]all[./]forwarding) *=' \
/etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf
"""
_SETTING = re.compile(
    r"^/\S+\.conf: *-?net[./]ipv4[./](?:ip_forward|conf[./]all[./]forwarding) *=.*$", re.M
)
_FORWARD_MACOS = """echo "ip_forward $(sysctl -n net.inet.ip.forwarding)"
echo "ssh $SSH_CONNECTION"
"""
# /etc/sysctl.conf was reported as ignored; a LaunchDaemon is what works
# (docs/operating-systems.md, "Forwarding").
_BOOT_MACOS = """for f in $(grep -ls 'net.inet.ip.forwarding' /Library/LaunchDaemons/*.plist); do
echo "plist $f"; cat "$f"; echo; done
"""


def network_probes(questions: Questions) -> tuple[Probe, ...]:
    """The probes whose answers :func:`read_network` understands."""
    ways = questions.ways
    batch = "\n".join([*_LINUX_HEAD, *(f"route get {address}" for address in ways)])
    macos_ways = "".join(f"echo 'way {address}'; route -n get {address} 2>&1\n" for address in ways)
    return (
        Probe(
            name="interfaces",
            linux=f"ip -j -force -batch - <<'EOF'\n{batch}\nEOF",
            macos="ifconfig",
        ),
        Probe(name="routes", linux="", macos="netstat -rn -f inet"),
        Probe(name="ways", linux="", macos=macos_ways),
        Probe(name="neighbours", linux="", macos="arp -an"),
        Probe(
            name="forwarding",
            linux=_FORWARD_LINUX + (_BOOT_LINUX if questions.forwards else "") + "true",
            macos=_FORWARD_MACOS + (_BOOT_MACOS if questions.forwards else "") + "true",
        ),
    )


def read_network(
    os: str, questions: Questions, answers: Mapping[str, Answer]
) -> tuple[NetworkFacts, dict[str, str]]:
    """The facts in the probes' answers, and for what is missing the reason."""
    reader = _Reader(questions, answers)
    read = reader.macos if os == "macos" else reader.linux
    return read(), reader.unknown


class _Reader:
    def __init__(self, questions: Questions, answers: Mapping[str, Answer]) -> None:
        self._questions = questions
        self._answers = answers
        self.unknown: dict[str, str] = {}

    def _text(self, name: str) -> str | None:
        answer = self._answers.get(name)
        if answer is None:
            self.unknown[name] = CUT_OFF
            return None
        return answer.text

    def _known(self, name: str, parsed: _T | Unparsed) -> _T | None:
        if not isinstance(parsed, Unparsed):
            return parsed
        lines = parsed.text.strip().splitlines()
        self.unknown[name] = lines[-1][:200] if lines else parsed.reason
        return None

    def linux(self) -> NetworkFacts:
        interfaces: tuple[Interface, ...] | None = None
        table: tuple[Route, ...] | None = None
        neighbours: tuple[Neighbour, ...] | None = None
        taken: dict[IPv4Address, RouteTaken] = {}
        text = self._text("interfaces")
        if text is not None:
            parts = dict(_batch(text, len(_LINUX_HEAD) + len(self._questions.ways)))
            interfaces = self._known("interfaces", parse_ip_addr(parts[0]))
            table = self._known("routes", parse_ip_route(parts[1]))
            neighbours = self._known("neighbours", parse_ip_neigh(parts[2]))
            for line, address in enumerate(self._questions.ways, len(_LINUX_HEAD)):
                self._take(taken, address, parse_ip_route_get(parts[line]))
        return self._facts(interfaces, table, taken, neighbours, _persistent_on_linux)

    def macos(self) -> NetworkFacts:
        texts = {name: self._text(name) for name in ("interfaces", "routes", "ways", "neighbours")}
        interfaces, table, neighbours = None, None, None
        taken: dict[IPv4Address, RouteTaken] = {}
        if (text := texts["interfaces"]) is not None:
            interfaces = self._known("interfaces", parse_ifconfig(text))
        if (text := texts["routes"]) is not None:
            rows = self._known("routes", parse_netstat_routes(text))
            table = None if rows is None else routes(rows)
        if (text := texts["neighbours"]) is not None:
            neighbours = self._known("neighbours", parse_arp(text))
        for part in re.split(r"^way (?=[0-9.]+$)", texts["ways"] or "", flags=re.M)[1:]:
            address, _, said = part.partition("\n")
            if (way := ipv4(address)) is not None:
                self._take(taken, way, parse_route_get(said))
        return self._facts(interfaces, table, taken, neighbours, _persistent_on_macos)

    def _facts(
        self,
        interfaces: tuple[Interface, ...] | None,
        table: tuple[Route, ...] | None,
        taken: Mapping[IPv4Address, RouteTaken],
        neighbours: tuple[Neighbour, ...] | None,
        read_persistence: Callable[[str], tuple[bool, str]],
    ) -> NetworkFacts:
        text = self._text("forwarding") or ""
        persistent, persistence = read_persistence(text)
        return NetworkFacts(
            interfaces=interfaces,
            routes=table,
            taken=taken,
            neighbours=neighbours,
            forwarding=self._forwarding(text),
            forwarding_persistent=persistent if self._questions.forwards else None,
            persistence=persistence,
            strict_filters=_strict_filters(text),
            ssh_address=_ssh_address(text),
        )

    def _take(
        self,
        taken: dict[IPv4Address, RouteTaken],
        address: IPv4Address,
        parsed: _Way | Unparsed,
    ) -> None:
        if (way := self._known(f"way to {address}", parsed)) is not None:
            taken[address] = way.taken(address)

    def _forwarding(self, text: str) -> bool | None:
        match = re.search(r"^ip_forward ([0-9])$", text, re.M)
        if match is None:
            said = text.strip().splitlines()
            self.unknown.setdefault("forwarding", said[0][:200] if said else "no output")
        return None if match is None else match[1] != "0"


def _batch(text: str, commands: int) -> Iterator[tuple[int, str]]:
    """What each command of an `ip -batch` printed, by its place; errors for the one that failed."""
    lines = text.splitlines()
    failed = {
        number - 1
        for line in lines
        if line.startswith("Command failed -:") and (number := whole(line[17:])) is not None
    }
    errors = "\n".join(line for line in lines if not line.startswith("[")) or "no output"
    said = (line for line in lines if line.startswith("["))
    for place in range(commands):
        yield place, errors if place in failed else next(said, errors)


def _ssh_address(text: str) -> IPv4Address | None:
    """SSH_CONNECTION: client address, client port, server address, server port (ssh(1))."""
    match = re.search(r"^ssh \S+ \S+ (\S+) \S+$", text, re.M)
    return ipv4(match[1]) if match else None


def _strict_filters(text: str) -> tuple[str, ...]:
    """The stricter of all's and the interface's own value counts (kernel, ip-sysctl.rst)."""
    values = dict(re.findall(r"^rp_filter (\S+) ([0-9])$", text, re.M))
    everywhere = int(values.pop("all", "0"))
    for name in ("default", "lo"):
        values.pop(name, None)
    return tuple(name for name, value in values.items() if max(everywhere, int(value)) == 1)


def _persistent_on_linux(text: str) -> tuple[bool, str]:
    """The last setting counts, in the order of the files' names; /etc hides the others."""
    settings: dict[str, list[tuple[str, str]]] = {}
    for line in re.findall(_SETTING, text):
        path, _, setting = line.partition(":")
        folder, _, name = path.rpartition("/")
        settings.setdefault(name, []).append((folder, setting.strip().lstrip("-")))
    value, where = False, ""
    for name in sorted(settings):
        folder = settings[name][0][0]  # grep was given the folders in the order of their rank
        for place, setting in settings[name]:
            if place == folder:
                value = setting.partition("=")[2].strip() not in ("0", "")
                where = f"{folder}/{name}: {setting}"
    return value, where


def _persistent_on_macos(text: str) -> tuple[bool, str]:
    import plistlib  # its XML parser is for gateways that are Macs alone

    for part in re.split(r"^plist (?=/)", text, flags=re.M)[1:]:
        path, _, content = part.partition("\n")
        end = content.find("</plist>")
        try:
            plist = plistlib.loads(content[: end + len("</plist>")].encode())
            words = " ".join(map(str, plist.get("ProgramArguments", ())))
            runs = bool(plist.get("RunAtLoad")) and not plist.get("Disabled")
        except Exception:  # noqa: BLE001 - whatever is in that file, it is not ours to trust
            continue
        if re.search(r"net\.inet\.ip\.forwarding\s*=\s*1\b", words) and runs:
            return True, f"{path}: {words}"
    return False, ""
