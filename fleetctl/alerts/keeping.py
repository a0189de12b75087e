"""What alerting remembers over a restart: a small file of this user's own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from fleetctl.alerts.causes import Past
from fleetctl.alerts.deciding import Rule
from fleetctl.local_files import read_bounded, write_private
from fleetctl.model.alerts import Message
from fleetctl.model.layout import alerts_file

MOST_BYTES = 32 * 1024 * 1024


class Waiting(Struct):
    """A message that is not sent yet."""

    rule: str
    to: int
    """Which of the rule's destinations."""
    message: Message
    since: datetime
    next: datetime
    failures: int = 0
    tried: bool = False
    """Whether sending it has begun, and how that ended is not known."""
    left_to: str = ""
    """Another server which was to send it, as USER@HOST."""


class Delivery(Struct, frozen=True):
    """The newest try at one destination."""

    at: datetime
    why: str
    """Empty: it was sent."""
    by: str = ""
    """Another server which sent it, as USER@HOST; empty: this one."""


class Kept(Struct):
    """All of it."""

    past: Past | None = None
    rules: dict[str, Rule] = {}
    outbox: list[Waiting] = []
    deliveries: dict[str, Delivery] = {}
    """By ``RULE INDEX``."""
    own: list[str] = []
    """Of what is raised that which this server sent itself."""
    server: str = ""
    """By what other servers know this one."""


def place(fleet: str) -> Path:
    """Where it is."""
    return Path(alerts_file(fleet)).expanduser()


def read_kept(path: Path) -> tuple[Kept, str]:
    """What is in the file, and why it cannot be used (empty: it can, or there is none yet)."""
    try:
        return msgspec.json.decode(read_bounded(path, MOST_BYTES), type=Kept), ""
    except FileNotFoundError:
        return Kept(), ""
    except OSError as error:
        return Kept(), f"{path} cannot be read: {error.strerror or error}"
    except msgspec.MsgspecError:
        return Kept(), f"{path} is damaged"


def write_kept(path: Path, content: bytes) -> None:
    """
    :raises OSError: it cannot be written.
    """
    write_private(path, content)
