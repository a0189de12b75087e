"""Every probe there is: what ``PROBE`` and ``PROBES`` in the modules of ``asked`` hold.

The folder is the list, so that a new probe is one file. The script of a look, the facts in its
answer and what is kept between looks follow from it.
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
        held = import_module(f"{asked.__name__}.{file.stem}")
        yield from getattr(held, "PROBES", None) or (held.PROBE,)


PROBES: tuple[AnyProbe, ...] = tuple(sorted(_found(), key=lambda p: (RANK[p.when], p.name)))
"""The quickest first, so that what hangs costs no more than it must."""

BY_NAME = {probe.name: probe for probe in PROBES}
