"""New entries in the text of a YAML file, whose other lines, comments included, stay as they are.

Mappings in block form get new lines at their end, those in braces new entries inside.
"""

from __future__ import annotations

from collections.abc import Sequence

import yaml


class Editor:
    """Collects what is written into a text, by the places of its YAML nodes."""

    def __init__(self, text: str) -> None:
        self._text = text if text.endswith("\n") else text + "\n"
        self._written: list[tuple[int, int, str]] = []
        """Where, in which order, and what."""

    def add(self, mapping: yaml.MappingNode, lines: Sequence[str]) -> None:
        """Entries of one line, or of a key and its indented lines."""
        if mapping.flow_style:
            self._inside(mapping, lines)
        else:
            self.append(mapping, lines)

    def append(self, mapping: yaml.MappingNode, lines: Sequence[str]) -> None:
        """Lines at the end of a mapping in block form."""
        indent = mapping.value[0][0].start_mark.column
        self._lines_after(_end(mapping), indent, lines)

    def below(self, key: yaml.Node, lines: Sequence[str]) -> None:
        """Lines below a key without a value."""
        self._lines_after(key.end_mark.index, key.start_mark.column + 2, lines)

    def before(self, key: yaml.Node, lines: Sequence[str]) -> None:
        """Lines above that of a key."""
        column = key.start_mark.column
        self._write(key.start_mark.index - column, _indented(lines, column))

    def result(self) -> str:
        text = self._text
        for place, _, new in sorted(self._written, reverse=True):
            text = text[:place] + new + text[place:]
        return text

    def _lines_after(self, place: int, indent: int, lines: Sequence[str]) -> None:
        end = self._text.index("\n", place) + 1
        self._write(end, _indented(lines, indent))

    def _inside(self, mapping: yaml.MappingNode, lines: Sequence[str]) -> None:
        entries = [line.split(" # ")[0].rstrip() for line in lines]
        flow = ", ".join(entries)
        if len(entries) > 1 and entries[0].endswith(":") and lines[1].startswith(" "):
            flow = f"{entries[0]} {{{', '.join(entry.strip() for entry in entries[1:])}}}"
        place = mapping.end_mark.index - 1
        first = not any(where == place for where, _, _ in self._written)
        bare = first and self._text[:place].rstrip().endswith(("{", ","))
        self._write(place, flow if bare else f", {flow}")

    def _write(self, place: int, new: str) -> None:
        self._written.append((place, len(self._written), new))


def _indented(lines: Sequence[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in lines)


def _end(node: yaml.Node) -> int:
    """The place behind a value's last character; a block mapping's own mark is behind comments that
    follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (last, last)
        return max(_end(key), _end(value))
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return node.end_mark.index - 1
    return int(node.end_mark.index)


def get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of ``key``; ``None``: it has none, or is no mapping."""
    items = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in items if name.value == key), None)


def key_of(node: yaml.Node, key: str) -> yaml.Node:
    """The place where ``key`` itself is written."""
    found: yaml.Node = next(name for name, _ in node.value if name.value == key)
    return found
