"""Answers of nodes as files, in the form of the project's fixtures (tests/fixtures). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from fleetctl.model.expectations import derive
from fleetctl.model.jobs import Job
from fleetctl.model.look import RawAnswer
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS, Fleet, supported_os
from fleetctl.observe.questions import questions
from fleetctl.probes.node import ECHOES, MACHINE, Answered, node_script, read_again
from fleetctl.probes.probe import AnyProbe, Ask, PartOf, Unanswered
from fleetctl.probes.registry import PROBES
from fleetctl.probes.script import UNAME

TOKEN = "0" * 12
"""In place of the one that framed pings."""
PASSING = frozenset({"clock", "records", "system", "swap", "echoes"})
"""Probes in whose reading the present time is, or what is kept from look to look."""
_WAY = re.compile(r"^(?:route get|echo 'way) ([0-9.]{7,15})", re.M)

Replace = Callable[[str], str]


class Sample(Struct, frozen=True):
    """One recorded answer: NAME.expected.json beside NAME.txt."""

    command: str
    stream: str
    rc: int
    kind: str
    source: str
    parsed: dict[str, object] | None
    """By name of the probe: what fleetctl reads in it, but for what depends on the time; null: that
    is not known."""


def asked_of(fleet: Fleet, job: Job | None, node: str, raw: Sequence[RawAnswer]) -> Questions:
    """What ``node`` was asked when it gave ``raw``."""
    known = questions(fleet, [job] if job else [], derive(fleet, job), fleet.nodes[node], "check")
    ways = [IPv4Address(to) for answer in raw for to in _WAY.findall(answer.command)]
    return replace(known, ways=tuple(dict.fromkeys(ways))) if ways else known


def reading(fleet: Fleet, job: Job | None, node: str, raw: Sequence[RawAnswer]) -> Answered:
    """What is read in ``raw``, as if ``node`` had just answered so."""
    return read_again(node_script(asked_of(fleet, job, node, raw)), raw)


def os_of(raw: Sequence[RawAnswer]) -> str:
    """The folder of a node's answers: its operating system."""
    said = next((answer.text for answer in raw if answer.name == MACHINE), "")
    system = said.partition(" ")[0]
    found = next((os for os, its in UNAME.items() if its == system), None)
    return found or re.sub(r"\W", "_", system) or "unknown"


def recorded(raw: Sequence[RawAnswer], replaced: Replace) -> list[RawAnswer]:
    """The answers as they are written down."""
    return [
        replace(
            answer,
            command=replaced(answer.command),
            text=replaced(re.sub(r"\x1e[0-9a-f]{12} ", f"\x1e{TOKEN} ", answer.text)),
        )
        for answer in raw
    ]


def sample_files(
    name: str, raw: Sequence[RawAnswer], found: Answered | None, source: str
) -> Iterator[tuple[str, str]]:
    """The files of one node, by path within the folder.

    :param name: of the node, as it is written down.
    :param found: what is read in ``raw``; None: that is not known.
    """
    os = os_of(raw)
    for answer in raw:
        parsed = parsed_of(answer.name, os, found) if found else None
        stream = "stderr" if answer.name == ECHOES else "both"
        sample = Sample(answer.command, stream, answer.exit_status, "captured", source, parsed)
        place = f"{os}/{answer.name}/{name}"
        yield f"{place}.txt", answer.text
        encoded = msgspec.json.encode(sample)
        yield f"{place}.expected.json", msgspec.json.format(encoded, indent=1).decode() + "\n"


def parsed_of(name: str, os: str, found: Answered) -> dict[str, object]:
    """What probes read in the answer ``name``, by their names."""
    own = supported_os(os)
    return {
        probe.name: plain(found.values.get(probe.name))
        for probe in PROBES
        if own and probe.name not in PASSING and _source(probe, own) == name
    }


def _source(probe: AnyProbe, os: OS) -> str:
    """The answer that it reads; empty: none of its own."""
    match probe.on[os]:
        case PartOf(source):
            return source
        case Ask():
            return probe.name
    return ""


def read_samples(files: Mapping[str, str], name: str) -> list[RawAnswer]:
    """The answers of a node in the files of a report, by path within its folder."""
    found = []
    for path, text in files.items():
        os, _, rest = path.partition("/")
        probe, _, file = rest.partition("/")
        if file != f"{name}.txt" or supported_os(os) is None:
            continue
        sample = msgspec.json.decode(
            files[f"{path.removesuffix('.txt')}.expected.json"], type=Sample
        )
        found.append(RawAnswer(probe, sample.command, text, sample.rc))
    return found


def plain(value: object) -> object:
    """A value of ours as one of JSON."""
    if isinstance(value, Unanswered):
        return {"unanswered": value.why}
    if isinstance(value, Struct):
        return {key: plain(each) for key, each in asdict(value).items()}
    if isinstance(value, Mapping):
        return {_key(key): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((plain(each) for each in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def _key(key: object) -> str:
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)
