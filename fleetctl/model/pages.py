"""Web pages of a job: what an instance serves to a browser."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from fleetctl.model.jobs import Instance

LOOPBACK = "127.0.0.1"


class Page(Struct, frozen=True):
    """One web page of an instance."""

    instance: Instance
    port: int
    """On its node."""

    @property
    def name(self) -> str:
        """The instance's; with the port, if it has several pages."""
        several = len(self.instance.web) > 1
        return f"{self.instance.name}:{self.port}" if several else self.instance.name


def pages(instances: Iterable[Instance]) -> tuple[Page, ...]:
    """The pages that ``web`` of nodes.yaml names, in its order."""
    return tuple(Page(instance, port) for instance in instances for port in instance.web)


def best(bound: Collection[str], named: str) -> str | None:
    """The address to connect to of those that are bound; None: none is.

    :param named: the one that nodes.yaml gives; empty: none.
    """
    if not bound:
        return None
    if named in bound and named != "0.0.0.0":
        return named
    if not {LOOPBACK, "0.0.0.0", "*"}.isdisjoint(bound):
        return LOOPBACK
    return "::1" if "::" in bound else min(bound)


class WebPageStatus(Struct, frozen=True):
    """A web page of an instance (``web`` in nodes.yaml)."""

    port: int
    url: str | None = None
    """At an address by which its own node reaches it; ``fleetctl open`` shows it elsewhere. Null:
    nothing of the instance listens there, or that is not known."""
    up: bool | None = None
    """Whether the instance listens there."""


def web_pages(instance: Instance, listening: Sequence[str] | None) -> tuple[WebPageStatus, ...]:
    """The pages of ``instance``, by where its processes listen; None: that is not known."""
    if listening is None:
        return tuple(WebPageStatus(port) for port in instance.web)
    ends = [one.rpartition(":") for one in listening]
    found = []
    for port in instance.web:
        declared = [str(one.address) for one in instance.bindings if one.port == port]
        host = best({a for a, _, p in ends if p == str(port)}, declared[0] if declared else "")
        shown = f"[{host}]" if host and ":" in host else host
        found.append(WebPageStatus(port, f"http://{shown}:{port}" if host else None, bool(host)))
    return tuple(found)
