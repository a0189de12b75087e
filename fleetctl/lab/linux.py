"""The files on a node's disk before it boots: accounts, keys, sshd, sudo, host names.

All are written below the folder that becomes the machine's disk (see inside.py): `fs` is its root,
`upper/etc` is mounted over the host's /etc.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path, PurePosixPath

from fleetctl.lab import diskfile, toolbox
from fleetctl.lab.blueprint import Machine
from fleetctl.lab.personality import HIDDEN, LINUX, is_mac, personality
from fleetctl.lab.requirements import node_python

SSHD_CONFIG = """\
Port {port}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
SUDOERS = """\
Defaults env_reset
{path}
root ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""
SUDO_RULE = "etc/sudoers.d/90-lab"
PASSWORD = "lab"
"""Of every node's account, for sudo; SSH takes keys only."""
_PASSWORD_HASH = (
    "$6$fleetctl$"
    "8rOviUIIidMHZzrxetzr5WIhRETE3f0aPo60rP752wHfMhTvyE8aJKbO2OoHeBN0zD2hWsgKJvoeEnTCRhvtp."
)
"""By ``openssl passwd -6``."""
LINUX_ONLY = ("debian_version", "lsb-release", "os-release", "issue", "issue.net", "apt", "dpkg")
"""Names in the host's /etc that a Mac does not have."""


def furnish(
    machine: Machine, disk: Path, *, host_key: Path | None, authorized: str, python: Path | None
) -> None:
    """Write a node's own files.

    :param host_key: the private key of its SSH server, with the public one beside it.
    :param authorized: the text of its authorized_keys.
    :param python: the folder of a Python to install as python3; None: the system has one.
    """
    etc = disk / "upper/etc"
    etc.mkdir(parents=True)
    name_machine(machine, etc)
    write_accounts(machine, etc)
    make_home(machine, disk, authorized)
    ssh = etc / "ssh"
    for folder in (ssh, etc / "sudoers.d", etc / "sysctl.d", etc / "NetworkManager"):
        folder.mkdir()
        # Opaque: the host's own files there, such as its host keys, must not be visible.
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    (etc / "sysctl.conf").write_text("")
    (etc / "sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")  # as procps installs it
    if host_key is not None and machine.login is not None:
        (ssh / "sshd_config").write_text(_sshd_config(machine, machine.login.port))
        install_host_key(host_key, disk / "upper")
    own_path = personality(machine.os).root_path
    secure = "" if is_mac(machine) else f'Defaults secure_path="{own_path}"'
    (etc / "sudoers").write_text(SUDOERS.format(path=secure))
    (etc / "sudoers").chmod(0o440)
    write_sudo_rule(machine, disk / "upper", asks=False)
    _hidden_tools(machine, disk / "fs")
    if is_mac(machine):
        _be_a_mac(machine, disk)
    elif python is not None:
        local = disk / "upper/usr/local/bin"
        local.mkdir(parents=True)
        (local / "python3").symlink_to(python / "bin/python3")


def _sshd_config(machine: Machine, port: int) -> str:
    text = SSHD_CONFIG.format(port=port)
    path = personality(machine.os).path
    return text if path == LINUX.path else f"{text}SetEnv PATH={path}\n"


def write_sudo_rule(machine: Machine, etc_root: Path, *, asks: bool) -> None:
    """Let the node's account become root: without a password, or only with one.

    :param etc_root: the folder that the machine's ``etc`` is in.
    """
    rule = f"{machine.user} ALL=(ALL:ALL) {'' if asks else 'NOPASSWD: '}ALL\n"
    diskfile.write(etc_root, SUDO_RULE, rule, 0o440)


def _hidden_tools(machine: Machine, root: Path) -> None:
    """Links to the real tools that the lab's programs on the node use."""
    lab = root / HIDDEN.strip("/")
    (lab / "sbin").mkdir(parents=True)
    links = {
        "sbin/ip": toolbox.real_tool("ip"),
        "awk": toolbox.real_tool("awk"),
        "sh": toolbox.real_tool("sh"),
        "python": node_python(),
    }
    for name, real in links.items():
        (lab / name).symlink_to(toolbox.hidden(real) if is_mac(machine) else real)
    if not is_mac(machine):
        (lab / "proc").symlink_to("/proc")


def _be_a_mac(machine: Machine, disk: Path) -> None:
    """Make a Mac's own folders, and hide Debian's files in /etc."""
    root, etc = disk / "fs", disk / "upper/etc"
    for name in LINUX_ONLY:
        if (etc / name).exists():
            continue
        os.mknod(etc / name, stat.S_IFCHR)  # overlayfs whiteout: hides the host's file
    zsh = etc / "zsh"
    zsh.mkdir()
    os.setxattr(zsh, "trusted.overlay.opaque", b"y")
    # As path_helper(8) and /etc/paths: for login shells only.
    (zsh / "zprofile").write_text("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n")
    brew = root / "opt/homebrew/bin"
    brew.mkdir(parents=True)
    (brew / "tmux").symlink_to(toolbox.hidden(toolbox.real_tool("tmux")))
    if shutil.which("iperf3"):
        (brew / "iperf3").symlink_to(toolbox.hidden(toolbox.real_tool("iperf3")))
    for folder in (
        "Applications",
        "System/Volumes/Data",
        "Library/LaunchDaemons",
        "Library/Developer/CommandLineTools",
        "private",
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
    home = home_on(machine, disk)
    (home / "Desktop").mkdir()
    profile = home / ".zprofile"
    profile.write_text('export PATH="/opt/homebrew/bin:/opt/homebrew/sbin:$PATH"\n')
    for path in (home / "Desktop", profile):
        os.chown(path, machine.uid, machine.uid)


def install_host_key(key: Path, etc_root: Path) -> None:
    """Make ``key`` the host key of the machine's SSH server.

    :param etc_root: the folder that the machine's ``etc`` is in.
    """
    for suffix, mode in {"": 0o600, ".pub": 0o644}.items():
        text = key.with_name(key.name + suffix).read_text()
        diskfile.write(etc_root, f"etc/ssh/ssh_host_ed25519_key{suffix}", text, mode)


def name_machine(machine: Machine, etc: Path) -> None:
    """Write host name and name resolution; a lab has no name server."""
    (etc / "hostname").write_text(f"{machine.hostname}\n")
    (etc / "hosts").write_text(
        f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t{machine.hostname}\n"
    )
    (etc / "resolv.conf").write_text("# the lab has no name server\n")


def write_accounts(machine: Machine, etc: Path) -> None:
    """Write the host's system accounts, and the one to log in with."""
    user, uid, home = machine.user, machine.uid, machine.home
    places = personality(machine.os)
    own = f"{user}:x:{uid}:{uid}:{user}:{home}:{places.shell}"
    root = f"root:x:0:0:root:{places.root_home}:{places.shell}"
    logins = [own] if uid == 0 else [root, own]
    passwd = [*logins, *_system_entries("passwd", {"root", user})]
    groups = [f"{n}:x:{i}:" for n, i in {"root": 0, user: uid}.items()]
    groups += _system_entries("group", {"root", user})
    names = [line.partition(":")[0] for line in passwd]
    # '*': no password matches; with '!' sshd would refuse the account altogether.
    shadow = [
        f"{name}:{_PASSWORD_HASH if name == user else '*'}:19000:0:99999:7:::" for name in names
    ]
    for file, lines, mode in (
        ("passwd", passwd, 0o644),
        ("group", groups, 0o644),
        ("shadow", shadow, 0o600),
    ):
        (etc / file).write_text("".join(f"{line}\n" for line in lines))
        (etc / file).chmod(mode)


def _system_entries(file: str, without: set[str]) -> Iterator[str]:
    for line in Path("/etc", file).read_text().splitlines():
        name, _, number, *_ = line.split(":")
        if name not in without and (int(number) < 1000 or int(number) == 65534):
            yield line


def make_home(machine: Machine, disk: Path, authorized: str) -> None:
    """Make the home folder, with the keys that may log in."""
    ssh = home_on(machine, disk) / ".ssh"
    ssh.mkdir(parents=True)
    keys = ssh / "authorized_keys"
    keys.write_text(authorized)
    for path, mode in ((ssh.parent, 0o750), (ssh, 0o700), (keys, 0o600)):
        path.chmod(mode)
        os.chown(path, machine.uid, machine.uid)


def home_on(machine: Machine, disk: Path) -> Path:
    """The machine's home folder on its disk."""
    return disk / "fs" / machine.home.lstrip("/")


def copy_into(home: Path, source: Path, destination: str, uid: int) -> None:
    """Copy a file or folder to ``destination`` below ``home``, owned by ``uid``.

    :param destination: relative to the home folder.
    """
    target = home / destination
    make_folder(home, str(PurePosixPath(destination).parent), uid)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
    for path in (target, *target.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


def make_folder(home: Path, place: str, uid: int) -> None:
    """Make a folder below ``home``, and those above it, owned by ``uid``.

    :param place: relative to the home folder.
    """
    target = home / place
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    target.mkdir(parents=True, exist_ok=True)
    for path in missing:
        os.chown(path, uid, uid)


def network_commands(machine: Machine, internet: str | None = None) -> list[str]:
    """The lines of `ip -batch` that give the router or the controller its addresses and routes.

    :param internet: the address that stands for the internet, on the router.
    """
    lines = ["link set lo up"]
    if internet is not None:
        lines.append(f"address add {internet}/32 dev lo")
    for port in machine.ports:
        for address in port.addresses:
            broadcast = ip_interface(address).network.broadcast_address
            lines.append(f"address add {address} broadcast {broadcast} dev {port.interface}")
        lines.append(f"link set {port.interface} up")
    if machine.role == "router":
        # A home router has no route into the cluster: such packets are dropped silently.
        lines.append("route add blackhole default")
    if machine.default is not None:
        d = machine.default
        lines.append(f"route add default via {d.via} dev {d.interface} metric {d.metric}")
    lines += (f"route add {r.to} via {r.via} dev {r.interface}" for r in machine.routes)
    return lines


def kernel_settings(machine: Machine) -> dict[str, str]:
    """Settings below /proc/sys/net; a new namespace may inherit the host's."""
    return {
        # On nodes it is set from the disk, at boot.
        "ipv4/ip_forward": str(int(machine.forwarding and machine.role not in ("ssh", "silent"))),
        "ipv4/conf/all/rp_filter": "0",
        "ipv4/conf/default/rp_filter": "0",
        "ipv4/conf/all/send_redirects": "0",
        "ipv4/conf/default/send_redirects": "0",
        "ipv4/ping_group_range": "0 2147483647",
        "ipv6/conf/default/disable_ipv6": "1",
    }
