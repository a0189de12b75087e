"""What the user sets reaches the command as it is, whatever shell is `sh` on the node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetctl.launch.node_files import spec_text
from fleetctl.quoting import environment_text
from tests.launch.conftest import Node, eventually, installed
from tests.launch.jobs import instance
from tests.thoroughness import one_of

SHELLS = ("dash", "bash", "zsh", "mksh", "ksh93", "yash", "busybox")
QUICK = ("dash", "bash", "busybox")
POSIX = """
ARFLAGS CDPATH COLUMNS ENV FCEDIT HISTFILE HISTSIZE HOME IFS LANG LC_ALL LC_COLLATE LC_CTYPE
LC_MESSAGES LINENO LINES MAIL MAILCHECK MAILPATH NLSPATH OLDPWD OPTARG OPTERR OPTIND PATH PPID PS1
PS2 PS3 PS4 PWD RANDOM SECONDS SHELL TERM TMPDIR TZ USER
"""
BASH = """
BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND
BASH_COMPAT BASH_ENV BASH_EXECUTION_STRING BASH_LINENO BASH_LOADABLES_PATH BASH_REMATCH
BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO BASH_VERSION BASH_XTRACEFD CHILD_MAX COMP_CWORD COMP_KEY
COMP_LINE COMP_POINT COMP_TYPE COMP_WORDBREAKS COMP_WORDS COMPREPLY COPROC DIRSTACK EMACS
EPOCHREALTIME EPOCHSECONDS EUID EXECIGNORE FIGNORE FUNCNAME FUNCNEST GLOBIGNORE GROUPS HISTCMD
HISTCONTROL HISTFILESIZE HISTIGNORE HISTTIMEFORMAT HOSTFILE HOSTNAME HOSTTYPE IGNOREEOF INPUTRC
INSIDE_EMACS MACHTYPE MAPFILE OSTYPE PIPESTATUS POSIXLY_CORRECT PROMPT_COMMAND PROMPT_DIRTRIM PS0
READLINE_LINE READLINE_MARK READLINE_POINT REPLY SHELLOPTS SHLVL SRANDOM TIMEFORMAT TMOUT UID
auto_resume histchars
"""
ZSH = """
ARGC CORRECT_IGNORE CPUTYPE DIRSTACKSIZE EGID ERRNO FPATH GID HISTCHARS KEYBOARD_HACK KEYTIMEOUT
LISTMAX LOGCHECK LOGNAME MANPATH MODULE_PATH NULLCMD POSTEDIT PROMPT PROMPT2 PROMPT3 PROMPT4
PROMPT_EOL_MARK PSVAR READNULLCMD REPORTMEMORY REPORTTIME RPROMPT RPROMPT2 RPS1 RPS2 SAVEHIST
SPROMPT STTY TIMEFMT TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT TTY TTYIDLE USERNAME VENDOR WATCH
WATCHFMT WORDCHARS ZBEEP ZDOTDIR ZLE_LINE_ABORTED ZLE_RPROMPT_INDENT ZSH_ARGZERO ZSH_EVAL_CONTEXT
ZSH_EXECUTION_STRING ZSH_NAME ZSH_PATCHLEVEL ZSH_SCRIPT ZSH_SUBSHELL ZSH_VERSION aliases argv
cdpath commands dirstack fignore fpath functions mailpath manpath module_path options parameters
path pipestatus prompt psvar reply signals status watch zsh_eval_context
"""
KSH = """
EDITOR FCEDIT JOBMAX KSHEGID KSHEUID KSHGID KSHUID KSH_VERSION PGRP SHCOMP_LINE SHLIB_PATH
SH_OPTIONS USER_ID VISUAL VPATH HISTEDIT LINENO
"""
OURS = """
command run dir restarts liveness policy max pauses phase pid log group started supervisor env sh
environment become also roots folder boot one line file FLEETCTL LD_LIBRARY_PATH a_b _
"""
NAMES = sorted({*POSIX.split(), *BASH.split(), *ZSH.split(), *KSH.split(), *OURS.split()})
VALUES = ("a b", "5", "/nowhere", "$(touch oops) `x` 'q' \"d\" \\n;&|", "", "line\nline")
TRIED = one_of(
    5, [(name, v) for name in NAMES for v in (VALUES if name in OURS.split() else VALUES[:1])]
)
"""Names with a value: some value of each of ours; test_all_of_them_at_once has nearly all names."""


def as_sh(shell: str, folder: Path) -> Path:
    """``shell`` under the name sh."""
    found = installed(shell)
    folder.joinpath("sh").symlink_to(found)
    return folder / "sh"


@pytest.mark.parametrize(
    "shell",
    [s if s in QUICK else pytest.param(s, marks=pytest.mark.long) for s in SHELLS],
)
def test_every_name_as_env_gives_it(shell: str, tmp_path: Path) -> None:
    """The same as `env NAME=VALUE sh -c COMMAND`, for names that some shell has for itself."""
    sh = as_sh(shell, tmp_path)
    base = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    # what the shell itself counts or chooses is not compared
    volatile = {"BASHPID", "EPOCHREALTIME", "EPOCHSECONDS", "RANDOM", "SRANDOM", "PPID", "_"}
    differ: dict[str, list[tuple[str, str, str]]] = {}
    for name, value in TRIED:
        show = (
            r"/usr/bin/env -0 | /usr/bin/tr '\n\0' '\001\n' | "
            f"/usr/bin/grep '^{name}='; exit 3"
        )
        env = ["/usr/bin/env", f"{name}={value}", str(sh), "-c", show]
        text = (
            f'set -- /usr/bin/env {sh} "$1"\n{environment_text({name: value})}environment\n'
            f'become "$1" "$2" "$3"'
        )
        ours = [str(sh), "-c", text, "sh", show]
        one, other = (
            subprocess.run(argv, env=base, cwd=tmp_path, capture_output=True, text=True, timeout=20)
            for argv in (env, ours)
        )
        same = one.stdout == other.stdout or name in volatile
        if not same or one.returncode != other.returncode:
            differ.setdefault(name, []).append((value, one.stdout, other.stdout + other.stderr))
    assert differ == {}
    assert not (tmp_path / "oops").exists()


def test_the_spec_sets_none_of_them_in_the_supervisor() -> None:
    """Which sources it; they are set where it becomes the command."""
    text = spec_text(instance(), "ab", dict.fromkeys(NAMES, "x'y"))
    said = subprocess.run(
        ["dash", "-c", text + 'set | grep "x.*y" | grep -v ^PS4'], capture_output=True, check=False
    )
    assert (said.stdout, said.stderr) == (b"", b"")


def test_all_of_them_at_once(node: Node) -> None:
    """Also without a PATH in which there is anything."""
    names = [n for n in NAMES if n not in ("HOME", "LD_LIBRARY_PATH", "LC_ALL", "_", "TERM")]
    env = dict.fromkeys(names, "9") | {"PATH": "/nowhere", "IFS": "/", "FLEETCTL_X": "9"}
    command = 'echo "<$PATH|$command|$run|$FLEETCTL_NODE>"; /usr/bin/env >~/has; exit 3'
    one = instance(command=command, env=env)
    node.start(one)
    state = node.await_phase(one, "ended")
    assert state["exit"] == "3"
    eventually(lambda: "<" in node.log(one), "it printed")
    assert "</nowhere|9|9|pi4>" in node.log(one)
    has = dict(
        line.split("=", 1) for line in (node.home / "has").read_text().splitlines() if "=" in line
    )
    assert has["FLEETCTL_RUN"] == state["run"]
    assert has["FLEETCTL_STATE"] == str(node.folder(one))
    assert has["ENV"] == has["BASH_ENV"] == has["log"] == "9"
    node.stop(one)


def test_the_mark_cannot_be_overwritten(node: Node) -> None:
    file = node.home / "env"
    file.write_text("FLEETCTL_RUN=0\nFLEETCTL_STATE=/tmp\n")
    one = instance(command="exec sleep 1000", env_file=str(file))
    node.start(one)
    state = node.await_phase(one, "running")
    file = Path(f"/proc/{state['pid']}/environ")
    eventually(lambda: b"FLEETCTL_RUN=" in file.read_bytes(), "it has become the command")
    environ = file.read_bytes().split(b"\0")
    assert f"FLEETCTL_RUN={state['run']}".encode() in environ
    assert f"FLEETCTL_STATE={node.folder(one)}".encode() in environ
    node.stop(one)
