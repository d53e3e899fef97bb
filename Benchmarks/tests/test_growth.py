"""What the rows about growth work out, without a node: sockets and threads stand for one."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

from kvbench import BENCHMARKS, Trouble, growth, servers
from kvbench.growth import clusters, keys, network, resp
from kvbench.growth.pinger import Pinger
from kvbench.suites import scale


class Node:
    """Answers each command of a connection by `answer`, which gets its words."""

    def __init__(self, answer):
        self.answer = answer

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.client = {"n1": self.port}
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
            while line := file.readline():
                words = []
                for _ in range(int(line[1:])):
                    words.append(file.read(int(file.readline()[1:]) + 2)[:-2].decode())
                connection.sendall(self.answer(words))


class RespTests(unittest.TestCase):
    def test_replies_of_every_kind(self):
        replies = {
            "PING": b"+PONG\r\n", "DBSIZE": b":5\r\n", "GET": b"$-1\r\n",
            "SCAN": b"*2\r\n$1\r\n0\r\n*2\r\n$3\r\na\r\n\r\n$0\r\n\r\n", "BAD": b"-ERR unknown\r\n"}
        with Node(lambda words: replies[words[0]]) as node, resp.Client(node.port, timeout=5) as client:
            self.assertEqual(client.ask("PING"), b"PONG")
            self.assertEqual(client.ask("DBSIZE"), 5)
            self.assertIsNone(client.ask("GET", "k"))
            self.assertEqual(client.ask("SCAN", 0), [b"0", [b"a\r\n", b""]])
            for name in ("PING", "DBSIZE", "GET", "SCAN"):
                self.assertEqual(client.size_of(name), len(replies[name]))
            for ask in (client.ask, client.size_of):
                with self.assertRaisesRegex(Trouble, "ERR unknown"):
                    ask("BAD")

    def test_a_pipeline_sends_all_and_reads_all(self):
        seen = []

        def answer(words):
            seen.append(words)
            return b"+OK\r\n"

        with Node(answer) as node, resp.Client(node.port, timeout=5) as client:
            client.pipeline(resp.encode("SET", number, b"v") for number in range(1201))
            self.assertEqual(client.ask("PING"), b"OK")
        self.assertEqual(seen, [["SET", str(number), "v"] for number in range(1201)] + [["PING"]])


class KeyTests(unittest.TestCase):
    def test_a_scan_goes_to_its_end(self):
        pages = {"0": b"*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
                 "7": b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n"}
        with Node(lambda words: pages[words[1]]) as node, resp.Client(node.port, timeout=5) as client:
            seen, took = keys.scan_all(client, 10)
        self.assertEqual(seen, 3)
        self.assertGreater(took, 0)

    def test_a_node_that_stands_still_is_noticed_by_who_asks_ping(self):
        def answer(words):
            if words == ["PING"] and stalls:
                time.sleep(stalls.pop())
            return b"+PONG\r\n"

        stalls = []
        with Node(answer) as node:
            with Pinger(node.port) as pinger:
                time.sleep(0.2)
                stalls.append(0.3)
                time.sleep(0.6)
        self.assertTrue(0.3 <= pinger.longest < 3, pinger.longest)
        self.assertLess(pinger.middle, 0.1)

    def test_the_longest_count_until_all_have_expired(self):
        counts = iter([10, 10, 4, 0])
        last = [0]

        def answer(_):
            last[0] = next(counts, 0)
            if last[0] == 4:
                time.sleep(0.2)
            return b":%d\r\n" % last[0]

        with Node(answer) as node, resp.Client(node.port, timeout=5) as client:
            longest = keys.longest_count(client, 10, time.time() * 1000 - 2900)
            self.assertTrue(0.2 <= longest < 2, longest)
            with self.assertRaisesRegex(Trouble, "DBSIZE is 0 where 10 keys were set"):
                keys.longest_count(client, 10, 0)

    def test_keys_that_expire_go_to_the_leaders_of_their_slots(self):
        sent = {}

        def answer(words):
            sent[words[1]] = words
            return b"+OK\r\n"

        with Node(answer) as node:
            side = mock.Mock(leaders=lambda: [node.port] * 16384)
            keys.set_expiring(side, 3, 1_700_000_000_000)
        self.assertEqual(
            sent["expiring000000000002"], ["SET", "expiring000000000002", "v", "PXAT", "1700000000000"])
        self.assertEqual(len(sent), 3)

    def test_the_peak_of_a_directory_that_shrinks_again(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "a")
            with keys.Peak(directory) as peak:
                with open(path, "wb") as file:
                    file.write(b"x" * (1 << 20))
                    file.flush()
                    os.fsync(file.fileno())
                time.sleep(0.5)
                os.remove(path)
                time.sleep(0.3)
            self.assertGreaterEqual(peak.bytes, 1 << 20)
            self.assertLess(keys.allocated(directory), 1 << 20)


class NetworkTests(unittest.TestCase):
    def test_counts_of_loopback(self):
        text = (
            "Inter-|   Receive                                                |  Transmit\n"
            " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
            "  eth0: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n"
            "    lo: 10 20 0 0 0 0 0 0 30 40 0 0 0 0 0 0\n")
        self.assertEqual(network.sent(text), (30, 40))
        with self.assertRaisesRegex(Trouble, "no loopback"):
            network.sent("eth0: 1 2\n")

    def test_a_network_of_ones_own_has_only_ones_own_packets(self):
        prefix = network.command()
        if prefix is None:
            self.skipTest(network.LACKING)
        program = (
            "import socket\n"
            "from kvbench.growth import network\n"
            "assert network.sent() == (0, 0), network.sent()\n"
            "network.bring_up()\n"
            "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:\n"
            "    one.bind(('127.0.0.1', 0))\n"
            "    for _ in range(5): one.sendto(b'x' * 72, one.getsockname())\n"
            "print(*network.sent())\n")
        said = subprocess.run(
            [*prefix, sys.executable, "-B", "-c", program], cwd=BENCHMARKS, capture_output=True, text=True, timeout=60)
        self.assertEqual(said.returncode, 0, said.stderr)
        sent, packets = map(int, said.stdout.split())
        self.assertEqual(packets, 5)
        # 28 bytes of headers.
        self.assertEqual(sent, 5 * (72 + 28))

    def test_a_row_that_fails_there_is_trouble_here(self):
        prefix = network.command()
        if prefix is None:
            self.skipTest(network.LACKING)
        with tempfile.TemporaryDirectory() as directory:
            options = mock.Mock(kv=os.path.join(directory, "kv"), data=directory, seconds=1)
            with self.assertRaisesRegex(Trouble, "idle: what measures it ended with 3"):
                network.measure("idle", options, prefix)
            self.assertEqual(os.listdir(directory), [])
        self.assertEqual(servers.Processes.living, [])


class RowTests(unittest.TestCase):
    def setUp(self):
        quiet = contextlib.redirect_stderr(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def test_a_flat_cost_has_the_ratio_1_and_one_that_grows_less(self):
        found = growth.Found("join")
        found.flat("disk", 10, 10)
        found.flat("traffic", 1, 16)
        found.flat("seconds", 0, 0)
        self.assertEqual(found.ratios, {"join/disk": 1, "join/traffic": 1 / 16, "join/seconds": 1})

    def test_what_exceeds_what_it_is_held_to_is_said(self):
        found = growth.Found("scan")
        found.add("COUNT 10", 374, "s", 20)
        found.add("COUNT 1000", 2.5, "s", 3)
        found.add("COUNT 1", 0.0123, "s")
        self.assertEqual(growth.table([found.as_json()]).splitlines()[2:], [
            "| `scan` | COUNT 10 | 374 s | 20.0 s: **exceeded** |", "| `scan` | COUNT 1000 | 2.50 s | 3.00 s |",
            "| `scan` | COUNT 1 | 0.0123 s |  |"])
        self.assertEqual([growth.number(value) for value in (0, 12345.6, 999.4)], ["0", "12,346", "999"])

    def test_an_idle_node_is_a_share_of_all(self):
        counts, used = iter([(1000, 10), (7000, 40)]), iter([5.0, 5.3])
        side = mock.Mock(processes={"n1": 1, "n2": 2, "n3": 3}, cpu_seconds=lambda: next(used))
        clock = iter([100.0, 102.0])
        with mock.patch.object(network, "sent", lambda: next(counts)), mock.patch.object(
                clusters.time, "sleep"), mock.patch.object(clusters.time, "monotonic", lambda: next(clock)):
            processor, traffic, packets = clusters.watch(side, 2)
        self.assertAlmostEqual(processor, 5)
        self.assertAlmostEqual(traffic, 1)
        self.assertAlmostEqual(packets, 5)

    def run_with(self, rows, prefix=("unshare",)):
        """What the suite makes of rows that find 1 at the small size and 2 at the large one."""
        def find(name):
            found = growth.Found(name)
            found.flat("what", 1, 2)
            return found

        options = mock.Mock(rows=rows, seconds=1)
        with (
            mock.patch.dict(scale.GROWTH, {name: lambda _, name=name: find(name) for name in scale.GROWTH}),
            mock.patch.object(network, "command", lambda: prefix),
            mock.patch.object(network, "measure", lambda row, options, prefix: find(row).as_json()),
            mock.patch.object(os, "sched_setaffinity"), contextlib.redirect_stdout(io.StringIO()),
        ):
            return scale.run(options)

    def test_rows_are_chosen_and_their_ratios_have_thresholds(self):
        outcome = self.run_with(["turn", "idle"])
        self.assertEqual([row["name"] for row in outcome.rows], ["turn", "idle"])
        self.assertEqual(outcome.ratios, {"turn/what": 0.5, "idle/what": 0.5})
        self.assertEqual(outcome.margins, {"turn/what": scale.LONGEST_MARGIN})

    def test_rows_that_count_packets_are_skipped_where_they_cannot(self):
        outcome = self.run_with(["slots", "packets"], prefix=None)
        self.assertEqual([row["name"] for row in outcome.rows], ["slots"])
        self.assertIn("needs unshare (util-linux) and either root or user namespaces", outcome.skipped["packets"])
