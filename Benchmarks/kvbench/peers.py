"""What kv is measured beside: Redis, etcd, ZooKeeper and a bare NIOHTTP1."""

import base64
import json
import os
import socket

from . import Trouble
from .servers import Servers, ask, free_ports, get_json, wait_for


class Redis(Servers):
    command = "redis-server"

    def __init__(self, data, appendfsync, replicas=0):
        super().__init__(data)
        self.appendfsync = appendfsync
        self.ports = free_ports(1 + replicas)

    def run(self):
        for number, port in enumerate(self.ports):
            directory = os.path.join(self.directory, f"redis{number}")
            os.makedirs(directory, exist_ok=True)
            command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", directory, "--save", ""]
            command += ["--appendonly", "yes", "--appendfsync", self.appendfsync]
            if number:
                command += ["--replicaof", "127.0.0.1", self.ports[0]]
            self.begin(f"redis{number}", command)
        wait_for("redis-server", lambda: self.say("PING").startswith("+PONG"))
        if len(self.ports) > 1:
            wait_for("Redis's replicas", self.is_replicated)

    def is_replicated(self):
        return self.say("INFO replication").count("state=online") == len(self.ports) - 1

    def say(self, command):
        self.check()
        with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=5) as connection:
            connection.sendall((command + "\r\n").encode())
            return connection.recv(1 << 16).decode(errors="replace")

    @property
    def endpoints(self):
        return f"127.0.0.1:{self.ports[0]}"


class Etcd(Servers):
    command = "etcd"

    def __init__(self, data, nodes=3):
        super().__init__(data)
        ports = free_ports(2 * nodes)
        self.ports, self.peers = ports[:nodes], ports[nodes:]

    def run(self):
        cluster = ",".join(f"e{n}=http://127.0.0.1:{port}" for n, port in enumerate(self.peers))
        for n, (client, peer) in enumerate(zip(self.ports, self.peers)):
            client, peer = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
            self.begin(f"e{n}", [
                "etcd", "--name", f"e{n}", "--data-dir", f"{self.directory}/e{n}", "--log-level", "error",
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
                "--initial-cluster-state", "new"])
        for port in self.ports:
            wait_for("etcd", lambda: self.is_healthy(port))

    def is_healthy(self, port):
        self.check()
        status, content = ask(port, "/health")
        return status == 200 and json.loads(content)["health"] == "true"

    def leader(self):
        """The client port of the member that leads."""
        for port in self.ports:
            status = get_json(port, "/v3/maintenance/status", "POST", "{}")
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
            get_json(port, "/v3/kv/txn", "POST", json.dumps({"success": puts}))


class ZooKeeper(Servers):
    """With its defaults, and Java's. Set are ports, directories, and what has no default."""

    command = "/usr/share/java/zookeeper.jar"
    # Without the second, its messages go nowhere. (The package's script has a log, one for all servers, for root only.)
    java = [
        "java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{command}:/usr/share/java/slf4j-simple.jar",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain"]

    def __init__(self, data, nodes=3):
        super().__init__(data)
        ports = free_ports(3 * nodes)
        self.ports, self.peers = ports[:nodes], list(zip(ports[nodes:2 * nodes], ports[2 * nodes:]))

    def file(self, number):
        """zoo.cfg"""
        lines = [
            # As in the example that comes with ZooKeeper.
            "tickTime=2000", "initLimit=10", "syncLimit=5",
            f"dataDir={self.directory}/z{number}", "clientPortAddress=127.0.0.1",
            f"clientPort={self.ports[number - 1]}",
            # An HTTP server for operators, on a port of its own.
            "admin.enableServer=false"]
        lines += [f"server.{n}=127.0.0.1:{peer}:{vote}" for n, (peer, vote) in enumerate(self.peers, 1)]
        return "\n".join(lines) + "\n"

    def run(self):
        for number in range(1, len(self.ports) + 1):
            directory = os.path.join(self.directory, f"z{number}")
            os.makedirs(directory, exist_ok=True)
            for name, text in (("myid", f"{number}\n"), ("zoo.cfg", self.file(number))):
                with open(os.path.join(directory, name), "w") as file:
                    file.write(text)
            self.begin(f"z{number}", [*self.java, f"{directory}/zoo.cfg"])
        for port in self.ports:
            wait_for("ZooKeeper", lambda: self.serves(port))

    def serves(self, port):
        """A server says its mode when it leads, or follows a leader."""
        self.check()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"srvr")
            with connection.makefile(errors="replace") as answer:
                return "Mode: " in answer.read()


class Bare(Servers):
    """NIOHTTP1 and nothing else."""

    def __init__(self, executable, data):
        super().__init__(data)
        self.command = executable
        self.ports = free_ports(1)

    def run(self):
        self.begin("bare", [self.command, self.ports[0]])

        def answers():
            self.check()
            return ask(self.ports[0], "/")[0] == 200

        wait_for("barehttp", answers)
