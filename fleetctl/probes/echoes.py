"""Echo requests: side by side in the background, while the other probes are asked.

Their answers come on stderr, each written at once and framed by the script's token, so that they
can mix neither with one another nor with what the other probes print.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address

from fleetctl.model.network import Echo
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.parsers.address import ipv4
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.ping import parse_ping
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.script import TOKEN, UNAME

LINE_END = "\x1f"
_RECORD = re.compile(
    r"\x1e([0-9a-f]{12}) ([0-9.]{7,15}) (ping|tcp) ([0-9]{1,3}) ([^\n\x1e]*)\n"
)  # one for every token: a pattern of its own for each node would have to be compiled
CHECK_COUNT = 3
_INTERVAL_S = 0.2  # the shortest that every ping allows every user
WAIT_S = 1

# No flag of the two pings means the same: -W counts seconds here, milliseconds there
# (docs/operating-systems.md, "Ping").
# -q: only the summary is read, and a whole answer fits one write to a pipe.
_PING: Mapping[OS, str] = {
    "linux": f"ping -q -c $2 -i {_INTERVAL_S} -W {WAIT_S} $1",
    "macos": f"ping -n -q -c $2 -i {_INTERVAL_S} -W {WAIT_S * 1000} -t {WAIT_S + 1} $1",
}
# A firewall may drop echo requests and let SSH through. A refusal proves the way just as well.
_KNOCK: Mapping[OS, str] = {
    "linux": f"timeout {WAIT_S} bash -c 'exec 3<>/dev/tcp/'$1/$3",
    "macos": f"nc -z -v -G {WAIT_S} $1 $3",
}
_NO_WAY = frozenset({"network_unreachable", "network_down", "no_route_to_host", "host_down"})
"""What ping says when it sends nothing because there is no way: that is silence as well."""

# A record is one line, because bash writes line by line; LINE_END stands for its line ends.
_TEXT = r"""ask() { said=$(%(ping)s 2>&1); tell ping $? "$1"
[ $status -eq 0 ] || [ $3 -eq 0 ] && return
said=$(%(knock)s 2>&1); tell tcp $? "$1"; }
tell() { kind=$1 status=$2 address=$3; set -f; IFS='
'; set -- $said; IFS='%(line_end)s'; printf '\036%(token)s %%s %%s %%s %%s\n' \
$address $kind $status "$*" >&2; unset IFS; set +f; }
"""


def echoes_text(questions: Questions, os: OS) -> str:
    """The sh text that starts all of ``questions``' echo requests and does not wait for them."""
    asked: list[tuple[IPv4Address, int]] = [(a, port or 0) for a, port in questions.echoes.items()]
    asked += [(address, 0) for address in questions.silent if address not in questions.echoes]
    if not asked:
        return ""
    count = CHECK_COUNT if questions.depth == "check" else 1
    starts = "".join(f"ask {address} {count} {port} </dev/null &\n" for address, port in asked)
    texts = {"ping": _PING[os], "knock": _KNOCK[os], "token": TOKEN, "line_end": LINE_END}
    return _TEXT % texts + starts


def path_text(address: IPv4Address, port: int | None) -> str:
    """An sh text that succeeds when ``address`` answers an echo, or its SSH ``port`` answers.

    Both prove the way there and back. A node without ``ping`` is not held up.
    """
    cases = ""
    for os, system in UNAME.items():
        knock = f" || case $({_KNOCK[os]} 2>&1 && echo refused) in *efused*) ;; *) false ;; esac"
        cases += f"{system}) {_PING[os]}{knock if port else ''} ;;\n"
    return (
        "command -v ping >/dev/null || exit 0\n"
        f"set -- {address} 1 {port or 0}\ncase $(uname -s) in\n{cases}esac >/dev/null 2>&1"
    )


def read_echoes(
    token: str, text: str
) -> tuple[dict[IPv4Address, Echo], dict[IPv4Address, bool], dict[IPv4Address, str]]:
    """The echoes in a script's stderr, whether SSH ports answered, and what was not understood."""
    echoes: dict[IPv4Address, Echo] = {}
    knocks: dict[IPv4Address, bool] = {}
    odd: dict[IPv4Address, str] = {}
    for match in _RECORD.finditer(text):
        own, where, kind, status, line = match.groups()
        address = ipv4(where) if own == token else None
        if address is None:
            continue
        said = line.replace(LINE_END, "\n")
        if kind == "tcp":
            knocks[address] = whole(status) == 0 or "refused" in said.lower()
            continue
        parsed = parse_ping(said)
        if isinstance(parsed, Unparsed) or (not parsed.transmitted and parsed.error not in _NO_WAY):
            odd[address] = (said.strip().splitlines() or [f"ping said nothing ({status})"])[-1]
        else:
            echoes[address] = parsed.echo()
    return echoes, knocks, odd
