"""Kinds of problems between nodes, which the settings of one node do not show."""

from __future__ import annotations

from fleetctl.health.kinds.kind import ProblemKind
from fleetctl.health.repairs.target import no_remedy

GATEWAY_UNREACHABLE = ProblemKind(
    "gateway-unreachable",
    "error",
    "{node} does not reach its gateway {peer} at {address} on {network}, though both their links "
    "are up",
    "the node itself",
    no_remedy("what lies between two links that are up is not a setting of either node"),
    stops_start=True,
)
UNREACHABLE = ProblemKind(
    "unreachable",
    "error",
    "{what}: {why}",
    "nodes that get no answer, or the ones that give none",
    no_remedy("where the packets are dropped is not known"),
    stops_start=True,
)
ARP_INCOMPLETE = ProblemKind(
    "arp-incomplete",
    "error",
    "{node} asks for the Ethernet address of {targets} and gets no answer: the two are not on one "
    "wire, or something filters there",
    "the nodes that give no answer",
    no_remedy("cables and filters are where fleetctl is not"),
    stops_start=True,
)
NOT_ISOLATED = ProblemKind(
    "not-isolated",
    "error",
    "{node} gets answers from {targets}, which it must not reach: some router knows a way there, "
    "or another machine has that address",
    "nothing",
    no_remedy("which router leads there is not known"),
)
NO_INTERNET = ProblemKind(
    "no-internet",
    "warning",
    "{which} the internet ({address}): {why}",
    "all nodes, where none reaches it any more",
    no_remedy("the way out belongs to the router"),
)
PACKET_LOSS = ProblemKind(
    "packet-loss",
    "warning",
    "{percent} % of the echoes {which} on {network} are lost, where {expected:g} % are expected",
    "the nodes at the other ends of the lossy paths",
    no_remedy("what loses packets is a cable, a port or the air, and no setting"),
)
RTT_HIGH = ProblemKind(
    "rtt-high",
    "warning",
    "{which} {rtt_ms:g} ms to {peer} and back on {network}, where {limit_ms:g} ms are expected",
    "the nodes at the other ends of the slow paths",
    no_remedy("what makes a link slow is no setting that is known to be wrong"),
)
BANDWIDTH_LOW = ProblemKind(
    "bandwidth-low",
    "warning",
    "{which} get {figures} on {network}, {where}: {reason}",
    "the node at the other end, and those whose longer paths cross the link",
    no_remedy("what makes a link narrow is a cable, a port or a busy machine, and no setting"),
)
MTU_MISMATCH = ProblemKind(
    "mtu-mismatch",
    "warning",
    "{node} sends packets of up to {size} bytes on {network}, the others of up to {usual}: pings "
    "pass, and large transfers may hang",
    "other nodes with an unusual size",
    no_remedy("which of the sizes is meant is not known"),
)
THUNDERBOLT_LOOP = ProblemKind(
    "thunderbolt-loop",
    "warning",
    "the Thunderbolt cables of {ring} form a ring, and their bridges send broadcasts round it for "
    "ever: take one cable out",
    "the other nodes of the ring",
    no_remedy("a cable is taken out by hand"),
)

KINDS = (
    GATEWAY_UNREACHABLE,
    UNREACHABLE,
    NOT_ISOLATED,
    NO_INTERNET,
    ARP_INCOMPLETE,
    MTU_MISMATCH,
    THUNDERBOLT_LOOP,
    PACKET_LOSS,
    RTT_HIGH,
    BANDWIDTH_LOW,
)
