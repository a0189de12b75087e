"""Web pages of a job: what an instance serves to a browser."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from fleetctl.model.jobs import Instance


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
