"""What a command on nodes prints: as it comes, or folded, or compared."""

from __future__ import annotations

import difflib
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import click
from msgspec import Struct

from fleetctl.cli.exec_outcomes import Outcome, remark
from fleetctl.cli.render import plain, prefixes, style
from fleetctl.logs.lines import tidy_lines
from fleetctl.model.execution import Broken, Ended, Said
from fleetctl.quantities import size

LINE_BYTES = 64 * 1024
"""A longer line is printed in pieces."""
ALL_BYTES = 16 * 1024 * 1024
"""The most that is kept of all nodes' output together …"""
NODE_BYTES = 4 * 1024 * 1024
"""… and of one node's."""
COMPARED_LINES = 20_000
"""Longer output is not compared: that may take very long."""
_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


class Output(Protocol):
    """Takes what nodes print."""

    def said(self, event: Said) -> None:
        """Some output of a node."""

    def finish(self, outcomes: Mapping[str, Outcome], /) -> None:
        """Print what is left, after all have ended or Ctrl-C was typed."""


def _write(data: bytes, err: bool) -> None:
    """Print output of a node: on a terminal without what would move its cursor or set its title."""
    stream = sys.stderr if err else sys.stdout
    click.echo(tidy_lines(data) if stream.isatty() else data, err=err, nl=False)


def _closed(data: bytes) -> bytes:
    return data if data.endswith(b"\n") or not data else data + b"\n"


class AsItComes:
    """Prints each line at once: of several nodes with the node's name before it.

    :param names: of the nodes; empty: of one node, without its name. What it prints is passed on
        byte by byte, but for a terminal.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._named = bool(names)
        self._prefixes = (prefixes(names), prefixes(names, err=True))
        self._torn: dict[tuple[str, bool], bytes] = {}
        """Unfinished lines, by node and whether they are of stderr."""

    def said(self, event: Said) -> None:
        if not self._named and not (sys.stderr if event.error else sys.stdout).isatty():
            _write(event.data, event.error)
            return
        key = (event.node, event.error)
        data = self._torn.get(key, b"") + event.data
        end = data.rfind(b"\n") + 1
        if not end and len(data) > LINE_BYTES:
            end = len(data)
        self._torn[key] = data[end:]
        self._print(event.node, data[:end], event.error)

    def finish(self, _outcomes: Mapping[str, Outcome]) -> None:
        for (node, error), data in self._torn.items():
            self._print(node, _closed(data), error)

    def _print(self, node: str, data: bytes, err: bool) -> None:
        if not data:
            return
        prefix = self._prefixes[err].get(node, "").encode()
        if prefix:
            lines = _closed(data).removesuffix(b"\n")
            data = prefix + lines.replace(b"\n", b"\n" + prefix) + b"\n"
        _write(data, err)


class _Kept:
    """The output of one node.

    :param limit_bytes: of both streams together; what goes beyond is counted, and only its hash
        is kept, so that nodes are not told to have printed the same that have not.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.missing_bytes = 0
        self._rest = {False: hashlib.blake2b(), True: hashlib.blake2b()}
        self._limit_bytes = limit_bytes

    def add(self, event: Said) -> None:
        room = max(0, self._limit_bytes - len(self.stdout) - len(self.stderr))
        into = self.stderr if event.error else self.stdout
        into += event.data[:room]
        self.missing_bytes += max(0, len(event.data) - room)
        self._rest[event.error].update(event.data[room:])

    @property
    def rest(self) -> bytes:
        """A hash of what is missing; empty: nothing is."""
        both = b"".join(rest.digest() for rest in self._rest.values())
        return both if self.missing_bytes else b""


class _Group(Struct):
    """Nodes that printed the same, and ended alike."""

    names: list[str]
    stdout: bytes
    stderr: bytes
    remark: str
    failed: bool
    missing: bool

    @property
    def title(self) -> str:
        return f"{', '.join(self.names)}{self.remark}"


class Folded:
    """Prints identical output of several nodes once, below a line with their names.

    :param compared: print the output of the largest group, and of the others what differs.
    :param all_of_it: where all of an output is that is too long to be kept.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        compared: bool = False,
        all_of_it: str = "--stream prints all of it",
    ) -> None:
        self._all_of_it = all_of_it
        limit = min(NODE_BYTES, ALL_BYTES // len(names))
        self._compared = compared
        self._kept = {name: _Kept(limit) for name in names}

    def said(self, event: Said) -> None:
        self._kept[event.node].add(event)

    def finish(self, outcomes: Mapping[str, Outcome]) -> None:
        groups = self._groups(outcomes)
        if self._compared and groups:
            base = max(groups, key=lambda group: len(group.names))
            groups.sort(key=lambda group: group is not base)
        for group in groups:
            if self._compared and group is not groups[0]:
                _print_difference(groups[0], group)
            else:
                _print_title(f"── {group.title}", failed=group.failed)
                _write(_closed(group.stdout), err=False)
            _write(_closed(group.stderr), err=True)
        for name, kept in self._kept.items():
            if kept.missing_bytes:
                click.echo(
                    f"fleetctl: {name}: {size(kept.missing_bytes)} more of its output were not "
                    f"kept; {self._all_of_it}",
                    err=True,
                )

    def _groups(self, outcomes: Mapping[str, Outcome]) -> list[_Group]:
        groups: dict[tuple[bytes, bytes, str, bytes], _Group] = {}
        for name, kept in self._kept.items():
            outcome = outcomes[name]
            stdout, stderr = bytes(kept.stdout), bytes(kept.stderr)
            if not (isinstance(outcome, Ended) or stdout or stderr):
                continue
            said = (stdout, stderr, remark(outcome), kept.rest)
            failed = isinstance(outcome, Broken | None) or outcome.exit_status != 0
            group = groups.setdefault(said, _Group([], *said[:3], failed, bool(kept.rest)))
            group.names.append(name)
        return list(groups.values())


def _print_title(text: str, *, failed: bool) -> None:
    click.echo(style(plain(text), "red" if failed else "cyan"))


def _print_difference(base: _Group, other: _Group) -> None:
    _print_title(f"--- {base.title}", failed=base.failed)
    _print_title(f"+++ {other.title}", failed=other.failed)
    if base.stdout == other.stdout:
        click.echo(f"{'what was kept of it' if other.missing else 'its output'} is the same")
        return
    before, after = _lines(base.stdout), _lines(other.stdout)
    if len(before) + len(after) > COMPARED_LINES:
        click.echo(f"too long to compare: {len(before)} and {len(after)} lines; this is all of it")
        _write(_closed(other.stdout), err=False)
        return
    for line in _difference(before, after):
        coloured = style(line, _DIFF_COLOURS.get(line[:1]))
        click.echo(coloured.encode("utf-8", "surrogateescape"))


def _lines(data: bytes) -> list[str]:
    shown = tidy_lines(data) if sys.stdout.isatty() else data
    return shown.removesuffix(b"\n").decode("utf-8", "surrogateescape").split("\n")


def _difference(before: list[str], after: list[str]) -> Iterator[str]:
    """A unified diff without its first two lines."""
    found = difflib.unified_diff(before, after, lineterm="")
    for number, line in enumerate(found):
        if number >= 2:
            yield line
