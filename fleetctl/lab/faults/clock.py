"""Faults of a machine's wall clock: that of a Pi does not go on while it is off."""

from __future__ import annotations

from fleetctl.lab.faults.commands import as_root
from fleetctl.lab.faults.kind import FaultKind, with_ssh
from fleetctl.lab.personality import is_mac
from fleetctl.lab.state import Fault, State

AHEAD_S = {"clock-behind": -600, "clock-ahead": 600}

# All machines of a lab have the kernel's clock, so only `date` tells another time; a moment that
# it is given (`date -r 0`) is the moment that it is.
_SET = r"""
date=$(command -v date) && cd "${{date%/*}}" || exit
[ -e .date-away ] || mv date .date-away || exit
rm -f date && cat >date <<'END' && chmod 755 date
#!{shell}
real=${{0%/*}}/.date-away
for word in "$@"; do
    case $word in +* | -u | -R | -I* | --utc | --rfc-* | --iso-*) ;; *) exec "$real" "$@" ;; esac
done
exec "$real" {moment} "$@"
END
"""
_MEND = r"""
date=$(command -v date) && cd "${date%/*}" && [ -e .date-away ] || exit 0
mv .date-away date
"""


def _set(now: State, fault: Fault, _active: bool) -> State:
    """Let `date` tell the time of all clock faults that the machine has; the true one at once if it
    has none, as when NTP sets the clock."""
    machine = now.blueprint.machines[fault.node]
    ahead_s = sum(AHEAD_S.get(f.kind, 0) for f in now.faults if f.node == fault.node)
    shell, moment = "/bin/sh", f'-d "{ahead_s} seconds"'
    if is_mac(machine):
        shell, moment = "/.lab/sh", f'-r $(($("$real" +%s) + {ahead_s}))'
    script = _SET.format(shell=shell, moment=moment) if ahead_s else _MEND
    as_root(now, machine, ["sh", "-c", script])
    return now


KINDS = (
    FaultKind(
        name="clock-behind",
        sentence="Its clock is ten minutes behind, as a Pi's after a boot; healed, it jumps.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="disk",
        apply=_set,
    ),
    FaultKind(
        name="clock-ahead",
        sentence="Its clock is ten minutes ahead; healed, it jumps back.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="disk",
        apply=_set,
    ),
)
