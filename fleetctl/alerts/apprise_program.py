"""Sends one message by apprise; run as a program of its own, so that it can be ended.

Takes ``{"url", "title", "body"}`` as JSON on stdin. Exit status: 0 sent, 1 not, 2 the URL is
none of apprise's, 3 apprise is missing. What went wrong is on stderr.
"""

import json
import logging
import sys


def main() -> int:
    """Send it."""
    asked = json.load(sys.stdin)
    try:
        import apprise
    except ImportError:
        return 3
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    service = apprise.Apprise.instantiate(asked["url"], suppress_exceptions=True)
    if service is None:
        return 2
    return 0 if service.notify(title=asked["title"], body=asked["body"]) else 1


if __name__ == "__main__":
    sys.exit(main())
