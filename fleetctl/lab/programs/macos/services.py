"""The network services of a Mac: their file, and the commands that put them into effect.

Used by networksetup on the machine, and by the lab when it builds and boots the machine. The file
has a line per service, in service order, with tab-separated fields.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..node import Port, broadcast_of, network_of, prefix_of

FILE = "/Library/Preferences/SystemConfiguration/services"


class Service:
    """One network service."""

    def __init__(self, line: str) -> None:
        fields = line.split("\t")
        self.name, self.port, self.device, enabled, self.method = fields[:5]
        self.enabled = enabled == "on"
        addresses, self.mask, self.router, routes = fields[5:9]
        self.addresses = addresses.split()
        """The first is the one that networksetup shows."""
        self.routes = [tuple(route.split("/")) for route in routes.split()]
        """Destination, mask and gateway of each."""

    @property
    def line(self) -> str:
        fields = [self.name, self.port, self.device, "on" if self.enabled else "off", self.method]
        routes = " ".join("/".join(route) for route in self.routes)
        return "\t".join([*fields, " ".join(self.addresses), self.mask, self.router, routes])


def parse(text: str) -> list[Service]:
    return [Service(line) for line in text.splitlines() if line.count("\t") >= 8]


def text_of(services: Iterable[Service]) -> str:
    return "".join(f"{service.line}\n" for service in services)


def activation(service: Service, port: Port) -> list[str]:
    """Lines of `ip -batch` that configure a service's interface anew."""
    device = port.device
    lines = [f"address flush dev {device}", f"link set {device} up"]
    if not service.enabled or service.method == "off":
        return [f"address flush dev {device}"]
    router = service.router
    if service.method == "dhcp":
        lines += [f"address add {a} broadcast {_broadcast(a)} dev {device}" for a in port.addresses]
        router = port.gateway
        if not port.addresses:
            lines.append(f"address add {_own(port)} broadcast 169.254.255.255 dev {device}")
    else:
        length = prefix_of(service.mask) or 32
        for address in service.addresses:
            own = f"{address}/{length}"
            lines.append(f"address add {own} broadcast {_broadcast(own)} dev {device}")
    if router:
        lines.append(f"route replace default via {router} dev {device} metric {port.metric}")
    return lines + [f"route replace {line}" for line in route_lines(service)]


def route_lines(service: Service) -> list[str]:
    """The additional routes, as `ip route` takes them."""
    found = []
    for to, mask, gateway in service.routes:
        length = prefix_of(mask)
        if length is not None:
            found.append(f"{network_of(to, length)}/{length} via {gateway} dev {service.device}")
    return found


def _own(port: Port) -> str:
    """The address that a Mac gives itself where no DHCP server answers (RFC 3927)."""
    third, fourth = (int(byte, 16) for byte in port.mac.split(":")[-2:])
    return f"169.254.{third % 254 + 1}.{fourth}/16"


def _broadcast(own: str) -> str:
    address, _, length = own.partition("/")
    return broadcast_of(address, int(length))
