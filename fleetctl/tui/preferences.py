"""What a person wants of every dashboard: theme and keys, in ``~/.config/fleetctl/tui.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import Struct

from fleetctl.errors import ConfigError
from fleetctl.tui.keymap import RESERVED, normal

FILE = "~/.config/fleetctl/tui.toml"
_MOST_BYTES = 64 * 1024


class Preferences(Struct, frozen=True):
    """What stands in the file."""

    theme: str = ""
    """Empty: the one that was chosen last, else one that fits the terminal."""
    keys: Mapping[str, str] = {}
    """By name of an action: its keys, as Textual names them, with commas between."""


def read(
    themes: Collection[str],
    known: Callable[[], tuple[Mapping[str, str], Sequence[Set[str]]]],
    path: str = FILE,
) -> Preferences:
    """The preferences; none, where there is no such file.

    :param themes: the names that there are.
    :param known: asked where there is a file: the keys of each action, with commas between, of
        which those of one screen or panel begin with its name and a dot; and names of actions of
        which no two may have the same key.
    :raises ConfigError: it cannot be read, or is wrong; each mistake names its line.
    """
    try:
        file = Path(path).expanduser()
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return Preferences()
    except RuntimeError:  # there is no home
        return Preferences()
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from None
    if len(raw) > _MOST_BYTES:
        raise ConfigError([f"{path} is larger than {_MOST_BYTES >> 10} KiB"])
    try:
        text = raw.decode("utf-8")
        found = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: this is no UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(path, text, str(error))]) from None
    reader = _Reader(path, text, themes, *known())
    wanted = reader.read(found)
    if reader.mistakes:
        raise ConfigError([said for _, said in sorted(reader.mistakes)])
    return wanted


def _syntax(path: str, text: str, said: str) -> str:
    """tomllib says where in words: ``Invalid value (at line 3, column 9)``."""
    at = re.search(r" \(at line (\d+), column (\d+)\)$", said)
    if at:
        return f"{path}:{at[1]}:{at[2]}: {said[: at.start()]}"
    last = max(1, len(text.rstrip().splitlines()))
    return f"{path}:{last}: {said.removesuffix(' (at end of document)')}: the text ends here"


class _Reader:
    """Judges what was read."""

    def __init__(
        self,
        path: str,
        text: str,
        themes: Collection[str],
        keys: Mapping[str, str],
        places: Sequence[Set[str]],
    ) -> None:
        self._path = path
        self._places = places
        self._themes = themes
        self._known = keys
        self._lines = dict(_places(text))
        self.mistakes: list[tuple[int, str]] = []

    def _wrong(self, name: str, said: str) -> None:
        line = self._lines.get(name, 1)
        self.mistakes.append((line, f"{self._path}:{line}: {said}"))

    def read(self, found: Mapping[str, Any]) -> Preferences:
        for name in found.keys() - {"theme", "keys"}:
            self._wrong(name, f"there is no {name!r}; theme and [keys] are what there is")
        theme, keys = found.get("theme", ""), found.get("keys", {})
        if not isinstance(theme, str) or (theme and theme not in self._themes):
            self._wrong("theme", f"there is no theme {theme!r}{self._close(theme, self._themes)}")
        if not isinstance(keys, dict):
            self._wrong("keys", "keys is a table: [keys], and below it lines like stop = 'X'")
            keys = {}
        taken = dict(self._keys(keys))
        self._twice(taken)
        return Preferences(theme if isinstance(theme, str) else "", taken)

    def _keys(self, table: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, str]]:
        for short, value in table.items():
            name = f"{group}{short}"
            if isinstance(value, dict) and not group:
                yield from self._keys(value, f"{name}.")
            elif name not in self._known:
                close = self._close(name, self._known)
                self._wrong(f"keys.{name}", f"no key does {name!r}{close}")
            else:
                words = value if isinstance(value, list) else [value]
                keys = [self._key(name, word) for word in words] or [""]
                if all(keys):
                    yield name, ",".join(keys)

    def _key(self, name: str, word: object) -> str:
        if isinstance(word, str) and word in RESERVED:
            self._wrong(f"keys.{name}", f"{word} keeps its meaning: take another key for {name}")
            return ""
        try:
            return normal(word) if isinstance(word, str) else self._no_key(name, word)
        except ValueError:
            return self._no_key(name, word)

    def _no_key(self, name: str, word: object) -> str:
        self._wrong(
            f"keys.{name}", f"{word!r} is no key; keys are 'X', '?', 'ctrl+x', 'f5', 'space'"
        )
        return ""

    def _twice(self, taken: Mapping[str, str]) -> None:
        """Two actions of one place must not have the same key."""
        found: dict[tuple[str, str], None] = {}
        now = {**self._known, **taken}
        for place in self._places:
            by_key: dict[str, str] = {}
            for name in (n for n in now if n in place):
                for key in now[name].split(","):
                    other = by_key.setdefault(key, name)
                    if other != name and not taken.keys().isdisjoint((name, other)):
                        moved = name if name in taken else other
                        left = other if moved == name else name
                        said = f"{key} is also the key of {left}; give that another one"
                        found[moved, said] = None
        for moved, said in found:
            self._wrong(f"keys.{moved}", said)

    @staticmethod
    def _close(name: object, known: Collection[str]) -> str:
        close = get_close_matches(str(name), known, n=1)
        return f". Did you mean {close[0]!r}?" if close else ""


def _places(text: str) -> Iterator[tuple[str, int]]:
    """Where each key stands, as ``keys.logs.pause``, and its line. What else TOML allows, such as a
    key over several lines, is not found; its mistakes name line 1."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = re.sub(r"[\s\"']", "", head[1]) + "."
            yield table[:-1], number
        elif entry := re.match(r"\s*([\w\"'.-]+)\s*=", line):
            yield table + re.sub(r"[\"']", "", entry[1]), number
