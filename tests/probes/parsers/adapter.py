"""Readings of the parsers in the neutral form of the fixtures' ``.expected.json`` files.

A fixture is ``<os>/<command>/<name>.txt`` with what a command printed (on the streams that
``stream`` names) and beside it ``<name>.expected.json`` with the command, its status and
``parsed``. In ``parsed`` destinations are CIDR, hardware addresses lower case with two digits a
byte, what is absent is null, and times are milliseconds.
"""

from __future__ import annotations

import re
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
    ipconfig_getsummary,
    iperf3,
    iw_power_save,
    loadavg,
    lsof,
    macmon,
    memory_pressure,
    nc,
    netstat_listeners,
    netstat_routes,
    networksetup,
    nmcli,
    ping,
    pmset,
    route_add,
    route_get,
    socketfilterfw,
    ss,
    sw_vers,
    system_profiler,
    thermal,
    tmux,
    traceroute,
    uname,
    vcgencmd,
    vm_stat,
)
from fleetctl.probes.parsers.unparsed import Unparsed

Neutral = dict[str, Any]
Reader = Callable[[str, str, int], Neutral | None]


def read(os: str, folder: str, text: str, command: str, status: int) -> Neutral | None:
    """What the parser for ``os``/``folder`` makes of ``text``, in the neutral form.

    None where no parser reads what ``command`` prints.
    """
    reader = READERS.get((os, folder))
    return None if reader is None else reader(text, command, status)


def expected(folder: str, parsed: Any) -> Any:
    """A fixture's ``parsed`` without what it says beyond what fleetctl reads of such a text."""
    unread = UNREAD.get(folder, frozenset())
    if isinstance(parsed, list):
        return [expected(folder, item) for item in parsed]
    if isinstance(parsed, dict):
        return {k: expected(folder, value) for k, value in parsed.items() if k not in unread}
    return parsed


def _list(name: str, found: object, show: Callable[[Any], Neutral]) -> Neutral:
    """A list of things, empty with the ``error`` where nothing could be read."""
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
        return {"routes": [], "primary_default": None, "error": table.reason}
    default = netstat_routes.primary_default(table.rows)
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
        "primary_default": default and {"gateway": default.gateway, "netif": default.interface},
    }
    if table.ipv6_count is not None:
        found["ipv6_route_count"] = table.ipv6_count
    return found


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
    return _list("listeners", ss.parse_ss_table(text), _socket)


def _netstat_ltn(text: str, command: str, status: int) -> Neutral:
    return _list("listeners", netstat_listeners.parse_netstat_listeners(text), _socket)


def _netstat_tcp(text: str, command: str, status: int) -> Neutral:
    return _list(
        "listeners",
        netstat_listeners.parse_netstat_listeners(text),
        lambda socket: {"proto": socket.protocol, **_socket(socket)},
    )


def _lsof(text: str, command: str, status: int) -> Neutral:
    return _list(
        "listeners",
        lsof.parse_lsof_table(text),
        lambda row: {
            "command": row.command,
            "pid": row.pid,
            "user": row.user,
            "family": row.family,
            "addr": row.address,
            "port": row.port,
        },
    )


def _networksetup_ports(text: str, command: str, status: int) -> Neutral:
    return _list(
        "ports",
        networksetup.parse_hardware_ports(text),
        lambda port: {"port": port.port, "device": port.device, "mac": port.mac},
    )


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


def _services(text: str, command: str, status: int) -> Neutral:
    return _list(
        "services",
        networksetup.parse_services(text),
        lambda service: {"name": service.name, "enabled": service.enabled},
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


def _nmcli(text: str, command: str, status: int) -> Neutral:
    found: Any
    words = shlex.split(command)
    if "-g" in words:
        found = nmcli.parse_values(text)
        return {"error": found.reason} if isinstance(found, Unparsed) else {"values": list(found)}
    columns = words[words.index("-f") + 1].lower().split(",") if "-f" in words else []
    if columns == ["name", "uuid", "type", "device"]:
        found = nmcli.parse_connections(text)
        name = "connections"
    elif columns == ["device", "type", "state", "connection"]:
        found = nmcli.parse_devices(text)
        name = "devices"
    elif any("." in column for column in columns) or not columns:
        found = nmcli.parse_properties(text)
        return {"error": found.reason} if isinstance(found, Unparsed) else {**found}
    else:
        found = nmcli.parse_rows(text, [column.replace("-", "_") for column in columns])
        return {"error": found.reason} if isinstance(found, Unparsed) else {**found[0]}
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    keys = columns
    return {name: [{key: getattr(item, key) for key in keys} for item in found]}


def _tmux(text: str, command: str, status: int) -> Neutral:
    words = shlex.split(command)
    if "has-session" in words:
        exists = tmux.parse_has_session(text, status)
        return {"error": exists.reason} if isinstance(exists, Unparsed) else {"exists": exists}
    fields = re.findall(r"#\{(\w+)\}", words[words.index("-F") + 1]) if "-F" in words else None
    found = tmux.parse_sessions(text, fields)
    if isinstance(found, Unparsed) and found.reason == "no_server":
        return {"sessions": [], "server": False}
    return _list(
        "sessions",
        found,
        lambda session: {
            "name": session.name,
            "windows": session.windows,
            "attached": session.attached,
        },
    )


def _traceroute(text: str, command: str, status: int) -> Neutral:
    found = traceroute.parse_traceroute(text)
    if isinstance(found, Unparsed):
        found = traceroute.Traceroute(error=found.reason)
    neutral: Neutral = {
        "target": _text(found.target),
        "hops": [[str(address) for address in hop] for hop in found.hops],
        "reached": found.reached,
    }
    return neutral if found.error is None else {**neutral, "error": found.error}


def _iperf3(text: str, command: str, status: int) -> Neutral:
    found = iperf3.parse_iperf3(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    if found.error is not None:
        return {"error": found.error}
    return {
        "error": None,
        "sent_bps": found.sent_bps,
        "received_bps": found.received_bps,
        "retransmits": found.retransmits,
        "seconds": found.seconds,
        "reverse": found.reverse,
        "host": found.host,
    }


def _nc(text: str, command: str, status: int) -> Neutral:
    found = nc.parse_nc(text, status)
    return {"error": found.reason} if isinstance(found, Unparsed) else {"result": found}


def _route_add(text: str, command: str, status: int) -> Neutral:
    found = route_add.parse_route_change(text)
    if isinstance(found, Unparsed):
        return {"ok": False, "error": found.reason}
    return {"ok": found.ok, "error": found.error}


def _sw_vers(text: str, command: str, status: int) -> Neutral:
    found = sw_vers.parse_sw_vers(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {
        "name": found.name,
        "version": found.version,
        "extra": found.extra,
        "build": found.build,
        "major": found.major,
    }


def _uname(text: str, command: str, status: int) -> Neutral:
    found = uname.parse_uname(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {
        "sysname": found.system,
        "nodename": found.node,
        "release": found.release,
        "machine": found.machine,
    }


def _vm_stat(text: str, command: str, status: int) -> Neutral:
    found = vm_stat.parse_vm_stat(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {"page_size": found.page_bytes, "pages": found.pages}


def _memory_pressure(text: str, command: str, status: int) -> Neutral:
    found = memory_pressure.parse_memory_pressure(text)
    if isinstance(found, Unparsed):
        return {"free_pct": None, "error": found.reason}
    return {"free_pct": found}


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


def _getsummary(text: str, command: str, status: int) -> Neutral:
    found = ipconfig_getsummary.parse_ipconfig_getsummary(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {
        "link_active": found.link_active,
        "associated": found.associated,
        "ssid": found.ssid,
        "withheld": found.withheld,
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


def _temperature(
    parse: Callable[[str], float | Unparsed],
) -> Callable[[str, str, int], Neutral]:
    def reader(text: str, command: str, status: int) -> Neutral:
        found = parse(text)
        if isinstance(found, Unparsed):
            return {"temp_c": None, "error": found.reason}
        return {"temp_c": found}

    return reader


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
        "womp": found.wakes_for_network,
        "autorestart": found.restarts_after_power_loss,
    }


def _firewall(text: str, command: str, status: int) -> Neutral:
    found = socketfilterfw.parse_firewall(text)
    if isinstance(found, Unparsed):
        return {"error": found.reason}
    return {"enabled": found.enabled, "blocks_all": found.blocks_all, "stealth": found.stealth}


UNREAD: dict[str, frozenset[str]] = {
    "proc-loadavg": frozenset({"load5", "load15"}),
    "sysctl": frozenset({"load5", "load15"}),
    "vcgencmd-get_throttled": frozenset(
        f"{what}_{when}"
        for what in ("freq_capped", "throttled", "soft_temp_limit")
        for when in ("now", "since_boot")
    ),
}
"""By command, the keys of ``parsed`` that nothing in fleetctl asks for."""

READERS: dict[tuple[str, str], Reader] = {
    ("linux", "arp-an"): _arp,
    ("linux", "ip-j-addr"): _ip_addr,
    ("linux", "ip-j-neigh"): _ip_neigh,
    ("linux", "ip-j-route"): _ip_route,
    ("linux", "ip-j-route-get"): _ip_route_get,
    ("linux", "ip-neigh"): _ip_neigh,
    ("linux", "ip-route"): _ip_route,
    ("linux", "ip-route-get"): _ip_route_get,
    ("linux", "iperf3-J"): _iperf3,
    ("linux", "iw-dev-wlan0-get-power_save"): _power_save,
    ("linux", "nc-z"): _nc,
    ("linux", "netstat-ltn"): _netstat_ltn,
    ("linux", "nmcli-t"): _nmcli,
    ("linux", "ping"): _ping("linux"),
    ("linux", "proc-loadavg"): _loadavg,
    ("linux", "ss-ltnH"): _ss,
    ("linux", "sys-thermal-zone0-temp"): _temperature(thermal.parse_thermal),
    ("linux", "tmux"): _tmux,
    ("linux", "traceroute"): _traceroute,
    ("linux", "uname-a"): _uname,
    ("linux", "vcgencmd-get_throttled"): _throttled,
    ("linux", "vcgencmd-measure_temp"): _temperature(vcgencmd.parse_temperature),
    ("macos", "arp-an"): _arp,
    ("macos", "ifconfig"): _ifconfig,
    ("macos", "ipconfig-getsummary"): _getsummary,
    ("macos", "iperf3-J"): _iperf3,
    ("macos", "lsof-listen"): _lsof,
    ("macos", "macmon-pipe"): _macmon,
    ("macos", "memory_pressure-Q"): _memory_pressure,
    ("macos", "nc-z"): _nc,
    ("macos", "netstat-an-p-tcp"): _netstat_tcp,
    ("macos", "netstat-rn"): _netstat_routes,
    ("macos", "networksetup-getadditionalroutes"): _additional_routes,
    ("macos", "networksetup-getinfo"): _service_info,
    ("macos", "networksetup-listallhardwareports"): _networksetup_ports,
    ("macos", "networksetup-listallnetworkservices"): _services,
    ("macos", "networksetup-listnetworkserviceorder"): _service_order,
    ("macos", "ping"): _ping("macos"),
    ("macos", "pmset-g"): _pmset,
    ("macos", "route-add"): _route_add,
    ("macos", "route-n-get"): _route_get,
    ("macos", "socketfilterfw"): _firewall,
    ("macos", "sw_vers"): _sw_vers,
    ("macos", "sysctl"): _sysctl,
    ("macos", "system_profiler-SPThunderboltDataType-json"): _thunderbolt,
    ("macos", "tmux"): _tmux,
    ("macos", "traceroute"): _traceroute,
    ("macos", "uname-a"): _uname,
    ("macos", "vm_stat"): _vm_stat,
}
