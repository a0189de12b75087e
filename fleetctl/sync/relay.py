"""Started by rsync in place of ssh: hands its arguments, stdin and stdout on to fleetctl, which has
the connection to the node. Nothing but the standard library, and started without ``site``, since
it is one more process for each node.

``relay.py SOCKET NODE COMMAND...``: connects to the unix socket, sends NODE and the words of
COMMAND, each with a NUL behind it and a line feed behind all, and then copies both ways.
"""

import os
import socket
import sys
import threading

PIECE = 256 * 1024


def main() -> None:
    path, *words = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        peer.sendall(b"".join(os.fsencode(word) + b"\0" for word in words) + b"\n")

        def send() -> None:
            while data := os.read(0, PIECE):
                peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)

        threading.Thread(target=send, daemon=True).start()
        while data := peer.recv(PIECE):
            while data:
                data = data[os.write(1, data) :]


if __name__ == "__main__":
    try:
        main()
    except OSError as error:  # the other side is gone
        sys.exit(f"fleetctl: {error}")
