"""How kv behaves as things grow: tables, and plots of them.

  values   GET and SET a second as values grow from 16 B to 256 KiB, one node, beside Redis
  keys     GET and SET a second as keys grow from 10^4 to 10^7, one node, beside Redis; and on the way, for kv, memory a
           key from 10^6 keys on, and the time a start takes with 10^7
  nodes    processor time of all nodes for one GET and one SET, as nodes grow from 1 to 9 (three replicas where there
           are three nodes): on two processors more nodes cannot do more a second, but the work should not grow beyond
           that of the replicas. Clients grow with them, 20 a node, since batches, which save work, are as large as the
           load of a node

One node is kv with sync: interval (1 s) and Redis with appendfsync everysec. All processes share the same two
processors (of more, the first two). 50 connections; 100-byte values and 100,000 keys where they are not what grows;
keys uniformly chosen. Memory is what is resident more than at the start, with a cache of values of 1 MiB, so that what
the keys take is seen.

Without Redis, values and keys are skipped. Thresholds are about values/get and values/set, the geometric mean over all
sizes of kv's throughput over Redis's; keys/get and keys/set, the same over all numbers of keys up to a million; and
nodes/get and nodes/set, the processor time on three nodes over that on nine.
"""

import os
import time

from .. import arguments, generators, report, servers, svg
from ..report import Outcome

SUMMARY = "as values, keys and nodes grow: throughput, memory, processor time, with plots; eight minutes"
KEYS = 100_000
SIZE = 100
SIZES = (16, 64, 256, 1024, 4096, 16384, 65536, 262144)
COUNTS = (10_000, 100_000, 1_000_000, 10_000_000)
# What every run has, so that its ratios are comparable.
COMPARED_COUNTS = (10_000, 100_000, 1_000_000)
NODES = (1, 2, 3, 4, 5, 7, 9)
SET, GET = ("SET", "0"), ("GET", "1")


def add_arguments(parser):
    arguments.add_rows(parser, ("values", "keys", "nodes"))
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
        return (("kv", lambda: self.kv(cache=cache)), ("Redis", lambda: servers.Redis(self.options.data, "everysec")))

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
                    each = self.microseconds(side, nodes, ratio)
                    points.setdefault(operation, []).append((nodes, each))
                    report.say(f"{nodes} nodes, {operation}: {each:.1f} us of processor time, of all nodes")
        self.draw(
            "nodes", "Processor time of all nodes for one operation", points,
            svg.Axis("nodes", NODES, False, range(1, max(NODES) + 1), str), "microseconds")
        return {"series": points}, {
            f"nodes/{operation.lower()}": dict(points[operation])[3] / dict(points[operation])[9]
            for operation in points}

    def microseconds(self, side, nodes, ratio):
        """Of processor time, of all nodes, for one operation. Idle nodes work as well: what they do in the same time is
        not the operations'."""
        before = side.cpu_seconds()
        time.sleep(2)
        idle = (side.cpu_seconds() - before) / 2
        before, begin = side.cpu_seconds(), time.monotonic()
        found = generators.kv_bench(
            self.options.kv, side.endpoints, "--load", "no", "--keys", KEYS, "--value-size", SIZE, "--clients",
            20 * nodes, "--distribution", "uniform", "--read-ratio", ratio, "--duration", f"{self.options.seconds}s",
            seconds=self.options.seconds)
        used = side.cpu_seconds() - before - idle * (time.monotonic() - begin)
        return max(used, 0) / found["operations"] * 1e6

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
    lacking = servers.missing(servers.Redis.command)
    for name, measure in (("values", scale.values), ("keys", scale.keys), ("nodes", scale.nodes)):
        if options.rows and name not in options.rows:
            continue
        if lacking and name != "nodes":
            outcome.skipped[name] = f"there is no {lacking[0]}"
            continue
        row, ratios = measure()
        outcome.rows.append({"name": name, **row})
        outcome.ratios.update(ratios)
    return outcome
