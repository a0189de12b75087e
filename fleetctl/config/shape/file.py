"""The keys of nodes.yaml itself, and of ``history``."""

from typing import Annotated

from msgspec import UNSET, UnsetType

from fleetctl.config.scalars import Address, Days, MiB, Name, NodeName
from fleetctl.config.shape.alerts import AlertEntry
from fleetctl.config.shape.entry import SOME, Entry, means
from fleetctl.config.shape.jobs import JobEntry
from fleetctl.config.shape.machines import DefaultsEntry, NetworkEntry, NodeEntry


class HistoryEntry(Entry):
    """How much of the past is kept on the machine that watches."""

    days: Annotated[Days | UnsetType, means("For how many days; default 365.")] = UNSET
    mb: Annotated[
        MiB | UnsetType,
        means("How many MiB it may take; then the oldest is dropped. Default 200."),
    ] = UNSET


class FileEntry(Entry):
    """A fleet: its machines, the networks between them, and its jobs."""

    fleet: Annotated[Name, means("The fleet's name; also its tmux session's on every node.")]
    nodes: Annotated[dict[NodeName, NodeEntry | None], SOME, means("The machines, by name.")]
    networks: Annotated[dict[Name, NetworkEntry] | None, means("The subnets, by name.")] = None
    internet: Annotated[
        Address | UnsetType | None,
        means("The address to ping for the internet check; null turns the check off."),
    ] = UNSET
    defaults: Annotated[DefaultsEntry | None, means("For nodes that do not give their own.")] = None
    history: Annotated[
        HistoryEntry | None, means("How much of the past is kept on the machine that watches.")
    ] = None
    jobs: Annotated[
        Annotated[dict[Name, JobEntry], SOME] | UnsetType,
        means("What to run; the first job is the default one."),
    ] = UNSET
    alerts: Annotated[list[AlertEntry] | None, means("Who is told of what goes wrong.")] = None
