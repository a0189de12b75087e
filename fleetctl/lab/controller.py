"""The controller's home (SSH keys, known_hosts, ~/.ssh/config, nodes.yaml) and environment.

The home is a folder of the host, in the lab's folder in /run: its path is the same outside and
inside the lab.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import DEFAULT_USER, Blueprint, Login, Machine
from fleetctl.lab.linux import SBIN, name_machine
from fleetctl.lab.namespaces import tool

KEYGEN_TIMEOUT_S = 20
FOREIGN = ("TMUX", "SSH_", "XDG_", "FLEETCTL_CONFIG", "FLEETCTL_LAB")
"""Prefixes of variables that are about the host and must not be passed into the lab."""


def make_key(file: Path, comment: str) -> None:
    """Make an Ed25519 key pair at ``file`` and ``file.pub``."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    argv = [tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file)]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=KEYGEN_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"ssh-keygen cannot make {file}: {done.stderr.decode().strip()}")


class Home:
    """What is put into the controller's home before it starts.

    :param path: the home folder.
    :param aside: the folder for files whose path in nodes.yaml is outside of the home; ``placed``
        maps each such path to its file there.
    """

    def __init__(self, path: Path, aside: Path) -> None:
        self.path = path
        self.aside = aside
        self.placed: dict[str, str] = {}
        (path / ".ssh").mkdir(parents=True, mode=0o700)

    def locate(self, written: str) -> Path:
        """The file to write for a path in nodes.yaml.

        :raises LabError: no file can be put there.
        """
        path = Path(written)
        if not path.is_absolute():
            below = PurePath(os.path.normpath(PurePath(*path.parts[path.parts[:1] == ("~",) :])))
            if below.parts[:1] in ((), ("..",)):
                raise LabError(
                    f"the lab cannot put a file at {written}: that is not below the controller's "
                    "home",
                    hint="Write a path below ~/ in nodes.yaml.",
                )
            return self.path / below
        path = Path(os.path.normpath(path))
        if path.is_relative_to(self.path):
            return path
        if not any(folder.is_dir() for folder in path.parents[:-1]):
            raise LabError(
                f"the lab cannot put a file at {path}: this machine has no folder {path.parts[1]}",
                hint="Write the path with ~/ in nodes.yaml.",
            )
        file = self.aside / str(len(self.placed))
        return Path(self.placed.setdefault(written, str(file)))

    def write_ssh(self, blueprint: Blueprint, host_keys: Mapping[str, str]) -> dict[str, str]:
        """Make the client's keys, known_hosts and ~/.ssh/config.

        :param host_keys: each node's public host key.
        :returns: for each node the line for its authorized_keys.
        """
        authorized: dict[str, str] = {}
        known: dict[Path, list[str]] = {}
        config: list[str] = []
        for key, public in host_keys.items():
            machine = blueprint.machines[key]
            login = machine.login
            if login is None:
                continue
            identity = self.locate(login.identity_file)
            if not identity.exists():
                make_key(identity, f"controller of lab {blueprint.fleet}")
            authorized[key] = identity.with_name(identity.name + ".pub").read_text()
            hosts = ",".join(_known_names(login))
            algorithm_and_key = " ".join(public.split()[:2])
            known.setdefault(self.locate(login.known_hosts), []).append(
                f"{hosts} {algorithm_and_key}\n"
            )
            config += _host_block(login)
        for file, lines in known.items():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.write_text("".join(lines))
        (self.path / ".ssh/config").write_text("".join(config))
        return authorized

    def copy_config(self, config: Path, env_files: Iterable[str]) -> Path:
        """Copy nodes.yaml into the home, with env files beside it or in the user's home."""
        copy = self.path / "nodes.yaml"
        shutil.copyfile(config, copy)
        for source in map(Path, env_files):
            for folder in (config.absolute().parent, Path.home()):
                if source.is_relative_to(folder) and source.is_file():
                    target = self.path / source.relative_to(folder)
                    if not target.resolve().is_relative_to(self.path):
                        break  # '..' leads out of the home
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, target)
                    break
        return copy


def furnish(machine: Machine, disk: Path, home: Path) -> None:
    """Write the controller's own /etc: its host name, and root's home in passwd."""
    etc = disk / "upper/etc"
    etc.mkdir(parents=True)
    name_machine(machine, etc)
    lines = Path("/etc/passwd").read_text().splitlines()
    for number, line in enumerate(lines):
        fields = line.split(":")
        if fields[0] == "root":
            fields[5] = str(home)
            lines[number] = ":".join(fields)
    (etc / "passwd").write_text("\n".join(lines) + "\n")


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command on the controller: this process's, with the lab's home.

    The folder of the running Python is first in PATH, so that `fleetctl` is this one.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    path = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath), SBIN]
    own = {"HOME": str(home), "USER": "root", "LOGNAME": "root", "PATH": ":".join(path)}
    return {**kept, **own, **extra}


def reachable_paths(mounted: Iterable[str] = ()) -> list[str]:
    """Folders under /tmp that must stay readable: the running Python and its packages, and what is
    ``mounted`` on nodes."""
    package = Path(__file__).resolve().parents[2]
    wanted = {Path(sys.prefix), Path(sys.base_prefix), package}
    wanted |= {Path(entry) for entry in sys.path if entry} | set(map(Path, mounted))
    below = {p for p in wanted if p.is_dir() and p.is_relative_to("/tmp") and p != Path("/tmp")}
    return sorted(str(p) for p in below if not any(q in p.parents for q in below))


def _known_names(login: Login) -> list[str]:
    """The host's names in known_hosts, which has ports other than 22 as ``[name]:port``."""
    names = [login.address, *login.aliases]
    return names if login.port == 22 else [f"[{name}]:{login.port}" for name in names]


def _host_block(login: Login) -> list[str]:
    """The part of ~/.ssh/config for what nodes.yaml leaves out: a name's address, the user."""
    if not login.aliases and login.names_user:
        return []
    lines = [f"Host {' '.join((*login.aliases, login.address))}\n"]
    if login.aliases:
        lines.append(f"    HostName {login.address}\n")
    if not login.names_user:
        lines.append(f"    User {DEFAULT_USER}\n")
    return lines
