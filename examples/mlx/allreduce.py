"""One all-reduce over all members of an MLX ring, again and again."""

import socket
import time

import mlx.core as mx


def main() -> None:
    world = mx.distributed.init(strict=True)
    while True:
        total = mx.distributed.all_sum(mx.array(float(world.rank() + 1)))
        mx.eval(total)
        where = f"rank {world.rank()} of {world.size()} on {socket.gethostname()}"
        print(f"{where}: all-reduce {total.item():g}", flush=True)
        time.sleep(1)


main()
