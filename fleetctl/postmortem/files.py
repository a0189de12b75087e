"""The files of a postmortem, without secrets. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fleetctl.logs.tidying import plain
from fleetctl.postmortem.collected import Collected
from fleetctl.postmortem.redacting import Redactor
from fleetctl.postmortem.report_text import report_text
from fleetctl.postmortem.timeline import timeline, timeline_text


def files(
    found: Collected, redactor: Redactor, nodes_yaml: str, versions: Sequence[str]
) -> dict[str, str]:
    """Their texts, by name within the folder.

    :param nodes_yaml: the fleet's file as it is.
    :param versions: of what makes it, a clause each.
    """
    entries = timeline(found.logs, found.story.ends, found.history.events, found.kernels)
    texts = {
        "report.md": report_text(found, versions),
        "timeline.log": timeline_text(entries),
        "nodes.yaml": nodes_yaml,
        "start-plan.txt": "".join(f"{line}\n" for line in found.plan),
    }
    for name, lines in found.logs.items():
        texts[f"logs/{name}.log"] = "".join(f"{plain(line.text)}\n" for line in lines)
    hidden = {name: redactor.text(text) for name, text in texts.items()}
    events = [redactor.value(msgspec.to_builtins(event)) for event in found.history.events]
    return {
        **hidden,
        "status.json": _json(redactor.value(msgspec.to_builtins(found.checked.status))),
        "history.json": _json(redactor.value(_history(found))),
        "events.jsonl": "".join(msgspec.json.encode(event).decode() + "\n" for event in events),
    }


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def _history(found: Collected) -> dict[str, object]:
    history = found.history
    return {
        "why_none": history.why_none or None,
        "series": [
            {
                "kind": series.kind,
                "subject": series.subject,
                "metric": series.metric,
                "points": msgspec.to_builtins(points),
            }
            for series, points in sorted(history.points.items())
        ],
    }
