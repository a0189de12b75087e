"""nodes.yaml texts that the lab's tests build."""

import re

SMALL = """\
fleet: small
networks:
  wifi:   {cidr: 192.168.1.0/24, kind: wifi, control: true}
  fabric: {cidr: 10.10.0.0/24, kind: thunderbolt}
  edge:   {cidr: 192.168.50.0/24, kind: ethernet}
internet: 8.8.8.8
defaults:
  ssh: {identity_file: ~/.ssh/cluster}
nodes:
  mini1:
    ssh: {host: 192.168.1.11, user: one}
    addresses: {wifi: 192.168.1.11, fabric: 10.10.0.1, edge: 192.168.50.1}
    gateway: true
  mini2:
    ssh: {user: two}
    addresses: {wifi: 192.168.1.12, fabric: 10.10.0.2}
  mini3:
    ssh: {host: 192.168.1.13, user: three, port: 2222}
    addresses: {wifi: 192.168.1.13, fabric: 10.10.0.3}
  pi5:
    ssh: {host: 192.168.1.25, user: pi}
    addresses: {wifi: 192.168.1.25, edge: 192.168.50.2}
    via: {fabric: mini1}
  macbook: {connection: local}
  ipad:
    connection: none
    addresses: {wifi: 192.168.1.40}
"""
"""Two hops, one fabric of three, one cable, an SSH alias, another port, a local and a mute node."""

MACS = re.sub(r"(  mini\d:\n)", r"\1    os: macos\n", SMALL)
"""The same with Macs: both operating systems on every network."""

PAIR = """\
fleet: pair
networks:
  lan: {cidr: 172.20.0.0/24}
nodes:
  a: {ssh: {host: 172.20.0.1}, addresses: {lan: 172.20.0.1}}
  b: {ssh: {host: 172.20.0.2, user: root}, addresses: {lan: 172.20.0.2}}
"""
"""No network is marked as control, no user or key is named, one login is root's."""

GUIDE = """\
fleet: smolcluster
networks:
  wifi:   {cidr: 192.168.1.0/24,  kind: wifi, control: true}
  fabric: {cidr: 10.10.0.0/24,    kind: thunderbolt}
  edge50: {cidr: 192.168.50.0/24, kind: ethernet}
  edge51: {cidr: 192.168.51.0/24, kind: ethernet}
internet: 8.8.8.8
nodes:
  mini1:
    ssh: {host: 192.168.1.11, user: yuvrajsingh1}
    addresses: {wifi: 192.168.1.11, fabric: 10.10.0.1, edge50: 192.168.50.1}
    gateway: true
  mini2:
    ssh: {host: 192.168.1.12, user: yuvrajsingh2}
    addresses: {wifi: 192.168.1.12, fabric: 10.10.0.2}
  mini3:
    ssh: {host: 192.168.1.13, user: yuvrajsingh3}
    addresses: {wifi: 192.168.1.13, fabric: 10.10.0.3, edge51: 192.168.51.2}
    gateway: true
  pi5:
    ssh: {host: 192.168.1.25, user: pi}
    addresses: {wifi: 192.168.1.25, edge50: 192.168.50.2}
    via: {fabric: mini1}
  pi4:
    ssh: {host: 192.168.1.24, user: pi}
    addresses: {wifi: 192.168.1.24, edge51: 192.168.51.4}
    via: {fabric: mini3}
  macbook: {connection: local}
  ipad:
    connection: none
    addresses: {wifi: 192.168.1.40}
"""
"""The networks and nodes of the shipped nodes.yaml."""
