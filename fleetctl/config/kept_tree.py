"""The tree of the nodes.yaml that was read last, kept from command to command: importing the YAML
library and parsing the file takes a twentieth of a short command's time.

It is in a file that only this user reads, and counts for the same text only. A file in which
something looks like a secret is not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from fleetctl.config.report import Position, Report
from fleetctl.config.tree import MAX_SIZE_BYTES, Mapping, Scalar, Sequence, Tree
from fleetctl.hiding import hidden_value
from fleetctl.local_files import cache_file, nobody_else_writes, read_bounded, write_private

NAME = "nodes-yaml.msgpack"
_FORM = 1
"""Of the file; another one is not read."""
MOST_PARTS = 50_000
"""Of a tree that is kept; aliases can make a small text into a large tree."""


class _Kept(Struct, frozen=True, array_like=True):
    form: int
    digest: bytes
    tree: Any


def kept(text: str) -> Tree | None:
    """The tree of ``text``, if that was read without a mistake last time."""
    file = cache_file(NAME)
    if not (file and nobody_else_writes(file) and nobody_else_writes(file.parent)):
        return None
    with suppress(OSError, msgspec.MsgspecError, LookupError, TypeError, ValueError):
        found = msgspec.msgpack.decode(read_bounded(file, 2 * MAX_SIZE_BYTES), type=_Kept)
        if found.form == _FORM and found.digest == _digest(text):
            return _tree(found.tree)
    return None


def parsed(text: str, report: Report, *, keep: bool = False) -> Tree | None:
    """Read YAML ``text``; see :func:`fleetctl.config.parsing.parse`.

    :param keep: for the next command; where that cannot be, it is not.
    """
    from fleetctl.config.parsing import parse  # slow to import

    tree = parse(text, report)
    file = cache_file(NAME) if keep and report.clean else None
    if tree and file:
        with suppress(OSError, _NotKept):
            left = iter(range(MOST_PARTS))
            found = _Kept(_FORM, _digest(text), _parts(tree, left))
            write_private(file, msgspec.msgpack.encode(found))
    return tree


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class _NotKept(Exception):
    """The tree is too large, or has something in it that looks like a secret."""


def _parts(tree: Tree, left: Iterator[int], name: str = "") -> list[Any]:
    """A tree as lists: its line, its column, and what it has.

    :raises _NotKept: there are none left, or it has a secret.
    """
    if next(left, None) is None:
        raise _NotKept
    what: Any
    if isinstance(tree, Scalar):
        if hidden_value(name, tree.text) != tree.text:
            raise _NotKept
        return [*tree.mark, tree.text, tree.plain]
    if isinstance(tree, Sequence):
        what = [_parts(one, left) for one in tree.items]
    else:
        what = {key: [*mark, _parts(one, left, key)] for key, (mark, one) in tree.entries.items()}
    return [*tree.mark, what]


def _tree(parts: Any) -> Tree:
    """
    :raises LookupError, TypeError, ValueError: they are none of a tree.
    """
    line, column, what, *plain = parts
    mark = Position(int(line), int(column))
    match what:
        case str():
            return Scalar(mark, what, bool(plain[0]))
        case list():
            return Sequence(mark, [_tree(one) for one in what])
        case dict():
            entries = {
                str(key): (Position(int(line), int(column)), _tree(one))
                for key, (line, column, one) in what.items()
            }
            return Mapping(mark, entries)
    raise TypeError
