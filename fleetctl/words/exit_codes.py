"""Exit codes as people say them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.model.topology import OS

_SHARED = {
    1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 8: "FPE", 9: "KILL", 11: "SEGV",
    13: "PIPE", 14: "ALRM", 15: "TERM", 24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF",
    28: "WINCH",
}  # fmt: skip
_SIGNALS: Mapping[OS, Mapping[int, str]] = {
    "linux": {
        **_SHARED, 7: "BUS", 10: "USR1", 12: "USR2", 16: "STKFLT", 17: "CHLD", 18: "CONT",
        19: "STOP", 20: "TSTP", 21: "TTIN", 22: "TTOU", 23: "URG", 29: "IO", 30: "PWR", 31: "SYS",
    },
    "macos": {
        **_SHARED, 7: "EMT", 10: "BUS", 12: "SYS", 16: "URG", 17: "STOP", 18: "TSTP", 19: "CONT",
        20: "CHLD", 21: "TTIN", 22: "TTOU", 23: "IO", 29: "INFO", 30: "USR1", 31: "USR2",
    },
}  # fmt: skip
"""signal(7) of Linux on x86 and ARM, signal.h(3) of macOS."""
_LAST_SIGNAL = 64
_OF_SHELLS = {126: "it could not be run", 127: "command not found"}


def signal_of(code: int | None) -> int | None:
    """The signal that ended a process with this exit code of a shell; None: none did."""
    if code is None or not 128 < code <= 128 + _LAST_SIGNAL:
        return None
    return code - 128


def ended_by(code: int | None, os: OS | None = None) -> str:
    """How an attempt with this exit code ended, as a clause: ``was ended by SIGKILL (9)``, ``ended
    with exit code 3``.

    :param os: of its node; None: not known, which leaves signals that systems number differently
        without their name.
    """
    if code is None:
        return "ended, with an exit code that is not known"
    if number := signal_of(code):
        name = _SIGNALS[os].get(number) if os else _SHARED.get(number)
        return f"was ended by SIG{name} ({number})" if name else f"was ended by signal {number}"
    meaning = _OF_SHELLS.get(code)
    return f"ended with exit code {code}" + (f" ({meaning})" if meaning else "")
