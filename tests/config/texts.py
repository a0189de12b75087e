"""A small valid nodes.yaml, and edits that make it wrong."""

from __future__ import annotations

MARKER = "§"
"""Marks the place in an edited text at which the mistake must be reported."""

RIGHT = """\
fleet: lab
networks:
  wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  fabric: {cidr: 10.10.0.0/24}
  edge: {cidr: 192.168.50.0/24}
internet: 8.8.8.8
defaults:
  ssh: {user: me, connect_timeout: 5}
nodes:
  mini1:
    os: macos
    ssh: {host: 192.168.1.11, port: 22}
    addresses: {wifi: 192.168.1.11, fabric: 10.10.0.1, edge: 192.168.50.1}
    gateway: true
  mini2:
    addresses: {fabric: 10.10.0.2}
  pi5:
    addresses: {edge: 192.168.50.2}
    via: {fabric: mini1}
    workdir: ~/work
  ipad:
    connection: none
    addresses: {wifi: 192.168.1.40}
jobs:
  train:
    services:
      server:
        on: mini1
        command: serve
        listen: fabric:65432
        ready: {listening: true, timeout: 60}
      worker:
        on: [mini2, pi5]
        after: [server]
        command: work {rank} {server.host}
        env: {LEVEL: debug}
        restart: {policy: on-failure, delay: 3, max: 60}
        stop: {signal: INT, grace: 10}
      screen:
        on: ipad
        ready: {connect: "{address.wifi}:8000"}
"""


def edited(*edits: tuple[str, str], text: str = RIGHT) -> tuple[str, str]:
    """``text`` with each first part, which occurs once, replaced by the second.

    :returns: the text without its marker, and ``line:column`` of the marker.
    """
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
        text = text.replace(old, new)
    assert text.count(MARKER) == 1, "one place must be marked"
    before, _, after = text.partition(MARKER)
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return before + after, f"{line}:{column}"
