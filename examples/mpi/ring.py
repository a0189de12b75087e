"""One sum over all ranks, then a token that goes around."""

import os
import socket
import time

from mpi4py import MPI

ROUNDS = int(os.environ.get("ROUNDS", "1000"))


def main() -> None:
    world = MPI.COMM_WORLD
    print(f"rank {world.rank} of {world.size} on {socket.gethostname()}", flush=True)
    total = world.allreduce(world.rank)
    if world.rank == 0:
        print("sum", total, flush=True)
    for turn in range(ROUNDS):
        after, before = (world.rank + 1) % world.size, (world.rank - 1) % world.size
        world.sendrecv(turn, dest=after, source=before)
        time.sleep(0.2)


main()
