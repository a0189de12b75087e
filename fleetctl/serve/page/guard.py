"""Which requests are let in. Only values: no socket, no file.

Web pages of others run in the same browser. A name of theirs that leads here (DNS rebinding) is
seen in ``Host``, what they send here by themselves in ``Origin`` (Fetch Standard, "Origin header").
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlsplit

from fleetctl.serve.page.settings import HttpSettings

COOKIE = "fleetctl"
COOKIE_S = 30 * 24 * 3600
_PLAIN = re.compile(r"[\w.:\[\]-]+", re.ASCII)
_SCHEMES = ("http", "https")  # https: something in front of it adds TLS


class Guard:
    """
    :param own_names: host names of this machine.
    """

    def __init__(self, settings: HttpSettings, own_names: tuple[str, ...] = ()) -> None:
        self._settings = settings
        names = {"localhost", *settings.names}
        if not settings.address.is_loopback:
            for name in own_names:
                names |= {name, f"{name.partition('.')[0]}.local"}
        self._names = {name.lower().rstrip(".") for name in names if name}
        token = (settings.token or "").encode()
        self.cookie = hmac.new(token, b"fleetctl page cookie 1", sha256).hexdigest()
        """What stands for the token in a browser: the token cannot be made of it."""

    def not_meant(self, headers: Mapping[str, str], *, changes: bool) -> str:
        """Why a request is none that was meant for this page, as a sentence; empty: it is.

        :param changes: it does something, so that it must say which page sent it.
        """
        host = headers.get("Host", "")
        name = _name(host)
        if not self._is_ours(name):
            return (
                f"This page does not answer under the name {name[:100]!r}. If it is yours: "
                "fleetctl serve --http-name NAME."
            )
        origin = headers.get("Origin")
        if origin is None:
            return "It does not say which page sent it." if changes else ""
        if origin not in [f"{scheme}://{host}" for scheme in _SCHEMES]:
            return "Another page sent it."
        return ""

    def _is_ours(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        # no name leads there by somebody else's DNS: the browser was given the address itself
        return address.is_loopback or not self._settings.address.is_loopback

    def knows(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Whether it shows the token, or the cookie that stands for it; true if none is needed."""
        if self._settings.token is None:
            return True
        if _same(cookies.get(COOKIE, ""), self.cookie):
            return True
        kind, _, given = headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_token(given.strip())

    def is_token(self, given: str) -> bool:
        """Whether it is the token; takes the same time for all that are not."""
        return self._settings.token is not None and _same(given, self._settings.token)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _name(host: str) -> str:
    """The name or address in a Host header; empty: there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def content_policy(host: str) -> str:
    """What the page may load (Content Security Policy Level 3): only what is here. xterm.js makes
    style elements by itself; Safari before 15.4 does not take ``'self'`` for a websocket."""
    socket = f" ws://{host} wss://{host}" if _PLAIN.fullmatch(host) else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self'; "
        f"connect-src 'self'{socket}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
