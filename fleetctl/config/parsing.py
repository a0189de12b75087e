"""Reads YAML into a tree.

It is built from libyaml's events, since libyaml's composer overflows the C stack on deeply nested
text. Scalars stay text: their key decides what ``on`` or ``65432:1`` means
(:mod:`fleetctl.config.validation`), not YAML 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetctl.config.report import START, Position, Report, quoted
from fleetctl.config.tree import Mapping, Scalar, Sequence, Tree, mark_of
from fleetctl.loading import respelled

NO_YAML = "[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
"""PyYAML's search for what is no character of YAML; to compile it takes half of its import."""
NO_YAML_QUICKLY = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
"""A search for the same."""

with respelled({NO_YAML: NO_YAML_QUICKLY}):
    import yaml

MAX_DEPTH = 50
MAX_MERGED_KEYS = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = yaml.reader.Reader.NON_PRINTABLE
_KNOWN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_KNOWN_TAGS |= {"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_TEXT_TAGS = {"!", "tag:yaml.org,2002:str"}

_REMEDIES = {
    "mapping values are not allowed": "put quotes around a text that contains ': '",
    "did not find expected key": "check the indentation and the quotes of this line and the last",
    "did not find expected '-' indicator": "check the indentation of the list",
    "could not find expected ':'": "each line of a mapping is 'key: value'",
    "found unexpected end of stream": "a quote is not closed",
    "did not find expected ',' or": "a bracket is not closed, or a comma is missing",
    "found undefined alias": "an alias '*name' needs an anchor '&name' that ends before it",
    "did not find expected alphabetic or numeric character": "put quotes around the text",
    "found character that cannot start any token": "put quotes around the text",
}


class _Broken(Exception):
    """The rest of the text cannot be read; the mistake is in the report."""


def parse(text: str, report: Report) -> Tree | None:
    """Read YAML ``text``; mistakes go into ``report``.

    :returns: the tree; ``None`` if the text is empty or cannot be read to its end.
    """
    text = text.removeprefix("\ufeff")
    if bad := _FORBIDDEN.search(text):
        what = f"the character U+{ord(bad.group()):04X} is not allowed in YAML; remove it"
        report.mistake_at(mark_of(text, bad.start()), what)
        return None
    try:
        return _Composer(text, report).document()
    except _Broken:
        return None
    except yaml.MarkedYAMLError as error:
        mark = _mark(error.problem_mark or error.context_mark)
        report.mistake_at(mark, _explain(error, text, mark))
    except yaml.YAMLError as error:
        report.mistake_at(START, f"not YAML: {error}")
    return None


def _mark(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1) if mark is not None else START


def _explain(error: yaml.MarkedYAMLError, text: str, mark: Position) -> str:
    lines = text.splitlines()
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    problem = error.problem or "it cannot be read"
    if "\t" in line[: mark.column] and not line[: mark.column].strip():
        return "not YAML: a tab in the indentation; YAML indents with spaces only"
    remedy = next((r for start, r in _REMEDIES.items() if problem.startswith(start)), "")
    context = f" {error.context}" if error.context else ""
    if error.context_mark is not None and error.context_mark.line + 1 != mark.line:
        context += f" that began in line {error.context_mark.line + 1}"
    return f"not YAML{context}: {problem}" + (f"; {remedy}" if remedy else "")


class _Composer:
    def __init__(self, text: str, report: Report) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._report = report
        self._anchors: dict[str, Tree] = {}
        self._merged = 0

    def document(self) -> Tree | None:
        next(self._events)  # StreamStart
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        tree = self._tree(next(self._events), 0)
        next(self._events)  # DocumentEnd
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            what = "a second YAML document begins here; nodes.yaml is one document, without '---'"
            self._give_up(_mark(event.start_mark), what)
        return tree

    def _tree(self, event: Any, depth: int) -> Tree:
        mark = _mark(event.start_mark)
        if isinstance(event, yaml.AliasEvent) and event.anchor:
            if event.anchor not in self._anchors:
                what = (
                    f"alias '*{event.anchor}' has no anchor '&{event.anchor}' that ends before it"
                )
                self._give_up(mark, what)
            return self._anchors[event.anchor]
        if depth > MAX_DEPTH:
            self._give_up(mark, f"nested more than {MAX_DEPTH} levels deep; nodes.yaml needs eight")
        if event.tag is not None and event.tag not in _KNOWN_TAGS:
            self._report.mistake_at(
                mark, f"the tag {quoted(event.tag)} means nothing here; remove it"
            )
        tree: Tree
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style in (None, "") and event.tag not in _TEXT_TAGS
            tree = Scalar(mark, event.value, plain)
        elif isinstance(event, yaml.SequenceStartEvent):
            tree = Sequence(mark, list(self._items(depth)))
        else:
            tree = self._mapping(mark, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = tree
        return tree

    def _items(self, depth: int) -> Iterator[Tree]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._tree(event, depth + 1)

    def _mapping(self, mark: Position, depth: int) -> Mapping:
        own: dict[str, tuple[Position, Tree]] = {}
        merged: dict[str, tuple[Position, Tree]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._tree(event, depth + 1)
            value = self._tree(next(self._events), depth + 1)
            at = _mark(event.start_mark)
            if not isinstance(key, Scalar):
                self._report.mistake_at(at, "a key must be a single word, not a list or a mapping")
            elif key.text == "<<" and key.plain:
                self._merge(at, value, merged)
            elif key.text in own:
                first = own[key.text][0].line
                what = f"duplicate key {quoted(key.text)}: it already stands in line {first}"
                self._report.mistake_at(at, what)
            else:
                own[key.text] = (at, value)
        return Mapping(mark, merged | own)

    def _merge(self, at: Position, value: Tree, into: dict[str, tuple[Position, Tree]]) -> None:
        for source in value.items if isinstance(value, Sequence) else [value]:
            if not isinstance(source, Mapping):
                what = "a merge key '<<' takes a mapping or a list of mappings, such as '<<: *base'"
                self._report.mistake_at(at, what)
                continue
            self._merged += len(source.entries)
            if self._merged > MAX_MERGED_KEYS:
                self._give_up(at, f"merge keys '<<' add up to more than {MAX_MERGED_KEYS} keys")
            for key, entry in source.entries.items():
                into.setdefault(key, entry)

    def _give_up(self, mark: Position, text: str) -> None:
        self._report.mistake_at(mark, text)
        raise _Broken
