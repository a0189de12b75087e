"""Reads a tree as one of the entries of :mod:`fleetctl.config.shape`, and reports every mistake.

Wrong values are left out of the result; required ones are replaced by an empty text, list or
mapping, so that later checks can find further mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from msgspec import Struct, inspect

from fleetctl.config.report import Report, TreePath, choices, dotted, nearest, quoted
from fleetctl.config.tree import NULL, Mapping, Scalar, Sequence, Tree
from fleetctl.patterns import pattern

MAX_VALUES = 500_000
"""Limit for aliases, which can make a small file unfold to any size."""

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_INTEGER = pattern(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = pattern(r"-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")

_E = TypeVar("_E", bound=Struct)


class _Invalid:
    """Placeholder for a value that is wrong and reported."""


INVALID: Final = _Invalid()

Option = tuple[inspect.Type, str]
"""A type that a value may have, and its description for a mistake (may be empty)."""


def read(tree: Tree, entry: type[_E], report: Report) -> _E:
    """Read the whole file as ``entry``; mistakes go into ``report``."""
    report.place((), tree.mark)
    kind = inspect.type_info(entry)
    value = _Reader(report).value(tree, kind, ())
    result: _E = _empty(kind) if value is INVALID else value
    return result


class _Reader:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen = 0

    def value(self, tree: Tree, kind: inspect.Type, path: TreePath) -> Any:
        self._seen += 1
        if self._seen > MAX_VALUES:
            if self._seen == MAX_VALUES + 1:
                self._report.mistake(path, f"aliases unfold to more than {MAX_VALUES} values")
            return INVALID
        options = list(_options(kind))
        if isinstance(tree, Scalar):
            return self._scalar(tree, options, path)
        for option, _ in options:
            if isinstance(tree, Sequence) and isinstance(option, inspect.ListType):
                return self._list(tree, option, path)
            if isinstance(tree, Mapping) and isinstance(option, inspect.DictType):
                return self._dict(tree, option, path)
            if isinstance(tree, Mapping) and isinstance(option, inspect.StructType):
                return self._struct(tree, option, path)
        found = "a list" if isinstance(tree, Sequence) else "a mapping"
        return self._wrong(path, f"{dotted(path)} is {found}; it must be {_expected(options)}")

    def _wrong(self, path: TreePath, text: str) -> _Invalid:
        self._report.mistake(path, text)
        return INVALID

    def _list(self, tree: Sequence, kind: inspect.ListType, path: TreePath) -> list[Any]:
        items = []
        for index, item in enumerate(tree.items):
            here = (*path, index)
            self._report.place(here, item.mark)
            value = self.value(item, kind.item_type, here)
            items.append(_empty(kind.item_type) if value is INVALID else value)
        return items

    def _dict(self, tree: Mapping, kind: inspect.DictType, path: TreePath) -> dict[str, Any]:
        entries = {}
        key_option = next(_options(kind.key_type))
        for key, (mark, child) in tree.entries.items():
            here = (*path, key)
            self._report.place(here, child.mark, mark)
            if why := _unfit(key, *key_option):
                what = f"{quoted(key)} in {dotted(path)} cannot be a name; it must be {why}"
                self._report.mistake(here, what, key=True)
            value = self.value(child, kind.value_type, here)
            if value is INVALID:
                value = _empty(kind.value_type)
            if value is not INVALID:
                entries[key] = value
        return entries

    def _struct(self, tree: Mapping, kind: inspect.StructType, path: TreePath) -> Any:
        fields = {field.encode_name: field for field in kind.fields}
        values: dict[str, Any] = {}
        for key, (mark, child) in tree.entries.items():
            here = (*path, key)
            self._report.place(here, child.mark, mark)
            if key not in fields:
                where = f" in {dotted(path)}" if path else ""
                what = f"unknown key {quoted(key)}{where}{nearest(key, fields)}"
                self._report.mistake(here, what, key=True)
                continue
            value = self.value(child, fields[key].type, here)
            if value is not INVALID:
                values[key] = value
        for key, field in fields.items():
            if not field.required or key in values:
                continue
            values[key] = _empty(field.type)
            if key not in tree.entries:
                what = f"{dotted(path)} lacks {key!r}: {_expected(list(_options(field.type)))}"
                self._report.mistake((*path, key), what)
        return kind.cls(**{fields[key].name: value for key, value in values.items()})

    def _scalar(self, tree: Scalar, options: list[Option], path: TreePath) -> Any:
        null = tree.plain and NULL.fullmatch(tree.text) is not None
        if null:
            if any(isinstance(option, inspect.NoneType) for option, _ in options):
                return None
            return self._wrong(path, f"{dotted(path)} is empty; it must be {_expected(options)}")
        if "\0" in tree.text:
            return self._wrong(path, f"{dotted(path)} holds a NUL character; remove it")
        why = ""
        simple = [(o, w) for o, w in options if not isinstance(o, inspect.NoneType)]
        for option, what in simple:
            value, why = _scalar(tree, option, what)
            if not why:
                return value
        expected = _expected(simple) if len(simple) > 1 or not why else why
        names = [v for o, _ in options if isinstance(o, inspect.LiteralType) for v in o.values]
        if names and len(names) < len(simple) + len(names):
            ending = nearest(tree.text, [str(name) for name in names])
            if "did you mean" in ending:
                expected = f"{expected}{ending.partition(' (')[0]}"
        return self._wrong(path, f"{dotted(path)} is {quoted(tree.text)}; it must be {expected}")


def _options(kind: inspect.Type, what: str = "") -> Iterator[Option]:
    """The alternatives of a type, without the wrappers that carry their descriptions."""
    if isinstance(kind, inspect.Metadata):
        yield from _options(kind.type, (kind.extra or {}).get("what", what))
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _options(one, what)
    else:
        yield kind, what


def _scalar(tree: Scalar, kind: inspect.Type, what: str) -> tuple[Any, str]:
    """The value as ``kind``, and what would be allowed instead (empty: the value is right)."""
    allowed = what or _word(kind)
    match kind:
        case inspect.StrType():
            return tree.text, _unfit(tree.text, kind, what)
        case inspect.LiteralType():
            return tree.text, "" if tree.text in kind.values else allowed
        case inspect.BoolType() if tree.plain:
            word = tree.text.lower()
            return word in _TRUE, "" if word in _TRUE | _FALSE else allowed
        case inspect.IntType() if tree.plain and _INTEGER.fullmatch(tree.text):
            return _within(int(tree.text), kind, allowed)
        case inspect.FloatType() if tree.plain and _NUMBER.fullmatch(tree.text):
            return _within(float(tree.text), kind, allowed)
    if not tree.plain and not _scalar(Scalar(tree.mark, tree.text, True), kind, what)[1]:
        return None, f"{allowed}, without the quotes"
    if re.fullmatch(r"-?0[0-9]+", tree.text):
        return None, f"{allowed}, without a zero in front"
    if re.fullmatch(r"[0-9.]+ *(ms|s|m|h|min)", tree.text) and "seconds" in what:
        return None, f"{allowed}, without a unit"
    return None, allowed


def _within(
    value: float, kind: inspect.IntType | inspect.FloatType, allowed: str
) -> tuple[float, str]:
    fits = (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and (kind.lt is None or value < kind.lt)
    )
    return value, "" if fits else allowed


def _unfit(text: str, kind: inspect.Type, what: str) -> str:
    """What ``kind`` allows instead of ``text``; empty: ``text`` is right."""
    if not isinstance(kind, inspect.StrType):
        return ""
    fits = (
        len(text) >= (kind.min_length or 0)
        and (kind.max_length is None or len(text) <= kind.max_length)
        and (kind.pattern is None or re.fullmatch(kind.pattern, text) is not None)
        and "\0" not in text
    )
    return "" if fits else what or "other text"


def _word(kind: inspect.Type) -> str:
    match kind:
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType():
            return "a number"
        case inspect.LiteralType():
            return f"one of {choices(str(value) for value in kind.values)}"
        case inspect.ListType():
            return "a list"
        case inspect.DictType():
            return "a mapping of names to values"
        case inspect.StructType():
            return f"a mapping with the keys {choices(f.encode_name for f in kind.fields)}"
    return "nothing"


def _expected(options: list[Option]) -> str:
    words = [what or _word(o) for o, what in options if not isinstance(o, inspect.NoneType)]
    return " or ".join(dict.fromkeys(words))


def _empty(kind: inspect.Type) -> Any:
    """The replacement for a required value that is missing or wrong, and reported already."""
    found: Any = INVALID
    for option, _ in _options(kind):
        match option:
            case inspect.ListType():
                return []
            case inspect.DictType():
                return {}
            case inspect.StructType():
                return option.cls(**{f.name: _empty(f.type) for f in option.fields if f.required})
            case inspect.StrType():
                found = ""
            case inspect.LiteralType():
                found = option.values[0]
    return found
