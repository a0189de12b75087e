"""Whether macOS lets the job's Python connect to its neighbours (Local Network privacy)."""

from __future__ import annotations

import re

from msgspec.structs import replace

from fleetctl.model.facts import LocalNetwork, NodeFacts
from fleetctl.model.layout import TMUX_SOCKET
from fleetctl.model.questions import Questions
from fleetctl.probes.probe import Ask, NotAsked, Probe, Told, Unanswered
from fleetctl.quoting import quote, quote_path

PRIVACY_SINCE = 15
"""The macOS version that brought Local Network privacy."""
CONNECT_TIMEOUT_S = 2

# macOS applies the permission to the process that tmux's server starts, and exempts Apple's own
# tools (docs/operating-systems.md, "Local Network privacy"). So the job's own interpreter connects,
# inside fleetctl's tmux server. EHOSTUNREACH means denied. While the SSH session that started the
# server is open, or before there is a server, macOS may allow what it denies later: reports differ.
_LOCAL_NETWORK = """[ "$(sw_vers -productVersion | cut -d. -f1)" -ge {since} ] || exit 0
tmux -L {socket} has-session 2>/dev/null || {{
echo "unknown: fleetctl's tmux server does not run there yet"; exit 0; }}
set -- $(tmux -L {socket} show-environment -g SSH_CONNECTION 2>/dev/null | sed 's/^.*=//')
[ $# -ne 4 ] || netstat -an -p tcp | awk -v own="$3.$4" -v peer="$1.$2" '
$4 == own && $5 == peer && $6 == "ESTABLISHED" {{ exit 1 }}' || open=1
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
tmux -L {socket} run-shell "sh '$d/run' '$d'"
said=allowed
[ -z "$open" ] || said='unknown: while the SSH session that started tmux is open, allowed'
sed "s/^allowed/$said/" "$d/said" 2>/dev/null
true"""


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


def _read(told: Told) -> LocalNetwork | Unanswered | None:
    """None on a macOS without this permission."""
    said = told.answer.text.strip()
    if match := re.search(r"^unknown: (.*)$", said, re.M):
        return Unanswered(match[1])
    if match := re.search(r"^(denied|allowed): (.*)$", said, re.M):
        return LocalNetwork(match[1] == "allowed", match[2])
    return Unanswered(said.splitlines()[-1]) if said else None


def _into(facts: NodeFacts, verdict: LocalNetwork) -> NodeFacts:
    return replace(facts, local_network=verdict)


PROBE = Probe(
    name="local-network",
    when="check",
    on={"linux": NotAsked("Linux has no such permission"), "macos": Ask(_text, _read)},
    into=_into,
)
