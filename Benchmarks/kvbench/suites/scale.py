"""How kv behaves as things grow: tables, and plots of them.

  values   GET and SET a second as values grow from 16 B to 256 KiB, one node, beside Redis
  keys     GET and SET a second as keys grow from 10^4 to 10^7, one node, beside Redis; and on the way, for kv, memory a
           key from 10^6 keys on, and the time a start takes with 10^7
  nodes    processor time of all nodes for one GET and one SET, as nodes grow from 1 to 9 (three replicas where there
           are three nodes): on two processors more nodes cannot do more a second, but the work should not grow beyond
           that of the replicas. Clients grow with them, 20 a node, since batches, which save work, are as large as the
           load of a node

Rows that hold a cost to a limit, and say what becomes of it as keys, partitions or nodes grow (kv alone):

  scan        seconds of a SCAN of 10^5 and 10^6 keys, with COUNT 10 and 1000; one node
  turn        how long a PING waits at the most during SCAN, KEYS and FLUSHALL of 10^5 and 10^6 keys; one node
  join        a fourth node joins three without data, in 1024, 4096 and 16384 partitions: seconds, bytes that all nodes
              send, and bytes that they write to disk
  idle        an idle node of three, with 64, 1024 and 16384 partitions: processor time, bytes and packets a second
  packets     the same of an idle node among 3, 9 and 25
  slots       bytes of CLUSTER SLOTS, three nodes, with 64, 1024 and 16384 partitions
  sets        processor time of all nodes for one SET, with 3, 9 and 15 nodes and the same 50 clients
  disk        the most that the log takes while 158 MB of live data are written six times over, in segments of 32 MiB
  expiring    how long a DBSIZE takes at the most while 50,000 and 500,000 keys expire; three nodes
  partitions  memory that 10^5 keys take in 1024 and in 16384 partitions; one node

join, idle and packets count the packets of a network of their own, which takes root, or a system that lets users have
namespaces; where neither is there, they are skipped.

One node is kv with sync: interval (1 s) and Redis with appendfsync everysec. All processes share the same two
processors (of more, the first two). 50 connections; 100-byte values and 100,000 keys where they are not what grows;
keys uniformly chosen. Memory is what is resident more than at the start, with a cache of values of 1 MiB, so that what
the keys take is seen.

Without Redis, values and keys are skipped. Thresholds are about values/get and values/set, the geometric mean over all
sizes of kv's throughput over Redis's; keys/get and keys/set, the same over all numbers of keys up to a million; and
nodes/get and nodes/set, the processor time on three nodes over that on nine. Of the rows with limits they are about the
cost at the smallest size over the cost at the largest (a key, of scan; a partition, of join; of disk, the live data
over the disk that it took): 1 is a cost that does not grow. Those of turn and expiring are of the longest of many
times, which differ from run to run, so their margins are wide. That a limit is exceeded is printed, and fails nothing.
"""

import os
import time

from .. import arguments, generators, growth, peers, report, servers, svg
from ..growth import clusters, network
from ..growth import keys as many_keys
from ..report import Outcome

SUMMARY = "as values, keys, partitions and nodes grow: throughput, memory, processor time, traffic; a quarter-hour"
KEYS = 100_000
SIZE = 100
SIZES = (16, 64, 256, 1024, 4096, 16384, 65536, 262144)
COUNTS = (10_000, 100_000, 1_000_000, 10_000_000)
# What every run has, so that its ratios are comparable.
COMPARED_COUNTS = (10_000, 100_000, 1_000_000)
NODES = (1, 2, 3, 4, 5, 7, 9)
SET, GET = ("SET", "0"), ("GET", "1")
PLOTS = ("values", "keys", "nodes")
GROWTH = {**many_keys.ROWS, **clusters.ROWS, **clusters.ISOLATED}
ROWS = (*PLOTS, *GROWTH)
# How much the ratio of two longest times may differ from run to run.
LONGEST_MARGIN = 0.7


def add_arguments(parser):
    arguments.add_rows(parser, ROWS)
    arguments.add_seconds(parser, 4, "how long each figure is measured")
    parser.add_argument(
        "--most-keys", type=int, choices=COUNTS[2:], default=COUNTS[-1], metavar="N",
        help=f"leave larger numbers of keys out: {COUNTS[2]} or {COUNTS[3]} (default: {COUNTS[3]}, which takes two "
        "minutes)")
    parser.add_argument(
        "--figures", metavar="DIRECTORY",
        help="where the plots go (default: that of --results; those of the documentation are in docs/figures)")
    arguments.add_thresholds(parser)
    arguments.add_kv(parser)
    arguments.add_data(parser)
    arguments.add_results(parser)


class Scale:
    def __init__(self, options):
        self.options = options

    def kv(self, nodes=1, cache="256MiB"):
        return servers.Kv(self.options.kv, self.options.data, nodes, settings={
            "storage": {"sync": "interval", "sync_interval": "1s", "cache": cache}, "log": {"level": "error"}})

    def sides(self, cache="256MiB"):
        return (("kv", lambda: self.kv(cache=cache)), ("Redis", lambda: peers.Redis(self.options.data, "everysec")))

    def measure(self, side, ratio, keys, size):
        figures = generators.measure(
            self.options.kv, side.endpoints, self.options.seconds, keys, size, "--read-ratio", ratio)
        return figures["throughput"]

    def load(self, side, keys, size):
        return generators.load_keys(self.options.kv, side.endpoints, keys, size)

    def values(self):
        """Fewer keys where values are large: 256 MiB of them."""
        points = {}
        for name, make in self.sides():
            for size in SIZES:
                keys = min(KEYS, (256 << 20) // size)
                with make() as side:
                    self.load(side, keys, size)
                    for operation, ratio in (GET, SET):
                        each = self.measure(side, ratio, keys, size)
                        points.setdefault(f"{name} {operation}", []).append((size, each))
                        report.say(f"{name}, {size} bytes, {operation}: {report.per_second(each)}")
        self.draw(
            "values", "Operations a second by size of values, one node", points,
            svg.Axis("bytes of a value", SIZES, True, SIZES, svg.size))
        return {"series": points}, beside_redis("values", points, SIZES)

    def keys(self):
        points, memory, start = {}, {}, None
        counts = [count for count in COUNTS if count <= self.options.most_keys]
        for name, make in self.sides(cache="1MiB"):
            for count in counts:
                with make() as side:
                    empty = side.memory()
                    took = self.load(side, count, SIZE)["load_seconds"]
                    held = (side.memory() - empty) / count
                    report.say(f"{name}, {count} keys: loaded in {took:.0f} s, {held:.0f} bytes of memory a key")
                    if count >= 1_000_000:
                        memory.setdefault(name, {})[count] = held
                    for operation, ratio in (GET, SET):
                        each = self.measure(side, ratio, count, SIZE)
                        points.setdefault(f"{name} {operation}", []).append((count, each))
                        report.say(f"{name}, {count} keys, {operation}: {report.per_second(each)}")
                    if name == "kv" and count == COUNTS[-1]:
                        start = self.restart(side)
        self.draw(
            "keys", "Operations a second by number of keys, one node", points,
            svg.Axis("keys", counts, True, counts, svg.short), "operations a second")
        row = {"series": points, "bytes_of_memory_a_key": memory, "start_seconds": start}
        return row, beside_redis("keys", points, COMPARED_COUNTS)

    def restart(self, side):
        """Seconds from the start of a process until it serves, after a stop in good order."""
        side.stop()
        begin = time.monotonic()
        side.run()
        took = time.monotonic() - begin
        report.say(f"started in {took:.2f} s")
        return took

    def nodes(self):
        points = {}
        for nodes in NODES:
            with self.kv(nodes) as side:
                self.load(side, KEYS, SIZE)
                for operation, ratio in (GET, SET):
                    each = generators.microseconds(
                        self.options.kv, side, self.options.seconds, KEYS, SIZE, 20 * nodes, ratio)
                    points.setdefault(operation, []).append((nodes, each))
                    report.say(f"{nodes} nodes, {operation}: {each:.1f} us of processor time, of all nodes")
        self.draw(
            "nodes", "Processor time of all nodes for one operation", points,
            svg.Axis("nodes", NODES, False, range(1, max(NODES) + 1), str), "microseconds")
        return {"series": points}, {
            f"nodes/{operation.lower()}": dict(points[operation])[3] / dict(points[operation])[9]
            for operation in points}

    def draw(self, name, title, points, x_axis, unit=None):
        values = [value for line in points.values() for _, value in line]
        y_axis = svg.Axis(unit, values, False, None, svg.short) if unit else svg.Axis(
            "operations a second", values, True, None, svg.short)
        figures = self.options.figures or self.options.results
        os.makedirs(figures, exist_ok=True)
        path = os.path.join(figures, name + ".svg")
        with open(path, "w") as file:
            file.write(svg.plot(title, x_axis, y_axis, list(points.items())))
        print(f"{title} ({os.path.relpath(path)})\n\n{svg.text_of(list(points.items()))}\n", flush=True)


def beside_redis(row, points, xs):
    """kv over Redis, the geometric mean over `xs`, for each operation."""
    ratios = {}
    for operation in ("GET", "SET"):
        kv, redis = dict(points[f"kv {operation}"]), dict(points[f"Redis {operation}"])
        ratios[f"{row}/{operation.lower()}"] = report.geometric_mean(kv[x] / redis[x] for x in xs)
    return ratios


def run(options):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    outcome, scale = Outcome(), Scale(options)
    outcome.how = f"{options.seconds} s a figure"
    wanted = options.rows or ROWS
    lacking = servers.missing(peers.Redis.command)
    for name, measure in (("values", scale.values), ("keys", scale.keys), ("nodes", scale.nodes)):
        if name not in wanted:
            continue
        if lacking and name != "nodes":
            outcome.skipped[name] = f"there is no {lacking[0]}"
            continue
        row, ratios = measure()
        outcome.rows.append({"name": name, **row})
        outcome.ratios.update(ratios)
    grown = list(measure_growth(options, [name for name in GROWTH if name in wanted], outcome.skipped))
    for row in grown:
        outcome.ratios.update(row["ratios"])
        if row["name"] in ("turn", "expiring"):
            outcome.margins.update(dict.fromkeys(row["ratios"], LONGEST_MARGIN))
    outcome.rows += grown
    if grown:
        print(growth.table(grown))
    return outcome


def measure_growth(options, names, skipped):
    """What each of the rows finds, as `Found.as_json` has it. Why a row cannot be measured goes to `skipped`."""
    prefix = network.command() if set(names) & set(clusters.ISOLATED) else None
    for name in names:
        if name not in clusters.ISOLATED:
            yield GROWTH[name](options).as_json()
        elif prefix:
            yield network.measure(name, options, prefix)
        else:
            skipped[name] = network.LACKING
