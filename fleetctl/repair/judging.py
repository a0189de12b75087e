"""Whether a command succeeded, which its exit status alone does not tell. Pure."""

from __future__ import annotations

import re

from fleetctl.probes.parsers.failures import failure
from fleetctl.probes.parsers.route_add import parse_route_change
from fleetctl.probes.parsers.unparsed import Unparsed

_SUDO = re.compile(
    r"^sudo: .*(?:password is required|terminal is required|must be run from|not allowed)"
    r"|is not in the sudoers file|is not allowed to (?:execute|run)",
    re.I | re.M,
)
_PASSWORD_WANTED = re.compile(
    r"^sudo: .*(?:password|terminal|interactive authentication) is required", re.M
)
_PASSWORD_WRONG = re.compile(
    r"^sudo: (?:no password was provided|\d+ incorrect password attempt)|^Sorry, try again", re.M
)
_NETWORKSETUP = re.compile(
    r"^.*(?:\*\* Error|is not a recognized network service|is not a valid).*$", re.I | re.M
)
_DONE_ALREADY = frozenset({"not_in_table", "exists", "address_not_available"})
_GONE = re.compile(
    r"address not found"  # the kernel's words since 6.8
    r"|^Error: cannot delete unknown connection",  # nmcli's
    re.I | re.M,
)


def sudo_refused(text: str) -> bool:
    """Whether sudo refused: it wants a password, or the account may not run this."""
    return _SUDO.search(text) is not None


def password_wanted(text: str) -> bool:
    """Whether ``sudo -n`` refused since it must ask for a password."""
    return _PASSWORD_WANTED.search(text) is not None


def password_wrong(text: str) -> bool:
    """Whether ``sudo -S`` refused the password that it read."""
    return _PASSWORD_WRONG.search(text) is not None


def complaint(command: str, text: str, exit_status: int) -> str | None:
    """Why ``command`` failed; None: it succeeded.

    macOS ``route`` always exits with 0, and ``networksetup`` prints errors to stdout with varying
    exit statuses, so their output is read (docs/operating-systems.md, "Exit statuses that
    mislead").

    :param text: its stdout and stderr.
    """
    words = command.removeprefix("sudo ").removeprefix("-n ").split()
    tool = words[0] if words else ""
    if tool == "route":
        outcome = parse_route_change(text)
        if isinstance(outcome, Unparsed):
            return _last_line(outcome.text) or f"it said nothing (exit status {exit_status})"
        return None if outcome.ok else outcome.error_text or outcome.error
    if tool == "networksetup" and (said := _NETWORKSETUP.search(text)):
        return said[0].strip()
    if exit_status == 0:
        return None
    return _last_line(text) or f"exit status {exit_status}"


def undone_already(text: str) -> bool:
    """Whether an undo had nothing to do: what it removes is gone, or what it restores is there."""
    return failure(text) in _DONE_ALREADY or _GONE.search(text) is not None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""
