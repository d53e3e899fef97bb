"""kv beside Redis, etcd, ZooKeeper and a bare NIOHTTP1, under the same load: medians of runs in turns, and ratios.

For each comparison the two sides are started, loaded, measured and ended in turns, once a round, with fresh data. All
processes, the generator among them, share the same two processors (of more, the first two). 50 connections, 100-byte
values, 100,000 keys, uniformly chosen.

Both sides promise as much:

  set-interval   Three nodes of kv, sync: interval (1 s): a write is acknowledged when two have it in memory; all write
                 it to their logs and sync those each second. Redis: a primary and two replicas, appendfsync everysec;
                 each SET is followed by WAIT 1 in the same pipeline, and done with its answer. (Redis does not promise
                 that such a write survives a failover; nothing it has comes nearer.)
  set-always     As above, but kv with sync: always: two nodes have it on disk. Redis has no counterpart that replicas
                 confirm a sync (WAITAOF is of 7.2; Debian's is older), so it keeps everysec, which favours it.
  put-etcd       Three nodes of kv, sync: always, and three of etcd with its defaults, which sync as well.
  get-etcd       Linearizable reads on the same.
  set-zookeeper  Three nodes of kv, sync: always, and three servers of ZooKeeper with its defaults, which force their
                 logs to disk as well: a setData is done when two of them have it there.
  get-zookeeper  Linearizable reads on the same. ZooKeeper's own reads may be stale, so each getData is preceded by a
                 sync of its path in the same pipeline, and done with the answer to the getData. ZooKeeper promises
                 less even so: its leader answers a sync without asking whether it still leads.
  get-leaders    kv: linearizable reads. Redis: GET at the primary, which nobody is asked about.
  set-single     One node of kv, sync: always; one Redis, appendfsync always.
  get-pipelined, set-pipelined
                 One node of kv, sync: interval (1 s); one Redis, appendfsync everysec; 16 under way on each connection.
  client-a, client-b, client-c
                 Three nodes of kv, sync: always, under YCSB's workloads A, B and C: 50 tasks that share one client of
                 the client library, and 50 connections of Redis's protocol.
  client-a-8, client-b-8, client-c-8
                 The same with 8 operations of each under way.
  http-get       One node of kv; a NIOHTTP1 handler that answers 100 constant bytes, on as many event loops.

Requests go to the node that leads their key: of kv by slot, as cluster clients of Redis do it and wrk is told to; of
Redis to the primary; of etcd to the member that leads; of ZooKeeper to all servers, since its clients do not know the
leader. What speaks Redis's protocol is driven by kv bench on both sides, the comparisons with etcd and the bare handler
by wrk on both. etcd is asked through its JSON gateway, the only interface of it that a plain HTTP client has; its gRPC
would cost it less. With etcd wrk runs three threads on both sides, since a thread of it reaches only one of kv's nodes.
ZooKeeper's protocol is its own, so that zkload drives it, and kv bench kv's side. Its servers have 10 s to warm up,
until Java has compiled most of what they do; everything else has one. Consul is not in Debian, and not among the rows.

A row whose peer or generator is not installed is skipped, and named. The ratio of a row is kv's throughput over the
peer's; thresholds are about these.
"""

import os

from .. import BENCHMARKS, arguments, generators, peers, report, servers
from ..report import Outcome

SUMMARY = "operations a second and latency, beside Redis, etcd, ZooKeeper and a bare NIOHTTP1; fifteen minutes"
ROWS = (
    "set-interval", "set-always", "put-etcd", "get-etcd", "set-zookeeper", "get-zookeeper", "get-leaders", "set-single",
    "get-pipelined", "set-pipelined", "client-a", "client-b", "client-c", "client-a-8", "client-b-8", "client-c-8",
    "http-get")
KEYS = 100_000
SIZE = 100
# Of ZooKeeper. After one second it does a half of what it does after ten.
WARMUP_SECONDS = 10


def add_arguments(parser):
    arguments.add_rows(parser, ROWS)
    arguments.add_rounds(parser, 3, "how often each side is measured")
    arguments.add_seconds(parser, 5, "how long each time")
    arguments.add_thresholds(parser)
    arguments.add_kv(parser)
    parser.add_argument(
        "--bare", type=os.path.abspath, default=os.path.join(BENCHMARKS, ".build/release/barehttp"), metavar="FILE",
        help="the bare NIOHTTP1 (default: Benchmarks/.build/release/barehttp of this repository)")
    parser.add_argument(
        "--zkload", type=os.path.abspath, default=os.path.join(BENCHMARKS, ".build/release/zkload"), metavar="FILE",
        help="ZooKeeper's load generator (default: Benchmarks/.build/release/zkload of this repository)")
    arguments.add_data(parser)
    arguments.add_results(parser)


class Comparison:
    """Two sides, each what makes its servers and what loads its keys, and the rows that are measured on them.

    A row is a name, a title, and what measures each side.
    """

    def __init__(self, kv, peer, against, needs, rows):
        self.sides, self.against, self.needs, self.rows = (kv, peer), against, needs, rows


def comparisons(options):
    executable, data, seconds = options.kv, options.data, options.seconds

    def bench(*flags, protocol="resp"):
        return lambda side: generators.measure(
            executable, side.endpoints, seconds, KEYS, SIZE, *flags, protocol=protocol)

    def client(workload, depth):
        flags = ("--workload", workload, "--pipeline", str(depth))
        name, title = f"client-{workload}", f"YCSB {workload.upper()} by the client library, three nodes"
        if depth > 1:
            name, title = f"{name}-{depth}", f"{title}, {depth} under way"
        return (name, title, (bench(*flags, protocol="kv"), bench(*flags)))

    def wrk(operation, threads):
        def measure(side):
            if isinstance(side, servers.Kv):
                requests = generators.kv_requests(side.leaders(), operation, KEYS, SIZE)
            elif isinstance(side, peers.Etcd):
                requests = generators.etcd_requests(side.leader(), operation, KEYS, SIZE)
            else:
                one = f"GET /v1/kv/user{0:012d} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                requests = {side.ports[0]: [one]}
            return generators.wrk(side.directory, seconds, requests, threads)
        return measure, measure

    def zkload(operation):
        return lambda side: generators.zkload(
            options.zkload, operation, side.ports, KEYS, SIZE, seconds, WARMUP_SECONDS)

    def load(side):
        generators.load_keys(executable, side.endpoints, KEYS, SIZE)

    def kv(nodes, sync):
        settings = {"storage": {"sync": sync, "sync_interval": "1s"}, "log": {"level": "error"}}
        return lambda: servers.Kv(executable, data, nodes, settings=settings), load

    def redis(appendfsync, replicas):
        return lambda: peers.Redis(data, appendfsync, replicas), load

    etcd = (lambda: peers.Etcd(data), lambda side: side.load(KEYS, SIZE))
    zookeeper = (
        lambda: peers.ZooKeeper(data), lambda side: generators.zkload_keys(options.zkload, side.ports, KEYS, SIZE))
    bare = (lambda: peers.Bare(options.bare, data), lambda side: None)
    java = ["java", peers.ZooKeeper.command, options.zkload]
    set_one, get_one, deep = ("--read-ratio", "0"), ("--read-ratio", "1"), ("--pipeline", "16")
    sets, gets = (bench(*set_one), bench(*set_one)), (bench(*get_one), bench(*get_one))
    deep_sets, deep_gets = (bench(*set_one, *deep),) * 2, (bench(*get_one, *deep),) * 2
    waiting = (bench(*set_one), bench(*set_one, "--wait", "1"))
    replicated = "Redis, primary and two replicas"
    return [
        Comparison(kv(3, "interval"), redis("everysec", 2), replicated + ", WAIT 1", ["redis-server"], [
            ("set-interval", "SET, three nodes, majority, `sync: interval`", waiting)]),
        Comparison(kv(3, "always"), redis("everysec", 2), replicated, ["redis-server"], [
            ("set-always", "SET, three nodes, majority, `sync: always`", waiting),
            ("get-leaders", "GET linearizable, three nodes, at leaders", gets)]),
        Comparison(kv(3, "always"), etcd, "etcd, three nodes", ["etcd", "wrk"], [
            ("put-etcd", "PUT, three nodes, majority, `sync: always`", wrk("PUT", 3)),
            ("get-etcd", "GET linearizable, three nodes, at leaders", wrk("GET", 3))]),
        Comparison(kv(3, "always"), zookeeper, "ZooKeeper, three servers", java, [
            ("set-zookeeper", "SET, three nodes, majority, `sync: always`", (bench(*set_one), zkload("set"))),
            ("get-zookeeper", "GET linearizable, three nodes, at leaders", (bench(*get_one), zkload("get")))]),
        Comparison(kv(1, "always"), redis("always", 0), "Redis, `appendfsync always`", ["redis-server"], [
            ("set-single", "SET, one node, `sync: always`", sets)]),
        Comparison(kv(1, "interval"), redis("everysec", 0), "Redis, `everysec`", ["redis-server"], [
            ("get-pipelined", "GET, 16 pipelined, one node, `sync: interval`", deep_gets),
            ("set-pipelined", "SET, 16 pipelined, one node, `sync: interval`", deep_sets)]),
        Comparison(kv(3, "always"), kv(3, "always"), "Redis's protocol", [], [
            client(workload, depth) for depth in (1, 8) for workload in "abc"]),
        Comparison(kv(1, "always"), bare, "bare NIOHTTP1", [options.bare, "wrk"], [
            ("http-get", "HTTP GET, one node", wrk("GET", 1))]),
    ]


def compare(comparison, wanted, rounds):
    rows = [row for row in comparison.rows if row[0] in wanted]
    runs = {name: ([], []) for name, _, _ in rows}
    for number in range(rounds):
        for side, (make, prepare) in enumerate(comparison.sides):
            with make() as started:
                prepare(started)
                for name, _, measures in rows:
                    figures = measures[side](started)
                    runs[name][side].append(figures)
                    report.say(
                        f"{name}, round {number + 1}, {('kv', 'peer')[side]}: "
                        f"{report.per_second(figures['throughput'])}, p50 {figures['p50']:.2f} ms, "
                        f"p99 {figures['p99']:.2f} ms")
                started.check()
    for name, title, _ in rows:
        kv, peer = map(report.medians, runs[name])
        yield {
            "name": name, "title": title, "against": comparison.against, "kv": kv, "peer": peer,
            "ratio": kv["throughput"] / peer["throughput"], "runs": {"kv": runs[name][0], "peer": runs[name][1]}}


def shown(rows):
    percentiles = "p50 / p99 / p99.9 ms"
    cells = []
    for row in rows:
        sides = [
            (report.per_second(row[side]["throughput"]),
             " / ".join(report.milliseconds(row[side][name]) for name in report.FIGURES[1:]))
            for side in ("kv", "peer")]
        cells.append([f"`{row['name']}`", row["title"], *sides[0], row["against"], *sides[1], f"{row['ratio']:.2f}"])
    return report.table(["row", "work", "kv", percentiles, "against", "", percentiles, "ratio"], cells)


def run(options):
    wanted = options.rows or ROWS
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    outcome = Outcome()
    outcome.how = f"medians of {options.rounds} rounds of {options.seconds} s"
    for comparison in comparisons(options):
        names = [row[0] for row in comparison.rows if row[0] in wanted]
        lacking = servers.missing(*comparison.needs)
        if lacking:
            outcome.skipped.update({name: f"there is no {', no '.join(lacking)}" for name in names})
        elif names:
            outcome.rows += compare(comparison, wanted, options.rounds)
    outcome.rows.sort(key=lambda row: ROWS.index(row["name"]))
    outcome.ratios = {row["name"]: row["ratio"] for row in outcome.rows}
    if outcome.rows:
        print(shown(outcome.rows))
    return outcome
