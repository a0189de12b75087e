"""Whether a node forwards packets, now and after a boot; also rp_filter, and SSH's own address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.patterns import pattern
from fleetctl.probes.parsers.address import ipv4, ipv6
from fleetctl.probes.probe import Ask, Probe, Told

# dash reads byte by byte, and these files then give only their first byte: a digit, which is
# enough. `read` fails without the end of the line, which does not matter.
_NOW_LINUX = """read -r f </proc/sys/net/ipv4/ip_forward; echo "ip_forward $f"
for d in /proc/sys/net/ipv4/conf/*; do read -r f <"$d/rp_filter"; echo "rp_filter ${d##*/} $f"; done
echo "ssh $SSH_CONNECTION"
case $SSH_CONNECTION in *:*) cat /proc/net/if_inet6 ;; esac
"""
# Debian's systemd-sysctl reads these folders at boot, and no /etc/sysctl.conf unless 99-sysctl.conf
# leads to it (sysctl.d(5)).
_BOOT_LINUX = """\
grep -EHs '^ *-?net[./]ipv4[./](ip_forward|conf[./]all[./]forwarding) *=' \
/etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf
"""
_SETTING = pattern(
    r"^/\S+\.conf: *-?net[./]ipv4[./](?:ip_forward|conf[./]all[./]forwarding) *=.*$", re.M
)
_NOW_MACOS = """echo "ip_forward $(sysctl -n net.inet.ip.forwarding)"
echo "ssh $SSH_CONNECTION"
case $SSH_CONNECTION in *:*) ifconfig ;; esac
"""
# A LaunchDaemon, since /etc/sysctl.conf was reported as ignored (docs/operating-systems.md,
# "Forwarding").
_BOOT_MACOS = """for f in $(grep -ls 'net.inet.ip.forwarding' /Library/LaunchDaemons/*.plist); do
echo "plist $f"; cat "$f"; echo; done
"""


class Forwarding(Struct, frozen=True):
    """The settings, as far as they are known."""

    now: bool | None
    why_not_known: str
    persistent: bool | None
    persistence: str
    strict_filters: tuple[str, ...]
    ssh_address: IPv4Address | None
    ssh_interface: str | None


def _linux(questions: Questions) -> str:
    return f"{_NOW_LINUX}{_BOOT_LINUX if questions.forwards else ''}true"


def _macos(questions: Questions) -> str:
    return f"{_NOW_MACOS}{_BOOT_MACOS if questions.forwards else ''}true"


def _read_linux(told: Told) -> Forwarding:
    return _read(told, _persistent_on_linux)


def _read_macos(told: Told) -> Forwarding:
    return _read(told, _persistent_on_macos)


def _read(told: Told, read_persistence: Callable[[str], tuple[bool, str]]) -> Forwarding:
    text = told.answer.text
    match = re.search(r"^ip_forward ([0-9])$", text, re.M)
    said = text.strip().splitlines()
    persistent, persistence = read_persistence(text)
    return Forwarding(
        now=None if match is None else match[1] != "0",
        why_not_known=said[0][:200] if said else "no output",
        persistent=persistent if told.questions.forwards else None,
        persistence=persistence,
        strict_filters=_strict_filters(text),
        ssh_address=ipv4(_own_end(text)),
        ssh_interface=_ssh_interface(_own_end(text), text),
    )


def _into(facts: NodeFacts, found: Forwarding) -> NodeFacts:
    network = replace(
        facts.network,
        forwarding=found.now,
        forwarding_persistent=found.persistent,
        persistence=found.persistence,
        strict_filters=found.strict_filters,
        ssh_address=found.ssh_address,
        ssh_interface=found.ssh_interface,
    )
    unknown = {} if found.now is not None else {"forwarding": found.why_not_known}
    return replace(facts, network=network, unknown={**facts.unknown, **unknown})


def _own_end(text: str) -> str:
    """SSH_CONNECTION: client address, client port, server address, server port (ssh(1))."""
    match = re.search(r"^ssh \S+ \S+ (\S+) \S+$", text, re.M)
    return match[1] if match else ""


def _ssh_interface(address: str, text: str) -> str | None:
    """The interface that has an IPv6 ``address``, which names it itself if it is link-local."""
    own = ipv6(address)
    if own is None:
        return None
    if zone := address.partition("%")[2]:
        return zone
    return next((name for other, name in _ipv6_addresses(text) if other == own), None)


def _ipv6_addresses(text: str) -> Iterator[tuple[str, str]]:
    """Each address with its interface, from /proc/net/if_inet6 (32 hexadecimal digits, four
    numbers, the name) or from ifconfig(8)."""
    name = ""
    for line in text.splitlines():
        if kernel := re.fullmatch(r"([0-9a-f]{32})(?: +[0-9a-f]+){4} +(\S+)", line):
            yield str(IPv6Address(int(kernel[1], 16))), kernel[2]
        elif begin := re.match(r"(\S+): flags=", line):
            name = begin[1]
        elif (told := re.match(r"\s+inet6 (\S+)", line)) and (address := ipv6(told[1])):
            yield address, name


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
    for line in _SETTING.findall(text):
        path, _, setting = line.partition(":")
        folder, _, name = path.rpartition("/")
        settings.setdefault(name, []).append((folder, setting.strip().lstrip("-")))
    value, where = False, ""
    for name in sorted(settings):
        folder = settings[name][0][0]  # grep was given the folders in order of precedence
        for place, setting in settings[name]:
            if place == folder:
                value = setting.partition("=")[2].strip() not in ("0", "")
                where = f"{folder}/{name}: {setting}"
    return value, where


def _persistent_on_macos(text: str) -> tuple[bool, str]:
    import plistlib  # slow to import, and needed only for gateways that are Macs

    for part in re.split(r"^plist (?=/)", text, flags=re.M)[1:]:
        path, _, content = part.partition("\n")
        end = content.find("</plist>")
        try:
            plist = plistlib.loads(content[: end + len("</plist>")].encode())
            words = " ".join(map(str, plist.get("ProgramArguments", ())))
            runs = bool(plist.get("RunAtLoad")) and not plist.get("Disabled")
        except Exception:  # noqa: BLE001 - the file may contain anything
            continue
        if re.search(r"net\.inet\.ip\.forwarding\s*=\s*1\b", words) and runs:
            return True, f"{path}: {words}"
    return False, ""


PROBE = Probe(
    name="forwarding",
    when="status",
    on={"linux": Ask(_linux, _read_linux), "macos": Ask(_macos, _read_macos)},
    into=_into,
)
