"""Composes the texts of many probes into one sh script, and splits its output again. No I/O."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from msgspec import Struct

from fleetctl.escaping import harmless
from fleetctl.model.topology import OS, supported_os
from fleetctl.probes.parsers.number import whole

TOKEN = "@FLEETCTL_TOKEN@"
"""Placeholder for the script's token, in a text that frames records of its own."""
_END = "end"
UNAME: Mapping[OS, str] = {"linux": "Linux", "macos": "Darwin"}
"""The output of ``uname -s``."""


class Answer(Struct, frozen=True):
    """The output of a probe's text, stdout and stderr."""

    text: str
    exit_status: int


class Machine(Struct, frozen=True):
    """What ``uname`` says; empty if it was cut off."""

    os: str = ""
    """``linux``, ``macos``, or what ``uname -s`` said."""
    hostname: str = ""
    arch: str = ""

    @property
    def known_os(self) -> OS | None:
        """Its operating system, if fleetctl supports it."""
        return supported_os(self.os)


class Answers(Struct, frozen=True):
    """All answers of one node, without those that were cut off."""

    machine: Machine
    by_name: Mapping[str, Answer]
    whole: bool = True
    """The end mark is there: the script ran to its end."""


class Texts(Struct, frozen=True):
    """The sh texts for one operating system."""

    asked: Mapping[str, str]
    """By name of the probe, in the order in which they run."""
    background: str = ""
    """Starts background processes; the script waits for them at its end."""


class Script(Struct, frozen=True):
    """A composed sh text, and the token that frames its output."""

    text: str
    token: str
    texts: Mapping[OS, Texts]


def compose(texts: Mapping[OS, Texts]) -> Script:
    """One sh text that runs the texts for the OS on which it finds itself; on another OS it only
    prints the name.

    Each probe's text runs in a subshell with stdin from /dev/null, LC_ALL=C, and stderr joined to
    stdout. After each answer follows a line with the record separator, a random token, the probe's
    name and its exit status, so that no output can be mistaken for a frame. A last such line, which
    is named :data:`_END`, says that the script ran to its end.
    """
    token = secrets.token_hex(6)
    frame = rf"printf '\n\036{token} %s %s\n'"
    text = f'LC_ALL=C; export LC_ALL; os=$(uname -snm); echo "$os"; {frame} uname $?\n'
    text += "case $os in\n"
    for os, system in UNAME.items():
        if os in texts:
            asked = "".join(
                f"( {question}\n) </dev/null 2>&1; {frame} {name} $?\n"
                for name, question in texts[os].asked.items()
            )
            background = texts[os].background.replace(TOKEN, token)
            text += f"{system}*)\n{background}{asked}{'wait' if background else ':'};;\n"
    return Script(f"{text}esac\n{frame} {_END} 0\n", token, texts)


def read(script: Script, output: str) -> Answers:
    """Split the output of ``script`` into answers, without those that are incomplete.

    Parts of them end up on screens, so characters that a terminal would obey are replaced.
    """
    answers: dict[str, Answer] = {}
    text = ""
    mark = f"\x1e{script.token} "
    for line in output.split("\n")[:-1]:  # a last line without a newline is incomplete
        if not line.startswith(mark):
            text += line + "\n"
            continue
        name, _, status = line[len(mark) :].rpartition(" ")
        if (number := whole(status)) is not None:
            answers[name] = Answer(harmless(text.removesuffix("\n")), number)
        text = ""
    ended = answers.pop(_END, None) is not None
    return Answers(_machine(answers.pop("uname", None)), answers, ended)


def _machine(answer: Answer | None) -> Machine:
    """``uname -snm`` prints system, host name and machine, whatever the order of its flags. A Mac's
    host name may have blanks in it."""
    said = answer.text.strip() if answer and answer.exit_status == 0 else ""
    found = re.fullmatch(r"(\S+) +(\S.*?) +(\S+)", said)
    if found is None:
        return Machine()
    system, name, machine = found.groups()
    os = next((os for os, its in UNAME.items() if its == system), system)
    return Machine(os, name, machine)
