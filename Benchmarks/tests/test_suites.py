"""What the suites work out from what they measured."""

import contextlib
import io
import os
import tempfile
import unittest
from unittest import mock

from kvbench import ROOT, Trouble, report, servers, svg
from kvbench.suites import first_build, memory, moves, scale, speed

MIB = 1 << 20


def figures(throughput):
    return {"throughput": throughput, "p50": 0.5, "p99": 1.25, "p99.9": 100.4}


class Side:
    """Servers that are there at once."""

    def __init__(self):
        self.checked = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended = True

    def check(self):
        self.checked += 1


class SpeedTests(unittest.TestCase):
    def comparison(self, kv, peer):
        """A row whose sides are measured to these throughputs, one after the other."""
        kv, peer = iter(kv), iter(peer)
        self.sides = []

        def make():
            self.sides.append(Side())
            return self.sides[-1]

        return speed.Comparison((make, lambda side: None), (make, lambda side: None), "a peer", [], [
            ("row", "work", (lambda side: figures(next(kv)), lambda side: figures(next(peer)))),
            ("other", "unwanted", (None, None))])

    def test_a_ratio_is_of_medians_over_rounds_in_turns(self):
        with contextlib.redirect_stderr(io.StringIO()):
            (row,) = speed.compare(self.comparison([300, 100, 200], [100, 50, 900]), ["row"], 3)
        self.assertEqual((row["kv"]["throughput"], row["peer"]["throughput"], row["ratio"]), (200, 100, 2))
        self.assertEqual([run["throughput"] for run in row["runs"]["kv"]], [300, 100, 200])
        self.assertEqual([side.checked for side in self.sides], [1] * 6)
        self.assertEqual(
            speed.shown([row]).splitlines()[2],
            "| `row` | work | 200/s | 0.50 / 1.25 / 100 | a peer | 100/s | 0.50 / 1.25 / 100 | 2.00 |")

    def test_rows_without_their_peer_are_skipped_by_name(self):
        options = mock.Mock(
            rows=["put-etcd", "get-zookeeper", "set-single", "http-get"], rounds=1, seconds=1, bare="/x/barehttp",
            zkload="/x/zkload")

        def missing(*commands):
            return [f"{os.path.basename(command)} (bring it)" for command in commands if command != "redis-server"]

        def compare(comparison, wanted, rounds):
            return [{"name": row[0], "ratio": 1.5} for row in comparison.rows if row[0] in wanted]

        with (
            mock.patch.object(servers, "missing", missing), mock.patch.object(speed, "compare", compare),
            mock.patch.object(speed, "shown", lambda rows: ""), mock.patch.object(os, "sched_setaffinity"),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            outcome = speed.run(options)
        self.assertEqual(outcome.skipped, {
            "put-etcd": "there is no etcd (bring it), no wrk (bring it)",
            "get-zookeeper": "there is no java (bring it), no zookeeper.jar (bring it), no zkload (bring it)",
            "http-get": "there is no barehttp (bring it), no wrk (bring it)"})
        self.assertEqual(outcome.ratios, {"set-single": 1.5})

    def test_each_row_belongs_to_one_comparison(self):
        options = mock.Mock(kv="kv", bare="bare", data="/d", seconds=1)
        names = [row[0] for comparison in speed.comparisons(options) for row in comparison.rows]
        self.assertEqual(sorted(names), sorted(speed.ROWS))


class ScaleTests(unittest.TestCase):
    def test_ratios_beside_redis_are_geometric_means(self):
        points = {"kv GET": [(1, 10), (2, 80), (3, 5)], "Redis GET": [(1, 10), (2, 20), (3, 1)],
                  "kv SET": [(1, 5), (2, 5), (3, 5)], "Redis SET": [(1, 10), (2, 10), (3, 10)]}
        ratios = scale.beside_redis("keys", points, (1, 2))
        self.assertAlmostEqual(ratios["keys/get"], 2)
        self.assertAlmostEqual(ratios["keys/set"], 0.5)

    def test_plots_and_their_figures(self):
        series = [("kv GET", [(16, 103373.4), (64, 98073)]), ("kv SET", [(16, 9.87654)])]
        plot = svg.plot("A & B", svg.Axis("bytes", (16, 64), True, (16, 64), svg.size),
                        svg.Axis("a second", (9.8, 103373), True, None, svg.short), series)
        self.assertIn("<title>A &amp; B</title>", plot)
        self.assertEqual(plot.count("<polyline"), 2)
        self.assertEqual(svg.text_of(series).splitlines()[2:], ["| 16 | 103,373 | 9.877 |", "| 64 | 98,073 |  |"])
        self.assertEqual([svg.size(1 << 20), svg.short(1500), svg.short(2e6)], ["1 MiB", "1.5k", "2M"])
        self.assertEqual(svg.Axis("x", (3, 40), True).ticks, [2, 5, 10, 20, 50])


class MoveTests(unittest.TestCase):
    def test_the_rate_is_that_of_the_middle(self):
        samples = [(0, 0), (1, 10), (2, 20), (3, 45), (4, 60), (5, 61), (9, 100)]
        self.assertEqual(moves.sending_rate(100, samples), 20)

    def test_a_move_that_is_over_too_soon_has_no_rate(self):
        with self.assertRaisesRegex(Trouble, "take more keys"):
            moves.sending_rate(100, [(0, 0), (1, 30), (2, 90)])


class MemoryTests(unittest.TestCase):
    def test_bounds_are_those_of_the_documentation(self):
        """docs/operations.md, "Memory that a node takes"."""
        self.assertEqual(memory.for_disk(MIB) + memory.for_peers(2, MIB, sends=False), 340 * MIB)
        self.assertEqual((memory.CACHE + memory.for_clients(40, MIB)) // MIB, 418)
        self.assertEqual(
            (memory.for_disk(MIB) + memory.for_peers(2, MIB) + memory.for_changes(MIB, is_behind=True)
             + memory.for_clients(8, MIB, reads=False)) // MIB, 1208)
        size = 64 * MIB
        self.assertEqual(
            (memory.for_disk(size) + memory.for_peers(2, size) + memory.for_changes(size)
             + memory.for_clients(2, size)) // MIB, 4560)

    def run_with(self, grown):
        row = {"name": "unread-replies", "node": "n1", "before": MIB, "grown": grown, "bound": 10 * MIB, "note": ""}
        with mock.patch.dict(memory.ROWS, {"unread-replies": lambda options: [row]}), \
                contextlib.redirect_stdout(io.StringIO()):
            return memory.run(mock.Mock(rows=["unread-replies"]))

    def test_what_exceeds_its_bound_is_a_failure(self):
        self.assertEqual(self.run_with(10 * MIB).failures, [])
        (failure,) = self.run_with(12 * MIB).failures
        self.assertIn("unread-replies: n1 took 12 MiB more, and its limits add up to 10 MiB", failure)


class FirstBuildTests(unittest.TestCase):
    def test_flags_are_those_of_the_makefile(self):
        with open(os.path.join(ROOT, "Makefile")) as makefile:
            flags = first_build.release_flags(makefile.read())
        self.assertEqual(flags[:2], ["-c", "release"])
        self.assertIn("-cross-module-optimization", flags)

    def test_processes_belong_to_packages(self):
        for command, expected in (
                (["/usr/bin/swift-frontend", "-c", "-module-name", "NIOPosix"],
                 "swift-nio, with swift-atomics and swift-system"),
                (["/usr/bin/swift-frontend", "-module-name", "KVStorage"], "kv"),
                (["/usr/bin/clang-17", "-o", "/b/CCryptoBoringSSL.build/a.o"], "swift-crypto"),
                (["/usr/bin/ld.gold", "-o", "kv"], "linking"),
                (["/usr/bin/swift-build", "-c"], "swift build itself")):
            self.assertEqual(first_build.package(first_build.module(command)), expected)
        self.assertIsNone(first_build.module(["/bin/sh"]))


class ReportTests(unittest.TestCase):
    def test_what_is_shown(self):
        self.assertEqual(report.table(["a", "b"], [[1, "x"]]), "| a | b |\n|---|---|\n| 1 | x |")
        self.assertEqual(report.commit_of("kv 0.3.0-dev (a0d409ca90+)"), "a0d409ca90+")
        self.assertEqual(report.commit_of("kv 0.3.0-dev"), "unknown")
        self.assertEqual(report.commit_of(None), "unknown")
        self.assertRegex(report.machine(), r"^\d+ processors \(.+\), Linux \d")
        self.assertIsNone(report.first_line("/nowhere"))

    def test_how_busy_the_machine_is(self):
        ticks = iter([(1000, 2000), (1050, 2200)])
        with mock.patch.object(report, "processor_ticks", lambda: next(ticks)):
            self.assertEqual(report.processors_used(seconds=0), 0.25)
        used, whole = report.processor_ticks()
        self.assertTrue(0 < used <= whole)

    def test_results_make_their_directory(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "new", "a.json")
            report.write_json(path, {"a": 1})
            with open(path) as file:
                self.assertEqual(file.read(), '{\n  "a": 1\n}\n')
