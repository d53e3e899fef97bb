"""Runs the load generators: kv bench for what speaks RESP, wrk for what speaks HTTP on both sides."""

import base64
import json
import os
import random
import shutil
import subprocess

from .servers import Trouble

CONNECTIONS = 50
HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = {"redis-server": "redis-server", "etcd-server": "etcd", "wrk": "wrk"}


def install(*packages):
    """Debian's packages, where what they bring is missing."""
    if not all(shutil.which(COMMANDS[package]) for package in packages):
        subprocess.run([os.path.join(HERE, "../../.ci/deps"), *packages], check=True)


def kv_bench(kv, endpoints, *arguments, protocol="resp", warmup="1s"):
    """What it prints as JSON. An operation that fails in a measurement makes it worthless."""
    command = [kv, "bench", "--endpoint", endpoints, "--protocol", protocol, "-o", "json"]
    command += ["--warmup", warmup, *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    errors = report["errors"]
    if errors["refused"] + errors["unknown"] + errors["other"]:
        raise Trouble(f"{' '.join(command)}: operations failed: {errors}")
    return report


def load_keys(kv, endpoints, keys, size, protocol="resp"):
    return kv_bench(
        kv, endpoints, "--load", "only", "--keys", keys, "--value-size", size, protocol=protocol, warmup="0s")


def measure(kv, endpoints, seconds, keys, size, *arguments, protocol="resp"):
    """Throughput and percentiles of keys that are there, uniformly chosen."""
    report = kv_bench(
        kv, endpoints, "--load", "no", "--keys", keys, "--value-size", size, "--duration", f"{seconds}s",
        "--clients", CONNECTIONS, "--distribution", "uniform", *arguments, protocol=protocol)
    if report["missing"]:
        raise Trouble(f"{report['missing']} reads found nothing: the keys were not loaded")
    times = report["latency_ms"]["all"]
    return {"throughput": report["throughput"], "p50": times["p50"], "p99": times["p99"], "p99.9": times["p99.9"]}


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def kv_requests(server, operation, keys, size):
    """Requests to kv, by the port of each key's leader."""
    leaders = server.leaders()
    value = "v" * size
    by_port = {port: [] for port in server.ports}
    for number in range(keys):
        key = f"user{number:012d}"
        port = leaders[crc16(key.encode()) % 16384]
        if operation == "PUT":
            request = f"PUT /v1/kv/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n{value}"
        else:
            request = f"GET /v1/kv/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        by_port[port].append(request)
    return by_port


def etcd_requests(server, operation, keys, size):
    """The same to etcd's JSON gateway, all to the member that leads."""
    value = base64.b64encode(b"v" * size).decode()
    requests = []
    for number in range(keys):
        key = base64.b64encode(b"user%012d" % number).decode()
        path, body = "range", f'{{"key":"{key}"}}'
        if operation == "PUT":
            path, body = "put", f'{{"key":"{key}","value":"{value}"}}'
        requests.append(
            f"POST /v3/kv/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    return {server.leader(): requests}


def wrk(directory, script, seconds, by_port, threads):
    """Each thread sends to one port, with as many connections as the others. The threads take ports in turns."""
    shuffle = random.Random(1).shuffle
    targets = []
    for port, requests in sorted(by_port.items()):
        shuffle(requests)
        path = os.path.join(directory, f"requests-{port}")
        with open(path, "w") as file:
            for request in requests:
                file.write(f"{len(request)}\n{request}")
        targets.append(f"127.0.0.1 {port} {path}")
    listing = os.path.join(directory, "targets")
    with open(listing, "w") as file:
        file.write("\n".join(targets) + "\n")
    connections = CONNECTIONS + -CONNECTIONS % threads
    command = ["wrk", f"-t{threads}", f"-c{connections}", "--timeout", "10s", "-s", script]
    url = f"http://127.0.0.1:{min(by_port)}"
    environment = dict(os.environ, TARGETS=listing)
    for duration in (1, seconds):  # The first warms up.
        done = subprocess.run(
            command + [f"-d{duration}s", url], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=environment)
    lines = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not lines:
        raise Trouble(f"wrk: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    result = json.loads(lines[0])
    if result.pop("failed"):
        raise Trouble(f"wrk: requests failed: {done.stdout.strip()}")
    return result
