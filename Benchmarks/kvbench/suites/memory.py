"""How much memory nodes take where something does not keep up: the most that was resident, as the kernel counts it,
beyond what was before, and the bound that docs/operations.md states ("Memory that a node takes"), which is what its
limits add up to.

  stalled-follower  Three nodes; the disk of n1 does not sync, while eight clients put values of 1 MiB through the
                    others.
  unread-replies    One node; 40 connections pipeline 1000 GETs of 1 MB each, by Redis's protocol, and read nothing.
  unread-answers    The same by HTTP.
  large-values      Three nodes with limits.value: 64MiB; six clients put and get values of 64 MiB.

Ends with 1 where a node took more than its bound. Needs a C compiler for stalled-follower.
"""

import collections
import contextlib
import http.client
import os
import pathlib
import socket
import subprocess
import threading
import time

from .. import ROOT, Trouble, arguments, report, servers
from ..report import Outcome

SUMMARY = "memory of nodes where a disk or clients do not keep up, beside its bound; three minutes"
MIB = 1 << 20
SHARDS = 2
CACHE = 16 * MIB
STORAGE = {"storage": {"shards": SHARDS, "cache": "16MiB"}}

# What docs/operations.md says. Bytes.
PENDING, PROPOSED, WINDOW = 64 * MIB, 256 * MIB, 8 * MIB
IN_FLIGHT, REPLIES, QUEUE = 64 * MIB, 256 * MIB, 96 * MIB


def add_arguments(parser):
    arguments.add_rows(parser, ROWS)
    arguments.add_seconds(parser, 20, "how long clients write; unread replies are held half as long")
    arguments.add_kv(parser, ", which is not a static one: a library is preloaded for stalled-follower")
    arguments.add_data(parser)
    arguments.add_results(parser)


def for_clients(connections, value, reads=True):
    """What so many clients make a node hold. `reads`: they ask for values, and may leave them unread."""
    replies = REPLIES + SHARDS * 32 * MIB if reads else 0
    return replies + connections * (2 * value + (64 << 10))


def for_changes(value, is_behind=False):
    """Requests under way, and changes that a leader keeps until all replicas have them, or until one is behind."""
    return max(IN_FLIGHT, SHARDS * 2 * value) + SHARDS * (PROPOSED // 2 if is_behind else PROPOSED)


def for_disk(value):
    return CACHE + SHARDS * 2 * (PENDING + value)


def for_peers(peers, value, sends=True):
    """Changes on their way, in or out, and, of who sends, what connections have not taken."""
    queue = QUEUE + max(IN_FLIGHT // SHARDS, 2 * value) + 5 * value
    return SHARDS * peers * (2 * max(WINDOW, value) + (queue if sends else 0))


class Clients:
    """Threads that do something again and again through some nodes, each on a connection of its own, until the end of
    `with`."""

    def __init__(self, cluster, nodes, count, action):
        self.ending, self.done, self.failures = threading.Event(), 0, []
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self.run, args=(cluster.client[nodes[number % len(nodes)]], number, action))
            for number in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def run(self, port, number, action):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        turn = 0
        while not self.ending.is_set():
            try:
                method, path, body = action(number, turn)
                connection.request(method, path, body)
                answer = connection.getresponse()
                answer.read()
                failure = None if answer.status in (200, 204) else answer.status
            except (OSError, http.client.HTTPException) as error:
                failure = type(error).__name__
                connection.close()
            with self.lock:
                if failure is None:
                    self.done += 1
                else:
                    self.failures.append(failure)
            turn += 1
        connection.close()

    def complaints(self):
        kinds = collections.Counter(map(str, self.failures))
        return ", ".join(f"{count} ended with {kind}" for kind, count in kinds.items()) or "none refused"


class Watch:
    """What nodes take beyond what they took when it began."""

    def __init__(self, cluster, ids):
        self.cluster, self.before = cluster, {}
        for id in ids:
            self.before[id] = cluster.resident(id)
            cluster.reset_peak(id)

    def row(self, name, id, bound, note):
        grown = self.cluster.resident(id, "VmHWM") - self.before[id]
        row = {"name": name, "node": id, "before": self.before[id], "grown": grown, "bound": bound, "note": note}
        report.say(f"{name}, {id}: grown by {report.mebibytes(grown)} of {report.mebibytes(bound)}")
        return row


def stalling_library(directory):
    """Has the next fdatasync of a process hang while a file is there."""
    library, source = directory / "stall.so", os.path.join(ROOT, "Tests/shims/stall.c")
    try:
        made = subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        raise Trouble("there is no C compiler (apt-get install gcc libc6-dev), or it does not take Tests/shims/stall.c")
    return library


def stalled_follower(options):
    with servers.Kv(options.kv, options.data, 3, settings=STORAGE) as cluster:
        directory = pathlib.Path(cluster.directory)
        library, stall = stalling_library(directory), directory / "hangs"
        cluster.kill("n1")
        cluster.environment["n1"] = {"LD_PRELOAD": str(library), "KV_TEST_STALL": str(stall)}
        cluster.start_node("n1")
        cluster.wait_until_ready("n1")
        value = os.urandom(MIB)
        stall.touch()
        probes = iter(range(1_000_000))

        def leads_nothing():
            # Each of its shards notices by a commit that hangs.
            cluster.ask("n2", f"/v1/kv/probe{next(probes)}?timeout=200ms", "PUT", b"x")
            return all(part["leader"] not in (None, "n1") for part in cluster.get("n2", "/v1/ring")["assignments"])

        servers.wait_for("n2 and n3, leading everything", leads_nothing)
        watch = Watch(cluster, cluster.ids)
        with Clients(
                cluster, ["n2", "n3"], 8, lambda n, turn: ("PUT", f"/v1/kv/l{n}-{turn % 16}", value)) as clients:
            time.sleep(options.seconds)
        written(clients)
        note = f"{clients.done} MiB written, {clients.complaints()}"
        follower = for_disk(MIB) + for_peers(2, MIB, sends=False)
        leader = (
            for_disk(MIB) + for_peers(2, MIB) + for_changes(MIB, is_behind=True) + for_clients(8, MIB, reads=False))
        rows = [
            watch.row("stalled-follower", id, follower if id == "n1" else leader, note) for id in cluster.ids]
        stall.unlink()
        cluster.check()
        return rows


def written(clients):
    if clients.done == 0:
        raise Trouble(f"no client got anything done: {clients.complaints()}")


def unread(options, name, request):
    connections, size = 40, 1_000_000
    with servers.Kv(options.kv, options.data, 1, settings=STORAGE) as cluster, contextlib.ExitStack() as open_ones:
        value = os.urandom(size)
        for number in range(50):
            cluster.ask("n1", f"/v1/kv/big{number}", "PUT", value)
        watch = Watch(cluster, ["n1"])
        pipeline = "".join(request(f"big{number % 50}") for number in range(1000)).encode()
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", cluster.client["n1"]), timeout=30)
            open_ones.enter_context(connection)
            connection.sendall(pipeline)
        time.sleep(options.seconds / 2)
        cluster.check()
        return [watch.row(name, "n1", CACHE + for_clients(connections, MIB), f"{connections} connections")]


def unread_replies(options):
    return unread(options, "unread-replies", lambda key: f"*2\r\n$3\r\nGET\r\n${len(key)}\r\n{key}\r\n")


def unread_answers(options):
    return unread(options, "unread-answers", lambda key: f"GET /v1/kv/{key} HTTP/1.1\r\nHost: kv\r\n\r\n")


def large_values(options):
    size, count = 64 * MIB, 6
    with servers.Kv(options.kv, options.data, 3, settings={**STORAGE, "limits": {"value": "64MiB"}}) as cluster:
        value = os.urandom(size)

        def action(number, turn):
            path = f"/v1/kv/large-{number}?timeout=60s"
            return ("PUT", path, value) if turn % 2 == 0 else ("GET", path, None)

        watch = Watch(cluster, cluster.ids)
        with Clients(cluster, cluster.ids, count, action) as clients:
            time.sleep(options.seconds)
        written(clients)
        note = f"{clients.done} done, {clients.complaints()}"
        # Two clients at each node; other nodes ask it on behalf of theirs.
        bound = for_disk(size) + for_peers(2, size) + for_changes(size) + for_clients(count // 3, size)
        cluster.check()
        return [watch.row("large-values", id, bound, note) for id in cluster.ids]


ROWS = {
    "stalled-follower": stalled_follower, "unread-replies": unread_replies, "unread-answers": unread_answers,
    "large-values": large_values,
}


def run(options):
    outcome = Outcome()
    for name, measure in ROWS.items():
        if not options.rows or name in options.rows:
            outcome.rows += measure(options)
    cells = [
        [f"`{row['name']}`", row["node"], *(report.mebibytes(row[what]) for what in ("before", "grown", "bound")),
         row["note"]] for row in outcome.rows]
    print(report.table(["row", "node", "before", "grown by at the most", "bound", ""], cells))
    for row in outcome.rows:
        if row["grown"] > row["bound"]:
            outcome.failures.append(
                f"{row['name']}: {row['node']} took {report.mebibytes(row['grown'])} more, and its limits add up to "
                f"{report.mebibytes(row['bound'])}: one of them does not hold (docs/operations.md)")
    return outcome
