"""Quoting for POSIX shells, for text from users that becomes part of a script."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

_OWNED = """
BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_CMDS BASH_LINENO BASH_SOURCE BASH_VERSINFO
COLUMNS DIRSTACK EGID EPOCHREALTIME EPOCHSECONDS ERRNO EUID FUNCNAME FUNCNEST GID GROUPS HISTCMD
HISTSIZE JOBMAX KEYBOARD_HACK KSHEGID KSHEUID KSHGID KSHUID KSH_VERSION LINENO LINES MAILCHECK
OPTIND PGRP PIPESTATUS PPID RANDOM SAVEHIST SECONDS SHELLOPTS SHLVL SRANDOM TMOUT TRY_BLOCK_ERROR
TRY_BLOCK_INTERRUPT TTYIDLE UID USERNAME USER_ID ZLE_RPROMPT_INDENT ZSH_EVAL_CONTEXT ZSH_SUBSHELL
_ signals
"""
# Variables that some shell (bash, zsh, ksh93, mksh; tests/launch/test_variables.py asks them) does
# not take, or gives another value, when it is its `sh`.


def quote(text: str) -> str:
    """``text`` as one word of a POSIX shell."""
    return shlex.quote(text)


def join(argv: Sequence[str]) -> str:
    """``argv`` as a POSIX shell line."""
    return shlex.join(argv)


def quote_path(path: str) -> str:
    """A path on the node as one shell word; a leading ``~`` is the node's home folder."""
    if path == "~":
        return '"$HOME"'
    if path.startswith("~/"):
        parts = [part for part in path[2:].split("/") if part not in ("", ".")]
        return f'"$HOME"/{shlex.quote("/".join(parts) or ".")}'
    return shlex.quote(path)


def environment_text(variables: Mapping[str, str]) -> str:
    """The sh functions ``environment``, which exports ``variables``, and ``become ENV SH LINE``, to
    be called after it, which replaces the shell by ``SH -c LINE``.

    After ``environment`` no variable of the script is its own any more, and ``PATH`` finds what the
    user says: so ENV and SH, the programs env and sh, are absolute. Names that a shell has for
    itself go through env: their values, and no others, are in the list of processes for a moment.
    """
    owned = _OWNED.split()
    shell = {name: value for name, value in variables.items() if name not in owned}
    exports = "".join(f"export {name}={quote(value)}\n" for name, value in shell.items())
    words = join([f"{name}={value}" for name, value in variables.items() if name in owned])
    by_env = f'"$1" {words} ' if words else ""
    return f'environment() {{\n:\n{exports}}}\nbecome() {{\nexec {by_env}"$2" -c "$3"\n}}\n'
