"""A task on each node that says where it ran: python where.py 10.10.0.1:6379"""

import socket
import sys

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@ray.remote(num_cpus=1)
def where() -> str:
    return socket.gethostname()


def main() -> None:
    ray.init(address=sys.argv[1], log_to_driver=False)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    tasks = [where.options(scheduling_strategy=place).remote() for place in places]
    print("ran on:", *sorted(ray.get(tasks, timeout=120)))


main()
