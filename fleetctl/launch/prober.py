"""What prober.sh asks an instance while it runs, in variables of a shell."""

from __future__ import annotations

import math
from typing import assert_never
from urllib.parse import urlsplit

from fleetctl.model.jobs import Instance
from fleetctl.model.liveness import Liveness
from fleetctl.model.ready import ALIVE_S
from fleetctl.quoting import quote

ASK_LIMIT_S = 5.0
"""Longest wait for an answer; the interval, if that is shorter and not below a second."""
_NAMED_CHARACTERS = 120


def asks_text(instance: Instance) -> str:
    """The part of the supervisor's spec that says what prober.sh asks.

    What only the prober needs is in a function: variables of the node's environment may have the
    same names, and the instance's command gets those.
    """
    liveness = instance.liveness
    if liveness is None:
        return "liveness=\n"
    naps = math.ceil(liveness.interval_s)
    settings: dict[str, str] = {
        "asked": liveness.value,
        "named": " ".join(liveness.value.split())[:_NAMED_CHARACTERS],
        "naps": str(naps),
        "nap": f"{liveness.interval_s / naps:g}",
        "limit": f"{max(1.0, min(ASK_LIMIT_S, liveness.interval_s)):g}",
        "failures": str(liveness.failures),
        "unwell": "restart" if liveness.restart else "",
        "settling": str(math.ceil(_settling_s(instance))),
        "signal": instance.stop.signal,
        "grace": str(math.ceil(instance.stop.grace_s * 10)),
        **_place(liveness),
    }
    lines = "".join(f"{name}={quote(value)}\n" for name, value in settings.items())
    return f"liveness={liveness.kind}\nasks() {{\n{lines}}}\n"


def _place(liveness: Liveness) -> dict[str, str]:
    """Where the question goes, in the parts that its tools need."""
    match liveness.kind:
        case "http":
            url = urlsplit(liveness.value)
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            host, port = url.hostname or "", str(url.port or 80)
            return {"host": host, "port": port, "path": path, "netloc": url.netloc}
        case "connect":
            host, _, port = liveness.value.rpartition(":")
            return {"host": host, "port": port}
        case "silence":
            checks = math.ceil(float(liveness.value) / liveness.interval_s)
            return {"too_quiet": str(max(1, checks))}
        case "command":
            return {}
        case _:
            assert_never(liveness.kind)


def _settling_s(instance: Instance) -> float:
    """How long failures lead to no restart, unless it is seen to work or to be ready before."""
    ready = instance.ready
    match ready.kind:
        case "alive":
            return ALIVE_S
        case "delay":
            return float(ready.value)
        case "listening" | "log" | "http" | "command" | "connect":
            return ready.timeout_s
        case _:
            assert_never(ready.kind)
