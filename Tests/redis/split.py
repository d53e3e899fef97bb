#!/usr/bin/env python3
"""Clients that count and write while the partitions of a cluster are split.

    split.py [--routed] HOST:PORT,HOST:PORT,HOST:PORT COMMAND...

The clients of kill.py run on threads. When all have been at it for a while, this runs COMMAND, which splits the
partitions, while they go on; then they go on for a while more. There must be no error at all, and what they were told
must be there (see kill.py).
"""

import argparse
import subprocess
import sys

from kill import LIMIT_S, STRETCH, Ledger, Worker, Wrong, check, connections, get_on, verify, watch_sending
from resp import parse_address


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--routed", action="store_true")
    parser.add_argument("addresses")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    addresses = [parse_address(text) for text in options.addresses.split(",")]
    ledger = Ledger()
    watch_sending(ledger)
    single, by_cluster = connections(addresses, options.routed)
    connects = [(f"Redis {number}", connect, False) for number, connect in enumerate(single)]
    connects += [(f"RedisCluster {number}", by_cluster, True) for number in range(3)]
    workers = [Worker(number, name, ledger, connect, again) for number, (name, connect, again) in enumerate(connects)]
    for worker in workers:
        worker.start()
    get_on(workers, "all to begin")
    before = sum(worker.done for worker in workers)
    subprocess.run(options.command, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)
    during = sum(worker.done for worker in workers) - before
    if during == 0:
        raise Wrong("nothing was done while the partitions were split")
    get_on(workers, "all to go on")
    for worker in workers:
        worker.stopping = True
    for worker in workers:
        worker.join(LIMIT_S)
        if worker.is_alive():
            raise Wrong(f"{worker.name} does not come back")
    check(workers)
    if ledger.errors:
        raise Wrong(f"errors: {dict(ledger.errors)}")
    for connect in single + [by_cluster]:
        verify(ledger, workers, connect())
    acknowledged = sum(len(told) for told in ledger.told.values())
    print(
        f"{STRETCH} operations of each client before, {during} of all while partitions were split; "
        f"{acknowledged} of {sum(ledger.sent.values())} INCRs acknowledged, no error"
    )


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        print(f"split.py: {wrong}")
        sys.exit(1)
