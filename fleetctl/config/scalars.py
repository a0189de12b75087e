"""Single values of nodes.yaml: their types, with what is allowed.

``extra["what"]`` is the text in a mistake that says so.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from fleetctl.model.topology import INTERFACE_PATTERN

MAX_SECONDS = 604_800
"""A week: a larger number is probably meant in milliseconds."""

NAME_PATTERN = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$"
NODE_NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*$"
ENV_NAME_PATTERN = "^[A-Za-z_][A-Za-z0-9_]*$"
HOST_PATTERN = r"^[^\s\-@/'\"`$;&|<>()\\][^\s@/'\"`$;&|<>()\\]*$"
USER_PATTERN = r"^[^\s\-@:/'\"`$;&|<>()\\][^\s@:/'\"`$;&|<>()\\]*$"
JUMP_PATTERN = r"^[^\s\-'\"`$;&|<>()\\][^\s'\"`$;&|<>()\\]*$"
SIGNALS = ("HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "ALRM", "TERM")


def _says(what: str, **limits: Any) -> Meta:
    return Meta(extra={"what": what}, **limits)


Text = Annotated[str, _says("text that is not empty", min_length=1)]
Subnet = Annotated[str, _says("an IPv4 subnet such as 10.10.0.0/24", min_length=1)]
Address = Annotated[str, _says("an IPv4 address such as 10.10.0.1", min_length=1)]
NodeAddress = Annotated[str, _says("an IPv4 address such as 10.10.0.1, or dhcp", min_length=1)]
NodeRef = Annotated[str, _says("the name of a node", min_length=1)]
NetworkRef = Annotated[str, _says("the name of a network", min_length=1)]
ServiceRef = Annotated[str, _says("the name of a service", min_length=1)]
Binding = Annotated[str, _says("NETWORK:PORT or ADDRESS:PORT", min_length=1)]
Value = Annotated[str | int | float | bool, _says("text, a number, or true or false")]
Name = Annotated[
    str,
    _says(
        "a name of letters, digits, '_' and '-' (at most 63; tmux and shells must take it)",
        pattern=NAME_PATTERN,
    ),
]
NodeName = Annotated[
    str,
    _says(
        "a name of letters, digits, '_' and '-', with dots between such parts",
        pattern=NODE_NAME_PATTERN,
        max_length=253,
    ),
]
EnvName = Annotated[
    str,
    _says("a name of letters, digits and '_', no digit first", pattern=ENV_NAME_PATTERN),
]
Host = Annotated[
    str,
    _says("an address, a host name or a Host alias of ~/.ssh/config", pattern=HOST_PATTERN),
]
User = Annotated[str, _says("a user name", pattern=USER_PATTERN)]
Jump = Annotated[str, _says("[user@]host[:port], several with commas", pattern=JUMP_PATTERN)]
InterfaceName = Annotated[
    str,
    _says(
        "a network interface, such as eth0 or bridge0 (at most 15 letters, digits, '_', '-', '.')",
        pattern=INTERFACE_PATTERN,
    ),
]
Port = Annotated[int, _says("a port from 1 to 65535", ge=1, le=65535)]
Seconds = Annotated[float, _says("a number of seconds from 0 to a week", ge=0, le=MAX_SECONDS)]
PositiveSeconds = Annotated[
    float, _says("a number of seconds above 0, at most a week", gt=0, le=MAX_SECONDS)
]
Span = Annotated[str, _says("one with a unit: 30s, 5m, 1h, 1d", pattern="^[0-9]{1,6}[smhd]$")]
Positive = Annotated[float, _says("a number above 0", gt=0, le=1e12)]
Percent = Annotated[float, _says("a number from 0 to 100", ge=0, le=100)]
Count = Annotated[int, _says("a whole number from 0 to 1000000", ge=0, le=1_000_000)]
PositiveCount = Annotated[int, _says("a whole number from 1 to 1000000", ge=1, le=1_000_000)]
Days = Annotated[int, _says("a whole number of days from 1 to 3650", ge=1, le=3650)]
MiB = Annotated[int, _says("a whole number of MiB from 5 to 100000", ge=5, le=100_000)]
Signal = Literal[
    "HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "ALRM", "TERM",
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM",
]  # fmt: skip
Framework = Literal["torchrun", "mlx-ring", "mlx-jaccl", "mpi", "dask", "ray", "none"]
Until = Literal["started", "ready", "exited-ok"]
OnBoot = Literal["leave", "start"]
OnFailure = Literal["keep", "stop-all", "restart-all"]
Policy = Literal["never", "on-failure", "always"]
