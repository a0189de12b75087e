"""What all nodes of a lab share: the lab's programs, compiled once, and the folders of commands.

A Mac's folders of commands have only what is listed here, and no other command of Linux.
Everything is made once per lab, in the lab's folder, and mounted under every node's disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from fleetctl.errors import LabError
from fleetctl.lab import requirements
from fleetctl.lab.namespaces import tool
from fleetctl.lab.personality import HIDDEN

COMPILE_TIMEOUT_S = 60
PROGRAMS = f"{HIDDEN}/programs"

# Commands of macOS, by folder, that are taken from the host.
MAC_BORROWED = {
    "bin": "[ bash cat chmod cp csh dash dd echo ed expr kill ksh ln ls mkdir mv pax pwd rm "
    "rmdir sh sleep stty sync tcsh test unlink zsh",
    "sbin": "nologin",
    "usr/bin": "awk basename bc bunzip2 bzcat bzip2 cal cc clang cmp col colrm column comm curl "
    "cut diff diff3 dirname du env expand false file find fmt fold gcc getconf getopt git "
    "groups gunzip gzip head iconv id install join killall last ld less locale logger "
    "login logname look lsvfs make man mktemp more nice nl nohup od openssl passwd paste "
    "patch perl pr printenv printf renice rev rsync scp script sdiff seq sftp shasum sort "
    "split ssh ssh-add ssh-agent ssh-copy-id ssh-keygen ssh-keyscan strings su sudo tail "
    "tar tee time top touch tput tr true tsort tty unexpand uniq unzip users uudecode "
    "uuencode uuidgen vi vim w wall whatis which who whoami xargs xxd yes zcat zip",
    "usr/sbin": "chown chroot sshd visudo",
}
MAC_PROGRAMS = {
    "bin": "date df hostname launchctl ps",
    "sbin": "ifconfig ping route",
    "usr/bin": "base64 caffeinate egrep fdesetup fgrep grep memory_pressure nc pgrep pkill pmset "
    "sed stat sw_vers uname uptime vm_stat wc",
    "usr/sbin": "arp ipconfig lsof netstat networksetup scutil sysctl system_profiler systemsetup "
    "traceroute",
    "usr/libexec/ApplicationFirewall": "socketfilterfw",
}
BY_NAME = {"egrep": "grep", "fgrep": "grep"}
"""Other names of one script, which looks at the name it is called by."""
LINUX_PROGRAMS = {"usr/bin": "dmesg loginctl nmcli systemctl vcgencmd", "usr/sbin": "iw"}
EMPTY_ON_MACS = ("usr/local", "usr/games")
MAC_SHELL = "bash"
"""Apple's /bin/sh is bash, too."""


class Toolbox:
    """The shared folders of one lab."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def programs(self) -> Path:
        """The lab's programs; every node has them at :data:`PROGRAMS`."""
        return self.folder / "programs"

    def layer(self, os_name: str, name: str) -> Path | None:
        """The layer between the host's folder ``name`` and a node's disk, if there is one."""
        path = self.folder / os_name / name
        return path if path.is_dir() else None

    def build(self, *, macs: bool, pythons: Iterable[Path] = ()) -> None:
        """Make the folders.

        :param pythons: programs of the host that Macs have, too, where they can.
        :raises LabError: the lab's programs cannot be compiled.
        """
        source = Path(__file__).with_name("programs")
        shutil.copytree(
            source,
            self.programs,
            ignore=shutil.ignore_patterns("__pycache__", "ruff.toml", ".ruff_cache"),
        )
        _compile(self.programs)
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.suffix == "" else 0o644)
        self._link("linux", LINUX_PROGRAMS, "raspberry")
        if macs:
            self._link("macos", MAC_PROGRAMS, "macos")
            self._borrow(pythons)
            for name in (*EMPTY_ON_MACS, "usr/bin", "usr/sbin"):
                path = self.folder / "macos" / name
                path.mkdir(parents=True, exist_ok=True)
                os.setxattr(path, "trusted.overlay.opaque", b"y")

    def _link(self, os_name: str, folders: dict[str, str], ours: str) -> None:
        for name, text in folders.items():
            folder = self.folder / os_name / name
            folder.mkdir(parents=True, exist_ok=True)
            for program in text.split():
                script = f"{ours}/sh/{BY_NAME.get(program, program)}"
                is_script = (self.programs / script).exists()
                (folder / program).symlink_to(f"{PROGRAMS}/{script if is_script else 'run'}")

    def _borrow(self, pythons: Iterable[Path]) -> None:
        for name, text in MAC_BORROWED.items():
            folder = self.folder / "macos" / name
            folder.mkdir(parents=True, exist_ok=True)
            for program in text.split():
                real = _real(MAC_SHELL if program == "sh" else program)
                if real is not None:
                    (folder / program).symlink_to(hidden(real))
        (self.folder / "macos/usr/bin/python3").symlink_to(hidden(requirements.node_python()))
        for python in pythons:
            place = self.folder / "macos" / str(python).lstrip("/")
            if python.parent == Path("/usr/bin") and not place.is_symlink():
                place.symlink_to(hidden(python.resolve()))


def hidden(real: Path) -> str:
    """The path of a program of the host on a Mac of the lab."""
    return f"{HIDDEN}{real}" if real.parts[1:2] in (("usr",), ("opt",)) else str(real)


def real_tool(name: str) -> Path:
    """The path of a program, with symbolic links resolved.

    :raises FileNotFoundError: it is not installed.
    """
    return Path(tool(name)).resolve()


def _real(name: str) -> Path | None:
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        found = Path(folder, name)
        if found.exists():
            return found.resolve()
    return None


def _compile(folder: Path) -> None:
    """Compile with the Python that will run them: each version has its own bytecode."""
    # unchecked-hash: the files never change, so they need not be compared at each import.
    argv: Iterable[str] = [
        str(requirements.node_python()),
        *("-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        str(folder),
    ]
    done = subprocess.run(
        [*argv], capture_output=True, timeout=COMPILE_TIMEOUT_S, check=False, cwd="/"
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise LabError(f"the nodes' programs cannot be compiled: {said}")
