"""Rows about many partitions and many nodes: what they cost without any load, and what a SET costs among them."""

import time

from .. import generators, servers
from . import Found, network
from .keys import KEYS, SIZE, one_node
from .resp import Client

PARTITIONS = (64, 1024, 16384)
NODES = (3, 9, 25)
KILO, MEGA = 1000, 1_000_000
# After the start, before an idle cluster is measured. Nodes that have elected leaders attend to each other for ten
# seconds more.
SETTLE_SECONDS = 25
# An idle node does little: it is watched so many times as long as other figures are measured.
IDLE_TIMES = 2


def cluster(options, nodes, partitions=1024, spares=0):
    return servers.Kv(options.kv, options.data, nodes, spares, settings={
        "cluster": {"partitions": partitions}, "storage": {"sync": "interval", "sync_interval": "1s"},
        "log": {"level": "error"}})


# MARK: In a network of their own


def join(options, sizes=(1024, 4096, 16384)):
    """A fourth node joins three without data: seconds, traffic of all four in all, and what all write to disk."""
    found, costs = Found("join"), {}
    for partitions in sizes:
        with cluster(options, 3, partitions, spares=1) as side:
            side.start_node("n4")
            servers.wait_for("n4, waiting to be admitted", lambda: any(
                node["id"] == "n4" for node in side.get("n1", "/v1/nodes")["waiting"]))
            time.sleep(1)
            sent, written, begin = network.sent()[0], side.written(), time.monotonic()
            side.get("n1", "/v1/nodes/n4/join", "POST", timeout=60)
            servers.wait_for(
                "the end of the plan", lambda: side.get("n1", "/v1/plan")["plan"] is None, seconds=240, pause=0.1)
            costs[partitions] = (
                time.monotonic() - begin, (network.sent()[0] - sent) / MEGA, (side.written() - written) / MEGA)
            side.check()
        for what, value, unit, limit in zip(
                ("seconds", "traffic of all nodes", "written to disk by all nodes"), costs[partitions],
                ("s", "MB", "MB"), (5, 30, None)):
            found.add(
                f"empty join, {partitions} partitions: {what}", value, unit, limit if partitions == 16384 else None)
    for index, name in enumerate(("seconds", "traffic", "disk")):
        small, large = (costs[partitions][index] / partitions for partitions in (sizes[0], sizes[-1]))
        found.flat(name, small, large)
    return found


def watch(side, seconds):
    """Of one idle node, by the mean of all: % of a processor, kB a second sent, packets a second sent."""
    time.sleep(SETTLE_SECONDS)
    used, (sent, packets), begin = side.cpu_seconds(), network.sent(), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begin
    used, now = side.cpu_seconds() - used, network.sent()
    side.check()
    shares = (used * 100, (now[0] - sent) / KILO, now[1] - packets)
    return [share / took / len(side.processes) for share in shares]


def idle(options, sizes=PARTITIONS):
    found, costs = Found("idle"), {}
    for partitions in sizes:
        with cluster(options, 3, partitions) as side:
            costs[partitions] = watch(side, IDLE_TIMES * options.seconds)
        for value, unit, limit in zip(costs[partitions], ("% of a processor", "kB/s", "packets/s"), (1, 5, None)):
            found.add(
                f"idle node, {partitions} partitions, three nodes", value, unit, limit if partitions == 16384 else None)
    for index, name in enumerate(("processor", "traffic", "packets")):
        found.flat(name, costs[sizes[0]][index], costs[sizes[-1]][index])
    return found


def packets(options, counts=NODES):
    found, each = Found("packets"), {}
    for nodes in counts:
        with cluster(options, nodes) as side:
            used, traffic, each[nodes] = watch(side, IDLE_TIMES * options.seconds)
        found.add(f"idle node of {nodes}", each[nodes], "packets/s", 30 if nodes == 25 else None)
        found.add(f"idle node of {nodes}", traffic, "kB/s")
        found.add(f"idle node of {nodes}", used, "% of a processor")
    found.flat("nodes", each[counts[0]], each[counts[-1]])
    return found


ISOLATED = {"join": join, "idle": idle, "packets": packets}


# MARK: Anywhere


def slots(options, sizes=PARTITIONS):
    found, size = Found("slots"), {}
    for partitions in sizes:
        with cluster(options, 3, partitions) as side, Client(side.client["n1"]) as client:
            size[partitions] = client.size_of("CLUSTER", "SLOTS")
        limit = 10 if partitions == 1024 else None
        found.add(f"CLUSTER SLOTS, {partitions} partitions, three nodes", size[partitions] / KILO, "kB", limit)
    found.flat("bytes", size[sizes[0]], size[sizes[-1]])
    return found


def sets(options, counts=(3, 9, 15), keys=KEYS[0], clients=50):
    found, each = Found("sets"), {}
    for nodes in counts:
        with cluster(options, nodes) as side:
            generators.load_keys(options.kv, side.endpoints, keys, SIZE)
            each[nodes] = generators.microseconds(options.kv, side, options.seconds, keys, SIZE, clients, "0")
            side.check()
        found.add(f"SET, {nodes} nodes, {clients} clients: processor time of all nodes", each[nodes], "us")
    found.add(f"SET, {counts[-1]} nodes beside {counts[0]}", each[counts[-1]] / each[counts[0]], "times", 1.8)
    found.flat("nodes", each[counts[0]], each[counts[-1]])
    return found


def partitions(options, sizes=(1024, 16384), keys=KEYS[0]):
    """Memory that keys take more in many partitions; the cache of values is small, so that the index is seen."""
    found, grown = Found("partitions"), {}
    for count in sizes:
        with one_node(options, {"partitions": count}, cache="1MiB") as side:
            time.sleep(1)
            empty = side.memory()
            generators.load_keys(options.kv, side.endpoints, keys, SIZE)
            time.sleep(1)
            grown[count] = (side.memory() - empty) / MEGA
        found.add(f"an empty node of {count} partitions", empty / MEGA, "MB")
        found.add(f"{keys:,} keys in {count} partitions", grown[count], "MB")
    found.flat("memory", grown[sizes[0]], grown[sizes[-1]])
    return found


ROWS = {"slots": slots, "sets": sets, "partitions": partitions}
