"""Requests that a server answered, by the lines of its log. Pure.

A line for each request: the common log format, which uvicorn, vLLM, SGLang, gunicorn, nginx and
Flask print in their own ways (``"POST /v1/completions HTTP/1.1" 200``), llama.cpp's (``request:
POST /completion 127.0.0.1 200``) and gin's, which Ollama prints (``| 200 | 1.2s | 127.0.0.1 |
POST "/api/generate"``). Or a rate that it tells itself: ``12.3 req/s``, ``requests/s: 12.3``.
"""

from __future__ import annotations

import re

from fleetctl.logs.rates import IS, NUMBER, number, rate

_METHOD = r"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)"
_ANSWERED = (
    re.compile(rf'"{_METHOD} (?P<path>\S+) HTTP/[0-9.]+" [1-5][0-9]{{2}}\b'),
    re.compile(rf"\brequest: {_METHOD} (?P<path>/\S*) \S+ [1-5][0-9]{{2}}\b"),
    re.compile(rf'\| [1-5][0-9]{{2}} \|[^|]*\|[^|]*\| {_METHOD} +"(?P<path>[^"]*)"'),
)
_ABOUT_ITSELF = re.compile(
    r"/(?:[^?]*/)?(?:health|healthz|live|livez|liveness|ready|readyz|readiness|ping|metrics)/?(?:\?|$)"
)
"""What is asked to see whether the server is well is no work of it."""
_A_REQUEST = r"(?:req|reqs|requests?)"
_PER_SECOND = r"(?:/s(?:ec)?|[ _-]per[ _-]sec(?:ond)?)\b"
_PER_S = re.compile(rf"{NUMBER}\s*{_A_REQUEST}{_PER_SECOND}", re.I)
_NAMED_PER_S = re.compile(rf"\b{_A_REQUEST}{_PER_SECOND}{IS}{NUMBER}", re.I)


def is_request(text: str) -> bool:
    """Whether the line says that a request was answered, and not only whether it is well."""
    if "HTTP/" not in text and "request: " not in text and "| " not in text:
        return False
    found = next(filter(None, (form.search(text) for form in _ANSWERED)), None)
    return found is not None and not _ABOUT_ITSELF.match(found["path"])


def requests_per_s(text: str) -> float | None:
    """The requests per second that ``text`` tells; None: it does not."""
    for pattern in (_PER_S, _NAMED_PER_S):
        if (found := pattern.search(text)) and (value := rate(number(found["value"]))) is not None:
            return value
    return None
