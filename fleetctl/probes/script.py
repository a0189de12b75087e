"""Many questions in one sh text, and its output taken apart again. No I/O here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from msgspec import Struct

from fleetctl.model.topology import OS, OSES
from fleetctl.probes.parsers.number import whole

TOKEN = "@FLEETCTL_TOKEN@"
"""Stands for the script's token in a text that frames records of its own."""
UNAME: Mapping[OS, str] = {"linux": "Linux", "macos": "Darwin"}
"""What ``uname -s`` says."""


class Answer(Struct, frozen=True):
    """What a probe's text printed."""

    text: str
    exit_status: int


class Machine(Struct, frozen=True):
    """What ``uname`` says; empty where it did not come."""

    os: str = ""
    """``linux``, ``macos``, or what ``uname -s`` said."""
    hostname: str = ""
    arch: str = ""

    @property
    def known_os(self) -> OS | None:
        """Its operating system, if fleetctl knows how to ask it."""
        return next((os for os in OSES if os == self.os), None)


class Answers(Struct, frozen=True):
    """All answers of one node; a probe that is missing here was cut off before it could answer."""

    machine: Machine
    by_name: Mapping[str, Answer]


class Texts(Struct, frozen=True):
    """What one operating system is asked."""

    asked: Mapping[str, str]
    """Name of a probe to its sh text, in the order in which they are asked."""
    background: str = ""
    """Starts what runs beside them; the script ends when that has ended."""


class Script(Struct, frozen=True):
    """A composed sh text and the token that frames its output."""

    text: str
    token: str
    texts: Mapping[OS, Texts]


def compose(texts: Mapping[OS, Texts]) -> Script:
    """One sh text that asks everything in one go, on whichever OS it finds itself; one that is not
    known is asked nothing but its name.

    Each probe's text runs in a subshell with stdin closed, LC_ALL=C and both output streams
    together. Each answer is followed by a line of the record separator, a random token, the probe's
    name and its exit status, so that no output can be mistaken for a frame.
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
            beside = texts[os].background.replace(TOKEN, token)
            text += f"{system}*)\n{beside}{asked}{'wait' if beside else ':'};;\n"
    return Script(f"{text}esac\n", token, texts)


def read(script: Script, output: str) -> Answers:
    """Take the output of ``script`` apart; what is torn or missing is left out."""
    answers: dict[str, Answer] = {}
    text = ""
    mark = f"\x1e{script.token} "
    for line in output.split("\n")[:-1]:  # a last line without its end is torn
        if not line.startswith(mark):
            text += line + "\n"
            continue
        name, _, status = line[len(mark) :].rpartition(" ")
        if (number := whole(status)) is not None:
            answers[name] = Answer(text.removesuffix("\n"), number)
        text = ""
    return Answers(_machine(answers.pop("uname", None)), answers)


def _machine(answer: Answer | None) -> Machine:
    """``uname -snm`` prints system, host name and machine, whatever the order of its flags."""
    words = answer.text.split() if answer else []
    if len(words) != 3:
        return Machine()
    os = next((os for os, system in UNAME.items() if system == words[0]), words[0])
    return Machine(os, *words[1:])
