"""Importing much at once: without looking for garbage in it, and without what is not needed."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any, cast


@contextmanager
def uncollected() -> Iterator[None]:
    """While modules are imported inside, or the fleet is looked at once: that lives about
    as long as the process, and the collector would go through it again and again. That is a twelfth
    of a short command's time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.freeze()
            gc.enable()


@contextmanager
def _instead(stand_ins: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """What is imported inside finds these, in place of modules that were not imported before."""
    new = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(cast("Mapping[str, ModuleType]", new))
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]


def lacking(module: str) -> AbstractContextManager[None]:
    """What is imported inside finds no ``module``, and must be able to do without it; unless it was
    imported before."""
    return _instead({module: None})  # an import of it fails


class _Hollow(ModuleType):
    """Has every name: a class of that name, of which nothing is used."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def hollow(*modules: str) -> AbstractContextManager[None]:
    """What is imported inside takes names from ``modules``, and uses none of them. Those are not
    imported, unless they were before."""
    return _instead({name: _Hollow(name) for name in modules})


@contextmanager
def respelled(patterns: Mapping[str, str]) -> Iterator[None]:
    """Where what is imported inside compiles one of ``patterns``, the other spelling is compiled,
    which matches the same."""
    compiles = re.compile

    def compiled(pattern: Any, flags: Any = 0) -> re.Pattern[Any]:
        return compiles(patterns.get(pattern, pattern), flags)

    re.compile = compiled
    try:
        yield
    finally:
        re.compile = compiles
