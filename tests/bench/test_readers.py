"""iperf3, ping and the words of ports, read as they are printed, cut and damaged."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.bench.echoes import read_echoes
from fleetctl.bench.iperf import parse_iperf
from fleetctl.bench.ports import read_ports
from fleetctl.model.bench import Flow, Port
from fleetctl.model.topology import OSES

END = {
    "streams": [
        {
            "sender": {"bits_per_second": 942e6, "retransmits": 7, "sender": True},
            "receiver": {"bits_per_second": 940.5e6, "sender": True},
        }
    ],
    "sum_sent": {"bytes": 353_000_000, "bits_per_second": 942e6, "retransmits": 7},
    "sum_received": {"bytes": 352_700_000, "bits_per_second": 940.5e6},
    "cpu_utilization_percent": {"host_total": 3.25, "remote_total": 11.04},
}
TEXT = json.dumps({"start": {"version": "iperf 3.12"}, "intervals": [], "end": END})
WHOLE = Flow(940.5, 7, 353_000_000, 11.0)
REFUSED = """{
\t"start":\t{
\t\t"connected":\t[],
\t\t"version":\t"iperf 3.12"
\t},
\t"intervals":\t[],
\t"end":\t{
\t},
\t"error":\t"unable to connect to server: Connection refused"
}
"""


def without(*keys: str) -> str:
    return json.dumps({"end": {k: v for k, v in END.items() if k not in keys}})


@pytest.mark.parametrize(
    ("text", "flow"),
    [
        (TEXT, WHOLE),
        (f"Welcome to mini1\nwarning: x\n{TEXT}\n", WHOLE),
        (json.dumps({"end": END, "server_output_text": "x"}, indent=2), WHOLE),
        (without("cpu_utilization_percent"), Flow(940.5, 7, 353_000_000)),
        (without("sum_received"), WHOLE),
        (without("sum_received", "sum_sent"), Flow(940.5, busy_percent=11.0)),
        (REFUSED, Flow(reason="iperf3: unable to connect to server: Connection refused")),
        (
            '{"start": {}, "error": "error - the server is busy running a test. try again later"}',
            Flow(reason="iperf3: the server is busy running a test. try again later"),
        ),
        (TEXT[:200], Flow(reason="the output of iperf3 was cut off")),
        ("", Flow(reason="iperf3: it printed nothing")),
        ("iperf3: error - x: Cannot assign", Flow(reason="iperf3: x: Cannot assign")),
        ('{"end": {}}', Flow(reason="iperf3 ended without a sum of what arrived")),
        ('{"end": [1]}', Flow(reason="iperf3 ended without a sum of what arrived")),
        (
            '{"end": {"sum_received": {"bits_per_second": 0}}}',
            Flow(mbit_s=0.0, reason="not a byte arrived"),
        ),
        (
            '{"end": {"sum_received": {"bits_per_second": -5}, "streams": [{}]}}',
            Flow(reason="iperf3 ended without a sum of what arrived"),
        ),
    ],
)
def test_iperf(text: str, flow: Flow) -> None:
    assert parse_iperf(text) == flow


LINUX = """\
PING 10.10.0.1 (10.10.0.1) 56(84) bytes of data.
64 bytes from 10.10.0.1: icmp_seq=1 ttl=64 time=0.400 ms
64 bytes from 10.10.0.1: icmp_seq=2 ttl=64 time=0.200 ms
64 bytes from 10.10.0.1: icmp_seq=4 ttl=64 time=0.300 ms

--- 10.10.0.1 ping statistics ---
4 packets transmitted, 3 received, 25% packet loss, time 31ms
rtt min/avg/max/mdev = 0.200/0.300/0.400/0.081 ms
"""
MACOS = """\
PING 10.10.0.1 (10.10.0.1): 56 data bytes
64 bytes from 10.10.0.1: icmp_seq=0 ttl=64 time=0.300 ms
Request timeout for icmp_seq 1

--- 10.10.0.1 ping statistics ---
2 packets transmitted, 1 packets received, 50.0% packet loss
round-trip min/avg/max/stddev = 0.300/0.300/0.300/0.000 ms
"""


def test_echoes_of_linux() -> None:
    found = read_echoes(LINUX)
    assert (found.sent, found.received, found.loss_percent) == (4, 3, 25.0)
    assert (found.min_ms, found.median_ms, found.p99_ms) == (0.2, 0.3, 0.4)
    assert found.jitter_ms is not None
    assert math.isclose(found.jitter_ms, 0.15)


def test_echoes_of_macos() -> None:
    found = read_echoes(MACOS)
    assert (found.sent, found.received, found.median_ms, found.jitter_ms) == (2, 1, 0.3, None)


def test_the_hundredth_of_a_hundred_is_no_percentile() -> None:
    lines = "".join(f"64 bytes: time={n} ms\n" for n in range(1, 101))
    text = f"{lines}100 packets transmitted, 100 received, 0% packet loss\n"
    assert read_echoes(text).p99_ms == 99


@pytest.mark.parametrize(
    ("text", "sent", "reason"),
    [
        ("", 0, "ping: it printed nothing"),
        ("sh: ping: not found", 0, "ping: sh: ping: not found"),
        ("ping: connect: Network is unreachable", 0, "ping: connect: Network is unreachable"),
        ("4 packets transmitted, 0 received, 100% packet loss\n", 4, "no echo came back"),
    ],
)
def test_no_echo_has_its_reason(text: str, sent: int, reason: str) -> None:
    found = read_echoes(text)
    assert (found.sent, found.median_ms, found.reason) == (sent, None, reason)


def test_ports_of_linux() -> None:
    own = {"edge": "eth0", "wifi": "wlan0", "fabric": "veth1", "slow": "eth1"}
    text = "iperf 3.12\nport eth0 1000 full\nport wlan0 -1 -\nport eth1 100 half\n"
    found = read_ports("pi4", own, text, "linux")
    assert found["edge"] == Port("pi4", "edge", "eth0", 1000, "1000 Mbit/s")
    assert found["slow"].says == "100 Mbit/s half duplex"
    assert [found[name].mbit_s for name in ("wifi", "fabric")] == [None, None]


IFCONFIG = """\
en0: flags=8863<UP,BROADCAST,RUNNING> mtu 1500
\tmedia: autoselect (100baseTX <full-duplex>)
\tstatus: active
en8: flags=8863<UP,BROADCAST,RUNNING> mtu 1500
\tmedia: autoselect (10Gbase-T <full-duplex>)
\tstatus: active
bridge0: flags=8863<UP,BROADCAST,RUNNING> mtu 1500
\tmember: en2 flags=3<LEARNING,DISCOVER>
\tmedia: <unknown type>
\tstatus: active
"""
PROFILER = json.dumps(
    {
        "SPThunderboltDataType": [
            {
                "_name": "thunderboltusb4_bus_0",
                "receptacle_1_tag": {
                    "receptacle_id_key": "1",
                    "current_speed_key": "40 Gb/s",
                    "receptacle_status_key": "receptacle_connected",
                },
                "domain_uuid_key": "A",
                "_items": [{"domain_uuid_key": "B", "device_name_key": "mini2"}],
            },
            {
                "_name": "thunderboltusb4_bus_1",
                "receptacle_2_tag": {
                    "receptacle_id_key": "2",
                    "current_speed_key": "Up to 120 Gb/s",
                    "receptacle_status_key": "receptacle_no_devices_connected",
                },
                "domain_uuid_key": "C",
            },
        ]
    },
    indent=2,
)


def test_ports_of_macos() -> None:
    own = {"edge": "en0", "wide": "en8", "fabric": "bridge0"}
    found = read_ports("mini1", own, f"iperf 3.18\n{IFCONFIG}{PROFILER}", "macos")
    assert (found["edge"].mbit_s, found["wide"].mbit_s) == (100, 10_000)
    assert (found["fabric"].mbit_s, found["fabric"].says) == (40_000, "Thunderbolt 1: 40 Gb/s")
    assert read_ports("mini1", own, IFCONFIG, "macos")["fabric"].mbit_s is None


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        (
            "\nrdma\n    device    node GUID\n    ------    ---------\n    rdma_en2  8f0\n",
            "rdma_en2",
        ),
        ("\nrdma\n    device    node GUID\n    ------    ---------\n", "no device is enabled"),
    ],
)
def test_rdma_over_thunderbolt(listed: str, says: str) -> None:
    found = read_ports("mini1", {"fabric": "bridge0"}, f"{IFCONFIG}{PROFILER}{listed}", "macos")
    assert found["fabric"].says == f"Thunderbolt 1: 40 Gb/s; RDMA: {says}"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([TEXT, REFUSED, LINUX, MACOS, IFCONFIG + PROFILER]), st.data())
def test_no_text_makes_a_reader_raise(text: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    damaged = text[:begin] + data.draw(st.text(max_size=8)) + text[end:]
    parse_iperf(damaged)
    read_echoes(damaged)
    for system in OSES:
        read_ports("pi4", {"edge": "eth0"}, damaged, system)
