"""`fleetctl status --json` by what a server has ready: asked before anything else is loaded.

Only modules that Python has loaded anyway, and C modules, may be imported here: with a server the
imports would take longer than all the rest.
"""

from __future__ import annotations

import os

from fleetctl import __version__
from fleetctl.link.warm.place import connected

VERSION = f"{__version__}/2"
ANSWER_S = 4.0
"""How long the answer may take; then the nodes are asked."""
_MOST_BYTES = 64 * 1024 * 1024
_MOST_FILE = 1024 * 1024


def status_asked(arguments: list[str]) -> tuple[str | None, str | None, tuple[str, ...]] | None:
    """The file, the job and the targets of ``[-f FILE] [--job NAME] status [TARGET]... --json``;
    None: it is another command."""
    file = job = None
    left = list(arguments)
    while len(left) > 2 and left[0] in ("-f", "--file", "--job"):
        if left[0] == "--job":
            job = left[1]
        else:
            file = left[1]
        del left[:2]
    if left[:1] != ["status"] or left.count("--json") != 1:
        return None
    targets = tuple(word for word in left[1:] if word != "--json")
    return None if any(word.startswith("-") for word in targets) else (file, job, targets)


def served(
    file: str | None, job: str | None, targets: tuple[str, ...] = ()
) -> tuple[bool, bytes] | None:
    """Whether the fleet is healthy, and its status in JSON, from a server of the same version that
    watches this job of this file, and knows all of it newly enough; None: there is none.

    :param job: as ``--job`` takes it.

    Whatever is odd about the file is left to those who can say so.
    """
    path = file or os.environ.get("FLEETCTL_CONFIG") or _usual()
    try:
        with open(path, "rb", buffering=0) as opened:  # noqa: PTH123 -- pathlib is slow
            content = opened.read(_MOST_FILE) if os.path.isfile(path) else b""  # noqa: PTH113
        fleet = fleet_named(content)
        connection = connected(fleet, ANSWER_S) if fleet else None
        if connection is None:
            return None
        try:
            place = os.path.realpath(path)
            connection.sendall(asking(place, job, content, targets))
            return _answer(connection)
        finally:
            connection.close()
    except (OSError, ValueError):
        return None


def _usual() -> str:
    """As :func:`fleetctl.config.file.find`."""
    if os.path.exists("nodes.yaml"):  # noqa: PTH110
        return "nodes.yaml"
    return os.path.expanduser("~/.config/fleetctl/nodes.yaml")  # noqa: PTH111


def asking(path: str, job: str | None, content: bytes, targets: tuple[str, ...] = ()) -> bytes:
    """The frame that asks for a status; see :mod:`fleetctl.link.warm.frames`."""
    words = (VERSION, path, job or "", str(len(targets)), *targets)
    head = "\0".join(words).encode("utf-8", "surrogateescape")
    asked = head + b"\0" + content
    return b"S" + len(asked).to_bytes(4, "big") + asked


def asked_of(said: bytes) -> tuple[str, str, str | None, tuple[str, ...], bytes]:
    """Version, path, job, targets and content of a frame that asks for a status.

    :raises ValueError: it is none.
    """
    *head, count, rest = said.split(b"\0", 4)
    number = int(count)
    if not 0 <= number <= rest.count(b"\0"):
        raise ValueError("targets are missing")
    *targets, content = rest.split(b"\0", number)
    words = [word.decode("utf-8", "surrogateescape") for word in (*head, *targets)]
    version, path, job, *named = words
    return version, path, job or None, tuple(named), content


def fleet_named(content: bytes) -> str:
    """The value of ``fleet`` in a nodes.yaml; empty where that needs a real reading."""
    found = [line for line in content.split(b"\n") if line.startswith(b"fleet:")]
    if len(found) != 1:
        return ""
    word = found[0][6:].split(b" #")[0].strip().decode("ascii", "replace")
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        word = word[1:-1]
    return word if word.replace("-", "").replace("_", "").replace(".", "").isalnum() else ""


def _answer(connection: object) -> tuple[bool, bytes] | None:
    """:raises OSError: it does not come."""
    receive = connection.recv  # type: ignore[attr-defined]
    head = _exactly(receive, 5)
    length = int.from_bytes(head[1:], "big")
    if head[:1] != b"K" or not 0 < length <= _MOST_BYTES:
        return None
    said = _exactly(receive, length)
    return said[:1] == b"1", said[1:]


def _exactly(receive: object, count: int) -> bytes:
    found: list[bytes] = []
    while count:
        piece = receive(min(count, 1 << 20))  # type: ignore[operator]
        if not piece:
            raise OSError("the server has ended")
        found.append(piece)
        count -= len(piece)
    return b"".join(found)
