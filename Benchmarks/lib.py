"""What the scripts in this folder share: nodes of kv on loopback, started, asked and stopped by process id."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KV = os.environ.get("KV", str(Path(__file__).resolve().parent.parent / ".build/release/kv"))


def fail(message):
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def wait_for(what, condition, timeout=60):
    """The first true value of `condition`, which may fail while a node is not up."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.02)
    fail(f"{what} did not come within {timeout} s")


class Cluster:
    """Nodes n1 to nN, listed in one file, and spares, which `start` begins as newcomers."""

    def __init__(self, nodes=3, spares=0, port=17400, partitions=1024, replicas=3, settings="", kv=KV):
        if not os.access(kv, os.X_OK):
            fail(f"there is no {kv}: run make build first, or say KV=...")
        self.kv = kv
        self.directory = Path(tempfile.mkdtemp(prefix="kv-bench-"))
        self.ids = [f"n{i + 1}" for i in range(nodes + spares)]
        self.spares = set(self.ids[nodes:])
        self.client = {id: port + i + 1 for i, id in enumerate(self.ids)}
        self.peer = {id: port + 100 + i + 1 for i, id in enumerate(self.ids)}
        self.processes = {}
        # Of nodes that are started with more than this process's environment.
        self.environment = {}
        text = f"cluster: {{name: bench, partitions: {partitions}, replicas: {replicas}}}\nnodes:\n"
        for id in self.ids[:nodes]:
            text += f"  - {{id: {id}, client: 127.0.0.1:{self.client[id]}, peer: 127.0.0.1:{self.peer[id]}}}\n"
        text += f"data_dir: {self.directory}/data\n{settings}"
        self.file = self.directory / "cluster.yaml"
        self.file.write_text(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, *ids):
        for id in ids or self.ids:
            command = [self.kv, "serve", "--config", str(self.file), "--node", id]
            if id in self.spares:
                command += ["--client", f"127.0.0.1:{self.client[id]}", "--peer", f"127.0.0.1:{self.peer[id]}"]
            log = open(self.directory / f"{id}.log", "a")
            environment = {**os.environ, **self.environment.get(id, {})}
            self.processes[id] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def start_ready(self, *ids):
        self.start(*ids)
        for id in ids or self.ids:
            wait_for(f"{id}", lambda: self.ask(id, "/health/ready", raw=True)[0] == 200)

    def log(self, id):
        return (self.directory / f"{id}.log").read_text()

    def signal(self, id, number):
        self.processes[id].send_signal(number)

    def kill(self, id):
        self.signal(id, signal.SIGKILL)
        self.processes.pop(id).wait()

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = {}

    def ask(self, id, path, method="GET", body=None, timeout=10, raw=False):
        connection = http.client.HTTPConnection("127.0.0.1", self.client[id], timeout=timeout)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            data = answer.read()
            return (answer.status, data) if raw else json.loads(data)
        finally:
            connection.close()

    def memory(self, id, field="VmRSS"):
        """Bytes resident now; of `VmHWM` at the most since `reset_peak`."""
        for line in Path(f"/proc/{self.processes[id].pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        fail(f"the kernel does not tell {field}")

    def reset_peak(self, id):
        Path(f"/proc/{self.processes[id].pid}/clear_refs").write_text("5")

    def processor_seconds(self, id):
        fields = Path(f"/proc/{self.processes[id].pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

