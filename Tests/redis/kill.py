#!/usr/bin/env python3
"""Clients that count and write while a node is killed, and while it comes back.

    kill.py [--routed] --pid PID --killed FILE --restarted FILE HOST:PORT,HOST:PORT,HOST:PORT

Redis and RedisCluster clients (with --routed, where a key is served where it lives only: these alone) run on threads.
When all have been at it for a while, this kills the process PID, of the first address; when all have got on without
it, it makes the file `killed`; when the file `restarted` is there, it waits until all have got on again, those of the
killed node too, and compares what they were told with what is there.

- An acknowledged INCR counts once: no two are told the same number, and the sum is at least the acknowledged ones, and
  at most what was sent less what was refused. (RedisCluster sends again by itself after a connection is lost; what is
  sent is counted where the package sends it.)
- A number read is not below one that anybody had been told before the read began.
- A key that one client writes holds what it was last told to be there, or a value whose outcome is open.
- Errors are connections lost, timeouts, and the kinds in REFUSED and OPEN.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

from package import cluster, plain, redis
from resp import parse_address

# Error codes that say that nothing was changed.
REFUSED = ("CLUSTERDOWN",)
# The one that says that nobody knows.
OPEN = ("OUTCOMEUNKNOWN",)
COUNTERS = [f"kill:counter{number}" for number in range(12)]
# Operations of each worker in each part.
STRETCH = 150
LIMIT_S = 60.0


class Wrong(Exception):
    """A promise that was not kept."""


class Ledger:
    """What was sent and what was told, by all."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = Counter()
        self.refused = Counter()
        self.told = {name: set() for name in COUNTERS}
        self.highest = Counter()
        self.errors = Counter()

    def sends(self, name):
        with self.lock:
            self.sent[name] += 1

    def floor(self, name):
        with self.lock:
            return self.highest[name]

    def tell(self, name, number):
        with self.lock:
            if number in self.told[name]:
                raise Wrong(f"{name}: {number} was told twice")
            if number > self.sent[name]:
                raise Wrong(f"{name}: {number} told, of {self.sent[name]} sent")
            self.told[name].add(number)
            self.highest[name] = max(self.highest[name], number)


def watch_sending(ledger):
    """Counts the INCRs that the package puts on the wire, its own repetitions included."""
    send = redis.connection.Connection.send_command

    def watched(connection, *arguments, **options):
        if arguments[0] == "INCRBY" and arguments[1] in ledger.told:
            ledger.sends(arguments[1])
        return send(connection, *arguments, **options)

    redis.connection.Connection.send_command = watched


class Worker(threading.Thread):
    def __init__(self, number, name, ledger, connect, repeats):
        super().__init__(name=name, daemon=True)
        self.ledger, self.connect, self.repeats = ledger, connect, repeats
        self.rng = random.Random(number)
        self.key = f"kill:own{number}"
        self.done = 0
        self.failure = None
        self.stopping = False
        # The value last told to be there, those that may be, and the last one sent.
        self.settled, self.open, self.last = None, set(), 0
        self.client = None

    def run(self):
        try:
            while not self.stopping:
                try:
                    if self.client is None:
                        self.client = self.connect()
                    self.rng.choice((self.count, self.count, self.read, self.write, self.read_own))()
                    self.done += 1
                except (redis.RedisError, OSError) as error:
                    self.note(error)
                    time.sleep(0.02)
        except Exception as error:
            self.failure = error

    def note(self, error):
        """Accepts errors of the known kinds only."""
        kind = kind_of(error)
        if kind is None:
            raise Wrong(f"an error of another kind: {error!r}")
        with self.ledger.lock:
            self.ledger.errors[kind] += 1

    def count(self):
        name = self.rng.choice(COUNTERS)
        floor = self.ledger.floor(name)
        try:
            number = self.client.incr(name)
        except redis.RedisError as error:
            if kind_of(error) in REFUSED and not self.repeats:
                with self.ledger.lock:
                    self.ledger.refused[name] += 1
            raise
        if number <= floor:
            raise Wrong(f"{name}: {number} told after {floor}")
        self.ledger.tell(name, number)

    def read(self):
        name = self.rng.choice(COUNTERS)
        floor = self.ledger.floor(name)
        number = int(self.client.get(name) or 0)
        if number < floor:
            raise Wrong(f"{name}: {number} read after {floor}")

    def write(self):
        self.last += 1
        value = str(self.last)
        try:
            self.client.set(self.key, value)
        except redis.RedisError as error:
            if self.repeats or kind_of(error) not in REFUSED:
                self.open.add(value)
            raise
        self.settled = value

    def read_own(self):
        value = self.client.get(self.key)
        if value != self.settled and value not in self.open:
            raise Wrong(f"{self.key}: {value} instead of {self.settled}, or one of {sorted(self.open)}")


def kind_of(error):
    """The error's code, or its class where the connection or the time is at fault; None: it is not expected."""
    text = str(error)
    for code in REFUSED + OPEN:
        if text.startswith(code):
            return code
    if isinstance(error, redis.exceptions.ClusterDownError):
        return "CLUSTERDOWN"  # RedisCluster leaves the code out of the text.
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError, OSError)):
        return type(error).__name__
    if isinstance(error, (redis.exceptions.RedisClusterException, redis.exceptions.ClusterError)):
        # It has tried all it knows, in vain.
        return type(error).__name__
    return None


def wait_until(condition, workers, what):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        check(workers)
        if time.monotonic() > deadline:
            raise Wrong(f"waited {LIMIT_S:.0f} s for {what}: {[(worker.name, worker.done) for worker in workers]}")
        time.sleep(0.01)


def get_on(workers, what):
    goals = [worker.done + STRETCH for worker in workers]
    wait_until(lambda: all(worker.done >= goal for worker, goal in zip(workers, goals)), workers, what)


def check(workers):
    for worker in workers:
        if worker.failure is not None:
            raise Wrong(f"{worker.name}: {worker.failure!r}")


def verify(ledger, workers, client):
    for name in COUNTERS:
        total = int(client.get(name) or 0)
        told, most = len(ledger.told[name]), ledger.sent[name] - ledger.refused[name]
        if not told <= total <= most or total < ledger.highest[name]:
            raise Wrong(f"{name}: {total}, of {told} acknowledged and at most {most} made")
    for worker in workers:
        worker.client = client
        worker.read_own()
    client.close()


def connections(addresses, routed):
    """How to connect to each node, unless clients are to route by themselves, and to the cluster."""
    settings = {"decode_responses": True, "socket_timeout": 10}
    single = [] if routed else [lambda address=address: plain(address, **settings) for address in addresses]
    return single, lambda: cluster(addresses, **settings)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--routed", action="store_true")
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--killed", required=True)
    parser.add_argument("--restarted", required=True)
    parser.add_argument("addresses")
    options = parser.parse_args()
    addresses = [parse_address(text) for text in options.addresses.split(",")]
    ledger = Ledger()
    watch_sending(ledger)
    single, by_cluster = connections(addresses, options.routed)
    workers = [Worker(number, f"Redis {number}", ledger, connect, False) for number, connect in enumerate(single)]
    workers += [Worker(10 + number, f"RedisCluster {number}", ledger, by_cluster, True) for number in range(3)]
    for worker in workers:
        worker.start()
    get_on(workers, "all to begin")
    if ledger.errors:
        raise Wrong(f"errors while all was well: {dict(ledger.errors)}")
    os.kill(options.pid, signal.SIGKILL)
    began = time.monotonic()
    get_on([worker for worker in workers if worker.name != "Redis 0"], "those at the other nodes to go on")
    took = time.monotonic() - began
    open(options.killed, "w").close()
    wait_until(lambda: os.path.exists(options.restarted), workers, "the node to be restarted")
    get_on(workers, "all to go on")
    before = ledger.errors.copy()
    get_on(workers, "all to go on without errors")
    late = ledger.errors - before
    for worker in workers:
        worker.stopping = True
    for worker in workers:
        worker.join(LIMIT_S)
        if worker.is_alive():
            raise Wrong(f"{worker.name} does not come back")
    check(workers)
    for connect in single + [by_cluster]:
        verify(ledger, workers, connect())
    if late:
        raise Wrong(f"errors after all was well again: {dict(late)}")
    acknowledged = sum(len(told) for told in ledger.told.values())
    print(
        f"{sum(worker.done for worker in workers)} operations, "
        f"{acknowledged} of {sum(ledger.sent.values())} INCRs acknowledged; "
        f"{took:.1f} s for {STRETCH} operations each after the kill; errors {dict(ledger.errors)}"
    )


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        print(f"kill.py: {wrong}")
        sys.exit(1)
