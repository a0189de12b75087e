"""Links that answer what bench asks every node before it measures."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.errors import LinkLost
from fleetctl.link.protocol import Completed


class FakeLinks:
    """Answers the question for ports and iperf3 on every node.

    :param says: by node: another answer; None: the connection is lost.
    """

    def __init__(self, says: Mapping[str, bytes | None] = {}) -> None:
        self.says = dict(says)

    async def get(self, node: str) -> _FakeLink:
        return _FakeLink(node, self.says.get(node, b"iperf 3.12 (cJSON 1.7.15)\n"))


class _FakeLink:
    def __init__(self, node: str, says: bytes | None) -> None:
        self.node = node
        self._says = says

    async def run(self, script: str, *, timeout_s: float) -> Completed:
        if self._says is None:
            raise LinkLost(self.node, "the connection broke")
        return Completed(self._says, b"", 0)
