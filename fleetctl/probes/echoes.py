"""Pings, in parallel in the background, while the other probes run.

Each result is written to stderr in one piece and framed by the script's token, so that results mix
neither with one another nor with the output of the other probes.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from fleetctl.model.network import Echo
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.patterns import pattern
from fleetctl.probes.parsers.address import ipv4
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.ping import parse_ping
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.script import TOKEN, UNAME

LINE_END = "\x1f"
_RECORD = pattern(
    r"\x1e([0-9a-f]{12}) ([0-9.]{7,15}) (ping|tcp) ([0-9]{1,3}) ([^\n\x1e]*)\n"
)  # matches any token, so that it is compiled only once
CHECK_COUNT = 10
"""Echoes to an address that must answer, by which loss and delay are judged."""
SILENT_COUNT = 3
"""Echoes to an address that must not answer: each of them is waited for."""
_INTERVAL_S = 0.2  # the shortest that every ping allows without root
WAIT_S = 1

# The flags differ: -W is in seconds on Linux, in milliseconds on macOS (docs/operating-systems.md,
# "Ping"). -q: only the summary is needed, and it fits one write to a pipe. $4: the seconds, whole,
# after which macOS ends ping.
_PING: Mapping[OS, str] = {
    "linux": f"ping -q -c $2 -i {_INTERVAL_S} -W {WAIT_S} $1",
    "macos": f"ping -n -q -c $2 -i {_INTERVAL_S} -W {WAIT_S * 1000} -t $4 $1",
}
# A firewall may drop echo requests and let SSH through. A refused connection proves the way too.
_CONNECT: Mapping[OS, str] = {
    "linux": f"timeout {WAIT_S} bash -c 'exec 3<>/dev/tcp/'$1/$3",
    "macos": f"nc -z -v -G {WAIT_S} $1 $3",
}
_NO_WAY = frozenset({"network_unreachable", "network_down", "no_route_to_host", "host_down"})
"""Errors of a ping that sent nothing because there is no route: they count as unanswered."""

# A record is one line, because bash writes line by line; LINE_END replaces newlines inside it.
_TEXT = r"""ask() { said=$(%(ping)s 2>&1); tell ping $? "$1"
[ $status -eq 0 ] || [ $3 -eq 0 ] && return
said=$(%(connect)s 2>&1); tell tcp $? "$1"; }
tell() { kind=$1 status=$2 address=$3; set -f; IFS='
'; set -- $said; IFS='%(line_end)s'; printf '\036%(token)s %%s %%s %%s %%s\n' \
$address $kind $status "$*" >&2; unset IFS; set +f; }
"""


def echoes_text(questions: Questions, os: OS) -> str:
    """The sh text that starts all pings of ``questions`` and does not wait for them."""
    check = questions.depth == "check"
    count = CHECK_COUNT if check else 1
    asked = [(address, count, port) for address, port in questions.echoes.items()]
    count = SILENT_COUNT if check else 1
    asked += [(a, count, None) for a in questions.silent if a not in questions.echoes]
    if not asked:
        return ""
    starts = "".join(f"ask {_arguments(*one)} </dev/null &\n" for one in asked)
    texts = {"ping": _PING[os], "connect": _CONNECT[os], "token": TOKEN, "line_end": LINE_END}
    return _TEXT % texts + starts


def _arguments(address: IPv4Address, count: int, port: int | None) -> str:
    """What the texts above find in $1 to $4."""
    longest_s = (count - 1) * _INTERVAL_S + WAIT_S
    return f"{address} {count} {port or 0} {int(longest_s) + 1}"


def path_text(address: IPv4Address, port: int | None) -> str:
    """An sh text that succeeds if ``address`` answers a ping, or its SSH ``port`` answers.

    Either proves the way there and back. On a node without ``ping`` it succeeds at once.
    """
    cases = ""
    for os, system in UNAME.items():
        connect = (
            f" || case $({_CONNECT[os]} 2>&1 && echo refused) in *efused*) ;; *) false ;; esac"
        )
        cases += f"{system}) {_PING[os]}{connect if port else ''} ;;\n"
    return (
        "command -v ping >/dev/null || exit 0\n"
        f"set -- {_arguments(address, 1, port)}\ncase $(uname -s) in\n{cases}esac >/dev/null 2>&1"
    )


def read_echoes(
    token: str, text: str
) -> tuple[dict[IPv4Address, Echo], dict[IPv4Address, bool], dict[IPv4Address, str]]:
    """The results in a script's stderr: pings, SSH ports, and output that was not understood."""
    echoes: dict[IPv4Address, Echo] = {}
    ports: dict[IPv4Address, bool] = {}
    odd: dict[IPv4Address, str] = {}
    for match in _RECORD.finditer(text):
        own, where, kind, status, line = match.groups()
        address = ipv4(where) if own == token else None
        if address is None:
            continue
        said = line.replace(LINE_END, "\n")
        if kind == "tcp":
            ports[address] = whole(status) == 0 or "refused" in said.lower()
            continue
        parsed = parse_ping(said)
        if isinstance(parsed, Unparsed) or (not parsed.transmitted and parsed.error not in _NO_WAY):
            odd[address] = (said.strip().splitlines() or [f"ping said nothing ({status})"])[-1]
        else:
            echoes[address] = parsed.echo()
    return echoes, ports, odd
