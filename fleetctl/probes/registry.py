"""The list of all probes: ``PROBE`` and ``PROBES`` of the modules in ``asked``.

A new probe is one new file there; scripts, facts and the merging of looks follow from this list.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

from fleetctl.probes import asked
from fleetctl.probes.probe import AnyProbe, When

RANK = {when: rank for rank, when in enumerate(get_args(When))}


def _found() -> Iterator[AnyProbe]:
    for file in Path(asked.__path__[0]).glob("[a-z]*.py"):  # pkgutil would cost each command 6 ms
        module = import_module(f"{asked.__name__}.{file.stem}")
        yield from getattr(module, "PROBES", None) or (module.PROBE,)


PROBES: tuple[AnyProbe, ...] = tuple(sorted(_found(), key=lambda p: (RANK[p.when], p.name)))
"""The quickest first, so that one that hangs delays few others."""

BY_NAME = {probe.name: probe for probe in PROBES}
