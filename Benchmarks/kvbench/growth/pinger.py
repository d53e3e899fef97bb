"""Asks a node PING over and over, a millisecond after the last answer, and prints how long the answers took.

The program that makes the load and this one are separate, since threads of one Python program wait for each other. It
ends when its standard input does.
"""

import json
import select
import subprocess
import sys
import time

from .. import BENCHMARKS, Trouble, interrupts
from .resp import Client

PAUSE = 0.001


class Pinger:
    """Asks during a `with`. Afterwards `longest` is the time of the longest answer, and `middle` the median, in
    seconds."""

    def __init__(self, port):
        self.port = port
        self.longest = self.middle = None

    def __enter__(self):
        with interrupts.held():
            self.process = subprocess.Popen(
                [sys.executable, "-B", "-m", "kvbench.growth.pinger", str(self.port)], cwd=BENCHMARKS,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        # A line says that it has begun.
        if not self.process.stdout.readline():
            raise Trouble("the program that asks PING did not begin")
        return self

    def __exit__(self, kind, *_):
        with interrupts.held():
            try:
                said, _ = self.process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                said, _ = self.process.communicate()
        if kind is None:
            if self.process.returncode != 0:
                raise Trouble(f"the program that asks PING ended with {self.process.returncode}")
            times = json.loads(said)
            self.longest, self.middle = times["longest"], times["middle"]


def main(port):
    times = []
    with Client(port) as client:
        client.ask("PING")
        print("began", flush=True)
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            begin = time.perf_counter()
            client.ask("PING")
            times.append(time.perf_counter() - begin)
    times.sort()
    print(json.dumps({"longest": times[-1] if times else 0, "middle": times[len(times) // 2] if times else 0}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
