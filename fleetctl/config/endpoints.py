"""What a URL and a ``host:port`` in nodes.yaml may look like."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fleetctl.config.listen import read_port


def unfit_url(text: str) -> str:
    """What ``text`` must be instead; empty: it is an ``http://`` URL that can be asked."""
    allowed = "a URL such as http://127.0.0.1:8080/health"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return allowed
    if url.scheme == "https":
        return f"an http:// URL, for https:// is not supported; {allowed}"
    if any(c.isspace() or not c.isprintable() for c in text):
        return f"{allowed}, without blanks"
    if url.scheme != "http" or not url.hostname or port == 0 or "@" in url.netloc:
        return allowed
    return "" if ":" not in url.hostname else "an http:// URL without IPv6"


def unfit_endpoint(text: str) -> str:
    """What ``text`` must be instead; empty: it is a ``host:port``."""
    host, _, port = text.rpartition(":")
    if re.fullmatch(r"[\w.-]+", host) and read_port(port) is not None:
        return ""
    why = "IPv6 is not supported" if ":" in host else "such as 192.168.1.40:8000"
    return f"host:port, {why}"
