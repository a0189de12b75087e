"""Which address of a port a tunnel leads to."""

from __future__ import annotations

import pytest

from fleetctl.model.pages import best


@pytest.mark.parametrize(
    ("bound", "named", "taken"),
    [
        ([], "", None),
        ([], "10.10.0.1", None),
        (["10.10.0.1"], "10.10.0.1", "10.10.0.1"),
        (["127.0.0.1", "10.10.0.1"], "10.10.0.1", "10.10.0.1"),
        (["10.10.0.1"], "", "10.10.0.1"),
        (["0.0.0.0"], "10.10.0.1", "127.0.0.1"),
        (["0.0.0.0"], "0.0.0.0", "127.0.0.1"),
        (["*"], "", "127.0.0.1"),
        (["10.10.0.1", "127.0.0.1"], "", "127.0.0.1"),
        (["::"], "", "::1"),
        (["::1"], "", "::1"),
    ],
)
def test_the_address_that_the_port_is_bound_to(
    bound: list[str], named: str, taken: str | None
) -> None:
    assert best(bound, named) == taken
