"""Starts the servers that are measured, on free ports and in directories of their own, and ends them by their ids."""

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

from . import Trouble, interrupts

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# So long a process may take to end before it is killed.
STOP_SECONDS = 30
# What the commands that are looked for are called, and the packages of Debian that bring them.
PACKAGES = {
    "redis-server": "redis-server", "etcd": "etcd-server", "wrk": "wrk", "java": "default-jre-headless",
    "zookeeper.jar": "libzookeeper-java"}


class Refused(Trouble):
    """A server answered with another status than 200, as it may while it is not up."""


def free_ports(count):
    """Ports, of TCP and UDP, below those that the system gives to connections that leave."""
    found = []
    port = 21000 + os.getpid() % 5000
    while len(found) < count:
        port += 1
        if port > 32000:
            raise Trouble("there are no free ports between 21000 and 32000")
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            found.append(port)
    return found


def ask(port, path, method="GET", body=None, timeout=30):
    """The status and the body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get_json(port, path, method="GET", body=None, timeout=30):
    status, content = ask(port, path, method, body, timeout)
    if status != 200:
        raise Refused(f"{method} {path} on port {port}: {status} {content[:200]!r}")
    return json.loads(content)


def wait_for(what, condition, seconds=60, pause=0.02):
    """The first true value of `condition`, which may fail while a server is not up."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, Refused):
            if found := condition():
                return found
        if time.monotonic() > end:
            raise Trouble(f"{what}: that did not come within {seconds} s")
        time.sleep(pause)


def kill(process):
    process.kill()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"process {process.pid} was killed and does not end: the kernel, or a disk, holds it") from error


class Processes:
    """Processes by name. The end of `with` ends them all, whatever the reason, and in bounded time."""

    # All that have begun and not ended, for `end_all`.
    living = []

    def __init__(self):
        self.processes = {}

    def __enter__(self):
        self.living.append(self)
        return self

    def __exit__(self, *_):
        with interrupts.held():
            self.stop()
            if self in self.living:
                self.living.remove(self)

    def start(self, name, command, log=None, directory=None, environment=None):
        """`log`: the file that what it prints is added to. `environment`: what it has beside this program's."""
        with interrupts.held(), open(log or os.devnull, "ab") as output:
            try:
                # In a group of its own, so that Ctrl-C in a terminal ends this program first. Not in a session of its
                # own: Linux gives each session the same share of the processors.
                self.processes[name] = subprocess.Popen(
                    list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
                    env={**os.environ, **(environment or {})}, process_group=0)
            except OSError as error:
                raise Trouble(f"{command[0]} cannot be started: {error}") from error

    def signal(self, name, number):
        self.processes[name].send_signal(number)

    def kill(self, name):
        with interrupts.held():
            kill(self.processes.pop(name))

    def stop(self):
        with interrupts.held():
            for process in self.processes.values():
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)
            end = time.monotonic() + STOP_SECONDS
            for process in self.processes.values():
                try:
                    process.wait(max(0, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    kill(process)
            self.processes = {}

    def cpu_seconds(self):
        """Processor time, of user and system, of all that run."""
        total = 0
        for process in self.processes.values():
            with open(f"/proc/{process.pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory(self):
        """Bytes resident, of all that run."""
        total = 0
        for process in self.processes.values():
            with open(f"/proc/{process.pid}/statm") as statm:
                total += int(statm.read().split()[1]) * PAGE
        return total


    def written(self):
        """Bytes that all that run have given to disks, in whole pages."""
        total = 0
        for process in self.processes.values():
            with open(f"/proc/{process.pid}/io") as io:
                total += sum(int(line.split()[1]) for line in io if line.startswith("write_bytes:"))
        return total


def end_all():
    """For the end of the program: what an interrupt at the very beginning of the end of a `with` has left."""
    for processes in list(Processes.living):
        processes.__exit__()


class Servers(Processes):
    """Servers with a directory. `with` begins them, and ends them and removes the directory."""

    # The command without which these cannot be.
    command = None

    def __init__(self, data):
        """`data`: where the directory is made."""
        super().__init__()
        self.data = data
        self.directory = None

    def __enter__(self):
        with interrupts.held():
            super().__enter__()
            self.directory = tempfile.mkdtemp(prefix="kv-bench-", dir=self.data)
        try:
            self.run()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with interrupts.held():
            super().__exit__()
            shutil.rmtree(self.directory, ignore_errors=True)

    def run(self):
        """Starts the processes, and returns when they serve. May be called again after `stop`."""
        raise NotImplementedError

    def begin(self, name, command, environment=None):
        self.start(name, command, os.path.join(self.directory, name + ".log"), self.directory, environment)

    def check(self):
        """Raises where a server has ended by itself."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                end = self.log(name)[-800:]
                raise Trouble(f"{name} ended by itself with {process.returncode}. Its log ends:\n{end}")

    def log(self, name):
        with open(os.path.join(self.directory, name + ".log"), errors="replace") as log:
            return log.read()


class Kv(Servers):
    """Nodes n1 to nN, listed in one file, and spares, which `start_node` begins as nodes that wait to be admitted."""

    def __init__(self, executable, data, nodes=1, spares=0, settings=None):
        """`settings`: sections of the file, {"storage": {"sync": "interval"}} say. The rest are defaults."""
        super().__init__(data)
        self.executable = executable
        self.ids = [f"n{number}" for number in range(1, nodes + 1)]
        self.spares = [f"n{number}" for number in range(nodes + 1, nodes + spares + 1)]
        ports = free_ports(2 * (nodes + spares))
        self.client = dict(zip(self.ids + self.spares, ports[::2]))
        self.peer = dict(zip(self.ids + self.spares, ports[1::2]))
        # One shard a node, whatever the machine, so that figures of different days can be compared, and the load's
        # generator has a processor to itself where there are two. (By default a node has a shard for each processor.)
        self.settings = {"cluster": {"name": "bench", "replicas": min(nodes, 3)}, "storage": {"shards": 1}}
        for section, values in (settings or {}).items():
            self.settings.setdefault(section, {}).update(values)
        # For single nodes, beside this program's.
        self.environment = {}

    def file(self):
        """cluster.yaml"""
        lines = ["nodes:"]
        for id in self.ids:
            lines.append(f"  - {{id: {id}, client: 127.0.0.1:{self.client[id]}, peer: 127.0.0.1:{self.peer[id]}}}")
        for section, values in self.settings.items():
            lines.append(f"{section}: {{{', '.join(f'{name}: {value}' for name, value in values.items())}}}")
        return "\n".join(lines + [f"data_dir: {self.directory}/data"]) + "\n"

    def run(self):
        with open(os.path.join(self.directory, "cluster.yaml"), "w") as file:
            file.write(self.file())
        for id in self.ids:
            self.start_node(id)
        for id in self.ids:
            self.wait_until_ready(id)
        # Each partition led by its preferred node: the same in every run.
        wait_for("every partition's preferred leader", lambda: all(
            part["leader"] == part["replicas"][0] for part in self.get(self.ids[0], "/v1/ring")["assignments"]))

    def start_node(self, id):
        command = [self.executable, "serve", "--config", f"{self.directory}/cluster.yaml", "--node", id]
        if id in self.spares:
            command += ["--client", f"127.0.0.1:{self.client[id]}", "--peer", f"127.0.0.1:{self.peer[id]}"]
        self.begin(id, command, self.environment.get(id))

    def wait_until_ready(self, id):
        def is_ready():
            self.check()
            return self.ask(id, "/health/ready")[0] == 200

        wait_for(f"{id}, ready", is_ready, 300)

    def ask(self, id, path, method="GET", body=None, timeout=30):
        return ask(self.client[id], path, method, body, timeout)

    def get(self, id, path, method="GET", timeout=30):
        return get_json(self.client[id], path, method, timeout=timeout)

    @property
    def endpoints(self):
        return ",".join(f"127.0.0.1:{self.client[id]}" for id in self.ids)

    def leaders(self):
        """The client port of the leader of each slot."""
        slots = [None] * 16384
        for part in self.get(self.ids[0], "/v1/ring")["assignments"]:
            for slot in range(part["first_slot"], part["last_slot"] + 1):
                slots[slot] = self.client[part["leader"]]
        return slots

    def resident(self, id, field="VmRSS"):
        """Bytes of one node's memory now, or with VmHWM the most since `reset_peak`."""
        with open(f"/proc/{self.processes[id].pid}/status") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        raise Trouble(f"the kernel does not say the {field} of {id}")

    def reset_peak(self, id):
        with open(f"/proc/{self.processes[id].pid}/clear_refs", "w") as file:
            file.write("5")


def missing(*commands):
    """Those that are not there, each with what brings it."""
    lacking = []
    for command in commands:
        if not shutil.which(command) and not (command.endswith(".jar") and os.path.exists(command)):
            name = os.path.basename(command)
            brings = f"apt-get install {PACKAGES[name]}" if name in PACKAGES else "make bench builds it"
            lacking.append(f"{name} ({brings})")
    return lacking
