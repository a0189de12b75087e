"""When and how attempts of instances ended, from records, logs and events. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from fleetctl.health.assess import Checked
from fleetctl.health.failures import Moment
from fleetctl.logs.lines import LogLine
from fleetctl.logs.tidying import plain
from fleetctl.model.events import Event
from fleetctl.model.facts import NodeFacts
from fleetctl.model.jobs import Instance, Job
from fleetctl.model.records import Record
from fleetctl.model.status import ServiceStatus
from fleetctl.model.topology import OS, supported_os
from fleetctl.words.exit_codes import ended_by

INDEX_ERROR_S = 2.0
"""Times of log lines are whole seconds, of a clock that is corrected if it is a second off."""
BOOT_ERROR_S = 60.0
"""What ended at a reboot ended so long before the boot, at the most, as far as is usual."""
LOST_ERROR_S = 15.0
"""By so much a node may have been gone before it was told to be unreachable."""
MARKER = re.compile(
    r"fleetctl: (?P<why>.*?(?:\): )?)ended with exit code (?P<code>\d{1,3})(?P<rest>.*)"
)
"""What the supervisor writes into the log at an end (launch/supervisor.sh)."""


class Ended(Struct, frozen=True):
    """The end of one attempt of an instance."""

    instance: str
    node: str
    how: str
    """As a clause without a subject: ``was ended by SIGKILL (9)``."""
    when: Moment | None
    """None: not known."""
    exit_code: int | None = None
    pid: int | None = None
    why: str = ""
    """As a clause; empty: only ``how`` is known."""
    by_rule: bool = False
    """Ended by fleetctl because another one had failed."""
    done: bool = False
    """With exit code 0."""

    def surely_before(self, other: Ended) -> bool:
        """Whether it ended before ``other``, whatever their clocks may be wrong by."""
        return bool(self.when and other.when and self.when.surely_before(other.when))

    def is_surely_before(self, at: datetime) -> bool:
        """Whether it ended before a moment of the controller's clock."""
        return bool(self.when and self.when.surely_before(Moment(at, 0.0)))

    def is_surely_after(self, at: datetime) -> bool:
        """Whether it ended after a moment of the controller's clock."""
        return bool(self.when and Moment(at, 0.0).surely_before(self.when))


def ends(
    job: Job,
    checked: Checked,
    lines: Mapping[str, Sequence[LogLine]],
    events: Sequence[Event],
) -> list[Ended]:
    """All ends that are known, those with a time first, in its order.

    :param lines: of each instance's log, by its name.
    :param events: what was kept of the time.
    """
    found: list[Ended] = []
    for instance in job.instances:
        mine = list(_of(instance, checked, events))
        said = _in_log(instance, lines.get(instance.name, ()), checked)
        found += mine
        found += (one for one in said if not any(_same(one, other) for other in mine))
    dated = [(one.when.at, one) for one in found if one.when]
    undated = [one for one in found if not one.when]
    return [one for _, one in sorted(dated, key=lambda pair: pair[0])] + undated


def unknown(job: Job, checked: Checked) -> dict[str, str]:
    """By instance of which nothing is known: why, as a clause."""
    found = {}
    for instance in job.instances:
        status = checked.status.services.get(instance.name)
        if status is None or status.state == "unknown":
            node = checked.status.nodes.get(instance.node)
            told = node.ssh.error if node and node.ssh.reachable is False else None
            found[instance.name] = told or (status.reason if status else None) or "it is not told"
    return found


def _of(instance: Instance, checked: Checked, events: Sequence[Event]) -> Iterator[Ended]:
    """By its record and state; by what was kept, where its node cannot be asked."""
    status = checked.status.services.get(instance.name)
    facts = checked.facts.get(instance.node)
    if status is None or facts is None:
        yield from _lost(instance, events)
        return
    record = facts.records.get((instance.job, instance.name))
    if record and record.phase in ("ended", "backoff"):
        yield _recorded(instance, record, facts)
    elif status.state == "failed" and record:
        yield _without_record(instance, record, status, facts)


def _recorded(instance: Instance, record: Record, facts: NodeFacts) -> Ended:
    when = None
    if record.ended_at and record.ended_error_s is not None:
        when = Moment(record.ended_at, record.ended_error_s)
    word = record.group_word
    of_this = word is not None and word.wanted in ("end", "again")
    by_rule = of_this and _for_another(instance, word.why if word else "")
    why = f"on_member_failure: {word.why}" if word and by_rule else record.unwell
    return Ended(
        instance.name,
        instance.node,
        ended_by(record.exit_code, _os(facts)),
        when,
        record.exit_code,
        record.pid,
        f"it was ended, for {record.unwell}" if record.unwell and not by_rule else why,
        by_rule,
        record.exit_code == 0,
    )


def _for_another(instance: Instance, why: str) -> bool:
    """Whether ``why`` names another instance as the one that failed (launch/deciding.py)."""
    return bool(why) and not why.startswith(f"{instance.name} ")


def _os(facts: NodeFacts) -> OS | None:
    return supported_os(facts.system.os) if facts.system else None


def _without_record(
    instance: Instance, record: Record, status: ServiceStatus, facts: NodeFacts
) -> Ended:
    """Its supervisor could not write down how it ended: the node was off, or it was killed, too."""
    booted = boot_of(facts)
    began = record.started_at
    if booted and began and booted.at - began > timedelta(seconds=booted.error_s):
        how = f"ended when {instance.node} went down, which booted again later"
        return Ended(instance.name, instance.node, how, booted, None, record.pid)
    how = f"is gone ({status.reason})" if status.reason else "is gone"
    return Ended(instance.name, instance.node, how, None, status.exit_code, record.pid)


def boot_of(facts: NodeFacts) -> Moment | None:
    """When the node was booted; None: not known."""
    if facts.system is None or facts.system.uptime_s is None:
        return None
    at = facts.measured_at - timedelta(seconds=facts.system.uptime_s)
    return Moment(at, BOOT_ERROR_S)


def _lost(instance: Instance, events: Sequence[Event]) -> Iterator[Ended]:
    """Its node is gone; when, says what was kept."""
    told = [e for e in events if e.kind == "node" and e.node == instance.node]
    for event in told[-1:]:
        if event.state == "unreachable":
            when = Moment(event.at, LOST_ERROR_S)
            how = f"was lost with {instance.node}, which could not be reached any more"
            yield Ended(instance.name, instance.node, how, when)


def _in_log(instance: Instance, lines: Iterable[LogLine], checked: Checked) -> Iterator[Ended]:
    """Attempts that were ended before the newest, by what the supervisor wrote into the log."""
    facts = checked.facts.get(instance.node)
    for line in lines:
        found = MARKER.match(plain(line.text))
        if found is None or line.at is None or "in the background" in found["rest"]:
            continue
        code = int(found["code"])
        when = Moment(datetime.fromtimestamp(line.at, UTC), INDEX_ERROR_S)
        yield Ended(
            instance.name,
            instance.node,
            ended_by(code, _os(facts) if facts else None),
            when,
            code,
            why=found["why"].rstrip(": "),
            by_rule=_for_another(instance, found["rest"].partition("all begin again: ")[2]),
            done=code == 0,
        )


def _same(said: Ended, recorded: Ended) -> bool:
    """Whether a line of the log tells the end that the record has."""
    if said.exit_code != recorded.exit_code:
        return False
    if said.when is None or recorded.when is None:  # of the record it is not known
        return True
    apart_s = abs((said.when.at - recorded.when.at).total_seconds())
    return apart_s <= said.when.error_s + recorded.when.error_s + 1.0
