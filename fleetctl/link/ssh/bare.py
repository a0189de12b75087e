"""Options for the installed ssh where it logs in for fleetctl."""

from __future__ import annotations


def bare_options(connect_timeout_s: float) -> dict[str, str]:
    """Nothing goes over the connection but what is asked for, and it is given up in time, whatever
    ``~/.ssh/config`` says (ssh_config(5))."""
    return {
        "ConnectTimeout": str(max(1, round(connect_timeout_s))),
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
    }
