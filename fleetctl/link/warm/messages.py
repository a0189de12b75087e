"""What client and server of warm links say to each other, in MessagePack."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from fleetctl import errors
from fleetctl.errors import AnswerCut, LinkError, LinkHung
from fleetctl.model.topology import Fleet


class Hold(Struct, tag=True, frozen=True):
    """Nothing but the connection, which ends with the server."""


class Wanted(Struct, tag=True, frozen=True):
    """Whether a node is connected; answered by :class:`Connected`."""

    node: str


class Run(Struct, tag=True, frozen=True):
    """See :meth:`fleetctl.link.protocol.Link.run`; answered by a ``Completed``."""

    node: str
    script: bytes
    stdin: bytes
    timeout_s: float
    most_bytes: int


class Open(Struct, tag=True, frozen=True):
    """See :meth:`fleetctl.link.protocol.Link.stream`."""

    node: str
    script: bytes
    both: bool
    unmarked: bool


class OpenTerminal(Struct, tag=True, frozen=True):
    """See :meth:`fleetctl.link.protocol.Link.terminal`."""

    node: str
    script: bytes
    term: str
    columns: int
    rows: int


class Connect(Struct, tag=True, frozen=True):
    """See :meth:`fleetctl.link.protocol.Link.open_connection`; after the answer come plain bytes,
    both ways."""

    node: str
    host: str
    port: int
    timeout_s: float


class Touched(Struct, tag=True, frozen=True):
    """Nodes to which the client had other connections: what is known of them may be old."""

    nodes: tuple[str, ...]


Operation = Hold | Wanted | Run | Open | OpenTerminal | Connect | Touched


class Request(Struct, frozen=True):
    """The first frame."""

    version: str
    nodes: bytes
    """As :func:`nodes_digest` has it: both read the same nodes and networks."""
    operation: Operation


class Connected(Struct, frozen=True):
    """The values of a :class:`fleetctl.link.protocol.Link`, and what others carry."""

    address: str | None
    connect_ms: float | None
    shell_s: float | None
    ignored: tuple[str, ...]
    via: str
    bypassed: str
    carried: dict[str, tuple[str, ...]]
    """By node: the networks on which it carries connections by a second way."""


class Size(Struct, frozen=True):
    """Of a terminal, in cells."""

    columns: int
    rows: int


class Done(Struct, frozen=True):
    """A script has ended."""

    exit_status: int | None


class Failure(Struct, frozen=True):
    """An error of a link, or of ``open_connection``."""

    kind: str
    """The name of its class."""
    reason: str
    hint: str = ""
    silent: bool = False
    code: str = ""
    output: bytes = b""
    errors: bytes = b""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        if not isinstance(error, LinkError):
            return cls(type(error).__name__, str(error))
        return cls(
            type(error).__name__,
            error.reason,
            error.hint,
            error.silent,
            error.code,
            getattr(error, "output", b""),
            getattr(error, "errors", b""),
        )

    def error(self, node: str) -> LinkError:
        """The same error here; of a kind that is not known, a :class:`LinkError`."""
        kind = getattr(errors, self.kind, LinkError)
        found: LinkError
        if not (isinstance(kind, type) and issubclass(kind, LinkError)):
            found = LinkError(node, self.reason, hint=self.hint)
        elif issubclass(kind, (LinkHung, AnswerCut)):
            found = kind(node, self.reason, hint=self.hint, output=self.output, errors=self.errors)
        else:
            found = kind(node, self.reason, hint=self.hint)
        found.silent = self.silent
        if self.code:
            found.code = self.code
        return found


def nodes_digest(fleet: Fleet) -> bytes:
    """Of all that says how nodes are reached; also of which machine this is."""
    told = msgspec.json.encode(
        (fleet.name, fleet.networks, fleet.nodes), enc_hook=str, order="deterministic"
    )
    return hashlib.sha256(told).digest()
