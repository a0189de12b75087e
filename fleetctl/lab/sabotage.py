"""What a fault does to a running machine: the acts, each of which may be repeated."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from fleetctl.errors import LabError
from fleetctl.lab import building, controller, linux, persistence, state, toolbox, wiring
from fleetctl.lab.blueprint import Machine
from fleetctl.lab.namespaces import Process, popen, tool
from fleetctl.lab.personality import HIDDEN, LINUX, personality
from fleetctl.lab.state import State

ACT_TIMEOUT_S = 20.0
FULL_TRIES = 20

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
THROTTLED = "0x50005"
"""Under-voltage and throttled, now and since boot: bits 0, 2, 16 and 18 of get_throttled."""
_DENIED = f"{toolbox.PROGRAMS}/macos/denied"
_DENYING_TMUX = """\
cat >$tmux <<'END'
#!/.lab/sh
PYTHONPATH={denied}${{PYTHONPATH:+:$PYTHONPATH}}
export PYTHONPATH
exec {real} "$@"
END
chmod 755 $tmux"""


def ip(now: State, machine: Machine, lines: Iterable[str]) -> None:
    """Run lines of `ip -batch` on a machine."""
    wiring.ip_batch(now.processes[machine.key], lines, machine.hostname)


def power_off(now: State, machine: Machine) -> State:
    """Cut the machine's power. Returns the new state."""
    process = now.processes.get(machine.key)
    if process is None:
        return now
    # The cables first: no dying process may say goodbye to its peers.
    wiring.ip_batch(now.keeper, wiring.unplug(machine), "the switch")
    if not process.kill(timeout_s=building.STOP_TIMEOUT_S):
        raise LabError(f"{machine.key}: its process {process.pid} does not end")
    rest = {key: p for key, p in now.processes.items() if key != machine.key}
    now = replace(now, processes=rest)
    state.write(now)
    return now


def power_on(now: State, machine: Machine) -> State:
    """Boot the machine from its disk. Returns the new state."""
    if machine.key in now.processes:
        return now
    now = building.boot(now, [machine.key])
    building.await_ssh(now, machine.key)
    return now


def hang_sshd(now: State, machine: Machine, hung: bool) -> None:
    """Stop, or let go on, the SSH server and everything that serves its sessions."""
    number = signal.SIGSTOP if hung else signal.SIGCONT
    done: set[int] = set()
    # A listener may fork while we look: look until there is nothing new.
    while new := [p for p in _sshd_processes(now.processes[machine.key]) if p not in done]:
        for pid in new:
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)
            done.add(pid)


def _sshd_processes(process: Process) -> Iterator[int]:
    """The listener first."""
    namespace = Path(f"/proc/{process.pid}/ns/pid").readlink()
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            # OpenSSH 9.8 split sshd into sshd, sshd-session and sshd-auth.
            is_sshd = (folder / "comm").read_text().startswith("sshd")
            if is_sshd and (folder / "ns/pid").readlink() == namespace:
                yield int(folder.name)


def stop_forwarding(now: State, machine: Machine, stopped: bool) -> None:
    """Switch IPv4 forwarding off, or on again."""
    value = "0" if stopped else "1"
    setting = f"{personality(machine.os).proc}/sys/net/ipv4/ip_forward"
    _act(now, machine, ["sh", "-c", f"echo {value} >{setting}"])


def hide_tmux(now: State, machine: Machine, hidden: bool) -> None:
    """Take the tmux program away, wherever it is, or put it back."""
    _act(now, machine, ["sh", "-c", _TMUX_AWAY if hidden else _TMUX_BACK])


def forget_forwarding(now: State, machine: Machine, forgotten: bool) -> None:
    """Take away, or put back, what switches a gateway's forwarding on at boot."""
    persistence.keep_forwarding(machine, now.processes[machine.key].root, kept=not forgotten)


def guard_sudo(now: State, machine: Machine, asks: bool) -> None:
    """Let sudo ask for a password, or not."""
    linux.write_sudo_rule(machine, now.processes[machine.key].root, asks=asks)


def let_doze(now: State, machine: Machine, dozes: bool) -> None:
    """Switch the sleep of a Mac, or the power saving of a Pi's Wi-Fi, on or off."""
    persistence.keep_awake(machine, now.processes[machine.key].root, awake=not dozes)


def weaken_power(now: State, machine: Machine, weak: bool) -> None:
    """Let a Pi's firmware report that its power supply is too weak, or that all is well."""
    report = now.processes[machine.key].root / HIDDEN.strip("/") / "throttled"
    report.write_text(f"{THROTTLED if weak else '0x0'}\n")


def deny_local_network(now: State, machine: Machine, denied: bool) -> None:
    """Keep Python under the account's tmux servers from on-link addresses, or let it.

    Servers that run are told as well; what already runs in them keeps what it has.
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
    _act(now, machine, ["sh", "-c", script])


def fill_disk(now: State, machine: Machine, full: bool) -> None:
    """Shrink the disk to what is on it, which takes no memory; or give it its size again."""
    disk = building.disk_inside(now, machine.key)
    for _ in range(FULL_TRIES):
        size = building.DISK_SIZE
        if full:
            room = os.statvfs(building.disk_of(now, machine.key))
            size = str((room.f_blocks - room.f_bfree) * room.f_frsize)
        argv = [tool("mount"), "-o", f"remount,size={size}", str(disk)]
        refused = _run(now.keeper, argv)
        if not refused:
            return
        # Somebody wrote between our look and our act: look again.
    raise LabError(f"{machine.key}: its disk cannot be resized: {refused}")


def change_host_key(now: State, machine: Machine, changed: bool) -> None:
    """Give the SSH server another host key, or its own again, and start it anew."""
    own = building.host_key(now.name, now.blueprint, machine.key)
    key = own.with_name(own.name + "-changed") if changed else own
    if not key.exists():
        controller.make_key(key, f"root@{machine.key}")
    process = now.processes[machine.key]
    linux.install_host_key(key, process.root / "etc/ssh")
    # Its sessions live on: they are processes of their own.
    stop = 'pid=$(cat /run/sshd.pid) && kill -KILL "$pid" && rm /run/sshd.pid'
    _act(now, machine, ["sh", "-c", f"{stop}; exec /usr/sbin/sshd -E /var/log/sshd.log"])
    building.await_ssh(now, machine.key)


def revoke_key(now: State, machine: Machine, revoked: bool) -> None:
    """Empty the account's authorized_keys, or write them again."""
    home = now.processes[machine.key].root / machine.home.lstrip("/")
    keys = building.authorized_keys(now.name, now.blueprint, machine.key)
    (home / ".ssh/authorized_keys").write_text("" if revoked else keys.read_text())


def _act(now: State, machine: Machine, argv: Sequence[str]) -> None:
    """Run a command as root on the machine.

    :raises LabError: it failed.
    """
    refused = _run(now.processes[machine.key], argv)
    if refused:
        raise LabError(f"{machine.key}: {refused}")


def _run(process: Process, argv: Sequence[str]) -> str:
    """Run a command beside ``process``. Returns what it complained about when it failed."""
    running = popen(
        process,
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"PATH": LINUX.root_path},
    )
    try:
        _, err = running.communicate(timeout=ACT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        return f"{argv[0]} had not ended after {ACT_TIMEOUT_S:g} s"
    if running.returncode == 0:
        return ""
    return err.decode(errors="replace").strip() or f"{argv[0]}: status {running.returncode}"
