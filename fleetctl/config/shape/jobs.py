"""The keys of a job in nodes.yaml."""

from typing import Annotated

from msgspec import UNSET, UnsetType, field

from fleetctl.config.scalars import Framework, Name, NetworkRef, OnFailure, Text
from fleetctl.config.shape.entry import SOME, Entry, means
from fleetctl.config.shape.services import ServiceEntry


class SyncEntry(Entry):
    """The code of a job, which `fleetctl sync` copies to its nodes."""

    source: Annotated[
        Text | UnsetType,
        means("The folder on this machine; relative to nodes.yaml, and by default its folder."),
    ] = field(default=UNSET, name="from")
    exclude: Annotated[
        list[Text] | None,
        means("Patterns of paths that are not copied, besides what .gitignore names."),
    ] = None
    delete: Annotated[
        bool | UnsetType,
        means("Whether files that an earlier sync brought and that are gone here go there, too."),
    ] = UNSET
    share: Annotated[
        Text | Annotated[list[Text], SOME] | UnsetType,
        means(
            "A large folder or file in it, or a list of them: sent to one node, and from there "
            "from node to node. What git ignores is copied, too."
        ),
    ] = UNSET
    over: Annotated[
        Name | UnsetType, means("The network over which nodes send each other what they share.")
    ] = UNSET


class JobEntry(Entry):
    """Services that are started and stopped together."""

    services: Annotated[dict[Name, ServiceEntry], SOME, means("In the order they are shown.")]
    elastic: Annotated[
        bool | UnsetType,
        means(
            "Members may come and go: start starts those that can work, and a changed rank or "
            "world size renews nothing; default false."
        ),
    ] = UNSET
    on_member_failure: Annotated[
        OnFailure | UnsetType,
        means(
            "What follows when an instance has failed for good: the others are kept, or all are "
            "stopped, or all begin again; default keep."
        ),
    ] = UNSET
    network: Annotated[
        NetworkRef | UnsetType,
        means("The network that is meant where its services do not listen."),
    ] = UNSET
    framework: Annotated[
        Framework | UnsetType,
        means("Of all its services that do not say their own: their instances are one group."),
    ] = UNSET
    sync: Annotated[SyncEntry | None, means("The code, for `fleetctl sync`.")] = None
    prepare: Annotated[
        Text | UnsetType,
        means(
            "A POSIX shell line that start runs in each node's workdir before the job starts; "
            "{node} and {address.NETWORK} are filled in."
        ),
    ] = UNSET
    prepare_on: Annotated[
        list[Text] | None,
        means("Files in the workdir: it runs again when one of them, or itself, has changed."),
    ] = None
    requires: Annotated[
        list[Text] | None,
        means("Programs that each of its nodes needs, with versions or without: python3>=3.11."),
    ] = None
