"""The writer of logs_throughput.py, on the node: waits for a file ``go``, then writes lines.

``writer.py bulk LINES`` as fast as possible; ``writer.py pulse LINES`` one every 20 ms, each with
the time of its writing; ``writer.py rate LINES`` so many a second at once, until it is ended, which
is for dashboard_keys.py. Needs Python 3.9 only.
"""

import sys
import time
from pathlib import Path

kind, count = sys.argv[1], int(sys.argv[2])
out = sys.stdout
if kind == "rate":
    began, number = time.monotonic(), 0
    while True:
        until = int((time.monotonic() - began) * count)
        out.write("".join(f"line {n:09d} loss 4.12 {'x' * 55}\n" for n in range(number, until)))
        out.flush()
        number = until
        time.sleep(0.01)

out.write("waiting\n")
out.flush()
while not Path("go").exists():
    time.sleep(0.01)

out.write(f"begin {time.time_ns()}\n")
if kind == "bulk":
    for first in range(0, count, 500):
        lines = [f"line {number:9d} {'x' * 84}\n" for number in range(first, first + 500)]
        out.write("".join(lines))
else:
    for number in range(count):
        out.write(f"pulse {number} {time.time_ns()}\n")
        out.flush()
        time.sleep(0.02)
out.write("end\n")
out.flush()
time.sleep(1000)
