"""What starts instances again after a power cut: a systemd user unit, or a LaunchDaemon.

One a fleet and node, with the folders of the instances that nodes.yaml wants started (``on_boot``);
each has what it is started with in its folder, or is not wanted to run (launch/boot.sh).
"""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.health.repairs.boot_files import printed, write_command
from fleetctl.health.repairs.target import RepairTarget
from fleetctl.model.facts import BootStart
from fleetctl.model.layout import STATE, boot_daemon, boot_label, boot_unit, instance_dir
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import Fleet
from fleetctl.quoting import quote

_EACH = (
    'for i; do [ ! -r "$i/boot/program" ] || sh "$i/boot/program" "$i" & done; '
    "wait"
)  # side by side: each waits for the networks that it uses


def _wanted(fleet: Fleet, node: str) -> list[str]:
    """The folders of the instances that ``node`` is to start, below the home folder."""
    return [
        instance_dir(fleet.name, job.name, instance.name).removeprefix("~/")
        for job in fleet.jobs.values()
        for instance in job.on(node)
        if instance.at_boot
    ]


def unit_text(fleet: Fleet, node: str) -> str | None:
    """The unit that the node is to have (systemd.service(5)); None: none.

    The tmux server that it starts is in its control group: so it stays active, and where it is
    stopped, ends its own process alone.
    """
    folders = [f'"%h/{folder}"' for folder in _wanted(fleet, node)]
    if not folders:
        return None
    line = " ".join(["/bin/sh -c", f"'{_EACH.replace('$', '$$')}'", "fleetctl", *folders])
    return f"""# written by fleetctl fix; fleetctl fix --undo takes it away
[Unit]
Description=fleetctl: starts again what fleet {fleet.name} ran on this node

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
ExecStart={line}

[Install]
WantedBy=default.target
"""


def daemon_text(fleet: Fleet, node: str, found: BootStart) -> str | None:
    """The LaunchDaemon that the node is to have (launchd.plist(5)); None: none."""
    folders = [f"{found.home}/{folder}" for folder in _wanted(fleet, node)]
    if not folders:
        return None
    words = "".join(_string(word) for word in ("/bin/sh", "-c", _EACH, "fleetctl", *folders))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<plist version="1.0"><dict>\n'
        f"<key>Label</key>{_string(boot_label(fleet.name))}\n"
        f"<key>UserName</key>{_string(found.user)}\n"
        f"<key>ProgramArguments</key><array>{words}</array>\n"
        f"<key>EnvironmentVariables</key><dict><key>HOME</key>{_string(found.home)}</dict>\n"
        "<key>RunAtLoad</key><true/>\n"
        "<key>AbandonProcessGroup</key><true/>\n"
        "</dict></plist>\n"
    )


def _string(text: str) -> str:
    from xml.sax.saxutils import escape  # imports an HTTP client

    return f"<string>{escape(text)}</string>"


def boot_unlike(
    fleet: Fleet, node: str, found: BootStart | None, *, macos: bool
) -> tuple[str, str] | None:
    """How what the node starts at boot differs from nodes.yaml, as the end of a sentence about it,
    and what shows it; None: it does not, or that is not known."""
    if found is None:
        return None
    file = (boot_daemon if macos else boot_unit)(fleet.name)
    text = daemon_text(fleet, node, found) if macos else unit_text(fleet, node)
    prefix = f"{STATE.removeprefix('~/')}/{fleet.name}/"
    names = ", ".join(folder.removeprefix(prefix) for folder in _wanted(fleet, node))
    if text is None:
        if found.text is None:
            return None
        return f"starts what nodes.yaml does not want started at boot ({file})", f"{file} is there"
    lacks = f"does not start {names} again by itself after a power cut"
    if not found.manager:
        return f"{lacks}: it has no systemd", "there is no /run/systemd/system"
    if found.text is None:
        return f"{lacks}: there is no {file}", f"{file} is not there"
    if found.text != text:
        return f"{lacks} as nodes.yaml says: {file} is another one", f"{file} differs"
    if not found.enabled:
        return f"{lacks}: {file} is not wanted at boot", "no link in default.target.wants"
    if not found.lingers:
        why = f"{found.user} does not linger, so its units start at a login only"
        return f"{lacks}: {why}", f"/var/lib/systemd/linger/{found.user} is not there"
    return None


def on_linux(target: RepairTarget) -> Iterator[RepairStep]:
    """Install the unit and let the account linger; or take the unit away."""
    found, fleet = target.facts.boot_start, target.fleet
    if found is None:
        return
    file = boot_unit(fleet.name)
    text = unit_text(fleet, target.node.name)
    if text is None:
        if found.text is not None:
            does = f"takes away what starts instances at boot ({file})"
            yield RepairStep(_remove(file), does, _write(file, found.text), lasts=True)
        return
    if not found.manager:
        return
    if found.text != text or not found.enabled:
        undo = _remove(file) if found.text is None else _write(file, found.text)
        does = f"lets instances start at boot ({file})"
        yield RepairStep(_write(file, text), does, undo, lasts=True)
    if not found.lingers:
        root, user = ("", "") if found.own_right else ("sudo ", f" {found.user}")
        yield RepairStep(
            f"{root}loginctl enable-linger{user}",
            f"lets units of {found.user} start at boot, without a login",
            f"{root}loginctl disable-linger{user}",
            lasts=True,
        )


def why_nothing(target: RepairTarget) -> str:
    """Why a Linux node cannot be made to start instances."""
    return (
        f"{target.node.name} has no systemd, by whose user units fleetctl starts instances at "
        "boot: start them by hand after a power cut, or write on_boot: leave"
    )


def on_macos(target: RepairTarget) -> Iterator[RepairStep]:
    """Write the LaunchDaemon, which is not loaded before the next boot; or take it away."""
    found, fleet = target.facts.boot_start, target.fleet
    if found is None:
        return
    file = boot_daemon(fleet.name)
    text = daemon_text(fleet, target.node.name, found)
    former = f"sudo rm -f {file}" if found.text is None else write_command(file, found.text)
    if text is not None and text != found.text:
        does = f"adds a LaunchDaemon that starts instances at boot ({file})"
        yield RepairStep(write_command(file, text), does, former, lasts=True)
    elif text is None and found.text is not None:
        does = f"takes away the LaunchDaemon that starts instances at boot ({file})"
        yield RepairStep(f"sudo rm -f {file}", does, former, lasts=True)


def _write(file: str, text: str) -> str:
    """Writes the unit, and wants it at boot, as ``systemctl --user enable`` does: that needs a bus,
    which a login over SSH may lack."""
    folder, _, name = file.removeprefix("~/").rpartition("/")
    script = (
        f'd="$HOME/{folder}"; f="$d/{name}"; mkdir -p "$d/default.target.wants" && '
        f'{printed(text)} >"$f.new" && mv "$f.new" "$f" && '
        f'ln -sf ../{name} "$d/default.target.wants/{name}"'
    )
    return f"sh -c {quote(script)}"


def _remove(file: str) -> str:
    folder, _, name = file.removeprefix("~/").rpartition("/")
    script = f'cd "$HOME/{folder}" && rm -f {name} default.target.wants/{name}'
    return f"sh -c {quote(script)}"
