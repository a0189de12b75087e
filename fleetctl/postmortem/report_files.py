"""The files of a report of a fault of fleetctl itself, or of a reading that looks wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from fleetctl.config import load_text
from fleetctl.config.schema import schema
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import Job
from fleetctl.model.look import RawAnswer
from fleetctl.model.topology import Fleet
from fleetctl.postmortem.anonymous import Anonymous
from fleetctl.postmortem.raw import Replace, os_of, reading, recorded, sample_files
from fleetctl.postmortem.redacting import Redactor
from fleetctl.postmortem.versions import versions_here
from fleetctl.probes.node import MACHINE

_README = """\
# A report of fleetctl

{versions}

What {count} said when `fleetctl report{option}` asked all that `fleetctl check` asks. {replaced}
Look through it before you give it away.

{unasked}
- `SYSTEM/PROBE/NODE.txt`: what a node literally printed for a probe; `tails` has the last lines of
  running programs. `NODE.expected.json` beside it: the command, its exit code, and in `parsed`, by
  name of the probe, what this version of fleetctl reads in it, but for what depends on the time.
- `nodes.yaml`: the file, which says what is asked; secrets are hidden.
- `mistakes/`: tracebacks of mistakes in fleetctl, if there are any. They hold no values.

## How it becomes a test

Say in the report what is read wrongly, and what is right. In a checkout of fleetctl

    FLEETCTL_REPORTS=this/folder python -m pytest tests/probes/test_reports.py

reads it again. To keep it, copy it to `tests/fixtures/reports/NAME` and correct `parsed` where it
is wrong: the test fails until fleetctl reads it so.
"""
_REPLACED = (
    "Names of nodes, hosts, accounts, jobs and the fleet, IP and MAC addresses, UUIDs, serial "
    "numbers and home folders are replaced, the same by the same; networks keep their sizes, and "
    "addresses their places in them. What has no form of its own (the name of a Wi-Fi, words of a "
    "command) is not."
)


class Report(Struct, frozen=True):
    """What was found out."""

    fleet: Fleet
    job: Job | None
    answers: Mapping[str, Sequence[RawAnswer]]
    """By node."""
    unasked: Mapping[str, str]
    """By node that cannot be asked: why."""
    nodes_yaml: str
    mistakes: Mapping[str, str]
    """Tracebacks, by file name."""
    own: tuple[str, ...] = ()
    """Host name and account of this machine."""

    def files(self, redactor: Redactor, *, anonymous: bool) -> dict[str, str]:
        """Their texts, by path within the folder."""
        who = self._anonymous() if anonymous else None
        replaced = _both(redactor, who)
        yaml_text = replaced(self.nodes_yaml)
        fleet, job = self._read(yaml_text, who)
        texts = {"nodes.yaml": yaml_text}
        for node, raw in self.answers.items():
            name = who.name(node) if who else node
            said = recorded(raw, replaced)
            found = reading(fleet, job, name, said) if fleet and name in fleet.nodes else None
            source = f"fleetctl report of {os_of(raw)}, {versions_here()[0]}"
            texts.update(sample_files(name, said, found, source))
        texts.update({f"mistakes/{n}": replaced(text) for n, text in self.mistakes.items()})
        texts["README.md"] = self._readme(replaced, anonymous=anonymous)
        return texts

    def _anonymous(self) -> Anonymous:
        hosts = [
            answer.text.split(" ", 1)[1].rpartition(" ")[0]
            for raw in self.answers.values()
            for answer in raw
            if answer.name == MACHINE and answer.text.count(" ") > 1
        ]
        who = Anonymous(
            self.fleet, hostnames=[*hosts, *self.own[:1]], users=self.own[1:], kept=_keys()
        )
        for answer in (answer for raw in self.answers.values() for answer in raw):
            who.learn(answer.text)
        return who

    def _read(self, yaml_text: str, who: Anonymous | None) -> tuple[Fleet | None, Job | None]:
        """The fleet of the text that is written, and its job."""
        try:
            fleet = load_text(yaml_text, "nodes.yaml")
        except ConfigError:  # what was hidden in it was needed
            return None, None
        name = self.job.name if self.job else ""
        return fleet, fleet.jobs.get(who.name(name) if who else name)

    def _readme(self, replaced: Replace, *, anonymous: bool) -> str:
        unasked = "".join(
            f"- {replaced(node)} cannot be asked: {replaced(why)}\n"
            for node, why in self.unasked.items()
        )
        return _README.format(
            versions="\n".join(f"- {line}" for line in versions_here()),
            count=f"{len(self.answers)} nodes" if len(self.answers) != 1 else "a node",
            option=" --anonymous" if anonymous else "",
            replaced=_REPLACED if anonymous else "Nothing but secrets is replaced.",
            unasked=unasked,
        )


def _both(redactor: Redactor, who: Anonymous | None) -> Replace:
    def replaced(text: str) -> str:
        text = redactor.text(text)
        return who.text(text) if who else text

    return replaced


def _keys() -> frozenset[str]:
    """Words of nodes.yaml itself, and of its values."""
    return frozenset(_words(schema()))


def _words(shape: object) -> Iterator[str]:
    if isinstance(shape, dict):
        for key, value in shape.items():
            yield str(key)
            yield from _words(value)
    elif isinstance(shape, list):
        for value in shape:
            yield from _words(value)
    elif isinstance(shape, str) and re.fullmatch(r"[\w-]+", shape):
        yield shape
