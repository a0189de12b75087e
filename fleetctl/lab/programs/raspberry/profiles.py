"""NetworkManager's connection profiles: keyfiles on the disk, and their effect on an interface.

Used by nmcli on the machine, and by the lab when it builds and boots the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..node import Port, broadcast_of, network_of

FOLDER = "/etc/NetworkManager/system-connections"
VOLATILE = "/run/NetworkManager/system-connections"
"""Of profiles that NetworkManager made by itself."""
ACTIVE = "/run/NetworkManager/active"
"""A line per device: its name and the UUID of its profile."""
TIMESTAMPS = "/var/lib/NetworkManager/timestamps"
"""When each profile was last brought up; of several for an interface, a boot takes the latest."""
Sections = dict[str, dict[str, str]]


class Profile:
    """One profile and the file it is in."""

    def __init__(self, file: str, sections: Sections) -> None:
        self.file = file
        self.sections = sections

    def get(self, section: str, key: str, otherwise: str = "") -> str:
        return self.sections.get(section, {}).get(key, otherwise)

    def put(self, section: str, key: str, value: str | None) -> None:
        """Set a value; None removes the key."""
        if value is None:
            self.sections.get(section, {}).pop(key, None)
        else:
            self.sections.setdefault(section, {})[key] = value

    def numbered(self, stem: str) -> list[str]:
        """``address1``, ``address2`` … of [ipv4]."""
        ipv4 = self.sections.get("ipv4", {})
        keys = [k for k in ipv4 if k.startswith(stem) and k[len(stem) :].isdigit()]
        return [ipv4[key] for key in sorted(keys, key=lambda k: int(k[len(stem) :]))]

    def put_numbered(self, stem: str, values: Iterable[str]) -> None:
        ipv4 = self.sections.setdefault("ipv4", {})
        for key in [k for k in ipv4 if k.startswith(stem) and k[len(stem) :].isdigit()]:
            del ipv4[key]
        for number, value in enumerate(values, 1):
            ipv4[f"{stem}{number}"] = value

    @property
    def id(self) -> str:
        return self.get("connection", "id")

    @property
    def uuid(self) -> str:
        return self.get("connection", "uuid")

    @property
    def type(self) -> str:
        """The type as nmcli shows it."""
        kind = self.get("connection", "type")
        return {"ethernet": "802-3-ethernet", "wifi": "802-11-wireless"}.get(kind, kind)

    @property
    def device(self) -> str:
        return self.get("connection", "interface-name")

    @property
    def autoconnect(self) -> bool:
        return self.get("connection", "autoconnect", "true") != "false"

    @property
    def addresses(self) -> list[str]:
        return [value.partition(",")[0] for value in self.numbered("address")]

    @property
    def gateway(self) -> str:
        given = self.get("ipv4", "gateway")
        return given or next(
            (v.partition(",")[2] for v in self.numbered("address") if "," in v), ""
        )

    @property
    def routes(self) -> list[tuple[str, str, str]]:
        """Network, gateway and metric of each; the last two may be empty."""
        found = []
        for value in self.numbered("route"):
            network, gateway, metric, *_ = [*value.split(","), "", ""]
            found.append((network, gateway, metric))
        return found

    @property
    def never_default(self) -> bool:
        return self.get("ipv4", "never-default", "false") == "true"

    @property
    def text(self) -> str:
        blocks = []
        for name, values in self.sections.items():
            lines = "".join(f"{key}={value}\n" for key, value in values.items())
            blocks.append(f"[{name}]\n{lines}")
        return "\n".join(blocks)


def parse(file: str, text: str) -> Profile:
    sections: Sections = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1], {})
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip()
    return Profile(file, sections)


def by_itself(known: Iterable[Profile], port: Port, uuid: str) -> Profile:
    """The profile that NetworkManager makes for an Ethernet port that no other one is for.

    It asks a DHCP server, and any other one is preferred (nm-device-ethernet.c).
    """
    taken = {profile.id for profile in known}
    number = next(n for n in range(1, len(taken) + 2) if f"Wired connection {n}" not in taken)
    name = f"Wired connection {number}"
    own = {"id": name, "uuid": uuid, "type": "ethernet", "interface-name": port.device}
    own["autoconnect-priority"] = "-999"
    sections = {"connection": own, "ipv4": {"method": "auto"}}
    return Profile(f"{VOLATILE}/{name}.nmconnection", sections)


def chosen(
    profiles: Iterable[Profile], device: str, brought_up: Mapping[str, float]
) -> Profile | None:
    """The profile that autoconnects on an interface, if any.

    :param brought_up: UUID to the time it was last up.
    """
    fitting = [p for p in profiles if p.device == device and p.autoconnect]
    return max(
        fitting,
        key=lambda p: (
            int(p.get("connection", "autoconnect-priority", "0")),
            brought_up.get(p.uuid, 0.0),
        ),
        default=None,
    )


def activation(profile: Profile, port: Port) -> list[str]:
    """Lines of `ip -batch` that configure a profile's interface anew."""
    device = port.device
    lines = [f"address flush dev {device}", f"link set {device} up"]
    addresses, gateway = list(profile.addresses), profile.gateway
    if profile.get("ipv4", "method", "auto") == "auto":
        addresses += port.addresses
        gateway = gateway or port.gateway
    elif profile.get("ipv4", "method") == "disabled":
        return lines
    for own in addresses:
        address, _, length = own.partition("/")
        broadcast = broadcast_of(address, int(length or 32))
        lines.append(f"address add {address}/{length or 32} broadcast {broadcast} dev {device}")
    if gateway and not profile.never_default:
        metric = profile.get("ipv4", "route-metric", "-1")
        metric = metric if metric != "-1" else port.metric
        lines.append(f"route replace default via {gateway} dev {device} metric {metric}")
    for network, via, metric in profile.routes:
        address, _, length = network.partition("/")
        to = f"{network_of(address, int(length or 32))}/{length or 32}"
        way = f" via {via}" if via else ""
        rank = f" metric {metric}" if metric else ""
        lines.append(f"route replace {to}{way} dev {device}{rank}")
    return lines


def power_save(profile: Profile) -> bool:
    """Whether Wi-Fi power saving is on with the profile: 2 switches it off."""
    return profile.get("wifi", "powersave", "0") != "2"
