"""A probe is a value: what to ask on each OS, and how to read the answer. No I/O here."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from fleetctl.probes.parsers.number import whole


class Probe(Struct, frozen=True):
    """One question to a node.

    ``linux`` and ``macos`` are POSIX sh texts; they run in a subshell with stdin closed, LC_ALL=C
    and both output streams together; only ``sh`` and the OS's own tools may be used. An empty text
    asks nothing there: another probe answers it, or the question makes no sense on that OS.
    """

    name: str
    linux: str
    macos: str


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


class Answers(Struct, frozen=True):
    """All answers of one node; a probe that is missing here was cut off before it could answer."""

    machine: Machine
    by_name: Mapping[str, Answer]


class Script(Struct, frozen=True):
    """A composed sh text and the token that frames its output."""

    text: str
    token: str
    names: tuple[str, ...]
    """Of the probes in it, in their order."""
    texts: Mapping[str, Mapping[str, str]]
    """OS to the probes that ask something there, each with its text."""


def compose(
    probes: Sequence[Probe], background: Callable[[str, str], str] = lambda os, token: ""
) -> Script:
    """One sh text that asks everything in one go, on whichever OS it finds itself.

    :param background: given an OS and the token, sh text that starts what runs beside the probes;
        the script ends when that has ended.

    Each answer is followed by a line of the record separator, a random token, the probe's name and
    its exit status, so that no output can be mistaken for a frame.
    """
    token = secrets.token_hex(6)
    frame = rf"printf '\n\036{token} %s %s\n'"
    head = f'LC_ALL=C; export LC_ALL; os=$(uname -snm); echo "$os"; {frame} uname $?\n'
    per_os = {}
    for name in ("linux", "macos"):
        beside = background(name, token)
        asked = "".join(
            f"( {text}\n) </dev/null 2>&1; {frame} {probe.name} $?\n"
            for probe in probes
            if (text := getattr(probe, name))
        )
        per_os[name] = f"{beside}{asked}wait\n" if beside else asked
    names = tuple(probe.name for probe in probes)
    texts = {os: {p.name: t for p in probes if (t := getattr(p, os))} for os in per_os}
    if per_os["linux"] == per_os["macos"]:
        return Script(head + per_os["linux"], token, names, texts)
    macos, linux = per_os["macos"], per_os["linux"]
    text = f"{head}case $os in\nDarwin*)\n{macos};;\n*)\n{linux};;\nesac\n"
    return Script(text, token, names, texts)


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
    return Machine({"Linux": "linux", "Darwin": "macos"}.get(words[0], words[0]), *words[1:])
