"""Which requests are let in."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from fleetctl.errors import FleetctlError, UsageError
from fleetctl.serve.page.guard import COOKIE, Guard, content_policy
from fleetctl.serve.page.settings import HttpSettings, address_of, require_token
from fleetctl.serve.page.token import token_of, token_path

TOKEN = "a" * 43


def guard(address: str, *, token: str | None = None, names: tuple[str, ...] = ()) -> Guard:
    return Guard(HttpSettings(ip_address(address), 9464, token, names), ("mini1.lan",))


HERE = guard("127.0.0.1")
ALL = guard("0.0.0.0", token=TOKEN, names=("fleet.example",))


@pytest.mark.parametrize("host", ["127.0.0.1:9464", "localhost:9464", "LOCALHOST", "[::1]:9464"])
def test_the_loopback_answers_under_its_own_names(host: str) -> None:
    assert HERE.not_meant({"Host": host}, changes=False) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:9464",
        "127.0.0.1.evil.example",
        "192.168.1.5:9464",
        "",
        "[",
        "mini1.lan",
        "a b",
    ],
)
def test_a_name_of_others_that_leads_here_is_refused(host: str) -> None:
    """DNS rebinding: the browser of a user asks here for a page of somebody else."""
    assert "does not answer under" in HERE.not_meant({"Host": host}, changes=False)
    assert "does not answer under" in HERE.not_meant(
        {"Host": host, "Origin": f"http://{host}"}, changes=True
    )


@pytest.mark.parametrize(
    "host",
    ["192.168.1.5:9464", "mini1.lan:9464", "mini1.local:9464", "fleet.example", "[fd00::5]:9464"],
)
def test_where_other_machines_reach_it_their_names_for_it_are_taken(host: str) -> None:
    assert ALL.not_meant({"Host": host}, changes=False) == ""
    assert ALL.not_meant({"Host": "evil.example"}, changes=False)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:80", "file://"]
)
def test_what_another_page_sends_is_refused(origin: str) -> None:
    headers = {"Host": "localhost:9464", "Origin": origin}
    assert HERE.not_meant(headers, changes=True) == "Another page sent it."
    assert HERE.not_meant(headers, changes=False) == "Another page sent it."


def test_a_websocket_has_to_say_which_page_it_is_of() -> None:
    assert HERE.not_meant({"Host": "localhost:9464"}, changes=True)
    for scheme in ("http", "https"):
        headers = {"Host": "localhost:9464", "Origin": f"{scheme}://localhost:9464"}
        assert HERE.not_meant(headers, changes=True) == ""


def test_the_token_or_what_stands_for_it_lets_in() -> None:
    assert HERE.knows({}, {})
    for headers, cookies in (
        ({}, {}),
        ({"Authorization": TOKEN}, {}),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, {}),
        ({"Authorization": "Bearer é"}, {}),
        ({}, {COOKIE: TOKEN}),
        ({}, {COOKIE: HERE.cookie}),
    ):
        assert not ALL.knows(headers, cookies)
    assert ALL.knows({"Authorization": f"bearer {TOKEN}"}, {})
    assert ALL.knows({}, {COOKIE: ALL.cookie})
    assert TOKEN not in ALL.cookie


def test_a_page_may_load_only_what_is_here() -> None:
    assert "connect-src 'self' ws://localhost:9464 wss://localhost:9464;" in content_policy(
        "localhost:9464"
    )
    assert "evil" not in content_policy("x; script-src evil")


def test_addresses() -> None:
    told = {
        "9464": "127.0.0.1",
        "localhost:1": "127.0.0.1",
        "[::1]:1": "::1",
        "0.0.0.0:1": "0.0.0.0",
    }
    assert {text: str(address_of(text)[0]) for text in told} == told
    for text in (
        "",
        "mini1:9464",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "1.2.3.4:x",
        "::",
    ):
        with pytest.raises(UsageError, match="is no address and port"):
            address_of(text)


def test_other_machines_are_asked_for_a_token() -> None:
    require_token(ip_address("127.0.0.1"), token=False)
    for address in ("0.0.0.0", "::", "192.168.1.5"):
        require_token(ip_address(address), token=True)
        with pytest.raises(UsageError, match="--token"):
            require_token(ip_address(address), token=False)


def test_a_token_is_made_once_and_nobody_else_can_read_it(client_home: Path) -> None:
    token, new = token_of("home")
    assert (new, token_of("home")) == (True, (token, False))
    path = token_path("home")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(FleetctlError, match="others may read it"):
        token_of("home")
    path.chmod(0o600)
    path.write_text("short\n")
    with pytest.raises(FleetctlError, match="fewer than 32"):
        token_of("home")
