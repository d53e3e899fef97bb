"""Starts the servers that are measured, each in a directory of its own, and ends them by their numbers."""

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Trouble(Exception):
    """A server or a generator did not do what it should; the message says what, and where its log is."""


def free_ports(count):
    """Ports below those that the system gives to connections that leave."""
    found = []
    port = 21000 + os.getpid() % 5000
    while len(found) < count:
        port += 1
        if port > 32000:
            raise Trouble("found no free ports")
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
                found.append(port)
            except OSError:
                pass
    return found


def get_json(port, path, body=None, method=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise Trouble(f"{path} on port {port}: {answer.status} {content[:200]!r}")
        return json.loads(content)
    finally:
        connection.close()


def wait_for(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException, Trouble, ValueError):
            if condition():
                return
        if time.monotonic() > end:
            raise Trouble(f"waited {seconds} s for {what}")
        time.sleep(0.05)


class Servers:
    """The processes of one side of a comparison: `with` starts them, and ends them and removes their data."""

    def __init__(self, data):
        self.data = data
        self.directory = None
        self.processes = []

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="kv-bench-", dir=self.data)
        try:
            self.run()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def run(self):
        """Starts the processes; returns when they serve."""
        raise NotImplementedError

    def start(self, name, command):
        log = os.path.join(self.directory, name + ".log")
        with open(log, "ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory)
        self.processes.append(process)
        return process

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []

    def check(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Trouble(f"a server ended by itself; {self.logs()}")

    def logs(self):
        text = ""
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".log"):
                with open(os.path.join(self.directory, name), errors="replace") as log:
                    text += f"{name}: {log.read()[-500:]}\n"
        return text

    def cpu_seconds(self):
        """Of user and system, of all processes."""
        total = 0
        for process in self.processes:
            with open(f"/proc/{process.pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory(self):
        """Bytes resident, of all processes."""
        total = 0
        for process in self.processes:
            with open(f"/proc/{process.pid}/statm") as statm:
                total += int(statm.read().split()[1]) * PAGE
        return total


class Kv(Servers):
    def __init__(self, executable, data, nodes=1, sync="always", storage=""):
        """`sync`: always, or interval, which is then a second, as Redis's everysec."""
        super().__init__(data)
        self.executable = executable
        ports = free_ports(2 * nodes)
        self.ports, self.peers = ports[:nodes], ports[nodes:]
        self.lines = [f"cluster: {{name: bench, replicas: {min(nodes, 3)}}}", "nodes:"]
        for number, (client, peer) in enumerate(zip(self.ports, self.peers), 1):
            self.lines.append(f"  - {{id: n{number}, client: 127.0.0.1:{client}, peer: 127.0.0.1:{peer}}}")
        self.lines += [f"storage: {{sync: {sync}, sync_interval: 1s{storage}}}", "log: {level: error}"]

    def run(self):
        """May be called again after `stop`."""
        path = os.path.join(self.directory, "cluster.yaml")
        with open(path, "w") as file:
            file.write("\n".join(self.lines + [f"data_dir: {self.directory}/data"]) + "\n")
        for number in range(1, len(self.ports) + 1):
            self.start(f"n{number}", [self.executable, "serve", "--config", path, "--node", f"n{number}"])
        for port in self.ports:
            wait_for("kv to be ready", lambda: self.is_ready(port), 300)
        # Each partition led by its preferred node: the same on every run.
        wait_for("leaders", lambda: all(
            part["leader"] == part["replicas"][0] for part in get_json(self.ports[0], "/v1/ring")["assignments"]))

    def is_ready(self, port):
        self.check()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        finally:
            connection.close()

    @property
    def endpoints(self):
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def leaders(self):
        """The client port of the leader of each slot."""
        ring = get_json(self.ports[0], "/v1/ring")
        ports = {node["id"]: int(node["client"].rpartition(":")[2]) for node in ring["nodes"]}
        slots = [None] * 16384
        for part in ring["assignments"]:
            for slot in range(part["first_slot"], part["last_slot"] + 1):
                slots[slot] = ports[part["leader"]]
        return slots


class Redis(Servers):
    def __init__(self, data, appendfsync, replicas=0):
        super().__init__(data)
        self.appendfsync = appendfsync
        self.ports = free_ports(1 + replicas)

    def run(self):
        for number, port in enumerate(self.ports):
            directory = os.path.join(self.directory, f"redis{number}")
            os.mkdir(directory)
            command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""]
            command += ["--appendonly", "yes", "--appendfsync", self.appendfsync]
            if number:
                command += ["--replicaof", "127.0.0.1", str(self.ports[0])]
            self.start(f"redis{number}", command)
        wait_for("redis-server", lambda: self.ask("PING").startswith("+PONG"))
        if len(self.ports) > 1:
            wait_for("replicas", self.is_replicated)

    def is_replicated(self):
        self.check()
        return self.ask("INFO replication").count("state=online") == len(self.ports) - 1

    def ask(self, command):
        with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=5) as connection:
            connection.sendall((command + "\r\n").encode())
            return connection.recv(1 << 16).decode(errors="replace")

    @property
    def endpoints(self):
        return f"127.0.0.1:{self.ports[0]}"


class Etcd(Servers):
    def __init__(self, data, nodes=3):
        super().__init__(data)
        ports = free_ports(2 * nodes)
        self.ports, self.peers = ports[:nodes], ports[nodes:]

    def run(self):
        cluster = ",".join(f"e{n}=http://127.0.0.1:{port}" for n, port in enumerate(self.peers))
        for n, (client, peer) in enumerate(zip(self.ports, self.peers)):
            client, peer = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
            self.start(f"e{n}", [
                "etcd", "--name", f"e{n}", "--data-dir", f"{self.directory}/e{n}", "--log-level", "error",
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
                "--initial-cluster-state", "new"])
        for port in self.ports:
            wait_for("etcd", lambda: get_json(port, "/health")["health"] == "true")

    def leader(self):
        """The client port of the member that leads."""
        for port in self.ports:
            status = get_json(port, "/v3/maintenance/status", "{}")
            if status["leader"] == status["header"]["member_id"]:
                return port
        raise Trouble("no member of etcd leads")

    def load(self, keys, size):
        """Puts keys in transactions of 128, the most that etcd takes by default."""
        port = self.leader()
        value = base64.b64encode(b"v" * size).decode()
        for first in range(0, keys, 128):
            puts = [
                {"requestPut": {"key": base64.b64encode(b"user%012d" % number).decode(), "value": value}}
                for number in range(first, min(first + 128, keys))]
            get_json(port, "/v3/kv/txn", json.dumps({"success": puts}))


class Bare(Servers):
    """NIOHTTP1 and nothing else."""

    def __init__(self, executable, data):
        super().__init__(data)
        self.executable = executable
        self.ports = free_ports(1)

    def run(self):
        self.start("bare", [self.executable, str(self.ports[0])])

        def answers():
            self.check()
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=5)
            try:
                connection.request("GET", "/")
                return connection.getresponse().status == 200
            finally:
                connection.close()

        wait_for("barehttp", answers)
