"""The files of an instance on its node, and the scripts that write and remove them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fleetctl.launch.membership import LEAVE, member_text
from fleetctl.launch.prober import asks_text
from fleetctl.model.jobs import AtBoot, Instance, Restart
from fleetctl.model.late_words import interface_word, path_word
from fleetctl.model.layout import instance_dir
from fleetctl.package_files import package_text
from fleetctl.probes.asked.sockets import LISTENING
from fleetctl.probes.late_words import interface_of_text
from fleetctl.probes.members import members_text
from fleetctl.probes.script import UNAME
from fleetctl.quoting import environment_text, quote, quote_path

SEGMENT_BYTES = 8 * 1024 * 1024
SEGMENTS_KEPT = 8
"""An instance's log on the node stays below about twice ``SEGMENT_BYTES * SEGMENTS_KEPT``."""

LOCK_STALE_MINUTES = 1
"""An older lock is left over from a start that died, and is ignored."""

# exit statuses of the prepare script
LOCKED, NO_WORKDIR, NOT_WRITTEN, RUNNING, TORN, LEFT, UNREAD = 61, 62, 63, 64, 65, 66, 67
NO_VALUE = 68
GONE = 69
"""Of the program that starts it at boot: it is wanted no more."""

BOOT_PATIENCE_S = 600
"""So long it waits for the node's own network."""


_NOT_OF_THE_ACCOUNT = (
    "/^export([^=]* )?(TERM|TERM_PROGRAM|TERM_PROGRAM_VERSION|TMUX|TMUX_PANE|FLEETCTL_[A-Z_]*|_|UID"
    "|EUID|PPID|SHELLOPTS|BASHOPTS|SSH_AUTH_SOCK|SSH_CLIENT|SSH_CONNECTION|SSH_TTY)(=|$)/d"
)
"""A sed script for ``export -p``: what tmux sets in a window, what bash lets nobody set, and what
is of the session that starts the instance, which outlives it: its SSH agent, whose keys are not for
jobs, and its connection."""


_TELL = f"""words=
tell() {{ # WORD VALUE, which takes its place within single quotes
case $2 in '' | *[\\'\\\\\\&\\|[:space:]]*) return 1 ;; esac
words="$words
s|$1|$2|g"
}}
lack() {{ rm -rf spec account files; echo "$1" >&2; give_up {NO_VALUE}; }}
"""


def pauses(restart: Restart) -> list[float]:
    """The pauses before the first, second, … restart in a row, in seconds; the last one repeats."""
    found = [min(restart.delay_s, restart.max_delay_s)]
    while 0 < found[-1] < restart.max_delay_s and len(found) < min(restart.max, 32):
        found.append(min(found[-1] * 2, restart.max_delay_s))
    return found


def spec_text(
    instance: Instance, run: str, environment: Mapping[str, str], part: str | None = None
) -> str:
    """The file that the supervisor sources. It contains secrets, so it goes to the node by stdin
    only.

    :param part: what it has to do with what follows when a member of its job fails.
    """
    restart = instance.restart
    return (
        f"run={run}\n"
        f"command={quote(instance.line or '')}\n"
        f"words={quote(msgspec.json.encode(instance.words).decode()) if instance.words else ''}\n"
        f"workdir={quote_path(instance.workdir or '~')}\n"
        f"policy={restart.policy} max={restart.max} reset_after={int(restart.reset_after_s)}\n"
        f"pauses='{' '.join(f'{pause:g}' for pause in pauses(restart))}'\n"
        f"{environment_text(environment)}"
        f"{asks_text(instance)}"
        f"{member_text(instance, part)}"
    )


def _late_text(instance: Instance) -> str:
    """Writes the instance's files, and puts values in the place of words that only the node has;
    exits with ``NO_VALUE``, and the reason on stderr, where there is none."""
    if not instance.interfaces and not instance.files:
        return ""
    lines = [interface_of_text(), _TELL]
    for network, address in instance.interfaces.items():
        why = f"none of its interfaces has {address}, its address on {network}"
        word = quote(interface_word(network))
        lines.append(f'tell {word} "$(interface_of {address})" || lack {quote(why)}\n')
    if instance.files:
        lines.append(f"mkdir files || {{ rm -rf spec account; give_up {NOT_WRITTEN}; }}\n")
    for name, text in instance.files.items():
        word = quote(path_word(name))
        lines.append(
            f'tell {word} "$folder/files/{name}" || lack "$folder has characters that no path in a '
            f'command can have"\n'
            f"printf %s {quote(text)} | put files/{name} || exit\n"
        )
    lines.append(
        "for file in spec files/*; do\n"
        '[ ! -e "$file" ] || LC_ALL=C sed "$words" "$file" | put "$file" || exit\n'
        "done\n"
    )
    return "".join(lines)


def _alone_text(fleet: str, instance: Instance) -> str:
    """Takes the lock of the instance whose folder is ``$dir``, and goes into that; gives up where
    it runs, or processes of an earlier run are left. Sets ``windows``, those of earlier runs."""
    workdir = quote_path(instance.workdir or "~")
    whole = f"{fleet}|{instance.job}|{instance.name}"
    return f"""find "$dir/lock" -prune -mmin +{LOCK_STALE_MINUTES} -exec rmdir {{}} \\; 2>/dev/null
mkdir "$dir/lock" 2>/dev/null || exit {LOCKED}
give_up() {{ rmdir "$dir/lock"; exit "$1"; }}
cd {workdir} 2>/dev/null || give_up {NO_WORKDIR}
reach_tmux "${{dir%/*/*/*}}"/*/*/*/state
windows=$(tmux -u -L fleetctl list-panes -a -F \
'#{{session_name}}|#{{@fleetctl_job}}|#{{@fleetctl_instance}}|#{{pane_dead}} #{{window_id}}' \
2>/dev/null | sed -n 's/^'{quote(whole)}'|//p')
case $windows in *"0 @"*) give_up {RUNNING};; esac
cd "$dir" || give_up {NOT_WRITTEN}
roots=1 folder=$(pwd -P)
for pause in 0 0.2 0.5 0.8; do # what is about to end does not count
sleep "$pause"
left=$(members state) || give_up {UNREAD}
[ -n "$left" ] || break
done
[ -z "$left" ] || {{ echo "$left" | cut -d ' ' -f 2 | sort -nu >&2; give_up {LEFT}; }}
begun=
put() {{ cat >"$1.new" && mv "$1.new" "$1" || unwritten "$1.new"; }}
unwritten() {{ rm -rf "$1" spec account files $begun; give_up {NOT_WRITTEN}; }}
"""


def _boot_files(fleet: str, instance: Instance) -> str:
    """Writes what its node starts it again with: before the spec has what only the node knows."""
    if instance.at_boot is None:
        return ""
    return f"""begun=boot
mkdir boot && cp spec account boot || unwritten boot
printf '%s\\n' "$PATH" "${{TMUX_TMPDIR-}}" | put boot/place || exit
put boot/program <<'BOOT_ENDS'
{boot_program(fleet, instance, instance.at_boot)}BOOT_ENDS
"""


def boot_program(
    fleet: str, instance: Instance, needs: AtBoot, patience_s: int = BOOT_PATIENCE_S
) -> str:
    """The program that starts the instance at boot; see boot.sh."""
    lacks = [
        f'[ -n "$(interface_of {address})" ] || '
        f"{{ echo 'its address {address} on {network} is not there'; return; }}\n"
        for network, address in needs.addresses.items()
    ]
    lacks += [
        f'[ "$(next_hop {way.to})" = {way.via} ] || '
        f"{{ echo 'its way to {way.to} on {way.network} is not through {way.via}'; return; }}\n"
        for way in needs.ways
    ]
    statuses = {
        "LOCKED": LOCKED,
        "NO_WORKDIR": NO_WORKDIR,
        "NOT_WRITTEN": NOT_WRITTEN,
        "RUNNING": RUNNING,
        "LEFT": LEFT,
        "GONE": GONE,
    }
    return f"""{members_text()}{package_text("launch/reach.sh")}{interface_of_text()}
fleet={quote(fleet)} job={quote(instance.job)} instance={quote(instance.name)}
service={quote(instance.service)} hash={instance.definition_hash} patience={patience_s}
segments='{SEGMENT_BYTES} {SEGMENTS_KEPT}'
{" ".join(f"{name}={status}" for name, status in statuses.items())}
lacking() {{
{"".join(lacks) or ":"}
}}
alone() {{
{_alone_text(fleet, instance)}}}
late() {{
folder=$dir
{_late_text(instance)}}}
{package_text("launch/boot.sh")}"""


def prepare_script(fleet: str, instance: Instance, spec_bytes: int) -> str:
    """The script that prepares the start of an instance; its stdin is :func:`spec_text`, of which
    ``spec_bytes`` must arrive.

    It takes the instance's lock, so that two controllers cannot both start it. Where processes of
    an earlier run are left, it exits with ``LEFT`` and prints their ids on stderr, and where that
    cannot be told with ``UNREAD``. It prints the
    absolute folder, "windows" and the ids of earlier runs' windows, ``tmux -V`` and the operating
    system, each on a line, and the node's listeners; or it exits with one of this module's
    statuses, with the reason on stderr.
    """
    folder = quote_path(instance_dir(fleet, instance.job, instance.name))
    prober = ""
    if instance.liveness:
        text = members_text() + package_text("launch/prober.sh")
        prober = f"put prober <<'PROBER_ENDS'\n{text}PROBER_ENDS\n"
    listening = "".join(f"{UNAME[os]}) echo {os}; {text};;\n" for os, text in LISTENING.items())
    return f"""account=$(export -p)
{members_text()}{package_text("launch/reach.sh")}umask 077
dir={folder}
{package_text("launch/private.sh")}job=${{dir%/*}} whole=${{dir%/*/*}}
private "${{whole%/*}}/." "$whole" "$job" "$dir" "$dir/log" || exit {NOT_WRITTEN}
mkdir -p "$dir/log" 2>&1 || exit {NOT_WRITTEN}
{_alone_text(fleet, instance)}put spec
[ $(($(wc -c <spec))) -eq {spec_bytes} ] || {{ rm -f spec; give_up {TORN}; }}
printf '%s\\n' "$account" | LC_ALL=C sed -E '{_NOT_OF_THE_ACCOUNT}' | put account || exit
put supervisor <<'SUPERVISOR_ENDS'
{members_text()}{package_text("launch/supervisor.sh")}SUPERVISOR_ENDS
put logger <<'LOGGER_ENDS'
{package_text("launch/logger.sh")}LOGGER_ENDS
{prober}put tmux.conf <<'TMUX_ENDS'
{package_text("launch/tmux.conf")}TMUX_ENDS
{LEAVE}rm -rf stop ready searched health unwell files told apart member.pid boot booted
{_boot_files(fleet, instance)}{_late_text(instance)}pwd -P
echo windows $(printf '%s\\n' "$windows" | sed 's/.* //')
tmux -V 2>&1
case $(uname -s) in
{listening}*) echo;;
esac 2>/dev/null
true
"""


def unlock_script(fleet: str, instance: Instance, *, forget: bool = False) -> str:
    """Release the lock; with ``forget``, also remove the spec with its secrets."""
    folder = quote_path(instance_dir(fleet, instance.job, instance.name))
    return (
        f"cd {folder} 2>/dev/null || exit 0\n"
        + (
            "rm -f spec account supervisor logger prober told booted\nrm -rf files boot\n"
            if forget
            else ""
        )
        + "rmdir lock 2>/dev/null\ntrue\n"
    )


def forget_script(fleet: str, instance: Instance) -> str:
    """The script that makes an instance that has ended one that is stopped; see forget.sh."""
    folder = quote_path(instance_dir(fleet, instance.job, instance.name))
    return f"dir={folder}\n{members_text()}{package_text('launch/forget.sh')}"


def signal_script(fleet: str, instance: Instance, signal: str, *, whole: bool, traps: bool) -> str:
    """The script that sends a signal to an instance; see signal.sh for what it prints.

    :param whole: to all of its processes.
    :param traps: its command line sets traps.
    """
    folder = quote_path(instance_dir(fleet, instance.job, instance.name))
    return (
        f"dir={folder} signal={quote(signal)} whole={1 if whole else ''} "
        f"traps={1 if traps else ''}\n{members_text()}{package_text('launch/signal.sh')}"
    )


def send_script(fleet: str, instance: Instance) -> str:
    """The script that types its stdin into an instance's window; see send.sh for what it prints."""
    folder = quote_path(instance_dir(fleet, instance.job, instance.name))
    return (
        f"dir={folder} fleet={quote(fleet)} job={quote(instance.job)} "
        f"instance={quote(instance.name)}\n{package_text('launch/send.sh')}"
    )


def stop_script(fleet: str, instance: Instance) -> str:
    """The script that ends an instance; see stop.sh for what it prints."""
    folder = quote_path(instance_dir(fleet, instance.job, instance.name))
    return (
        f"dir={folder} fleet={quote(fleet)} job={quote(instance.job)} "
        f"instance={quote(instance.name)} signal={instance.stop.signal} "
        f"grace={instance.stop.grace_s:g}\n"
        f"{members_text()}{package_text('launch/reach.sh')}{package_text('launch/stop.sh')}"
    )
