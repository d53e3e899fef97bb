"""How fast partitions move, and what clients notice of it: a fourth node joins three, on one machine.

  unthrottled   once a round, on new nodes each time, loads the keys, of 1 KiB, and lets n4 join: bytes copied a second,
                from the request to the end of the plan
  throttled     the same with limits.move_rate (of each sending node, of which there are three): bytes copied a second
                while all three were sending, beside what they may send. Meanwhile, and before it, kv bench reads and
                writes at a steady rate: the 99th percentiles during the move over those before it

256 partitions, sync: interval. The figures are medians of the rounds.
"""

import concurrent.futures
import statistics
import time

from .. import Trouble, arguments, generators, report, servers
from ..report import Outcome

SUMMARY = "how fast a joining node is filled, and what clients notice of it; six minutes"
VALUE = 1024
KINDS = ("read", "update")
# A plan that takes longer is held to have stopped.
PLAN_SECONDS = 1800


def add_arguments(parser):
    arguments.add_rows(parser, ("unthrottled", "throttled"))
    arguments.add_rounds(parser, 3, "how often each")
    parser.add_argument(
        "--keys", type=arguments.at_least(1000), default=500_000, metavar="N",
        help="how many values of 1 KiB there are (default: 500000)")
    parser.add_argument(
        "--rate", type=arguments.at_least(1), default=2, metavar="MIB",
        help="throttled: limits.move_rate in MiB a second (default: 2)")
    parser.add_argument(
        "--load", type=arguments.at_least(1), default=5000, metavar="N",
        help="throttled: requests a second (default: 5000)")
    arguments.add_kv(parser)
    arguments.add_data(parser)
    arguments.add_results(parser)


class Move:
    """Three nodes with data, and a fourth that waits to be admitted."""

    def __init__(self, options, limits=None):
        self.options = options
        settings = {"cluster": {"partitions": 256}, "storage": {"sync": "interval"}, "log": {"level": "warning"}}
        self.cluster = servers.Kv(options.kv, options.data, 3, spares=1, settings={**settings, **(limits or {})})

    def __enter__(self):
        self.cluster.__enter__()
        try:
            generators.load_keys(self.options.kv, self.cluster.endpoints, self.options.keys, VALUE)
            self.cluster.start_node("n4")
            servers.wait_for("n4, waiting to be admitted", lambda: any(
                node["id"] == "n4" for node in self.cluster.get("n1", "/v1/nodes")["waiting"]))
        except BaseException:
            self.cluster.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.cluster.__exit__()

    def join(self, pause):
        """Bytes to copy, seconds until the end of the plan, and samples of (seconds, bytes done), `pause` seconds
        apart."""
        begin, samples = time.monotonic(), []
        total = self.cluster.get("n1", "/v1/nodes/n4/join", "POST")["plan"]["bytes"]
        while plan := self.cluster.get("n1", "/v1/plan")["plan"]:
            samples.append((time.monotonic() - begin, plan["bytes_done"]))
            if samples[-1][0] > PLAN_SECONDS:
                raise Trouble(f"the plan did not end within {PLAN_SECONDS} s: {plan}")
            time.sleep(pause)
        self.cluster.check()
        return total, time.monotonic() - begin, samples

    def percentiles(self, seconds):
        """Milliseconds within which 99 of 100 requests end, at a steady rate that the nodes bear easily."""
        found = generators.kv_bench(
            self.options.kv, self.cluster.endpoints, "--load", "no", "--keys", self.options.keys, "--value-size", VALUE,
            "--read-ratio", "0.5", "--rate", self.options.load, "--duration", f"{seconds}s", seconds=seconds)
        return {kind: found["latency_ms"][kind]["p99"] for kind in KINDS}


def unthrottled(options):
    rates = []
    for _ in range(options.rounds):
        with Move(options) as move:
            total, took, _ = move.join(0.05)
        rates.append(total / took)
        report.say(f"{total / 1e6:.0f} MB in {took:.2f} s: {rates[-1] / 1e6:.0f} MB/s")
    rate = statistics.median(rates)
    print(f"unthrottled: {rate / 1e6:.0f} MB/s (median of {options.rounds}, values of 1 KiB)", flush=True)
    return {"name": "unthrottled", "bytes_a_second": rate, "rounds": rates}


def sending_rate(total, samples):
    """Bytes a second between a fifth and three fifths of all, while all three nodes are sending."""
    middle = [sample for sample in samples if total / 5 <= sample[1] <= total * 3 / 5]
    if len(middle) < 2 or middle[-1][0] == middle[0][0]:
        raise Trouble("the move was over too soon for its rate to be seen: take more keys")
    return (middle[-1][1] - middle[0][1]) / (middle[-1][0] - middle[0][0])


def throttled(options):
    allowed = 3 * options.rate * 2**20
    rates, ratios = [], {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        with Move(options, {"limits": {"move_rate": f"{options.rate}MiB"}}) as move:
            before = move.percentiles(8)
            with concurrent.futures.ThreadPoolExecutor(1) as beside:
                during = beside.submit(move.percentiles, 6)
                total, took, samples = move.join(0.25)
                during = during.result()
        rates.append(sending_rate(total, samples))
        found = []
        for kind in KINDS:
            ratios[kind].append(during[kind] / before[kind])
            found.append(f"p99 of a paced {kind} {before[kind]:.2f} ms before, {during[kind]:.2f} ms during "
                         f"({ratios[kind][-1]:.2f})")
        report.say(f"{rates[-1] / 1e6:.2f} MB/s, {took:.1f} s in all; {'; '.join(found)}")
    rate = statistics.median(rates)
    medians = {kind: statistics.median(values) for kind, values in ratios.items()}
    print(f"throttled: move_rate {options.rate}MiB for each of three, {options.load} requests a second: "
          f"{rate / 1e6:.2f} MB/s of {allowed / 1e6:.2f} ({rate / allowed:.3f}); p99 during it over p99 before it: "
          + ", ".join(f"{value:.2f} ({kind})" for kind, value in medians.items()) + f" (medians of {options.rounds})",
          flush=True)
    return {
        "name": "throttled", "bytes_a_second": rate, "allowed": allowed, "percentile_99_over_before": medians,
        "rounds": rates, "percentiles_of_rounds": ratios}


def run(options):
    outcome = Outcome()
    for name, measure in (("unthrottled", unthrottled), ("throttled", throttled)):
        if not options.rows or name in options.rows:
            outcome.rows.append(measure(options))
    return outcome
