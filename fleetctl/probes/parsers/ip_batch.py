"""``ip -j -force -batch -`` of iproute2: the answers of several commands, each with its own.

With ``-force`` a command that fails prints its error and "Command failed -:LINE" on stderr, and no
JSON (iproute2's ip.c, do_batch); stderr may come before, between or after the JSON lines. Before
iproute2 5.0, ``route get`` prints text in spite of ``-j`` and earlier ones others, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.probes.parsers import address, json_text
from fleetctl.probes.parsers.number import whole

TOO_OLD = "ip is too old to say: fleetctl reads that of iproute2 5.0 and later"

_FAILED = "Command failed -:"
_TYPES = ("local", "broadcast", "multicast", "unicast", "anycast", "nat")


class IpBatch(Struct, frozen=True):
    """What each command printed: one line of JSON, or why there is none."""

    tables: tuple[str, ...]
    """Of the commands before the first ``route get``, in their order."""
    ways: Mapping[IPv4Address, str]
    """Of ``route get``, by address."""


@lru_cache(maxsize=4)  # several probes read one answer
def parse_ip_batch(text: str, tables: int, asked: Sequence[IPv4Address]) -> IpBatch:
    """The answers in ``text`` to ``tables`` commands and a ``route get`` for each of ``asked``.

    A line is taken for the way to an address only if it names that address.
    """
    said: list[str] = []
    failed: dict[int, str] = {}
    errors: list[str] = []
    old = False
    for line in text.splitlines():
        if line.startswith("["):
            said.append(line)
        elif line.startswith(_FAILED) and (number := whole(line[len(_FAILED) :])) is not None:
            failed[number - 1] = "\n".join(errors) or line
            errors = []
        elif _is_way(line, asked):
            old = True
        elif line.strip() and not line.startswith(" "):
            errors.append(line)
    otherwise = "\n".join(errors) or "no output"
    lines = iter(said)
    heads = [failed[n] if n in failed else next(lines, otherwise) for n in range(tables)]
    if old:
        # one that printed text leaves it open to which command the JSON lines belong
        sure = len(said) + sum(n in failed for n in range(tables)) >= tables
        heads = [h if sure and json_text.objects(h) is not None else TOO_OLD for h in heads]
        return IpBatch(tuple(heads), dict.fromkeys(asked, TOO_OLD))
    answers = dict(_named(lines))
    ways = {
        to: answers.get(to) or failed.get(tables + place, otherwise)
        for place, to in enumerate(asked)
    }
    return IpBatch(tuple(heads), ways)


def _is_way(line: str, asked: Sequence[IPv4Address]) -> bool:
    """Whether it is the answer of a ``route get`` that knows no JSON."""
    words = line.split()
    to = words[1:2] if words[:1] and words[0] in _TYPES else words[:1]
    return not line.startswith(" ") and bool(to) and address.ipv4(to[0]) in asked


def _named(lines: Iterator[str]) -> Iterator[tuple[IPv4Address, str]]:
    for line in lines:
        for item in json_text.objects(line) or ():
            if (to := address.ipv4(item.get("dst"))) is not None:
                yield to, line
