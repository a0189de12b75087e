"""What a Linux machine of the lab has on its disk before it boots: accounts, keys, sshd, names.

Everything here is written below a folder that becomes the machine's disk (see inside.py):
`fs` is its root, `upper/etc` is laid over the host's /etc.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path

from fleetctl.lab.blueprint import Machine

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
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
"""What Debian's sshd gives a command; the sbin folders are not in it."""
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def furnish(
    machine: Machine, disk: Path, *, host_key: Path | None, authorized: str, python: Path | None
) -> None:
    """Write a node's own files.

    :param host_key: the private key of its SSH server; its public half lies beside it.
    :param authorized: the text of its authorized_keys.
    :param python: the folder of a Python to find as python3, where the system has none.
    """
    etc = disk / "upper/etc"
    etc.mkdir(parents=True)
    name_machine(machine, etc)
    write_accounts(machine, etc)
    make_home(machine, disk, authorized)
    ssh = etc / "ssh"
    ssh.mkdir()
    # Nothing of the host's own SSH set-up shines through, its host keys least of all.
    os.setxattr(ssh, "trusted.overlay.opaque", b"y")
    if host_key is not None and machine.login is not None:
        (ssh / "sshd_config").write_text(SSHD_CONFIG.format(port=machine.login.port))
        install_host_key(host_key, ssh)
    if python is not None:
        local = disk / "upper/usr/local/bin"
        local.mkdir(parents=True)
        (local / "python3").symlink_to(python / "bin/python3")


def install_host_key(key: Path, ssh: Path) -> None:
    """Make ``key`` the identity of the SSH server whose /etc/ssh is ``ssh``."""
    for suffix, mode in {"": 0o600, ".pub": 0o644}.items():
        target = ssh / f"ssh_host_ed25519_key{suffix}"
        target.write_bytes(key.with_name(key.name + suffix).read_bytes())
        target.chmod(mode)


def name_machine(machine: Machine, etc: Path) -> None:
    """Host name and name resolution; a lab has no name server, and waits for none."""
    (etc / "hostname").write_text(f"{machine.hostname}\n")
    (etc / "hosts").write_text(
        f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n127.0.1.1\t{machine.hostname}\n"
    )
    (etc / "resolv.conf").write_text("# the lab has no name server\n")


def write_accounts(machine: Machine, etc: Path) -> None:
    """The host's system accounts, and the one that people log in with."""
    user, uid, home = machine.user, machine.uid, machine.home
    own = f"{user}:x:{uid}:{uid}:{user}:{home}:/bin/bash"
    people = [own] if uid == 0 else ["root:x:0:0:root:/root:/bin/bash", own]
    passwd = [*people, *_system_entries("passwd", {"root", user})]
    groups = [f"{n}:x:{i}:" for n, i in {"root": 0, user: uid}.items()]
    groups += _system_entries("group", {"root", user})
    names = [line.partition(":")[0] for line in passwd]
    # '*': no password is right; '!' would make sshd refuse the account altogether.
    shadow = [f"{name}:*:19000:0:99999:7:::" for name in names]
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
    """The home folder, with the keys that may log in."""
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
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
    for path in (*missing, target, *target.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


def network_commands(machine: Machine, internet: str | None = None) -> list[str]:
    """The lines of `ip -batch` that give the machine its addresses and routes.

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
        # A home router knows no way into the cluster: what is not its own vanishes silently.
        lines.append("route add blackhole default")
    if machine.default is not None:
        d = machine.default
        lines.append(f"route add default via {d.via} dev {d.interface} metric {d.metric}")
    lines += (f"route add {r.to} via {r.via} dev {r.interface}" for r in machine.routes)
    return lines


def kernel_settings(machine: Machine) -> dict[str, str]:
    """Settings below /proc/sys/net; a new namespace may have inherited the host's."""
    return {
        "ipv4/ip_forward": str(int(machine.forwarding)),
        "ipv4/conf/all/rp_filter": "0",
        "ipv4/conf/default/rp_filter": "0",
        "ipv4/conf/all/send_redirects": "0",
        "ipv4/conf/default/send_redirects": "0",
        "ipv4/ping_group_range": "0 2147483647",
        "ipv6/conf/default/disable_ipv6": "1",
    }
