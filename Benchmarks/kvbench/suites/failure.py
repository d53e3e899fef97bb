"""How soon failures are got round, and whether busy nodes are taken for dead, on three real processes with default
settings.

  kill   once a round, n1 is SIGKILLed while clients read and write keys that it leads through the two others
  stop   the same with SIGSTOP
  busy   all processors are kept busy by a saturating load and as many busy loops as there are processors, with sync:
         interval, and it is counted how often a node is held dead

kill and stop give the time from the signal until a read, and a write, of such a key is answered again, and until the
others hold n1 dead: the median, and the longest. Ends with 1 if busy nodes were held dead.
"""

import concurrent.futures
import http.client
import os
import signal
import statistics
import subprocess
import sys
import threading
import time

from .. import Trouble, arguments, report, servers
from ..report import Outcome

SUMMARY = "how long reads and writes wait when a node dies, and false deaths under load; eleven minutes"
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
# A request that is not answered for so long after the signal is a failure of the measurement, or of kv.
GAP_SECONDS = 120


def add_arguments(parser):
    arguments.add_rows(parser, (*SIGNALS, "busy"))
    arguments.add_rounds(parser, 5, "kill, stop: how often")
    arguments.add_seconds(parser, 600, "busy: how long")
    arguments.add_kv(parser)
    arguments.add_data(parser)
    arguments.add_results(parser)


def led_by(cluster, id, count):
    keys = []
    for number in range(100 * count):
        key = f"key{number}"
        if cluster.get("n2", f"/v1/ring?key={key}")["leader"] == id:
            keys.append(key)
        if len(keys) == count:
            return keys
    raise Trouble(f"{id} leads fewer than {count} of {100 * count} keys")


def state(cluster, asked, id):
    return next(node["state"] for node in cluster.get(asked, "/v1/nodes")["nodes"] if node["id"] == id)


class Gaps:
    """Clients that ask again and again, each for one key, until one round's signal has been got round."""

    def __init__(self, cluster):
        self.cluster, self.signalled, self.abandoned = cluster, None, threading.Event()

    def seconds(self, key, method):
        """From the signal until a request that began after it was answered."""
        body = b"x" if method == "PUT" else None
        asked = "n2"
        while not self.abandoned.is_set():
            signalled = self.signalled
            try:
                status, _ = self.cluster.ask(asked, f"/v1/kv/{key}?timeout=10s", method, body, timeout=12)
                if status in (200, 204) and signalled:
                    return time.monotonic() - signalled
            except (OSError, http.client.HTTPException):
                pass
            if signalled and time.monotonic() - signalled > GAP_SECONDS:
                raise Trouble(f"{method} of {key} was not answered within {GAP_SECONDS} s of the signal")
            asked = "n3" if asked == "n2" else "n2"
            if not signalled:
                time.sleep(0.005)
        raise Trouble("the round was given up")


def one_round(cluster, keys, number):
    """Seconds until all reads, all writes and the death were noticed."""
    gaps = Gaps(cluster)
    with concurrent.futures.ThreadPoolExecutor(len(keys)) as clients:
        try:
            reads = [clients.submit(gaps.seconds, key, "GET") for key in keys[:4]]
            writes = [clients.submit(gaps.seconds, key, "PUT") for key in keys[4:]]
            time.sleep(0.5)
            cluster.signal("n1", number)
            gaps.signalled = signalled = time.monotonic()
            read, write = (max(future.result() for future in futures) for futures in (reads, writes))
        finally:
            gaps.abandoned.set()
    servers.wait_for("n1, held dead", lambda: state(cluster, "n2", "n1") == "dead")
    dead = time.monotonic() - signalled
    if number == signal.SIGKILL:
        cluster.kill("n1")
        cluster.start_node("n1")
        cluster.wait_until_ready("n1")
    else:
        cluster.signal("n1", signal.SIGCONT)
    servers.wait_for("n1, alive again", lambda: state(cluster, "n2", "n1") == "alive")
    servers.wait_for(
        "n1, leading again", lambda: cluster.get("n2", f"/v1/ring?key={keys[0]}")["leader"] == "n1")
    return read, write, dead


def failures(options, name):
    with servers.Kv(options.kv, options.data, 3) as cluster:
        for key in range(400):
            cluster.ask("n2", f"/v1/kv/key{key}", "PUT", b"x")
        keys = led_by(cluster, "n1", 8)
        rounds = []
        for number in range(options.rounds):
            rounds.append(one_round(cluster, keys, SIGNALS[name]))
            report.say(f"{name}, round {number + 1}: " + ", ".join(f"{seconds:.3f} s" for seconds in rounds[-1]))
    columns = dict(zip(("read", "write", "dead"), zip(*rounds)))
    return {"name": name, "seconds": {what: {"median": statistics.median(column), "longest": max(column)}
                                      for what, column in columns.items()}, "rounds": rounds}


def busy(options):
    """Looks at every node's opinion of every node once a second."""
    command = [options.kv, "bench", "--protocol", "resp", "--read-ratio", "0", "--duration", f"{options.seconds}s"]
    deaths = suspicions = looks = 0
    settings = {"storage": {"sync": "interval"}}
    with servers.Kv(options.kv, options.data, 3, settings=settings) as cluster, servers.Processes() as beside:
        for number in range(os.cpu_count()):
            beside.start(f"loop {number}", [sys.executable, "-c", "while True: pass"])
        log = os.path.join(cluster.directory, "load.log")
        beside.start("load", [*command, "--endpoint", cluster.endpoints], log)
        load = beside.processes["load"]
        end = time.monotonic() + options.seconds + 120
        while load.poll() is None:
            if time.monotonic() > end:
                raise Trouble(f"kv bench did not end within {options.seconds + 120} s")
            for asked in cluster.ids:
                for node in cluster.get(asked, "/v1/nodes", timeout=60)["nodes"]:
                    looks += 1
                    deaths += node["state"] == "dead"
                    suspicions += node["state"] == "suspect"
            try:
                load.wait(1)
            except subprocess.TimeoutExpired:
                pass
        if load.returncode != 0:
            with open(log, errors="replace") as file:
                raise Trouble(f"kv bench ended with {load.returncode}: {file.read()[-800:]}")
        cluster.check()
        logs = "".join(map(cluster.log, cluster.ids))
    deaths += logs.count("dead: it has not answered")
    return {
        "name": "busy", "seconds": options.seconds, "looks": looks, "suspicions": suspicions, "false_deaths": deaths,
        "lost_links": logs.count("out of touch")}


def run(options):
    outcome = Outcome()
    wanted = options.rows or (*SIGNALS, "busy")
    outcome.rows = [failures(options, name) for name in SIGNALS if name in wanted]
    if outcome.rows:
        def cell(found):
            return f"{found['median']:.3f} s, {found['longest']:.3f} s"

        print(report.table(
            ["signal", "rounds", "reads again after: median, longest", "writes", "held dead"],
            [[f"`{row['name']}`", options.rounds, *map(cell, row["seconds"].values())] for row in outcome.rows]))
    if "busy" in wanted:
        found = busy(options)
        print(f"\n{options.seconds} s of load and {os.cpu_count()} busy loops on {os.cpu_count()} processors: "
              f"{found['looks']} looks at a node's state, {found['suspicions']} suspect, {found['false_deaths']} false "
              f"deaths; {found['lost_links']} links lost for a while")
        outcome.rows.append(found)
        if found["false_deaths"]:
            outcome.failures.append(f"busy: nodes that run were held dead {found['false_deaths']} times")
    return outcome
