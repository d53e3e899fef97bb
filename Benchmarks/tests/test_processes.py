"""What is started is ended, whatever happens. `sleep` stands for a server."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from unittest import mock

from kvbench import BENCHMARKS, Trouble, peers, servers


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Sleepers(servers.Servers):
    """Two servers that do nothing, the first of which notes what its log is."""

    def run(self):
        self.begin("first", ["sh", "-c", "echo began; exec sleep 60"])
        self.begin("second", ["sleep", "60"])

    def pids(self):
        return [process.pid for process in self.processes.values()]


class ProcessTests(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.data = directory.name

    def test_the_end_of_with_ends_all_and_removes_their_directory(self):
        with Sleepers(self.data) as sleepers:
            pids = sleepers.pids()
            self.assertEqual([runs(pid) for pid in pids], [True, True])
            self.assertTrue(os.path.isdir(sleepers.directory))
            servers.wait_for("the log", lambda: sleepers.log("first") == "began\n")
        self.assertEqual([runs(pid) for pid in pids], [False, False])
        self.assertEqual(os.listdir(self.data), [])

    def test_so_does_an_error_and_an_error_while_they_start(self):
        with self.assertRaises(ZeroDivisionError), Sleepers(self.data) as sleepers:
            pids = sleepers.pids()
            1 / 0
        failing = Sleepers(self.data)
        with self.assertRaisesRegex(Trouble, "/nowhere cannot be started"):
            with mock.patch.object(failing, "run", lambda: (Sleepers.run(failing), pids.extend(failing.pids()),
                                                            failing.begin("third", ["/nowhere"]))):
                with failing:
                    self.fail("they do not all start")
        self.assertEqual(len(pids), 4)
        self.assertFalse(any(map(runs, pids)))
        self.assertEqual(os.listdir(self.data), [])

    def test_stopped_and_deaf_processes_are_ended_in_bounded_time(self):
        deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n"
        log = os.path.join(self.data, "log")
        begin = time.monotonic()
        with mock.patch.object(servers, "STOP_SECONDS", 0.2), servers.Processes() as processes:
            processes.start("deaf", [sys.executable, "-c", deaf + "time.sleep(60)"], log)
            processes.start("stopped", ["sleep", "60"])
            processes.signal("stopped", signal.SIGSTOP)
            servers.wait_for("deafness", lambda: os.path.getsize(log) > 0)
            pids = [process.pid for process in processes.processes.values()]
        self.assertFalse(any(map(runs, pids)))
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_server_that_ends_by_itself_is_named_with_its_log(self):
        with Sleepers(self.data) as sleepers:
            sleepers.check()
            sleepers.begin("third", ["sh", "-c", "echo no room; exit 3"])
            sleepers.processes["third"].wait(10)
            with self.assertRaisesRegex(Trouble, "third ended by itself with 3. Its log ends:\nno room"):
                sleepers.check()

    def test_what_an_interrupted_end_has_left_is_ended(self):
        with self.assertRaises(KeyboardInterrupt), Sleepers(self.data) as sleepers:
            pids = sleepers.pids()
            # An interrupt before the first line of the end.
            with mock.patch.object(Sleepers, "__exit__", side_effect=KeyboardInterrupt):
                with Sleepers(self.data) as others:
                    pids += others.pids()
        self.assertEqual([runs(pid) for pid in pids], [False, False, True, True])
        servers.end_all()
        self.assertFalse(any(map(runs, pids)))
        self.assertEqual(os.listdir(self.data), [])
        self.assertEqual(servers.Processes.living, [])

    def interrupted(self, *signals):
        """The exit code of a program that is interrupted while its servers run, and whether they ended."""
        program = textwrap.dedent(f"""\
            import signal, sys, time
            sys.dont_write_bytecode = True
            sys.path.insert(0, {BENCHMARKS!r})
            from kvbench import interrupts
            from tests.test_processes import Sleepers
            # A shell starts what is to run in the background with some of them ignored.
            for number in interrupts.SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            interrupts.install()
            try:
                with Sleepers({self.data!r}) as sleepers:
                    print(*sleepers.pids(), flush=True)
                    while True:
                        # Not in one piece: a signal that comes just before a sleep does not shorten it.
                        time.sleep(0.01)
            except interrupts.Interrupted as interrupted:
                sys.exit(interrupted.number)
            """)
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
            pids = list(map(int, child.stdout.readline().split()))
            self.assertEqual([runs(pid) for pid in pids], [True, True])
            try:
                for number in signals:
                    child.send_signal(number)
                code = child.wait(20)
            finally:
                child.kill()
        self.assertFalse(any(map(runs, pids)))
        self.assertEqual(os.listdir(self.data), [])
        return code

    def test_so_does_an_interrupt_and_a_second_while_they_end(self):
        self.assertEqual(self.interrupted(signal.SIGINT), signal.SIGINT)
        self.assertEqual(self.interrupted(signal.SIGTERM), signal.SIGTERM)
        # Of two that come together, the system may deliver either one first.
        code = self.interrupted(signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)
        self.assertIn(code, (signal.SIGINT, signal.SIGTERM))

    def test_ports_are_free_and_differ(self):
        ports = servers.free_ports(20)
        self.assertEqual(len(set(ports)), 20)
        tcp, udp = servers.socket.socket(), servers.socket.socket(type=servers.socket.SOCK_DGRAM)
        with tcp, udp:
            tcp.bind(("127.0.0.1", ports[3]))
            udp.bind(("127.0.0.1", ports[5]))
            self.assertTrue({ports[3], ports[5]}.isdisjoint(servers.free_ports(20)))

    def test_waiting_has_an_end(self):
        with self.assertRaisesRegex(Trouble, "a miracle: that did not come within 0.05 s"):
            servers.wait_for("a miracle", lambda: False, 0.05)
        tries = iter([OSError(), servers.Refused("503"), 7])

        def condition():
            found = next(tries)
            if isinstance(found, Exception):
                raise found
            return found

        self.assertEqual(servers.wait_for("the third", condition), 7)

    def test_what_is_missing_is_named_with_what_brings_it(self):
        self.assertEqual(servers.missing("sh", "sleep"), [])
        with mock.patch.object(servers.shutil, "which", return_value=None):
            self.assertEqual(servers.missing("etcd", "/x/barehttp", "/x/zookeeper.jar"), [
                "etcd (apt-get install etcd-server)", "barehttp (make bench builds it)",
                "zookeeper.jar (apt-get install libzookeeper-java)"])
            library = os.path.join(self.data, "a.jar")
            with open(library, "w"):
                self.assertEqual(servers.missing(library), [])

    def test_the_file_of_an_ensemble(self):
        ensemble = peers.ZooKeeper(self.data)
        ensemble.directory = "/d"
        lines = ensemble.file(2).splitlines()
        self.assertEqual(lines[3:6], ["dataDir=/d/z2", "clientPortAddress=127.0.0.1",
                                      f"clientPort={ensemble.ports[1]}"])
        self.assertEqual([line.partition("=")[0] for line in lines[-3:]], ["server.1", "server.2", "server.3"])
        ports = [port for line in lines[-3:] for port in line.split(":")[1:]]
        self.assertEqual(len({*ports, *map(str, ensemble.ports)}), 9)
        # A server that has no leader says that it does not serve.
        for said, serves in (
                (b"Zookeeper version: 3.8.0\nMode: follower\nNode count: 5\n", True),
                (b"This ZooKeeper instance is not currently serving requests\n", False), (b"", False)):
            with servers.socket.create_server(("127.0.0.1", 0)) as listener:
                answer = threading.Thread(target=lambda: self.answer(listener, said))
                answer.start()
                self.assertEqual(ensemble.serves(listener.getsockname()[1]), serves)
                answer.join()

    def answer(self, listener, said):
        connection, _ = listener.accept()
        with connection:
            self.assertEqual(connection.recv(4), b"srvr")
            connection.sendall(said)

    def test_the_file_of_a_cluster(self):
        cluster = servers.Kv("kv", self.data, 3, spares=1, settings={
            "cluster": {"partitions": 256}, "storage": {"sync": "interval", "cache": "1MiB"}})
        cluster.directory = "/d"
        listed = [f"  - {{id: n{n}, client: 127.0.0.1:{cluster.client[f'n{n}']}, "
                  f"peer: 127.0.0.1:{cluster.peer[f'n{n}']}}}" for n in (1, 2, 3)]
        self.assertEqual(cluster.file().splitlines(), [
            "nodes:", *listed, "cluster: {name: bench, replicas: 3, partitions: 256}",
            "storage: {shards: 1, sync: interval, cache: 1MiB}", "data_dir: /d/data"])
        self.assertEqual(len({*cluster.client.values(), *cluster.peer.values()}), 8)
