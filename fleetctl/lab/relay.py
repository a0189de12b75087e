"""Passes Ethernet frames between two interfaces, and loses or delays some: a bad cable.

Run as a script in the lab's switch (`python -I -S relay.py HERE THERE LOSS DELAY_MS MBIT_S`), with
nothing but the standard library. It returns once a process of its own passes frames on, which ends
with either interface. Not every kernel has netem and tbf, which do the same.
"""

from __future__ import annotations

import os
import random
import select
import socket
import sys
import time
from bisect import insort
from operator import itemgetter

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23  # <linux/if_packet.h>
ETH_P_ALL = 3  # <linux/if_ether.h>
LARGEST = 10 + 14 + 65536
"""A virtio_net_hdr, which says what the receiver need not check or cut, and a frame."""
MOST_WAITING = 4096
"""Frames that may wait at a time; what comes then is lost, as in a switch."""
LONGEST_QUEUE_S = 0.03
"""For so long a frame may wait for its turn on a narrow link; what comes then is lost."""
ETHERNET_OVERHEAD = 66 + 24
"""Bytes a segment of TCP adds on the wire: IP, TCP with time stamps, Ethernet; preamble and gap."""
SEGMENT = 1448


def wire_bytes(length: int) -> int:
    """What a frame, which may be many segments in one, takes on an Ethernet."""
    return length + length // SEGMENT * ETHERNET_OVERHEAD


def opened(interface: str) -> socket.socket:
    """A socket that receives what arrives at the interface."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    raw.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    raw.bind((interface, ETH_P_ALL))
    raw.setblocking(False)
    return raw


def relay(
    here: socket.socket, there: socket.socket, loss: float, delay_s: float, bytes_s: float
) -> None:
    """Pass frames on until an interface is gone.

    :param loss: the share of frames that is lost, each way.
    :param bytes_s: the most that is passed on in a second, each way; 0: no limit.
    """
    other = {here: there, there: here}
    free_s = {here: 0.0, there: 0.0}  # when the last frame of each way is through
    waiting: list[tuple[float, socket.socket, bytes]] = []
    while True:
        left_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for ready in select.select([here, there], [], [], left_s)[0]:
            frame = ready.recv(LARGEST)
            now_s = time.monotonic()
            turn_s = max(now_s, free_s[ready])
            late = turn_s - now_s > LONGEST_QUEUE_S
            if late or random.random() < loss or len(waiting) >= MOST_WAITING:
                continue
            free_s[ready] = turn_s + (wire_bytes(len(frame)) / bytes_s if bytes_s else 0.0)
            insort(waiting, (free_s[ready] + delay_s, other[ready], frame), key=itemgetter(0))
        while waiting and waiting[0][0] <= time.monotonic():
            _, out, frame = waiting.pop(0)
            try:
                out.send(frame)
            except BlockingIOError:
                continue  # its queue is full


def main(here: str, there: str, loss: str, delay_ms: str, mbit_s: str) -> None:
    ends = opened(here), opened(there)
    if os.fork():
        return  # the child is now the lab's, which reaps it
    for stream in (0, 1, 2):
        os.close(stream)
    try:
        relay(*ends, float(loss), float(delay_ms) / 1000, float(mbit_s) * 1e6 / 8)
    except OSError:
        return  # ENETDOWN, ENXIO: the cable was taken away


if __name__ == "__main__":
    main(*sys.argv[1:])
