"""What a machine must have for a lab to run on it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from fleetctl.errors import LabError
from fleetctl.lab.namespaces import tool
from fleetctl.lab.personality import LINUX

PACKAGES = {
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "tmux": "tmux",
    "ping": "iputils-ping",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "bash": "bash",
    "sudo": "sudo",
    "zsh": "zsh",
}
"""The Debian package of each tool."""
_OURS = Path(sys.base_prefix).resolve()
CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12, "CAP_MKNOD": 27, "CAP_SETPCAP": 8}
"""Needed for namespaces, mounts, links, devices, and to take capabilities from nodes; the numbers
are those of linux/capability.h."""
OLDEST_PYTHON = (3, 9)
"""The oldest version that nodes may have as python3."""


def why_only_loopback() -> str | None:
    """Why only a loopback lab can be built here, as a clause; ``None``: namespaces are possible.

    Programs that could be installed are no reason.
    """
    if sys.platform != "linux":
        return f"network namespaces need Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if missing := [name for name, bit in CAPABILITIES.items() if not _effective() >> bit & 1]:
        return f"network namespaces need {missing[0]}, which root in this container lacks"
    if not _root_is_mounted():
        return "a lab needs a root folder that is a mount point, and here it is none (chroot)"
    return None


def _root_is_mounted() -> bool:
    """Whether mounts can be made private, as unshare(1) does: not in a chroot. The fifth field of
    a line of proc_pid_mountinfo(5) is the mount point, as seen from the root folder."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split(" ")[4] == "/" for line in lines)


def _effective() -> int:
    """This process's effective capabilities, proc_pid_status(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))


def check_machine() -> None:
    """Check that a lab can be built here.

    :raises LabError: this is not Linux, this is not root, or something is not installed.
    """
    if sys.platform != "linux":
        raise LabError(
            f"the lab needs Linux; this is {sys.platform}",
            hint="Run it in a Linux virtual machine.",
        )
    if os.geteuid() != 0:
        raise LabError(
            "the lab needs root: it makes network namespaces and mounts",
            hint="Run the same command with sudo.",
        )
    missing = [name for name in PACKAGES if not _installed(name)]
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
        raise LabError(
            f"the lab needs {', '.join(missing)}, not installed here",
            hint=f"apt-get install {packages}",
        )
    if not _has_overlay():
        raise LabError(
            "the lab needs the overlay file system, which this kernel does not offer",
            hint="modprobe overlay",
        )
    # pid_namespaces(7), network_namespaces(7) and the others: a kernel built without one lacks it.
    for kind in ("net", "mnt", "pid", "uts", "ipc"):
        if not Path("/proc/self/ns", kind).exists():
            raise LabError(f"the lab needs {kind} namespaces, which this kernel lacks")


def _installed(name: str) -> bool:
    try:
        tool(name)
    except FileNotFoundError:
        return False
    return True


def _has_overlay() -> bool:
    def listed() -> bool:
        kinds = Path("/proc/filesystems").read_text().split()
        return "overlay" in kinds

    if not listed():
        try:
            subprocess.run(
                [tool("modprobe"), "overlay"], capture_output=True, timeout=20, check=False
            )
        except FileNotFoundError:
            return False
    return listed()


def node_python() -> Path:
    """The Python that nodes find as python3, without symbolic links."""
    lent = foreign_python()
    own = _system_python()
    return own if lent is None and own is not None else (lent or _OURS) / "bin/python3"


@cache
def foreign_python() -> Path | None:
    """The folder (with bin, lib …) of a Python to mount on nodes; ``None``: they have one.

    Nodes have the host's system folders, and with them a python3 there. Without one, the Python
    that runs fleetctl, which may be in a home folder (pyenv), is mounted on the nodes.
    """
    return None if _system_python() else _OURS


@cache
def _system_python() -> Path | None:
    for folder in LINUX.path.split(":"):
        python = Path(folder, "python3")
        real = python.resolve()
        shared = real.parts[1:2] in (("usr",), ("opt",), ("bin",))
        if python.exists() and shared and _new_enough(real):
            return real
    return None


def _new_enough(python: Path) -> bool:
    test = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    done = subprocess.run([str(python), "-I", "-S", "-c", test], timeout=20, check=False)
    return done.returncode == 0
