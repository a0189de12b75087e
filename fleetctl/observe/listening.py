"""On which of its addresses a node listens at a port, by its own socket table."""

from __future__ import annotations

from fleetctl.link.protocol import Link
from fleetctl.model.jobs import Listen
from fleetctl.model.pages import LOOPBACK, best
from fleetctl.probes.asked.sockets import LISTENING, read_listeners
from fleetctl.probes.script import UNAME, Answer

TIMEOUT_S = 10.0
_TEXT = (
    "LC_ALL=C; export LC_ALL\ncase $(uname -s) in\n"
    + "".join(f"{UNAME[os]}) echo {os}\n{text}\n;;\n" for os, text in LISTENING.items())
    + "esac"
)


async def where_it_listens(link: Link, port: int, declared: Listen | None) -> str | None:
    """An address at which the node itself reaches ``port``; None: nothing listens there.

    :param declared: the ``listen`` of the instance; believed where the table cannot be read.
    :raises LinkError: the node cannot be asked.
    """
    done = await link.run(_TEXT, timeout_s=TIMEOUT_S)
    os, _, text = done.text.partition("\n")
    listeners = read_listeners(os, Answer(text, done.exit_status))
    named = str(declared.address) if declared and declared.port == port else ""
    if listeners is None:
        return named if named not in ("", "0.0.0.0") else LOOPBACK
    return best({one.address for one in listeners if one.port == port}, named)
