"""sh functions with which probes find programs, and run them for a limited time. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.model.topology import OS

LIMIT_S = 3
"""Seconds after which such a program is ended, with the processes that it started."""

# Apple's /usr/bin/git and others are no programs before the developer tools are installed: started,
# they open a window that offers these (docs/operating-systems.md, "Developer tools").
_SHIMS = "c++|cc|clang|clang++|g++|gcc|git|ld|make|pip3|python3|swift|swiftc"
_NO_TOOLS = " && ".join(
    f"[ ! -e {place} ]"
    for place in (
        "/Library/Developer/CommandLineTools",
        "/Applications/Xcode.app",
        "/var/db/xcode_select_link",
    )
)
_FOUND = 'found() { path=$(command -v "$1") || path=-; }\n'
FOUND: Mapping[OS, str] = {
    "linux": _FOUND,
    "macos": (
        'found() { path=$(command -v "$1") || path=-\n'
        f"case ${{path#/usr/bin/}} in {_SHIMS}) {_NO_TOOLS} && path=-;; esac; }}\n"
    ),
}
"""``found PROGRAM`` sets ``path`` to where it is; ``-``: nowhere."""

# macOS has no timeout(1).
_ALARM = (
    "defined($p=fork) or exit 125; if(!$p){setpgrp; exec @ARGV; exit 127} "
    f'$SIG{{ALRM}}=sub{{kill "KILL",-$p; exit 137}}; alarm {LIMIT_S}; waitpid $p,0; '
    "exit($?&127 ? 128+($?&127) : $?>>8)"
)
LIMITED: Mapping[OS, str] = {
    "linux": f'limited() {{ timeout -s KILL {LIMIT_S} "$@"; }}\n',
    "macos": f"limited() {{ perl -e '{_ALARM}' \"$@\"; }}\n",
}
"""``limited COMMAND…`` runs it; its exit status, or 137 if it was ended."""

ENDED = 137
"""The exit status of what was ended by ``limited``."""
