"""The lines that install a program that a job requires: brew on macOS, apt on Linux. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fleetctl.health.repairs.target import RepairTarget
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import OS

PACKAGES: Mapping[OS, Mapping[str, str]] = {
    "linux": {
        "c++": "g++",
        "cc": "gcc",
        "dig": "dnsutils",
        "ip": "iproute2",
        "mpirun": "openmpi-bin",
        "nc": "netcat-openbsd",
        "ninja": "ninja-build",
        "node": "nodejs",
        "ping": "iputils-ping",
        "pip3": "python3-pip",
        "rg": "ripgrep",
        "ssh": "openssh-client",
    },
    "macos": {
        "cargo": "rust",
        "mpirun": "open-mpi",
        "pip3": "python",
        "python3": "python",
        "rg": "ripgrep",
        "rustc": "rust",
    },
}
"""The package of a program that is named otherwise."""

_UV = "{ curl -LsSf https://astral.sh/uv/install.sh || echo false; } | sh"
"""uv's own line, which fails where curl does. Debian has no package of it."""
_OF_BREW = ("/opt/homebrew/", "/usr/local/")


def by_brew(target: RepairTarget) -> Iterator[RepairStep]:
    """Install it with Homebrew, or renew what came from there.

    What another program's folder holds comes before Homebrew's in PATH: a second one is not found.
    """
    lack = target.finding.lack
    if lack and (lack.path is None or lack.path.startswith(_OF_BREW)):
        name = brew_package(lack.requirement.program)
        verb = "install" if lack.path is None else "upgrade"
        yield _step(f"brew {verb} {name}", name, "" if lack.path else f"brew uninstall {name}")


def by_apt(target: RepairTarget) -> Iterator[RepairStep]:
    """Install it with apt; uv by its own line."""
    lack = target.finding.lack
    if lack is None:
        return
    program = lack.requirement.program
    name = PACKAGES["linux"].get(program, program)
    if program == "uv":
        undo = "" if lack.path else "rm -f ~/.local/bin/uv ~/.local/bin/uvx"
        yield _step(_UV, name, undo)
    elif lack.path is None or lack.path.startswith(("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/")):
        undo = "" if lack.path else f"sudo apt-get remove -y {name}"
        yield _step(f"sudo apt-get install -y {name}", name, undo)


def why_not_renewed(target: RepairTarget) -> str:
    """Where the program is one that neither brought."""
    lack = target.finding.lack
    if lack is None or lack.path is None:
        return ""
    return (
        f"{target.finding.node}: {lack.path} comes first in PATH, and neither brew nor apt renews "
        "it: renew it as it was installed, or let PATH name another one first"
    )


def brew_package(program: str) -> str:
    """``python@3.12`` for ``python3.12``."""
    versioned = re.fullmatch(r"python(3\.\d+)", program)
    return f"python@{versioned[1]}" if versioned else PACKAGES["macos"].get(program, program)


def _step(command: str, package: str, undo: str) -> RepairStep:
    does = f"installs {package}" if undo else f"brings the newest {package} that there is"
    return RepairStep(command, does, undo, lasts=True, installs=True)
