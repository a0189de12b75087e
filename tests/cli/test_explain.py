"""`fleetctl explain`: a page, the list, or the nearest code."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from fleetctl.cli.explain import command
from fleetctl.errors import UsageError
from fleetctl.problem_pages import CODES, page, title


def test_a_code_prints_its_page_and_nothing_else() -> None:
    done = CliRunner().invoke(command, ["forwarding-off"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, page("forwarding-off"), "")
    assert done.stdout.startswith("# forwarding-off: ")


def test_no_code_lists_all_with_their_titles() -> None:
    done = CliRunner().invoke(command, [])
    assert (done.exit_code, done.stderr) == (0, "")
    listed = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert listed == [[code, title(code)] for code in CODES]
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("forwading-off", "Did you mean 'forwarding-off'?"),
        ("SSH-Hung", "Did you mean 'ssh-hung'?"),
        ("zzz", "`fleetctl explain` lists all codes."),
        ("", "`fleetctl explain` lists all codes."),
    ],
)
def test_an_unknown_code_is_a_usage_error_with_the_nearest(typed: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(command, [typed], catch_exceptions=False)
    assert str(caught.value) == f"there is no problem code '{typed}'. {hint}"
    assert caught.value.exit_code == 2
