"""The web page: ``python3 frontend.py --listen HOST:PORT --api HOST:PORT``.

It sends the files of ``page``, and where the API is, as ``/where.json``.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from log import log
from pipeline import address

PAGE = Path(__file__).with_name("page")


class Page(SimpleHTTPRequestHandler):
    timeout = 10  # seconds for which a client may be silent

    def __init__(self, *arguments: Any, api: str, **options: Any) -> None:
        self._where = json.dumps({"api": api}).encode()
        super().__init__(*arguments, directory=str(PAGE), **options)

    def do_GET(self) -> None:
        if self.path != "/where.json":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self._where)))
        self.end_headers()
        self.wfile.write(self._where)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Requests are not worth a line."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="frontend.py", description=__doc__)
    parser.add_argument("--listen", type=address, default="127.0.0.1:5050", metavar="HOST:PORT")
    parser.add_argument("--api", type=address, default="127.0.0.1:8080", metavar="HOST:PORT")
    options = parser.parse_args()
    api_host, api_port = options.api
    host, port = options.listen
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server = ThreadingHTTPServer(
            (host, port), partial(Page, api=f"http://{api_host}:{api_port}")
        )
    except OSError as error:
        log(f"cannot listen on {host}:{port}: {error.strerror}")
        return 1
    log(f"page at http://{host}:{port}/")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        log("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
