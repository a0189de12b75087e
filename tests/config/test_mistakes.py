"""Each kind of mistake: its place, its message, and no other message because of it."""

from __future__ import annotations

import pytest

from fleetctl.config import load_text
from fleetctl.errors import ConfigError
from tests.config.texts import RIGHT, edited

Edit = tuple[str, str]


def case(name: str, *edits: Edit, says: str) -> object:
    """``says``: parts of the message, separated by ``|``, in this order."""
    return pytest.param(edits, says.split("|"), id=name)


SERVER_READY = "ready: {listening: true, timeout: 60}"
RESTART = "restart: {policy: on-failure, delay: 3, max: 60}"
FABRIC = "    addresses: {fabric: 10.10.0.2}"
WIFI = "wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}"

YAML = [
    case(
        "duplicate-key", ("jobs:\n", "  §mini1: {}\njobs:\n"), says="duplicate key 'mini1'|line 10"
    ),
    case("tab", ("    os: macos", "§\tos: macos"), says="a tab in the indentation|spaces"),
    case(
        "bracket",
        ("[mini2, pi5]\n        after:", "[mini2, pi5\n        after§:"),
        says="not YAML|line 33|bracket",
    ),
    case(
        "colon-in-text",
        ("command: serve", "command: say§: it: now"),
        says="mapping values are not allowed|quotes",
    ),
    case(
        "quote",
        ("stop: {signal: INT, grace: 10}", "stop: {signal: 'INT, grace: 10}"),
        ('"{address.wifi}:8000"}\n', '"{address.wifi}:8000"}\n§'),
        says="not YAML|quote",
    ),
    case("control-character", ("command: serve", "command: ser§\x07ve"), says="U+0007|not allowed"),
    case("nul", ("command: serve", 'command: §"ser\\0ve"'), says="NUL"),
    case("surrogate", ("command: serve", "command: ser§\udc80ve"), says="U+DC80"),
    case("alias", ("on: mini1", "on: §*where"), says="alias '*where'|'&where'"),
    case("tag", ("on: mini1", "on: §!!python/name:os.system mini1"), says="tag|python|remove"),
    case("second-document", ("jobs:\n", "§---\njobs:\n"), says="second YAML document"),
    case("list-as-key", ("os: macos", "§[os]: macos"), says="a key must be a single word"),
    case("merge", ("os: macos", "§<<: macos"), says="merge key '<<'|mapping"),
    case(
        "deep",
        ("command: serve", "command: " + "[" * 46 + "§" + "[" * 5 + "]" * 51),
        says="nested more than 50 levels",
    ),
]

SHAPE = [
    case(
        "unknown-key-top", ("internet:", "§internets:"), says="unknown key|did you mean 'internet'"
    ),
    case(
        "unknown-key-node",
        ("addresses: {fabric: 10.10.0.2}", "§adresses: {fabric: 10.10.0.2}"),
        says="unknown key 'adresses' in nodes.mini2|did you mean 'addresses'|allowed",
    ),
    case("unknown-key-case", ("os: macos", "§OS: macos"), says="unknown key 'OS'|'os'"),
    case(
        "unknown-key-ready",
        (SERVER_READY, "ready: {listening: true, §timout: 60}"),
        says="jobs.train.services.server.ready|did you mean 'timeout'",
    ),
    case(
        "ready-body",
        (SERVER_READY, "ready: {http: {url: 'http://a:80/', body: §'('}}"),
        says="ready.http.body is '('|which is no regular expression",
    ),
    case(
        "ready-body-alone",
        (SERVER_READY, "ready: {§http: {body: up}}"),
        says="jobs.train.services.server.ready.http lacks 'url'",
    ),
    case(
        "ports-alone",
        ("        listen: fabric:65432\n", "        §ports: {ui: 8787}\n"),
        (SERVER_READY, "restart: never"),
        says="ports needs a listen beside it",
    ),
    case(
        "ports-network",
        (SERVER_READY, "ports: {ui: §'fabrik:8787'}"),
        says="unknown network 'fabrik' in listen|did you mean 'fabric'",
    ),
    case(
        "ports-form",
        (SERVER_READY, "ports: {ui: §'fabric'}"),
        says="ports.ui is 'fabric'|it must be NETWORK:PORT or ADDRESS:PORT|the port is missing",
    ),
    case(
        "ports-twice",
        (SERVER_READY, "ports: {ui: §65432}"),
        says="cannot listen on 10.10.0.1:65432: it listens on 10.10.0.1:65432",
    ),
    case("bind", (SERVER_READY, "bind: §all"), says="bind is 'all'; it must be one of any"),
    case("unknown-key-far", ("os: macos", "§color: red"), says="unknown key|allowed are os, "),
    case("missing-fleet", ("fleet: lab\n", "§"), says="the file lacks 'fleet'|a name of letters"),
    case(
        "missing-cidr",
        ("  fabric: {cidr: 10.10.0.0/24}", "  §fabric: {}"),
        says="networks.fabric lacks 'cidr'|an IPv4 subnet",
    ),
    case(
        "missing-on",
        ("      server:\n        on: mini1\n", "      §server:\n"),
        says="jobs.train.services.server lacks 'on'|the name of a node or a list",
    ),
    case("missing-services", ("jobs:\n", "jobs:\n  §idle: {}\n"), says="lacks 'services'"),
    case("missing-policy", (RESTART, "§restart: {delay: 3}"), says="lacks 'policy'|on-failure"),
    case(
        "list-for-mapping",
        ("addresses: {fabric: 10.10.0.2}", "addresses: §[10.10.0.2]"),
        says="nodes.mini2.addresses is a list|mapping",
    ),
    case(
        "mapping-for-text",
        ("command: serve", "command: §{run: serve}"),
        says="command is a mapping|text",
    ),
    case(
        "text-for-mapping",
        ("addresses: {fabric: 10.10.0.2}", "addresses: §10.10.0.2"),
        says="nodes.mini2.addresses is '10.10.0.2'; it must be a mapping of names to values",
    ),
    case("text-for-number", ("port: 22", "port: §ssh"), says="port is 'ssh'|from 1 to 65535"),
    case("quoted-number", ("port: 22", "port: §'22'"), says="without the quotes"),
    case("unit", ("timeout: 60", "timeout: §60s"), says="'60s'|seconds|without a unit"),
    case("negative", ("timeout: 60", "timeout: §-1"), says="timeout is '-1'|above 0"),
    case("infinite", ("timeout: 60", "timeout: §.inf"), says="'.inf'|seconds"),
    case("milliseconds", ("timeout: 60", "timeout: §60000000"), says="a week"),
    case("fraction", ("max: 60", "max: §1.5"), says="'1.5'|whole number"),
    case("octal", ("port: 22", "port: §022"), says="'022'|from 1 to 65535, without a zero"),
    case("port-too-large", ("port: 22", "port: §65536"), says="'65536'|from 1 to 65535"),
    case("not-a-boolean", ("gateway: true", "gateway: §maybe"), says="'maybe'|true or false"),
    case("choice", ("os: macos", "os: §macosx"), says="one of linux, macos|did you mean 'macos'"),
    case("policy-word", (RESTART, "restart: §on_failure"), says="did you mean 'on-failure'"),
    case("signal", ("signal: INT", "signal: §STOP"), says="'STOP'|one of"),
    case("empty-text", ("command: serve", "command: §''"), says="command is ''|not empty"),
    case("empty-value", ("command: serve", "command:§"), says="command is empty|text"),
    case("empty-env", ("LEVEL: debug", "LEVEL: §null"), says="env.LEVEL is empty|text, a number"),
    case(
        "zero-expectation",
        (WIFI, "wifi: {cidr: 192.168.1.0/24, expect: {rtt_ms: §0}}"),
        says="rtt_ms is '0'|above 0",
    ),
]

NAMES = [
    case("fleet-name", ("fleet: lab", "fleet: §my.lab"), says="fleet is 'my.lab'|letters, digits"),
    case("name-with-line-end", ("fleet: lab", 'fleet: §"lab\\n"'), says=r"'lab\n'|letters, digits"),
    case("fleet-name-blank", ("fleet: lab", "fleet: §my lab"), says="'my lab'|tmux"),
    case("node-name", ("jobs:\n", "  §pi 4: {}\njobs:\n"), says="'pi 4' in nodes|name"),
    case("node-name-dash", ("jobs:\n", "  §-x: {}\njobs:\n"), says="'-x' in nodes"),
    case("node-name-pattern", ("jobs:\n", "  §'pi*': {}\njobs:\n"), says="'pi*' in nodes"),
    case("node-name-shell", ("jobs:\n", "  §$(id): {}\njobs:\n"), says="'$(id)' in nodes"),
    case("network-name", ("internet:", "  §a:b: {cidr: 10.9.0.0/24}\ninternet:"), says="'a:b'"),
    case("job-name", ("  train:\n", "  §train.1:\n"), says="'train.1' in jobs"),
    case("service-name", ("      screen:\n", "      §web@ui:\n"), says="'web@ui' in jobs.train"),
    case("long-name", ("fleet: lab", "fleet: §" + "x" * 64), says="at most 63"),
    case("env-name", ("LEVEL: debug", "§LOG-LEVEL: debug"), says="'LOG-LEVEL'|letters, digits"),
    case("env-reserved", ("LEVEL: debug", "§FLEETCTL_RANK: 1"), says="FLEETCTL_RANK|reserved"),
    case(
        "reserved-service", ("      screen:\n", "      §address:\n"), says="'address' is reserved"
    ),
    case("reserved-node", ("jobs:\n", "  §controller: {}\njobs:\n"), says="'controller'|reserved"),
    case("ssh-user", ("user: me", "user: §me@host"), says="defaults.ssh.user|a user name"),
    case("ssh-hosts-empty", ("host: 192.168.1.11", "host: §[]"), says="host is empty|a list"),
    case("ssh-hosts", ("host: 192.168.1.11", "host: [a, §b c]"), says="ssh.host[2]|host name"),
    case("ssh-host-option", ("host: 192.168.1.11", "host: §-oProxyCommand=x"), says="host name"),
]

NETWORKS = [
    case("no-cidr", ("{cidr: 10.10.0.0/24}", "{cidr: §10.10.0.0}"), says="prefix length|/24"),
    case(
        "cidr-of-host",
        ("{cidr: 10.10.0.0/24}", "{cidr: §10.10.0.1/24}"),
        says="did you mean '10.10.0.0/24'",
    ),
    case("cidr-prefix", ("{cidr: 10.10.0.0/24}", "{cidr: §10.10.0.0/33}"), says="no IPv4 subnet"),
    case("cidr-all", ("internet:", "  all: {cidr: §0.0.0.0/0}\ninternet:"), says="every address"),
    case(
        "ipv6-cidr", ("{cidr: 10.10.0.0/24}", "{cidr: §'fd00::/64'}"), says="IPv6 is not supported"
    ),
    case(
        "overlap",
        ("{cidr: 192.168.50.0/24}", "{cidr: §192.168.0.0/16}"),
        says="192.168.0.0/16 of network 'edge' overlaps 192.168.1.0/24 of 'wifi'",
    ),
    case("history-days", ("internet:", "history: {days: §0}\ninternet:"), says="from 1 to 3650"),
    case("history-mb", ("internet:", "history: {mb: §1.5}\ninternet:"), says="MiB from 5 to"),
    case("history-key", ("internet:", "history: {§day: 5}\ninternet:"), says="did you mean 'days'"),
    case("internet-word", ("internet: 8.8.8.8", "internet: §off"), says="null"),
    case("internet-name", ("internet: 8.8.8.8", "internet: §example.org"), says="no IPv4 address"),
    case("no-address", ("{fabric: 10.10.0.2}", "{fabric: §10.10.0.256}"), says="no IPv4 address"),
    case(
        "address-with-prefix",
        ("{fabric: 10.10.0.2}", "{fabric: §10.10.0.2/24}"),
        says="prefix length belongs to",
    ),
    case(
        "ipv6-address",
        ("{fabric: 10.10.0.2}", "{fabric: §'fd00::2'}"),
        says="IPv6 is not supported",
    ),
    case(
        "outside",
        ("{fabric: 10.10.0.2}", "{fabric: §10.11.0.2}"),
        says="10.11.0.2 is outside 10.10.0.0/24|'fabric'",
    ),
    case(
        "network-address", ("{fabric: 10.10.0.2}", "{fabric: §10.10.0.0}"), says="network address"
    ),
    case("broadcast", ("{fabric: 10.10.0.2}", "{fabric: §10.10.0.255}"), says="broadcast address"),
    case(
        "duplicate-address",
        ("{fabric: 10.10.0.2}", "{fabric: §10.10.0.1}"),
        says="duplicate address 10.10.0.1|'mini1' on 'fabric'",
    ),
    case(
        "unknown-network",
        ("{fabric: 10.10.0.2}", "{§fabrik: 10.10.0.2}"),
        says="unknown network 'fabrik'|did you mean 'fabric'",
    ),
]

VIA = "via: {fabric: mini1}"
GATEWAYS = [
    case("via-network", (VIA, "via: {§fabrik: mini1}"), says="unknown network|'fabric'"),
    case(
        "via-node", (VIA, "via: {fabric: §mini9}"), says="unknown node 'mini9'|did you mean 'mini1'"
    ),
    case("via-self", (VIA, "via: {fabric: §pi5}"), says="own gateway"),
    case(
        "via-own-network",
        (VIA, "via: {fabric: mini1, edge: §mini1}"),
        says="'pi5' is on 'edge' itself",
    ),
    case(
        "not-a-gateway",
        ("    gateway: true\n", ""),
        (VIA, "via: {fabric: §mini1}"),
        says="'mini1' is not a gateway|gateway: true",
    ),
    case(
        "no-shared-network",
        ("addresses: {edge: 192.168.50.2}", "addresses: {}"),
        (VIA, "via: {fabric: §mini1}"),
        says="share no network",
    ),
    case(
        "leads-nowhere",
        ("192.168.1.11, fabric: 10.10.0.1,", "192.168.1.11,"),
        (VIA, "via: {fabric: §mini1}"),
        ("fabric:65432", "edge:65432"),
        says="neither on 'fabric'",
    ),
    case(
        "interface-on-unknown-network",
        (FABRIC, FABRIC + "\n    interfaces: {§fabrik: en0}"),
        says="unknown network 'fabrik' in interfaces of 'mini2'|did you mean 'fabric'",
    ),
    case(
        "interface-without-address",
        (FABRIC, FABRIC + "\n    interfaces: {fabric: en0, §edge: en1}"),
        says="'mini2' has no address on 'edge'|add the address",
    ),
    case(
        "interface-twice",
        ("    gateway: true", "    interfaces: {fabric: en0, edge: §en0}\n    gateway: true"),
        says="en0 of 'mini1' is on 'fabric' already",
    ),
    case(
        "interface-name",
        (FABRIC, FABRIC + "\n    interfaces: {fabric: §Thunderbolt Bridge}"),
        says="nodes.mini2.interfaces.fabric is 'Thunderbolt Bridge'|a network interface, such as",
    ),
    case(
        "two-local",
        ("    os: macos", "    os: macos\n    connection: local"),
        (
            "    addresses: {fabric: 10.10.0.2}",
            "    connection: §local\n    addresses: {fabric: 10.10.0.2}",
        ),
        says="'mini2' is a second node|'mini1' is one already",
    ),
    case("workdir-of-other", ("workdir: ~/work", "workdir: §~root/work"), says="'~name'"),
]

JOBS = [
    case("empty-jobs", (RIGHT[RIGHT.index("jobs:") :], "jobs: §{}\n"), says="jobs is empty"),
    case("no-jobs-value", (RIGHT[RIGHT.index("jobs:") :], "jobs:§\n"), says="jobs is empty"),
    case("empty-services", ("jobs:\n", "jobs:\n  idle: {services: §{}}\n"), says="has no services"),
    case("empty-on", ("on: [mini2, pi5]", "on: §[]"), says="on of service 'worker' names no node"),
    case(
        "unknown-node",
        ("on: [mini2, pi5]", "on: [mini2, §mini4]"),
        says="unknown node 'mini4' in on: did you mean 'mini2'",
    ),
    case("unknown-node-single", ("on: mini1", "on: §min1"), says="unknown node|'mini1'"),
    case(
        "node-twice",
        ("on: [mini2, pi5]", "on: [mini2, pi5, §mini2]"),
        says="'mini2' is listed twice",
    ),
    case(
        "unknown-after",
        ("after: [server]", "after: [§sever]"),
        says="unknown service 'sever' in after|did you mean 'server'",
    ),
    case(
        "web-twice",
        ("command: serve", "web: [80, 81, §80]\n        command: serve"),
        says="port 80 is listed twice in web",
    ),
    case(
        "web-no-port",
        ("command: serve", "web: §70000\n        command: serve"),
        says="web is '70000'|a port from 1 to 65535",
    ),
    case(
        "after-twice", ("after: [server]", "after: [server, §server]"), says="listed twice in after"
    ),
    case(
        "unknown-after-until",
        ("after: [server]", "after: {§sever: started}"),
        says="unknown service 'sever' in after|did you mean 'server'",
    ),
    case(
        "after-what",
        ("after: [server]", "after: {server: §exited}"),
        says="after.server is 'exited'|one of exited-ok, ready, started|did you mean 'exited-ok'",
    ),
    case(
        "after-by-hand",
        ("after: [server]", "after: {screen: §exited-ok}"),
        says="waits until service 'screen' has exited, but it is started by hand",
    ),
    case(
        "once-always",
        (
            "        command: serve\n",
            "        command: serve\n        once: §true\n        restart: always\n",
        ),
        says="service 'server' runs once, so restart may be on-failure or never, not always",
    ),
    case(
        "once-by-hand",
        ("        on: ipad\n", "        on: ipad\n        once: §true\n"),
        says="service 'screen' has no command, so nobody sees it end: remove once",
    ),
    case(
        "after-always",
        ("after: [server]", "after: {server: §exited-ok}"),
        ("        command: serve\n", "        command: serve\n        restart: always\n"),
        says="waits until service 'server' has exited, but it has restart always",
    ),
    case(
        "after-itself",
        ("after: [server]", "after: §[worker]"),
        says="cycle: worker waits for worker",
    ),
    case(
        "cycle",
        ("        command: serve\n", "        command: serve\n        after: §screen\n"),
        ("        on: ipad\n", "        on: ipad\n        after: [worker]\n"),
        says="cycle: server waits for screen waits for worker waits for server",
    ),
    case(
        "no-command",
        ("        command: serve\n", ""),
        ("      server:\n", "      §server:\n"),
        says="service 'server' lacks a command|connect or http",
    ),
    case(
        "no-way-to-watch",
        ('        ready: {connect: "{address.wifi}:8000"}\n', ""),
        ("      screen:\n", "      §screen:\n"),
        says="'screen' has no command|'ipad'|connect or http",
    ),
    case(
        "command-on-none",
        ("        on: ipad\n", "        on: ipad\n        command: §run\n"),
        says="'screen' has a command, but 'ipad' has connection none",
    ),
    case(
        "delays",
        (RESTART, "restart: {policy: always, delay: 9, max_delay: §3}"),
        says="max_delay 3 is below the delay of 9",
    ),
    case(
        "workdir-of-all",
        ("user: me, connect_timeout: 5}", "user: me}\n  workdir: §~me/x"),
        says="'~name'",
    ),
    case(
        "workdir-in-service",
        ("command: serve", "command: serve\n        workdir: §~you"),
        says="'~name'",
    ),
]

LISTEN = "listen: fabric:65432"
DHCP = [
    case(
        "dhcp-listen",
        ("wifi: 192.168.1.11, fabric: 10.10.0.1", "wifi: 192.168.1.11, fabric: dhcp"),
        ("via: {fabric: mini1}", ""),
        (LISTEN, "listen: §fabric:65432"),
        says="'mini1' cannot listen on 'fabric' alone|DHCP|'0.0.0.0:PORT'|a fixed address",
    ),
    case(
        "dhcp-placeholder",
        ("addresses: {fabric: 10.10.0.2}", "addresses: {fabric: 10.10.0.2, wifi: dhcp}"),
        ("on: [mini2, pi5]", "on: mini2"),
        ("command: work {rank}", "command: §work {address.wifi}"),
        says="{address.wifi} has no value on 'mini2'|DHCP|mini2.local|a fixed address",
    ),
    case(
        "dhcp-gateway-near",
        ("edge: 192.168.50.1}", "edge: dhcp}"),
        ("via: {fabric: mini1}", "via: {fabric: §mini1}"),
        says="'mini1' is the gateway of 'pi5' to 'fabric'|on 'edge'|a fixed one, not dhcp",
    ),
    case(
        "dhcp-gateway-far",
        ("fabric: 10.10.0.1,", "fabric: dhcp,"),
        (LISTEN, "listen: edge:65432"),
        ("via: {fabric: mini1}", "via: {fabric: §mini1}"),
        says="'mini1' is the gateway of 'pi5' to 'fabric'|on 'fabric'|a fixed one, not dhcp",
    ),
    case(
        "dhcp-typo",
        ("{fabric: 10.10.0.2}", "{fabric: §DHCP}"),
        says="no IPv4 address",
    ),
]
CONNECT = '{connect: "{address.wifi}:8000"}'
PORTS = [
    case("listen-port-alone", (LISTEN, "listen: §65432"), says="address is missing|fabric:65432"),
    case(
        "listen-no-port",
        (LISTEN, "listen: §fabric"),
        says="NETWORK:PORT or ADDRESS:PORT|the port is missing",
    ),
    case("listen-port", (LISTEN, "listen: §fabric:70000"), says="from 1 to 65535"),
    case("listen-unknown", (LISTEN, "listen: §fabrik:65432"), says="unknown network|'fabric'"),
    case(
        "listen-not-there",
        ("on: mini1\n", "on: pi5\n"),
        (LISTEN, "listen: §fabric:65432"),
        ("{server.host}", "{server.host} {server.port}"),
        says="'pi5' cannot listen on 'fabric'|but on edge",
    ),
    case("listen-localhost", (LISTEN, "listen: §localhost:65432"), says="write 127.0.0.1"),
    case(
        "listen-elsewhere",
        ("on: [mini2, pi5]", "on: [mini2, pi5]\n        listen: §fabric:1"),
        says="'pi5' cannot listen on 'fabric'|but on edge",
    ),
    case("listen-of-other", (LISTEN, "listen: §10.10.0.2:65432"), says="an address of 'mini2'"),
    case("listen-bad-address", (LISTEN, "listen: §10.10.0:65432"), says="no IPv4 address"),
    case("listen-ipv6", (LISTEN, "listen: §'[::1]:65432'"), says="IPv6 is not supported"),
    case(
        "same-port",
        ("on: [mini2, pi5]", "on: mini1\n        listen: §10.10.0.1:65432"),
        says="worker@mini1 cannot listen on 10.10.0.1:65432: server@mini1 listens on",
    ),
    case(
        "same-port-wildcard",
        ("on: [mini2, pi5]", "on: mini1\n        listen: §0.0.0.0:65432"),
        says="worker@mini1 cannot listen on 0.0.0.0:65432: server@mini1",
    ),
]

READY = [
    case(
        "two-conditions",
        (SERVER_READY, "ready: {listening: true, §log: up}"),
        says="2 conditions (listening, log)|exactly one",
    ),
    case("listening-false", (SERVER_READY, "ready: {listening: §false}"), says="can only be true"),
    case(
        "listening-without-listen",
        ("        listen: fabric:65432\n", ""),
        (SERVER_READY, "ready: {listening: §true}"),
        says="needs a listen",
    ),
    case("regex", (SERVER_READY, "ready: {log: §'up('}"), says="no regular expression"),
    case("https", (SERVER_READY, "ready: {http: §'https://127.0.0.1/'}"), says="https:// is not"),
    case("url", (SERVER_READY, "ready: {http: §'127.0.0.1:80/health'}"), says="a URL such as"),
    case("url-port", (SERVER_READY, "ready: {http: §'http://127.0.0.1:99999/'}"), says="a URL"),
    case("url-blank", (SERVER_READY, "ready: {http: §'http://127.0.0.1/a b'}"), says="blanks"),
    case("url-ipv6", (SERVER_READY, "ready: {http: §'http://[::1]:80/'}"), says="IPv6"),
    case("connect", (CONNECT, "{connect: §192.168.1.40}"), says="host:port"),
    case("connect-port", (CONNECT, "{connect: §'192.168.1.40:0'}"), says="host:port"),
    case("connect-ipv6", (CONNECT, "{connect: §'[::1]:80'}"), says="IPv6 is not supported"),
    case("zero-interval", ("timeout: 60", "interval: §0"), says="above 0"),
]

PROGRESS = [
    case("none", ("command: serve", "command: serve\n        §progress: {}"), says="no expression"),
    case("bad", (SERVER_READY, "progress: {step: §'('}"), says="progress.step is '('|no regular"),
    case("no-group", (SERVER_READY, "progress: {loss: §x}"), says="no group for the number"),
    case("progress-word", (SERVER_READY, "progress: {§setp: x}"), says="did you mean 'step'"),
]

LIVENESS = [
    case(
        "nothing",
        ("command: serve", "command: serve\n        §liveness: {interval: 5}"),
        says="liveness asks nothing|exactly one of http, connect, command, silence",
    ),
    case(
        "two",
        (SERVER_READY, "liveness: {http: 'http://127.0.0.1/', §silence: 60}"),
        says="2 things (http, silence)|exactly one",
    ),
    case("live-https", (SERVER_READY, "liveness: {http: §'https://x/'}"), says="https:// is not"),
    case("live-connect", (SERVER_READY, "liveness: {connect: §'x:0'}"), says="host:port"),
    case("live-silence", (SERVER_READY, "liveness: {silence: §0}"), says="above 0"),
    case("live-failures", (SERVER_READY, "liveness: {silence: 9, failures: §0}"), says="from 1 to"),
    case("live-restart", (SERVER_READY, "liveness: {silence: 9, restart: §3}"), says="true or"),
    case("live-word", (SERVER_READY, "liveness: {§htpp: x}"), says="did you mean 'http'"),
    case(
        "in-liveness", (SERVER_READY, "liveness: {command: §'{hst}'}"), says="placeholder '{hst}'"
    ),
    case(
        "by-hand",
        (CONNECT, CONNECT + "\n        §liveness: {silence: 9}"),
        says="service 'screen' has no command|remove the liveness",
    ),
]

PLACEHOLDERS = [
    case(
        "unknown",
        ("command: serve", "command: §serve {nodes}"),
        says="unknown placeholder '{nodes}'|did you mean 'node'|{{nodes}}",
    ),
    case(
        "unknown-service",
        ("command: serve", "command: §serve {serverr.port}"),
        says="did you mean 'server.port'",
    ),
    case(
        "of-network",
        ("command: serve", "command: §serve {address.fabrik}"),
        says="unknown network 'fabrik'|did you mean 'fabric'",
    ),
    case(
        "not-there",
        ("command: work {rank} {server.host}", "command: §work {address.fabric}"),
        says="{address.fabric} has no value on 'pi5', which is on edge",
    ),
    case(
        "no-port",
        ("command: serve", "command: §serve {worker.port}"),
        says="{worker.port} has no value: service 'worker' has no listen",
    ),
    case("in-env", ("LEVEL: debug", "LEVEL: §'{lvl}'"), says="unknown placeholder '{lvl}'"),
    case("in-ready", (CONNECT, "{connect: §'{host}:80'}"), says="unknown placeholder '{host}'"),
    case(
        "in-workdir",
        ("command: serve", "command: serve\n        workdir: §'{home}/x'"),
        says="unknown placeholder '{home}'",
    ),
]

ALL = [
    *YAML,
    *SHAPE,
    *NAMES,
    *NETWORKS,
    *GATEWAYS,
    *JOBS,
    *PORTS,
    *DHCP,
    *READY,
    *LIVENESS,
    *PROGRESS,
    *PLACEHOLDERS,
]


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "nodes.yaml")
    return caught.value.mistakes


@pytest.mark.parametrize(("edits", "says"), ALL)
def test_one_mistake_is_one_message_at_its_place(edits: tuple[Edit, ...], says: list[str]) -> None:
    text, place = edited(*edits)
    mistakes = mistakes_in(text)
    assert len(mistakes) == 1, mistakes
    start = f"nodes.yaml:{place}: "
    assert mistakes[0].startswith(start)
    rest = mistakes[0].removeprefix(start)
    assert "\n" not in rest
    for part in says:
        assert part in rest
        rest = rest.partition(part)[2]


def test_the_text_that_is_edited_is_valid() -> None:
    assert len(load_text(RIGHT, "nodes.yaml").nodes) == 4


def test_all_mistakes_are_reported_at_once_in_file_order() -> None:
    text, _ = edited(
        ("fleet: lab", "fleet: §my lab"),
        ("{fabric: 10.10.0.2}", "{fabric: 10.11.0.2}"),
        ("os: macos", "os: windows"),
        ("via: {fabric: mini1}", "via: {fabric: mini7}"),
        ("after: [server]", "after: [servr]"),
        ("signal: INT", "signl: INT"),
        ("timeout: 60", "timeout: -1"),
    )
    mistakes = mistakes_in(text)
    assert [int(m.split(":")[1]) for m in mistakes] == [1, 11, 16, 19, 31, 34, 38]


def test_a_circle_of_gateways_is_named() -> None:
    text = """\
fleet: lab
networks: {a: {cidr: 10.0.1.0/24}, b: {cidr: 10.0.2.0/24}, c: {cidr: 10.0.3.0/24}}
nodes:
  one: {addresses: {a: 10.0.1.1}, gateway: true, via: {c: two}}
  two: {addresses: {a: 10.0.1.2}, gateway: true, via: {c: three}}
  three: {addresses: {a: 10.0.1.3}, gateway: true, via: {c: two}}
"""
    assert mistakes_in(text) == [
        "nodes.yaml:5:59: via to 'c' runs in a circle: two → three → two",
        "nodes.yaml:6:61: via to 'c' runs in a circle: three → two → three",
    ]


def test_two_cycles_of_services_are_both_named() -> None:
    services = "".join(
        f"      {name}: {{on: n, command: x, after: [{after}]}}\n"
        for name, after in [("a", "b"), ("b", "a"), ("c", "a, d"), ("d", "e"), ("e", "d")]
    )
    text = f"fleet: lab\nnodes: {{n: }}\njobs:\n  j:\n    services:\n{services}"
    assert mistakes_in(text) == [
        "nodes.yaml:6:37: after runs in a cycle: a waits for b waits for a",
        "nodes.yaml:9:37: after runs in a cycle: d waits for e waits for d",
    ]


def test_a_long_list_of_allowed_names_is_shortened() -> None:
    nodes = "".join(f"  node{number}: {{}}\n" for number in range(40))
    text = f"fleet: lab\nnodes:\n{nodes}jobs: {{j: {{services: {{s: {{on: zzz, command: x}}}}}}}}\n"
    (mistake,) = mistakes_in(text)
    assert mistake.endswith("node10, node11 and 28 more")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "\ufeff", "---\n", "null\n"])
def test_an_empty_file_says_what_it_needs(text: str) -> None:
    (mistake,) = mistakes_in(text)
    assert "fleet" in mistake
    assert "empty" in mistake


@pytest.mark.parametrize("text", ["hello", "- a\n- b\n", "3"])
def test_a_file_of_another_kind_says_what_it_needs(text: str) -> None:
    (mistake,) = mistakes_in(text)
    assert mistake.startswith("nodes.yaml:1:1: the file is ")
    assert "a mapping" in mistake
    assert "'fleet' and 'nodes'" in mistake


def test_aliases_that_unfold_to_too_much_are_refused() -> None:
    lines = ["fleet: lab", "x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 12)]
    lines += ["nodes: {n: }", "jobs: {j: {services: {s: {command: x, on: *x11}}}}"]
    mistakes = mistakes_in("\n".join(lines))
    assert len(mistakes) < 100
    assert any("is a list" in mistake for mistake in mistakes)


def test_merged_mappings_that_unfold_to_too_much_are_refused() -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(1000))
    text = f"a: &a {{{keys}}}\nb:\n  <<: [{', '.join(['*a'] * 1000)}]\n"
    assert any("add up to more than" in mistake for mistake in mistakes_in(text))
