"""A matrix product over all workers: python compute.py tcp://10.10.0.1:8786"""

import socket
import sys

import dask.array as da
from distributed import Client


def main() -> None:
    with Client(sys.argv[1], timeout=20) as client:
        print("workers:", *sorted(client.run(socket.gethostname).values()))
        x = da.ones((2000, 2000), chunks=(250, 250))
        print("sum:", int((x @ x.T).sum().compute()))


main()
