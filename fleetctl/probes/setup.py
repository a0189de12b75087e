"""How a node's network is set up after its next boot: asked by a check, and before a repair."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from fleetctl.model.facts import CUT_OFF, NOT_SUPPORTED
from fleetctl.model.setup import (
    DAEMON_FILE,
    SYSCTL_FILE,
    InterfaceSetup,
    NetworkService,
    NetworkSetup,
    Profile,
    ProfileRoute,
    ServiceRoute,
)
from fleetctl.model.topology import OS
from fleetctl.probes.parsers import address, dhcpcd_conf, interfaces_file, networkd
from fleetctl.probes.parsers.dhcpcd_conf import parse_dhcpcd
from fleetctl.probes.parsers.interfaces_file import parse_interfaces
from fleetctl.probes.parsers.networkd import parse_network_file
from fleetctl.probes.parsers.networksetup import (
    parse_additional_routes,
    parse_service_info,
    parse_service_order,
)
from fleetctl.probes.parsers.nmcli import parse_connections, parse_properties, split_terse
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.pmset import parse_pmset
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.script import Answer, Script, Texts, compose, read

_PROPERTIES = (
    "connection.interface-name,connection.autoconnect,connection.autoconnect-priority,"
    "ipv4.method,ipv4.addresses,ipv4.routes,ipv4.never-default,ipv4.gateway"
)
PROFILES_LINUX = f"""command -v nmcli >/dev/null || exit 0
known=$(nmcli -t -f NAME,UUID,TYPE,DEVICE connection show); echo "$known"
for id in $(nmcli -t -f UUID connection show); do
printf '\\036profile %s\\n' "$id"
nmcli -t -f {_PROPERTIES} connection show "$id"
case $(printf '%s\\n' "$known" | grep -F ":$id:") in *:$id:*wireless:*)
nmcli -t -f 802-11-wireless.powersave connection show "$id";; esac
done
printf '\\036files\\n'; nmcli -t -f UUID,FILENAME connection show
printf '\\036devices\\n'; nmcli -t -f DEVICE,STATE,TYPE device"""
# networkd names the file that it took for an interface in its public state (sd-network, links).
MANAGERS_LINUX = """for d in /sys/class/net/*; do
read -r n <"$d/ifindex" && [ -r "/run/systemd/netif/links/$n" ] || continue
file= state=
while IFS== read -r key value; do case $key in
NETWORK_FILE) file=$value;; ADMIN_STATE) state=$value;; esac; done <"/run/systemd/netif/links/$n"
[ -n "$file" ] && [ "$state" != unmanaged ] || continue
mine=/etc/systemd/network/05-fleetctl-${d##*/}.network; [ ! -e "$mine" ] || file=$mine
printf '\\036networkd %s %s\\n' "${d##*/}" "$file"; cat "$file"
for part in /usr/lib /run /etc; do
for part in "$part/systemd/network/${file##*/}.d"/*.conf; do [ ! -e "$part" ] || cat "$part"; done
done
for part in "$mine" "/etc/systemd/network/${file##*/}.d/fleetctl.conf"; do [ ! -e "$part" ] || {
printf '\\036own %s\\n' "$part"; cat "$part"; }
done; done
for pid in /run/dhcpcd.pid /run/dhcpcd/pid /run/dhcpcd-*.pid; do [ -e "$pid" ] || continue
printf '\\036dhcpcd\\n'; cat /etc/dhcpcd.conf; break; done
if [ -e /sbin/ifup ] || [ -e /usr/sbin/ifup ]; then printf '\\036ifupdown\\n'
cat /etc/network/interfaces
for part in /etc/network/interfaces.d/*; do [ ! -f "$part" ] || cat "$part"; done
for part in /etc/network/interfaces.d/fleetctl-*; do [ ! -f "$part" ] || {
printf '\\036own %s\\n' "$part"; cat "$part"; }
done; fi
for d in /sys/class/net/*; do printf '\\036interface %s\\n' "${d##*/}"; done"""
# Names of services may contain anything except a newline, so they are read line by line.
SERVICES_MACOS = """networksetup -listnetworkserviceorder
networksetup -listallnetworkservices | sed 1d | sed 's/^\\*//' | while IFS= read -r name; do
printf '\\036info %s\\n' "$name"; networksetup -getinfo "$name" </dev/null
printf '\\036routes %s\\n' "$name"; networksetup -getadditionalroutes "$name" </dev/null
done"""
_ABSENT = "absent"


def _file(path: str) -> str:
    return f"if [ -e {path} ]; then echo present; cat {path}; else echo {_ABSENT}; fi"


TEXTS: Mapping[OS, Texts] = {
    "linux": Texts(
        {
            "connections": PROFILES_LINUX,
            "managers": MANAGERS_LINUX,
            "boot": _file(SYSCTL_FILE),
        }
    ),
    "macos": Texts(
        {"connections": SERVICES_MACOS, "boot": _file(DAEMON_FILE), "power": "pmset -g"}
    ),
}


def setup_script() -> Script:
    """The script that asks for a node's setup, on any supported system."""
    return compose(TEXTS)


def read_setup(script: Script, output: str) -> NetworkSetup:
    """The setup in the script's output; never raises, whatever that is."""
    answers = read(script, output)
    match answers.machine.known_os:
        case "linux":
            return _linux(answers.by_name)
        case "macos":
            return _macos(answers.by_name)
        case None:
            why = f"{NOT_SUPPORTED}: {answers.machine.os}" if answers.machine.os else CUT_OFF
            fields = ("profiles", "services", "sysctl", "daemon")
            return NetworkSetup(unknown=dict.fromkeys(fields, why))


def _linux(answers: Mapping[str, Answer]) -> NetworkSetup:
    setup = _with_file(NetworkSetup(), "sysctl", answers.get("boot"))
    managers, said = answers.get("managers"), answers.get("connections")
    if managers is None or said is None:
        return _unknown(setup, "profiles", CUT_OFF)
    return with_profiles(with_managers(setup, managers.text), said.text)


def with_profiles(setup: NetworkSetup, text: str) -> NetworkSetup:
    """``setup`` with NetworkManager's profiles, as :data:`PROFILES_LINUX` prints them."""
    text, _, states = text.partition("\x1edevices\n")
    text, _, files = text.partition("\x1efiles\n")
    listed, *parts = text.split("\x1eprofile ")
    if not listed.strip():
        return _unknown(setup, "profiles", "there is no NetworkManager")
    rows = parse_connections(listed)
    if isinstance(rows, Unparsed):
        return _unknown(setup, "profiles", _why(rows))
    details = dict(_parts(parts))
    made = dict(_pairs(files))
    profiles = []
    for row in rows:
        properties = parse_properties(details.get(row.uuid, ""))
        if isinstance(properties, Unparsed):
            return _unknown(setup, "profiles", f"{row.name}: {_why(properties)}")
        profiles.append(
            Profile(
                uuid=row.uuid,
                name=row.name,
                device=row.device,
                bound_to=properties.get("connection.interface-name"),
                autoconnect=properties.get("connection.autoconnect") not in ("no", "false"),
                priority=_priority(properties.get("connection.autoconnect-priority")),
                method=properties.get("ipv4.method"),
                addresses=tuple(_items(properties.get("ipv4.addresses"))),
                routes=tuple(_routes(properties.get("ipv4.routes"))),
                never_default=properties.get("ipv4.never-default") in ("yes", "true"),
                gateway=address.ipv4(properties.get("ipv4.gateway")),
                volatile=_volatile(made.get(row.uuid, "")),
                power_save=_number(properties.get("802-11-wireless.powersave")),
            )
        )
    devices = [(*row, "", "")[:3] for row in map(split_terse, states.splitlines()) if row[0]]
    return replace(
        setup,
        profiles=tuple(profiles),
        devices={row[0]: row[1] for row in devices},
        types={row[0]: row[2] for row in devices},
    )


def with_managers(setup: NetworkSetup, text: str) -> NetworkSetup:
    """``setup`` with what others than NetworkManager set up, as :data:`MANAGERS_LINUX` prints it.

    networkd says which interfaces are its own. ifupdown has those that it names, dhcpcd the others.
    """
    found: dict[str, InterfaceSetup] = {}
    dhcpcd: str | None = None
    frames = [*_parts(text.split("\x1e")[1:])]
    written = {head.removeprefix("own "): said for head, said in frames if head.startswith("own ")}
    for head, said in frames:
        kind, _, about = head.partition(" ")
        name, _, file = about.partition(" ")
        failed = re.search(r"^cat: .*", said, re.M)
        if kind == "networkd":
            base = replace(
                parse_network_file(said, name, file), unknown=failed[0] if failed else ""
            )
            found[name] = replace(base, own=networkd.own_file(base, said, written))
        elif kind == "ifupdown":
            for base in parse_interfaces(said).values():
                own = interfaces_file.own_file(base, said, written)
                found.setdefault(base.interface, replace(base, own=own))
        elif kind == "dhcpcd":
            dhcpcd = said
        elif (
            kind == "interface"
            and dhcpcd is not None
            and name not in (*found, "lo")
            and (told := parse_dhcpcd(dhcpcd, name))
        ):
            found[name] = replace(told, own=dhcpcd_conf.own_file(dhcpcd, name))
    return replace(setup, interfaces=found)


def _macos(answers: Mapping[str, Answer]) -> NetworkSetup:
    setup = _with_file(NetworkSetup(), "daemon", answers.get("boot"))
    if "power" in answers:
        power = parse_pmset(answers["power"].text)
        if not isinstance(power, Unparsed):
            setup = replace(
                setup,
                sleep_minutes=power.set_sleep_minutes,
                disk_sleep_minutes=power.disk_sleep_minutes,
            )
    said = answers.get("connections")
    if said is None:
        return _unknown(setup, "services", "the node's answer was cut off")
    return with_services(setup, said.text)


def with_services(setup: NetworkSetup, text: str) -> NetworkSetup:
    """``setup`` with the network services, as :data:`SERVICES_MACOS` prints them."""
    listed, *parts = re.split(r"^\x1e", text, flags=re.M)
    rows = parse_service_order(listed)
    if isinstance(rows, Unparsed):
        return _unknown(setup, "services", _why(rows))
    details = dict(_parts(parts))
    services = []
    for row in rows:
        service = NetworkService(row.name, row.enabled, row.device, port=row.port)
        info = parse_service_info(details.get(f"info {row.name}", ""))
        if not isinstance(info, Unparsed):
            service = replace(
                service,
                method=info.method,
                address=info.address,
                mask=info.mask,
                router=info.router,
            )
        routes = parse_additional_routes(details.get(f"routes {row.name}", ""))
        if not isinstance(routes, Unparsed):
            service = replace(service, routes=tuple(ServiceRoute(r.to, r.via) for r in routes))
        services.append(service)
    return replace(setup, services=tuple(services))


def _with_file(setup: NetworkSetup, field: str, answer: Answer | None) -> NetworkSetup:
    head, _, text = answer.text.partition("\n") if answer else ("", "", "")
    if answer is None or head not in (_ABSENT, "present") or answer.exit_status != 0:
        return _unknown(setup, field, _last_line(text) or "the node's answer was cut off")
    # the framing removed the file's last newline
    return setup if head == _ABSENT else replace(setup, **{field: text + "\n" if text else ""})


def _unknown(setup: NetworkSetup, field: str, why: str) -> NetworkSetup:
    return replace(setup, unknown={**setup.unknown, field: why})


def _parts(parts: list[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        head, _, text = part.partition("\n")
        yield head, text


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """``nmcli -t`` with two fields."""
    for line in text.splitlines():
        match split_terse(line):
            case [key, value]:
                yield key, value


def _volatile(file: str) -> bool:
    """netplan's profiles are in /run, too, and made anew at each boot."""
    return file.startswith("/run/") and "/netplan-" not in file


def _items(text: str | None) -> list[str]:
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def _routes(text: str | None) -> Iterator[ProfileRoute]:
    """``10.10.0.0/24 192.168.50.1 [METRIC], …``."""
    for item in _items(text):
        to, _, rest = item.partition(" ")
        network = address.network(to)
        if network is not None:
            yield ProfileRoute(network, address.ipv4(rest.split(" ")[0] or None), item)


def _number(text: str | None) -> int | None:
    """The number in ``3 (enable)``."""
    return whole((text or "").split(" ")[0])


def _priority(text: str | None) -> int:
    size = whole((text or "").removeprefix("-")) or 0
    return -size if (text or "").startswith("-") else size


def _why(unread: Unparsed) -> str:
    """The tool's error message, if there is one."""
    lines = unread.text.strip().splitlines()
    complaint = next((line for line in lines if "Error:" in line), "")
    return complaint[:200] or _last_line(unread.text) or unread.reason


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else ""
