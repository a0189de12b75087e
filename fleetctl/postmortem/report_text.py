"""``report.md``: what ended first, why, what followed; and all else that is known. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from fleetctl.model.node_status import NodeStatus
from fleetctl.postmortem.before import changed
from fleetctl.postmortem.causes import BEFORE_S, blames_peer, causes, clock
from fleetctl.postmortem.collected import Collected
from fleetctl.postmortem.ends import Ended
from fleetctl.postmortem.kernel import Kernel
from fleetctl.quantities import count, duration, listed
from fleetctl.words.parity import parity_lines
from fleetctl.words.system import disk_free, load, memory, uptime

SHOWN = 12
"""Lines of a list that are shown; the files have all."""


def report_text(found: Collected, versions: Sequence[str]) -> str:
    """The whole report.

    :param versions: of what made it, a clause each.
    """
    parts = [
        f"# {found.job.name}: {_title(found)}",
        paragraph(found),
        *_section("What ended, in order", _ends(found)),
        *_section("Why, as far as was measured", _why(found)),
        *_section(f"The {BEFORE_S / 60:.0f} minutes before", _before(found)),
        *_section("What is not known", _unknown(found)),
        *_section("The kernels' messages", _kernels(found)),
        *_section("Problems now", (p.summary for p in found.checked.status.problems)),
        *_section("The nodes now", _nodes(found)),
        *_section("Versions", [*versions, *_parity(found)]),
        *_section("In this folder", _FILES),
    ]
    return "\n\n".join(parts) + "\n"


_FILES = (
    "`timeline.log`: lines of all instances, ends, events and kernels' messages in one order, UTC "
    "by the clock of the machine that asked; nodes' clocks are corrected where they differ by more "
    "than a second, lines have whole seconds, and `?` marks a time that is only about",
    "`logs/`: the last lines of each instance; `events.jsonl`, `history.json`: what was kept of "
    "the time; `status.json`: how all is now; `nodes.yaml` and `start-plan.txt`: what was run",
    "What looks like a secret, and the values of env_files, are replaced by `(hidden)`. Look "
    "through it before you give it away: programs may print anything",
)


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> list[str]:
    shown = [f"- {line}" for line in lines if line]
    return [f"## {title}", "\n".join(shown)] if shown else []


def _title(found: Collected) -> str:
    begin = found.story.begin
    if begin:
        return f"a failure at {begin.astimezone():%Y-%m-%d %H:%M:%S}"
    if found.story.first:
        return "a failure at a time that is not known"
    return f"as it was at {found.at.astimezone():%Y-%m-%d %H:%M:%S}"


def paragraph(found: Collected) -> str:
    """What ended first, why as far as that was measured, and what followed from it."""
    story = found.story
    if not story.first:
        around = f" within ten minutes of {clock(found.around)}" if found.around else ""
        nothing = f"Nothing of {found.job.name} has failed{around}, as far as is known."
        return " ".join([nothing, *_unsure(found)])
    said: list[str] = []
    if len(story.first) == 1:
        one = story.first[0]
        at = f" at {clock(one.when.at)}" if one.when else ""
        also = len(story.followed) or len(story.unknown)
        said.append(
            f"{one.instance} ended first{at}: it {one.how}."
            if also
            else f"{one.instance} {one.how}{at}; no other instance ended."
        )
        said.append(_because(found, one))
        said += _again(story.again)
    else:
        whom = listed([f"{one.instance} ({one.how})" for one in story.first])
        said.append(f"Which of {whom} ended first is not known: {_doubt(story.first)}.")
        said += _likely(found)
        for one in story.first[:3]:
            why = "; ".join(_causes(found, one)[:3]) or "why is not known"
            said.append(f"{one.instance}: {why.rstrip('.')}.")
    return " ".join(filter(None, [*said, *_followed(found), *_unsure(found)]))


def _again(later: Sequence[Ended]) -> Iterator[str]:
    """That it was restarted in vain: its later ends may be of another cause."""
    if later and (when := later[-1].when):
        times = Counter(one.how for one in later)
        said = [f"{how} ({n} times)" if n > 1 else how for how, n in times.items()]
        yield f"Begun again, it {listed(said)}; last at {clock(when.at)}."


def _doubt(first: Sequence[Ended]) -> str:
    dated = [one.when for one in first if one.when]
    if len(dated) < len(first):
        return "the times of some are not known"
    apart_s = (dated[-1].at - dated[0].at).total_seconds()
    error_s = max(when.error_s for when in dated)
    return f"they ended within {apart_s:.1f} s, and times are known to ± {error_s:.1f} s"


def _likely(found: Collected) -> Iterator[str]:
    """Where all but one of those that may have been first speak of a peer that they lost."""
    alone = [one for one in found.story.first if not blames_peer(found.last_lines(one))]
    if len(alone) == 1:
        others = listed([one.instance for one in found.story.first if one not in alone])
        yield (
            f"The last words of {others} are of a lost connection, so "
            f"{alone[0].instance} is likely."
        )


def _because(found: Collected, end: Ended) -> str:
    why = _causes(found, end)
    if not why:
        return "Why is not known."
    text = "; ".join(why[:3])
    return text[0].upper() + text[1:].rstrip(".") + "."


def _causes(found: Collected, end: Ended) -> tuple[str, ...]:
    last = found.last_lines(end)
    return causes(end, found.checked, found.kernels, found.history.events, last)


def _followed(found: Collected) -> Iterator[str]:
    followed = found.story.followed
    ended = [one for one in followed if not one.by_rule]
    ruled = [one for one in followed if one.by_rule]
    if ended:
        said = [_follower(found, one) for one in ended[:4]]
        more = f", and {count(len(ended) - 4, 'other')}" if len(ended) > 4 else ""
        yield f"Then {listed(said) if not more else ', '.join(said)}{more}."
    if ruled:
        whom = listed([one.instance for one in ruled])
        yield f"fleetctl ended {whom} for it (on_member_failure)."


def _follower(found: Collected, one: Ended) -> str:
    after = _after(found, one)
    last = found.last_lines(one)
    peer = " after words of a lost connection" if last and blames_peer(last) else ""
    return f"{one.instance} {one.how}{after}{peer}"


def _after(found: Collected, one: Ended) -> str:
    begin = found.story.begin
    if begin is None or one.when is None:
        return " at a time that is not known"
    return f" {(one.when.at - begin).total_seconds():.1f} s later"


def _unsure(found: Collected) -> Iterator[str]:
    unsure = found.story.unsure
    if unsure:
        why = found.story.unknown[unsure[0]]
        shown = listed(list(unsure[:SHOWN]))
        also = ", and may have ended before" if found.story.first else ""
        yield f"How {shown} {'is' if len(unsure) == 1 else 'are'} is not known{also}: {why}."


def _ends(found: Collected) -> Iterator[str]:
    for one in found.story.ends[: 4 * SHOWN]:
        if one.when:
            at = f"{clock(one.when.at)} ± {one.when.error_s:.2g} s"
        else:
            at = "at a time that is not known"
        why = f" ({one.why})" if one.why else ""
        yield f"{at}: **{one.instance}** {one.how}{why}"
    if (more := len(found.story.ends) - 4 * SHOWN) > 0:
        yield f"and {more} more: timeline.log"


def _why(found: Collected) -> Iterator[str]:
    for one in found.story.first[:SHOWN]:
        for why in _causes(found, one):
            yield f"{one.instance}: {why}"
    for one in found.story.followed[:SHOWN]:
        if last := found.last_lines(one):
            yield f"{one.instance} printed last: {last[-1][:200]}"


def _before(found: Collected) -> Iterator[str]:
    history = found.history
    begin = found.story.begin or found.around or found.at
    before = begin - timedelta(seconds=BEFORE_S)
    events = [e for e in history.events if before <= e.at <= begin + timedelta(seconds=5)]
    for event in events[-2 * SHOWN :]:
        by = f", by {event.by.user}@{event.by.host}" if event.by else ""
        yield f"{clock(event.at)} {event.text}{by}"
    until_s = begin.timestamp() + 5
    points = {s: [p for p in told if p.at_s < until_s] for s, told in history.points.items()}
    said = list(changed({s: told for s, told in points.items() if told}, before.timestamp()))
    yield from said[: 2 * SHOWN]
    if history.why_none:
        yield (
            f"what else changed is not known: {history.why_none}. `fleetctl serve`, or an open "
            "dashboard, keeps what can be seen"
        )
    elif not events and not said:
        yield "nothing that is kept changed much: network, heat, memory, disk"


def _unknown(found: Collected) -> Iterator[str]:
    for name, why in found.story.unknown.items():
        yield f"{name}: {why}"
    for name, why in found.unread.items():
        yield f"the log of {name}: {why}"
    for node, facts in found.checked.facts.items():
        if lacks := [f"{what} ({why})" for what, why in facts.unknown.items()]:
            yield f"of {node}: {', '.join(lacks[:SHOWN])}"


def _kernels(found: Collected) -> Iterator[str]:
    for node, kernel in found.kernels.items():
        if isinstance(kernel, Kernel):
            if kernel.unreadable:
                yield f"{node}: cannot be read: {kernel.unreadable}"
            elif not kernel.lines:
                yield f"{node}: nothing of memory, disks or links ({kernel.source})"
            yield from (f"{node}: {said}" for said in kernel.counters)
            for line in kernel.lines[-SHOWN:]:
                at = clock(line.at) if line.at else "at a time that is not known"
                yield f"{node} {at}: {line.text[:300]}"
        else:
            yield f"{node}: not asked: {kernel}"


def _nodes(found: Collected) -> Iterator[str]:
    for name in dict.fromkeys(i.node for i in found.job.instances):
        node = found.checked.status.nodes.get(name)
        if node is not None:
            yield f"{name}: {_node(node)}{_clock(found, name)}"


def _node(node: NodeStatus) -> str:
    if node.ssh.reachable is False:
        return f"cannot be asked: {node.ssh.error}"
    system = node.system
    if system is None:
        return node.state
    heat = "" if system.temperature_c is None else f", {system.temperature_c:.0f} °C"
    hot = ", throttled" if system.throttled else ""
    return (
        f"{node.state}, load {load(system)}, memory {memory(system)}, disk free "
        f"{disk_free(system)}, up {uptime(system)}{heat}{hot}"
    )


def _clock(found: Collected, node: str) -> str:
    ahead_s = found.clocks.get(node, 0.0)
    if not ahead_s:
        return ""
    side = "ahead" if ahead_s > 0 else "behind"
    return f"; its clock is {duration(abs(ahead_s))} {side}, its times are corrected"


def _parity(found: Collected) -> Iterator[str]:
    status = found.checked.status
    for row in parity_lines(status.parity or ()):
        yield row.text
    for name, facts in found.checked.facts.items():
        build = facts.build.system if facts.build else "its system is not known"
        yield f"{name}: {build}, tmux {facts.tmux_version or 'none'}"
