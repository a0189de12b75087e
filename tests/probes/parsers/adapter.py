"""The parsers' results in the neutral form of the fixtures' ``.expected.json`` files.

A fixture is ``<os>/<command>/<name>.txt`` with what a command printed (on the streams that
``stream`` names) and beside it ``<name>.expected.json`` with the command, its status and
``parsed``. In ``parsed`` destinations are CIDR, hardware addresses lower case with two digits a
byte, what is absent is null, and times are milliseconds.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from fleetctl.probes.parsers import (
    arp,
    boottime,
    ifconfig,
    ip_addr,
    ip_neigh,
    ip_route,
    ip_route_get,
    iw_power_save,
    loadavg,
    macmon,
    netstat_bytes,
    netstat_routes,
    networksetup,
    nmcli,
    ping,
    pmset,
    route_add,
    route_get,
    socketfilterfw,
    ss,
    swap,
    system_profiler,
    thermal,
    vcgencmd,
    vm_stat,
)
from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

Neutral = dict[str, Any]
Reader = Callable[[str, str, int], Neutral | None]


def read(os: str, folder: str, text: str, command: str, status: int) -> Neutral | None:
    """The result of the parser for ``os``/``folder``, in the neutral form.

    None: no parser reads the output of ``command``.
    """
    reader = READERS.get((os, folder))
    return None if reader is None else reader(text, command, status)


def expected(folder: str, parsed: Any) -> Any:
    """A fixture's ``parsed`` without values that fleetctl does not read."""
    unread = UNREAD.get(folder, frozenset())
    if isinstance(parsed, list):
        return [expected(folder, item) for item in parsed]
    if isinstance(parsed, dict):
        return {k: expected(folder, value) for k, value in parsed.items() if k not in unread}
    return parsed


def _list(name: str, found: object, show: Callable[[Any], Neutral]) -> Neutral:
    """A list; if nothing could be read, an empty one with the ``error``."""
    if isinstance(found, Unparsed):
        return {name: [], "error": found.reason}
    assert isinstance(found, tuple)
    return {name: [show(item) for item in found]}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ping(os: str) -> Callable[[str, str, int], Neutral]:
    def reader(text: str, command: str, status: int) -> Neutral:
        found = ping.parse_ping(text)
        if isinstance(found, Unparsed):
            found = ping.PingSummary(error=found.reason)
        shared = {
            "transmitted": found.transmitted,
            "received": found.received,
            "loss_pct": found.loss_percent,
            "duplicates": found.duplicates,
            "min_ms": found.min_ms,
            "avg_ms": found.avg_ms,
            "max_ms": found.max_ms,
            "error": found.error,
        }
        if os == "macos":
            return {**shared, "stddev_ms": found.deviation_ms, "late": found.late}
        return {**shared, "mdev_ms": found.deviation_ms, "icmp_errors": found.icmp_errors}

    return reader


def _ip_addr(text: str, command: str, status: int) -> Neutral:
    return _list(
        "interfaces",
        ip_addr.parse_links(text),
        lambda link: {
            "name": link.name,
            "mac": link.mac,
            "mtu": link.mtu,
            "operstate": link.operstate,
            "carrier": link.carrier,
            "inet": [{"addr": str(a.ip), "prefixlen": a.network.prefixlen} for a in link.inet],
            "inet6": [{"addr": a, "prefixlen": length} for a, length in link.inet6],
        },
    )


def _ifconfig(text: str, command: str, status: int) -> Neutral:
    return _list(
        "interfaces",
        ifconfig.parse_blocks(text),
        lambda block: {
            "name": block.name,
            "flags": list(block.flags),
            "mtu": block.mtu,
            "ether": block.ether,
            "inet": [
                {
                    "addr": str(inet.address),
                    "prefixlen": inet.prefix_length,
                    "broadcast": _text(inet.broadcast),
                }
                for inet in block.inet
            ],
            "inet6": [{"addr": a, "prefixlen": length} for a, length in block.inet6],
            "media": block.media,
            "status": block.status,
            "members": list(block.members),
        },
    )


def _ip_route(text: str, command: str, status: int) -> Neutral:
    return _list(
        "routes",
        ip_route.parse_entries(text),
        lambda entry: {
            "dest": str(entry.to),
            "gateway": entry.gateway,
            "dev": entry.interface,
            "metric": entry.metric,
            "src": _text(entry.source),
            "protocol": entry.protocol,
            "linkdown": entry.dead,
            "type": entry.type,
        },
    )


def _netstat_routes(text: str, command: str, status: int) -> Neutral:
    table = netstat_routes.parse_table(text)
    if isinstance(table, Unparsed):
        return {"routes": [], "error": table.reason}
    found: Neutral = {
        "routes": [
            {
                "dest": str(row.to),
                "gateway": row.gateway,
                "gateway_kind": row.gateway_kind,
                "flags": row.flags,
                "netif": row.interface,
                "expire": "expired" if row.expired else row.expire_s,
            }
            for row in table.rows
        ],
    }
    if table.ipv6_count is not None:
        found["ipv6_route_count"] = table.ipv6_count
    return found


def _netstat_bytes(text: str, command: str, status: int) -> Neutral:
    found = netstat_bytes.parse_netstat_bytes(text)
    if isinstance(found, Unparsed):
        return {"bytes": {}, "error": found.reason}
    return {"bytes": {name: list(both) for name, both in found.items()}}


def _ip_route_get(text: str, command: str, status: int) -> Neutral:
    way = ip_route_get.parse_ip_route_get(text)
    if isinstance(way, Unparsed):
        return {"found": False, "error": way.reason}
    if way.error is not None:
        return {"found": False, "error": way.error}
    return {
        "found": True,
        "gateway": _text(way.gateway),
        "dev": way.interface,
        "src": _text(way.source),
        "type": way.type,
    }


def _route_get(text: str, command: str, status: int) -> Neutral:
    found = route_get.parse_route_get(text)
    if isinstance(found, Unparsed):
        return {"found": False, "error": found.reason}
    if not found.found:
        return {"found": False, "error": found.error}
    return {
        "found": True,
        "route_to": found.route_to,
        "destination": found.destination,
        "mask": found.mask,
        "gateway": found.gateway,
        "interface": found.interface,
        "flags": list(found.flags),
        "mtu": found.mtu,
    }


def _ip_neigh(text: str, command: str, status: int) -> Neutral:
    return _list(
        "entries",
        ip_neigh.parse_entries(text),
        lambda entry: {
            "ip": entry.address,
            "netif": entry.interface,
            "mac": entry.mac,
            "state": entry.state,
        },
    )


def _arp(text: str, command: str, status: int) -> Neutral:
    return _list(
        "entries",
        arp.parse_entries(text),
        lambda entry: {
            "ip": str(entry.address),
            "netif": entry.interface,
            "mac": entry.mac,
            "permanent": entry.permanent,
            "name": entry.name,
        },
    )


def _sysctl(text: str, command: str, status: int) -> Neutral | None:
    match shlex.split(command)[-1]:
        case "vm.loadavg":
            return _loadavg(text, command, status)
        case "vm.swapusage":
            used = swap.parse_swapusage(text)
            return None if isinstance(used, Unparsed) else {"used_bytes": used}
        case "kern.boottime":
            found = boottime.parse_boottime(text)
            return {"error": found.reason} if isinstance(found, Unparsed) else {"boot_time": found}
        case _:
            return None


def _loadavg(text: str, command: str, status: int) -> Neutral:
    found = loadavg.parse_loadavg(text)
    if isinstance(found, Unparsed):
        return {"load1": None, "error": found.reason}
    return {"load1": found}


def _socket(socket: Any) -> Neutral:
    return {"addr": socket.address, "port": socket.port}


def _ss(text: str, command: str, status: int) -> Neutral:
    found = ss.parse_ss(text) if status == 0 else unparsed(text)
    return _list("listeners", found, _socket)


def _service_order(text: str, command: str, status: int) -> Neutral:
    return _list(
        "services",
        networksetup.parse_service_order(text),
        lambda service: {
            "name": service.name,
            "enabled": service.enabled,
            "port": service.port,
            "device": service.device,
        },
    )


def _service_info(text: str, command: str, status: int) -> Neutral:
    found = networksetup.parse_service_info(text)
    if isinstance(found, Unparsed):
        return {"found": False, "error": found.reason}
    if found.error is not None:
        return {"found": False, "error": found.error}
    return {
        "found": True,
        "method": found.method,
        "ip": _text(found.address),
        "mask": _text(found.mask),
        "router": _text(found.router),
        "ipv6": found.ipv6,
        "mac": found.mac,
    }


def _additional_routes(text: str, command: str, status: int) -> Neutral:
    return _list(
        "routes",
        networksetup.parse_additional_routes(text),
        lambda route: {"dest": str(route.to), "gateway": str(route.via)},
    )


def _nmcli(text: str, command: str, status: int) -> Neutral | None:
    words = shlex.split(command)
    columns = words[words.index("-f") + 1].lower().split(",") if "-f" in words else []
    if columns == ["name", "uuid", "type", "device"]:
        rows = nmcli.parse_connections(text)
        if isinstance(rows, Unparsed):
            return {"error": rows.reason}
        return {"connections": [{key: getattr(row, key) for key in columns} for row in rows]}
    if "-g" in words or not all("." in column for column in columns):
        return None
    found = nmcli.parse_properties(text)
    return {"error": found.reason} if isinstance(found, Unparsed) else {**found}


def _route_add(text: str, command: str, status: int) -> Neutral:
    found = route_add.parse_route_change(text)
    if isinstance(found, Unparsed):
        return {"ok": False, "error": found.reason}
    return {"ok": found.ok, "error": found.error}


def _vm_stat(text: str, command: str, status: int) -> Neutral:
    found = vm_stat.parse_vm_stat(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {"page_size": found.page_bytes, "pages": found.pages}


def _macmon(text: str, command: str, status: int) -> Neutral:
    found = macmon.parse_macmon(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {
        "cpu_temp_c": found.cpu_celsius,
        "gpu_temp_c": found.gpu_celsius,
        "ram_total": found.ram_total_bytes,
        "ram_used": found.ram_used_bytes,
        "ecpu_ratio": found.ecpu_ratio,
        "pcpu_ratio": found.pcpu_ratio,
        "gpu_ratio": found.gpu_ratio,
        "gpu_mhz": found.gpu_mhz,
        "sys_power_w": found.system_watts,
    }


def _power_save(text: str, command: str, status: int) -> Neutral:
    found = iw_power_save.parse_power_save(text)
    if isinstance(found, Unparsed):
        return {"power_save": None, "error": found.reason}
    return {"power_save": found}


def _throttled(text: str, command: str, status: int) -> Neutral:
    found = vcgencmd.parse_throttled(text)
    if isinstance(found, Unparsed):
        return {"raw": None, "error": found.reason}
    return {
        "raw": found.raw,
        "under_voltage_now": found.under_voltage_now,
        "under_voltage_since_boot": found.under_voltage_since_boot,
    }


def _thermal(text: str, command: str, status: int) -> Neutral:
    found = thermal.parse_thermal(text)
    if isinstance(found, Unparsed):
        return {"temp_c": None, "error": found.reason}
    return {"temp_c": found}


def _thunderbolt(text: str, command: str, status: int) -> Neutral:
    return _list(
        "ports",
        system_profiler.parse_thunderbolt(text),
        lambda port: {
            "bus": port.bus,
            "receptacle": port.receptacle,
            "speed": port.speed,
            "domain_uuid": port.domain_uuid,
            "peer_uuid": port.peer_uuid,
            "peer_name": port.peer_name,
        },
    )


def _pmset(text: str, command: str, status: int) -> Neutral:
    found = pmset.parse_pmset(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {
        "sleep": found.sleep_minutes,
        "disksleep": found.disk_sleep_minutes,
    }


def _firewall(text: str, command: str, status: int) -> Neutral:
    found = socketfilterfw.parse_firewall(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {"enabled": found.enabled, "blocks_all": found.blocks_all, "stealth": found.stealth}


UNREAD: dict[str, frozenset[str]] = {
    "netstat-rn": frozenset({"primary_default"}),
    "pmset-g": frozenset({"womp", "autorestart"}),
    "proc-loadavg": frozenset({"load5", "load15"}),
    "sysctl": frozenset({"load5", "load15"}),
    "vcgencmd-get_throttled": frozenset(
        f"{what}_{when}"
        for what in ("freq_capped", "throttled", "soft_temp_limit")
        for when in ("now", "since_boot")
    ),
}
"""By command: the keys of ``parsed`` that fleetctl does not read."""

READERS: dict[tuple[str, str], Reader] = {
    ("linux", "arp-an"): _arp,
    ("linux", "ip-j-addr"): _ip_addr,
    ("linux", "ip-j-neigh"): _ip_neigh,
    ("linux", "ip-j-route"): _ip_route,
    ("linux", "ip-j-route-get"): _ip_route_get,
    ("linux", "ip-neigh"): _ip_neigh,
    ("linux", "ip-route"): _ip_route,
    ("linux", "ip-route-get"): _ip_route_get,
    ("linux", "iw-dev-wlan0-get-power_save"): _power_save,
    ("linux", "nmcli-t"): _nmcli,
    ("linux", "ping"): _ping("linux"),
    ("linux", "proc-loadavg"): _loadavg,
    ("linux", "ss-ltnH"): _ss,
    ("linux", "sys-thermal-zone0-temp"): _thermal,
    ("linux", "vcgencmd-get_throttled"): _throttled,
    ("macos", "arp-an"): _arp,
    ("macos", "ifconfig"): _ifconfig,
    ("macos", "macmon-pipe"): _macmon,
    ("macos", "netstat-ibn"): _netstat_bytes,
    ("macos", "netstat-rn"): _netstat_routes,
    ("macos", "networksetup-getadditionalroutes"): _additional_routes,
    ("macos", "networksetup-getinfo"): _service_info,
    ("macos", "networksetup-listnetworkserviceorder"): _service_order,
    ("macos", "ping"): _ping("macos"),
    ("macos", "pmset-g"): _pmset,
    ("macos", "route-add"): _route_add,
    ("macos", "route-n-get"): _route_get,
    ("macos", "socketfilterfw"): _firewall,
    ("macos", "sysctl"): _sysctl,
    ("macos", "system_profiler-SPThunderboltDataType-json"): _thunderbolt,
    ("macos", "vm_stat"): _vm_stat,
}
