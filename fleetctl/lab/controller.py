"""The controller's home: SSH keys, known_hosts, ~/.ssh/config, nodes.yaml; and its surroundings.

The home is an ordinary folder of the host, under the lab's own folder in /run: the same path
leads to it from outside and from inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from fleetctl.errors import LabError
from fleetctl.lab.blueprint import DEFAULT_USER, Blueprint, Login, Machine
from fleetctl.lab.linux import SBIN, name_machine
from fleetctl.lab.namespaces import tool

KEYGEN_TIMEOUT_S = 20
FOREIGN = ("TMUX", "SSH_", "XDG_", "FLEETCTL_CONFIG", "FLEETCTL_LAB")
"""Beginnings of variables that say something about the machine outside."""


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
    :param aside: where files go whose path in nodes.yaml is outside of the home; ``placed``
        maps each such path to its file there.
    """

    def __init__(self, path: Path, aside: Path) -> None:
        self.path = path
        self.aside = aside
        self.placed: dict[str, str] = {}
        (path / ".ssh").mkdir(parents=True, mode=0o700)

    def locate(self, written: str) -> Path:
        """The file that a path in nodes.yaml means on the controller.

        :raises LabError: nothing can be put there.
        """
        path = Path(written)
        if path.parts[:1] == ("~",):
            return self.path.joinpath(*path.parts[1:])
        if not path.is_absolute():
            return self.path / path
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
        """Make the client's keys and files.

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
        """Copy nodes.yaml into the home, and the env files that lie beside it or in our home."""
        copy = self.path / "nodes.yaml"
        shutil.copyfile(config, copy)
        for source in map(Path, env_files):
            for folder in (config.parent, Path.home()):
                if source.is_relative_to(folder) and source.is_file():
                    target = self.path / source.relative_to(folder)
                    if not target.resolve().is_relative_to(self.path):
                        break  # '..' led out
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, target)
                    break
        return copy


def furnish(machine: Machine, disk: Path, home: Path) -> None:
    """Write the controller's own /etc: its name, and root's home for tools that ask passwd."""
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
    """What a command on the controller finds: ours, as if started from the lab's home.

    The folder of the running Python leads PATH, so that `fleetctl` is this very one.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    path = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath), SBIN]
    own = {"HOME": str(home), "USER": "root", "LOGNAME": "root", "PATH": ":".join(path)}
    return {**kept, **own, **extra}


def reachable_paths() -> list[str]:
    """What lies under /tmp and must stay readable there: the running Python and its packages."""
    package = Path(__file__).resolve().parents[2]
    wanted = {Path(sys.prefix), Path(sys.base_prefix), package}
    wanted |= {Path(entry) for entry in sys.path if entry}
    below = {p for p in wanted if p.is_dir() and p.is_relative_to("/tmp") and p != Path("/tmp")}
    return sorted(str(p) for p in below if not any(q in p.parents for q in below))


def _known_names(login: Login) -> list[str]:
    """The names a client may look the host up by; ports other than 22 as known_hosts has them."""
    names = [login.address, *login.aliases]
    return names if login.port == 22 else [f"[{name}]:{login.port}" for name in names]


def _host_block(login: Login) -> list[str]:
    """~/.ssh/config for what nodes.yaml leaves to it: the address behind a name, the user."""
    if not login.aliases and login.names_user:
        return []
    lines = [f"Host {' '.join((*login.aliases, login.address))}\n"]
    if login.aliases:
        lines.append(f"    HostName {login.address}\n")
    if not login.names_user:
        lines.append(f"    User {DEFAULT_USER}\n")
    return lines
