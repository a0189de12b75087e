"""What only Macs are asked, and only by a check: Thunderbolt peers, Local Network privacy, heat."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleetctl.model.facts import LocalNetwork, ThunderboltPort
from fleetctl.model.layout import TMUX_SOCKET
from fleetctl.model.questions import Questions
from fleetctl.probes.parsers.macmon import parse_macmon
from fleetctl.probes.parsers.system_profiler import parse_thunderbolt
from fleetctl.probes.parsers.unparsed import known
from fleetctl.probes.probe import Answer, Probe
from fleetctl.quoting import quote, quote_path

THUNDERBOLT = Probe(
    name="thunderbolt", linux="", macos="system_profiler SPThunderboltDataType -json"
)
# The one tool that tells an Apple silicon Mac's temperature without root, where it is installed.
MACMON = Probe(
    name="macmon",
    linux="",
    macos="command -v macmon >/dev/null || exit 0\nmacmon pipe -s 1 -i 100",
)
PRIVACY_SINCE = 15
"""The macOS version that brought Local Network privacy."""
CONNECT_TIMEOUT_S = 2

# The process that tmux's server starts is what macOS judges, and an interpreter is judged where
# Apple's own tools pass (docs/operating-systems.md, "Local Network privacy"): so the job's own
# interpreter asks, inside our tmux server. EHOSTUNREACH is the refusal. `start-server` without a
# session ends by itself.
_LOCAL_NETWORK = """[ "$(sw_vers -productVersion | cut -d. -f1)" -ge {since} ] || exit 0
d=$(mktemp -d) || exit
trap 'rm -rf "$d"' EXIT
cat >"$d/ask.py" <<'EOF'
import errno, socket
try:
    socket.create_connection(("{address}", {port}), {timeout})
    print("allowed: connected")
except OSError as e:
    denied = e.errno == errno.EHOSTUNREACH
    print("denied:" if denied else "allowed:", "[Errno %s]" % e.errno, e.strerror or e)
EOF
printf '%s\\n' {run} >"$d/run"
tmux -L {socket} start-server ';' run-shell "sh '$d/run' '$d'"
cat "$d/said" 2>/dev/null"""


def local_network_probe(questions: Questions) -> Probe:
    """Asks whether the first instance here that needs a neighbour may connect to it."""
    text = ""
    for instance, address, port in questions.neighbours:
        word = instance.program or ""
        if not re.search(r"python[0-9.]*$", word):
            continue
        folder = quote_path(instance.workdir or "~")
        run = f'cd {folder}; {quote(word)} "$1/ask.py" >"$1/said" 2>&1'
        text = _LOCAL_NETWORK.format(
            since=PRIVACY_SINCE,
            address=address,
            port=port,
            timeout=CONNECT_TIMEOUT_S,
            run=quote(run),
            socket=TMUX_SOCKET,
        )
        break
    return Probe(name="local-network", linux="", macos=text)


def read_temperature_c(answers: Mapping[str, Answer]) -> float | None:
    """What macmon says of the processor; None without it."""
    answer = answers.get(MACMON.name)
    sample = known(parse_macmon(answer.text)) if answer else None
    return sample.cpu_celsius if sample else None


def read_macs(
    answers: Mapping[str, Answer],
) -> tuple[tuple[ThunderboltPort, ...] | None, LocalNetwork | None]:
    """Thunderbolt ports, and the verdict on Local Network privacy; None where not told."""
    ports: tuple[ThunderboltPort, ...] | None = None
    if answer := answers.get(THUNDERBOLT.name):
        parsed = known(parse_thunderbolt(answer.text))
        if parsed is not None:
            ports = tuple(
                ThunderboltPort(p.receptacle or "?", p.domain_uuid, p.peer_uuid, p.speed)
                for p in parsed
            )
    verdict = None
    if answer := answers.get("local-network"):
        said = answer.text.strip()
        if match := re.search(r"^(denied|allowed): (.*)$", said, re.M):
            verdict = LocalNetwork(match[1] == "allowed", match[2])
        elif said:
            verdict = LocalNetwork(None, said.splitlines()[-1])
    return ports, verdict
