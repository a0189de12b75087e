"""`fleetctl start` of the shipped job, to all ready, against a sequential launch script.

In the lab of the shipped nodes.yaml, with the elastic example. `launch.sh` is the script. It does
not wait until the workers have joined; that time is not counted.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from measure import cannot, interleave, judge, ratio, show
from virtual import fleetctl, on_controller, virtual_fleet

from fleetctl import config
from fleetctl.lab import Lab
from fleetctl.model.topology import Fleet

ROOT = Path(__file__).parents[1]
NODES_YAML = ROOT / "nodes.yaml"
ROUNDS = 3
TARGET = 0.2
JOIN_TIMEOUT_S = 30.0


def by_fleetctl(lab: Lab) -> float:
    began = time.perf_counter()
    on_controller(lab, *fleetctl("start"))
    took_s = time.perf_counter() - began
    on_controller(lab, *fleetctl("stop"))
    return took_s


def by_script(lab: Lab, fleet: Fleet) -> float:
    instances = next(iter(fleet.jobs.values())).instances
    logins = {
        i.node: f"{fleet.nodes[i.node].ssh.user}@{fleet.nodes[i.node].ssh.host}" for i in instances
    }
    key = fleet.nodes[instances[0].node].ssh.identity_file or ""
    key = key.replace("~", str(lab.home), 1)
    folder = instances[0].workdir or "~"
    script = str(Path(__file__).with_name("launch.sh"))
    began = time.perf_counter()
    on_controller(lab, "bash", script, key, folder, *(f"{n}={at}" for n, at in logins.items()))
    took_s = time.perf_counter() - began
    await_workers(lab, instances[0].node, len(instances) - 1)
    for login in logins.values():
        stop = "PATH=/opt/homebrew/bin:$PATH; tmux kill-server"
        on_controller(lab, "ssh", "-i", key, "-o", "BatchMode=yes", login, stop)
    return took_s


def await_workers(lab: Lab, server: str, count: int) -> None:
    """Check by the server's log that the script started the same job."""
    log = lab.path(server, "~/cluster_logs/server.log")
    deadline = time.monotonic() + JOIN_TIMEOUT_S
    while True:
        text = log.read_text(errors="replace") if log.exists() else ""
        joined = set(re.findall(r"worker (\d+) on \S+ joined", text))
        if len(joined) == count:
            return
        if time.monotonic() > deadline:
            cannot(f"launch.sh: {len(joined)} of {count} workers joined; {log}:\n{text[-1000:]}")
        time.sleep(0.1)


def main() -> None:
    fleet = config.load(NODES_YAML)
    copies = [(ROOT / "examples/elastic", "~/Desktop/smolcluster/src/smolcluster")]
    with virtual_fleet(NODES_YAML, copies) as lab:
        on_controller(lab, *fleetctl("stop"))
        results = interleave(
            {
                "fleetctl start": lambda: by_fleetctl(lab),
                "launch.sh": lambda: by_script(lab, fleet),
            },
            ROUNDS,
        )
    show(f"{ROUNDS} rounds", results, "s")
    ours, script = results.values()
    judge("fleetctl start against the script", ratio(ours, script), TARGET, "x")


if __name__ == "__main__":
    main()
