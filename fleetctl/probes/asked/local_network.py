"""Whether macOS lets the job's Python connect to its neighbours (Local Network privacy)."""

from __future__ import annotations

import re

from msgspec.structs import replace

from fleetctl.model.facts import LocalNetwork, NodeFacts
from fleetctl.model.layout import TMUX_SOCKET
from fleetctl.model.questions import Questions
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told
from fleetctl.quoting import quote, quote_path

PRIVACY_SINCE = 15
"""The macOS version that brought Local Network privacy."""
CONNECT_TIMEOUT_S = 2

# macOS applies the permission to the process that tmux's server starts, and exempts Apple's own
# tools (docs/operating-systems.md, "Local Network privacy"). So the job's own interpreter connects,
# inside fleetctl's tmux server. EHOSTUNREACH means denied. `start-server` without a session ends by
# itself.
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


def _text(questions: Questions) -> str:
    """Text that tests whether the first Python instance that needs a neighbour may connect to
    it."""
    for instance, address, port in questions.neighbours:
        word = instance.program or ""
        if not re.search(r"python[0-9.]*$", word):
            continue
        folder = quote_path(instance.workdir or "~")
        run = f'cd {folder}; {quote(word)} "$1/ask.py" >"$1/said" 2>&1'
        return _LOCAL_NETWORK.format(
            since=PRIVACY_SINCE,
            address=address,
            port=port,
            timeout=CONNECT_TIMEOUT_S,
            run=quote(run),
            socket=TMUX_SOCKET,
        )
    return ""


def _read(told: Told) -> LocalNetwork | None:
    """None on a macOS without this permission."""
    said = told.answer.text.strip()
    if match := re.search(r"^(denied|allowed): (.*)$", said, re.M):
        return LocalNetwork(match[1] == "allowed", match[2])
    return LocalNetwork(None, said.splitlines()[-1]) if said else None


def _into(facts: NodeFacts, verdict: LocalNetwork) -> NodeFacts:
    return replace(facts, local_network=verdict)


PROBE = Probe(
    name="local-network",
    when="check",
    on={"linux": NotAsked("Linux has no such permission"), "macos": Ask(_text, _read)},
    into=_into,
)
