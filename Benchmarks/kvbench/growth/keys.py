"""Rows about many keys: pages of a scan, the longest turn, disk under overwrites, expiring keys."""

import binascii
import os
import threading
import time

from .. import Trouble, generators, servers
from . import Found
from .pinger import Pinger
from .resp import Client

KEYS = (100_000, 1_000_000)
SIZE = 100
MEGA = 1_000_000


def one_node(options, cluster=None, **storage):
    return servers.Kv(options.kv, options.data, settings={
        "cluster": cluster or {}, "storage": {"sync": "interval", "sync_interval": "1s", **storage},
        "log": {"level": "error"}})


def scan_all(client, count):
    """The number of keys that a whole SCAN returns, and the seconds it takes."""
    begin, cursor, seen = time.monotonic(), b"0", 0
    while True:
        cursor, keys = client.ask("SCAN", cursor, "COUNT", count)
        seen += len(keys)
        if cursor == b"0":
            return seen, time.monotonic() - begin


def scan(options, sizes=KEYS):
    found, seconds = Found("scan"), {}
    at_most = {10: 20, 1000: 3}
    for keys in sizes:
        with one_node(options) as side:
            generators.load_keys(options.kv, side.endpoints, keys, SIZE)
            with Client(side.client["n1"]) as client:
                for count, limit in at_most.items():
                    seen, took = scan_all(client, count)
                    if seen < keys:
                        raise Trouble(f"SCAN returned {seen} of {keys} keys")
                    seconds[count, keys] = took
                    found.add(
                        f"SCAN of {keys:,} keys, COUNT {count}", took, "s", limit if keys == sizes[-1] else None)
    for count in at_most:
        small, large = (seconds[count, keys] / keys for keys in (sizes[0], sizes[-1]))
        found.flat(f"count-{count}", small, large)
    return found


def turn(options, sizes=KEYS):
    found, longest = Found("turn"), {}
    for keys in sizes:
        with one_node(options) as side:
            port = side.client["n1"]
            generators.load_keys(options.kv, side.endpoints, keys, SIZE)
            with Client(port) as client:
                for name, work in (
                        ("nothing", lambda client: time.sleep(2)), ("SCAN", lambda client: scan_all(client, 1000)),
                        ("KEYS", lambda client: client.size_of("KEYS", "*")),
                        ("FLUSHALL", lambda client: client.ask("FLUSHALL"))):
                    with Pinger(port) as pinger:
                        work(client)
                    longest[name, keys] = pinger.longest
                    limit = 5 if keys == sizes[-1] and name != "nothing" else None
                    found.add(f"longest PING during {name}, {keys:,} keys", pinger.longest * 1000, "ms", limit)
    for name in ("SCAN", "KEYS", "FLUSHALL"):
        found.flat(name.lower(), longest[name, sizes[0]], longest[name, sizes[-1]])
    return found


def allocated(directory):
    """Bytes on disk of all files below."""
    total = 0
    for path, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                pass  # It was merged meanwhile.
    return total


class Peak:
    """The most that a directory takes during a `with`, looked at five times a second."""

    def __init__(self, directory):
        self.directory = directory
        self.bytes = 0

    def __enter__(self):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def look(self):
        while True:
            self.bytes = max(self.bytes, allocated(self.directory))
            if self.ended.wait(0.2):
                return


def disk(options, keys=100_000, size=1568, segment=32, times=6):
    """`size`: of a value; `segment`: MiB of a file of the log; `times`: how often each key is written anew."""
    found = Found("disk")
    live = keys * (size + generators.KEY_BYTES)
    with one_node(options, segment=f"{segment}MiB") as side:
        with Peak(side.directory) as peak:
            generators.load_keys(options.kv, side.endpoints, keys, size)
            generators.kv_bench(
                options.kv, side.endpoints, "--load", "no", "--keys", keys, "--value-size", size, "--read-ratio", "0",
                "--distribution", "uniform", "--operations", times * keys, "--duration", "120s", seconds=120)
    found.add("live data", live / MEGA, "MB")
    found.add(
        f"disk at the most, each key written {times} times", peak.bytes / MEGA, "MB",
        (2 * live + 2 * segment * 2**20) / MEGA)
    found.flat("overwritten", live, peak.bytes)
    return found


def set_expiring(side, keys, at):
    """Sets keys, each at its leader, that expire at `at`, in milliseconds since 1970."""
    slots = side.leaders()
    by_port = {port: [] for port in set(slots)}
    for number in range(keys):
        key = b"expiring%012d" % number
        by_port[slots[binascii.crc_hqx(key, 0) % 16384]].append(
            b"*5\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nv\r\n$4\r\nPXAT\r\n$%d\r\n%d\r\n"
            % (len(key), key, len(str(at)), at))
    for port, commands in by_port.items():
        with Client(port) as client:
            client.pipeline(commands)


def expiring(options, sizes=(50_000, 500_000), rate=10_000):
    """`rate`: so many keys can be set in a second, at the least; what the first size shows counts for the next."""
    found, longest = Found("expiring"), {}
    # A count that takes longer than the usual timeout is measured as well.
    settings = {"storage": {"sync": "interval"}, "log": {"level": "error"}, "redis": {"timeout": "60s"}}
    for keys in sizes:
        with servers.Kv(options.kv, options.data, 3, settings=settings) as side:
            begin = time.time()
            at = round((begin + 4 + keys / rate) * 1000)
            set_expiring(side, keys, at)
            rate = keys / (time.time() - begin) / 2
            if time.time() * 1000 >= at:
                raise Trouble(f"{keys} keys could not be set before they expired: the machine is too slow, or busy")
            with Client(side.client["n1"]) as client:
                longest[keys] = longest_count(client, keys, at)
        limit = 5 if keys == sizes[-1] else None
        found.add(f"longest DBSIZE while {keys:,} keys expire", longest[keys] * 1000, "ms", limit)
    found.flat("dbsize", longest[sizes[0]], longest[sizes[-1]])
    return found


def longest_count(client, keys, at):
    """Seconds of the longest DBSIZE from now until three seconds after all keys have expired."""
    if (count := client.ask("DBSIZE")) != keys:
        raise Trouble(f"DBSIZE is {count} where {keys} keys were set")
    longest, count = 0, keys
    while time.time() * 1000 < at + 3000 or count:
        if time.time() * 1000 > at + 60_000:
            raise Trouble(f"DBSIZE is still {count}, a minute after all keys have expired")
        begin = time.perf_counter()
        count = client.ask("DBSIZE")
        longest = max(longest, time.perf_counter() - begin)
        time.sleep(0.001)
    return longest


ROWS = {"scan": scan, "turn": turn, "disk": disk, "expiring": expiring}
