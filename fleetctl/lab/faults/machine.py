"""Faults of a machine itself: its tools, disk, power supply and settings."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from fleetctl.errors import LabError
from fleetctl.lab import building, diskfile, linux, persistence, toolbox
from fleetctl.lab.blueprint import Blueprint, Machine
from fleetctl.lab.faults.commands import as_root, marked, refusal
from fleetctl.lab.faults.kind import FaultKind, on_machine, own_machine, with_ssh
from fleetctl.lab.namespaces import tool
from fleetctl.lab.personality import HIDDEN, is_mac, personality
from fleetctl.lab.state import Fault, State
from fleetctl.model.layout import RUN_VARIABLE

FULL_TRIES = 20
LEFT_BYTES = {"disk-full": 0, "disk-filling": 32 << 20}
"""Space that a fault leaves for what is written after it."""

_TMUX_AWAY = """\
for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin /usr/games /opt/*/bin; do
    if [ -e "$folder/tmux" ]; then mv "$folder/tmux" "$folder/.tmux-away" || exit 1; fi
done
"""
_TMUX_BACK = """\
for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin /usr/games /opt/*/bin; do
    if [ -e "$folder/.tmux-away" ]; then mv "$folder/.tmux-away" "$folder/tmux" || exit 1; fi
done
"""
_IP_OLD = r"""
ip=$(readlink -f "$(command -v ip)") && [ ! -e "${ip%/*}/.ip-away" ] || exit 0
mv "$ip" "${ip%/*}/.ip-away" && cat >"$ip" <<'END' && chmod 755 "$ip"
#!/bin/sh
# iproute2 4.20: no JSON of `route get`, and broken JSON of routes with a type.
real=$(dirname "$(readlink -f "$0")")/.ip-away
case " $* " in *" -batch "*) ;; *) exec "$real" "$@" ;; esac
line=0 status=0
while read -r words; do
    line=$((line + 1))
    case $words in
    "route get "*) "$real" $words ;;
    *) "$real" -j $words | sed 's/{"type":"\([a-z]*\)",/{"\1",/g' ;;
    esac || { status=1; echo "Command failed -:$line" >&2; }
done
exit $status
END
"""
_IP_BACK = """
ip=$(readlink -f "$(command -v ip)") && [ -e "${ip%/*}/.ip-away" ] || exit 0
mv "${ip%/*}/.ip-away" "$ip"
"""
_PYTHON_OLD = r"""
python=$(command -v python3) && [ ! -e "${python%/*}/.python3-away" ] || exit 0
mv "$python" "${python%/*}/.python3-away" && cat >"$python" <<'END' && chmod 755 "$python"
#!/bin/sh
case $1 in --version | -V) echo Python 3.8.10; exit ;; esac
exec "${0%/*}/.python3-away" "$@"
END
"""
_PYTHON_BACK = """
python=$(command -v python3) && [ -e "${python%/*}/.python3-away" ] || exit 0
mv "${python%/*}/.python3-away" "$python"
"""
THROTTLED = "0x50005"
"""Under-voltage and throttled, now and since boot: bits 0, 2, 16 and 18 of get_throttled."""
KERNEL_LOG = "/run/kernel.log"
"""What `dmesg` on a Linux machine tells."""
_DENIED = f"{toolbox.PROGRAMS}/macos/denied"
_DENYING_TMUX = """\
cat >$tmux <<'END'
#!/.lab/sh
PYTHONPATH={denied}${{PYTHONPATH:+:$PYTHONPATH}}
export PYTHONPATH
exec {real} "$@"
END
chmod 755 $tmux"""


def _hide_tmux(now: State, machine: Machine, hidden: bool) -> None:
    """Rename the tmux program wherever it is, or put it back."""
    as_root(now, machine, ["sh", "-c", _TMUX_AWAY if hidden else _TMUX_BACK])


def _age_ip(now: State, machine: Machine, old: bool) -> None:
    """Let the account's `ip` answer as one before 5.0 does, or give back what was there."""
    as_root(now, machine, ["sh", "-c", _IP_OLD if old else _IP_BACK])


def _age_python(now: State, machine: Machine, old: bool) -> None:
    """Let python3 say that it is an old one, or give back what was there."""
    as_root(now, machine, ["sh", "-c", _PYTHON_OLD if old else _PYTHON_BACK])


def _fill_disk(now: State, fault: Fault, _active: bool) -> State:
    """Shrink the disk to what is on it, and what is left of it; or give it its size again."""
    machine = now.blueprint.machines[fault.node]
    left = [LEFT_BYTES[f.kind] for f in now.faults if f.kind in LEFT_BYTES and f.node == fault.node]
    disk = building.disk_inside(now, machine.key)
    for _ in range(FULL_TRIES):
        size = building.DISK_SIZE
        if left:
            room = os.statvfs(building.disk_of(now, machine.key))
            size = str((room.f_blocks - room.f_bfree) * room.f_frsize + min(left))
        argv = [tool("mount"), "-o", f"remount,size={size}", str(disk)]
        refused = refusal(now.keeper, argv, confined=False)
        if not refused:
            return now
        # Something was written after statvfs: try again.
    raise LabError(f"{machine.key}: its disk cannot be resized: {refused}")


def _silence(now: State, machine: Machine, silent: bool) -> None:
    """Stop all processes of instances, or let them go on."""
    found = list(marked(now.processes[machine.key], RUN_VARIABLE))
    if silent and not found:
        raise LabError(f"{machine.key}: no instance runs there", hint="Start one: fleetctl start")
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP if silent else signal.SIGCONT)


def _run_out_of_memory(now: State, machine: Machine, active: bool) -> None:
    """End the biggest process of the instances as the kernel does, with its words; or take those
    away."""
    if not active:
        as_root(now, machine, ["rm", "-f", KERNEL_LOG])
        return
    found = []
    for process in marked(now.processes[machine.key], RUN_VARIABLE):
        with suppress(OSError):  # it ended meanwhile
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            kib = int(status.get("VmRSS", "0").split()[0])
            found.append((kib, status["NSpid"].split()[-1], status["Name"]))
    if not found:
        raise LabError(f"{machine.key}: no instance runs there", hint="Start one: fleetctl start")
    kib, pid, name = max(found)
    said = f"Out of memory: Killed process {pid} ({name}) total-vm:{kib}kB, anon-rss:{kib}kB"
    kill = 'kill -9 "$1" && read -r up idle </proc/uptime && echo "[$up] $2" >>' + KERNEL_LOG
    as_root(now, machine, ["sh", "-c", kill, "sh", pid, said])


def _guard_sudo(now: State, machine: Machine, asks: bool) -> None:
    """Make sudo ask for a password, or not."""
    linux.write_sudo_rule(machine, now.processes[machine.key].root, asks=asks)


def _let_doze(now: State, machine: Machine, dozes: bool) -> None:
    """Switch a Mac's sleep, or the power saving of a Pi's Wi-Fi, on or off."""
    root = now.processes[machine.key].root
    persistence.keep_awake(now.blueprint, machine, root, awake=not dozes)


def _weaken_power(now: State, machine: Machine, weak: bool) -> None:
    """Make a Pi's firmware report under-voltage, or that all is well."""
    root = now.processes[machine.key].root
    diskfile.write(root, f"{HIDDEN}/throttled", f"{THROTTLED if weak else '0x0'}\n")


def _hide_from_pings(now: State, machine: Machine, hidden: bool) -> None:
    """Switch the stealth mode of a Mac's firewall on or off."""
    setting = f"{personality(machine.os).proc}/sys/net/ipv4/icmp_echo_ignore_all"
    as_root(now, machine, ["sh", "-c", f"echo {int(hidden)} >{setting}"])


def _deny_local_network(now: State, machine: Machine, denied: bool) -> None:
    """Deny Python in the account's tmux servers connections to on-link addresses, or allow them.

    Also for tmux servers that run already; processes that run in them are not changed.
    """
    real = toolbox.hidden(toolbox.real_tool("tmux"))
    program = _DENYING_TMUX if denied else f"ln -s {real} $tmux"
    change = (
        f"set-environment -g PYTHONPATH {_DENIED}" if denied else "set-environment -gu PYTHONPATH"
    )
    script = f"""\
cd /opt/homebrew/bin || exit
tmux=tmux; [ ! -e .tmux-away ] || tmux=.tmux-away
rm -f $tmux
{program.format(denied=_DENIED, real=real)}
for socket in /tmp/tmux-{machine.uid}/*; do
    [ ! -S "$socket" ] || {real} -S "$socket" {change} 2>/dev/null
done
true
"""
    as_root(now, machine, ["sh", "-c", script])


def _with_sudo(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and machine.uid != 0 else []


def _mac(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and is_mac(machine) else []


def _pi(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and not is_mac(machine) else []


def _may_doze(plan: Blueprint, machine: Machine) -> list[str | None]:
    wireless = any(plan.segments[port.network].kind == "wifi" for port in machine.ports)
    return [None] if machine.role == "ssh" and (is_mac(machine) or wireless) else []


KINDS = (
    FaultKind(
        name="sudo-password",
        sentence=f"sudo asks the account for its password, which is {linux.PASSWORD!r}.",
        places=_with_sudo,
        lacks="it has no SSH server, or one logs in as root",
        lives="disk",
        apply=on_machine(_guard_sudo),
    ),
    FaultKind(
        name="sleep-enabled",
        sentence="A Mac goes to sleep after a minute; a Pi's Wi-Fi saves power.",
        places=_may_doze,
        lacks="it is no Mac and has no Wi-Fi",
        lives="disk",
        apply=on_machine(_let_doze),
    ),
    FaultKind(
        name="undervoltage",
        sentence="The power supply of a Pi is too weak: its firmware reports under-voltage.",
        places=_pi,
        lacks="it is no Linux machine",
        lives="disk",
        apply=on_machine(_weaken_power),
    ),
    FaultKind(
        name="stealth",
        sentence="The firewall of a Mac is in stealth mode: it answers no ping.",
        places=_mac,
        lacks="it is no Mac",
        lives="memory",
        apply=on_machine(_hide_from_pings),
    ),
    FaultKind(
        name="local-network-denied",
        sentence=(
            "macOS keeps Python in tmux from its neighbours: no route to host, while ping answers."
        ),
        places=_mac,
        lacks="it is no Mac",
        lives="disk",
        apply=on_machine(_deny_local_network),
    ),
    FaultKind(
        name="tmux-missing",
        sentence="tmux is not installed; a tmux server that runs already runs on.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="disk",
        apply=on_machine(_hide_tmux),
    ),
    FaultKind(
        name="old-ip",
        sentence="ip is one before iproute2 5.0, which does not say the way as JSON.",
        places=_pi,
        lacks="it is no Linux machine",
        lives="disk",
        apply=on_machine(_age_ip),
    ),
    FaultKind(
        name="old-python",
        sentence="python3 says that it is 3.8, older than the shipped job requires.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="disk",
        apply=on_machine(_age_python),
    ),
    FaultKind(
        name="disk-full",
        sentence="The file system of the home folder has no space left.",
        places=own_machine,
        lacks="it is this very controller",
        lives="disk",
        apply=_fill_disk,
    ),
    FaultKind(
        name="disk-filling",
        sentence="The file system of the home folder has 32 MiB left, which something may fill.",
        places=own_machine,
        lacks="it is this very controller",
        lives="disk",
        apply=_fill_disk,
    ),
    FaultKind(
        name="out-of-memory",
        sentence="The kernel ends the biggest process of an instance for lack of memory.",
        places=_pi,
        lacks="it is no Linux machine",
        lives="memory",
        apply=on_machine(_run_out_of_memory),
    ),
    FaultKind(
        name="silent-process",
        sentence="Whatever fleetctl started there is stopped: it lives, and answers nothing.",
        places=with_ssh,
        lacks="it has no SSH server",
        lives="memory",
        apply=on_machine(_silence),
    ),
)
