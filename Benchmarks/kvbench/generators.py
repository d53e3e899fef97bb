"""Runs what makes the load: kv bench for what speaks kv's or Redis's protocol, wrk for what speaks HTTP on both sides,
zkload for ZooKeeper.

A generator that fails, hangs, or reports a failed operation raises Trouble: its figures would be worthless.
"""

import base64
import json
import os
import random
import subprocess
import time

from . import Trouble

CONNECTIONS = 50
# Of a key that kv bench makes.
KEY_BYTES = 16
# Beyond its own duration a generator has so long to begin and to end; loading may take longer.
GRACE_SECONDS = 60
LOADING_SECONDS = 1800
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requests.lua")


def output_of(command, seconds, environment=None):
    """What a command prints. It has so many seconds."""
    command = list(map(str, command))
    shown = " ".join(command)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
            env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"{shown}: it did not end within {seconds} s") from error
    except OSError as error:
        raise Trouble(f"{shown}: it cannot be started: {error}") from error
    if done.returncode != 0:
        raise Trouble(f"{shown}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def parse_kv_bench(text):
    """The object that `kv bench -o json` prints."""
    report = json.loads(text)
    errors = report["errors"]
    if errors["refused"] + errors["unknown"] + errors["other"]:
        raise Trouble(f"kv bench: operations failed: {errors}")
    return report


def kv_bench(kv, endpoints, *arguments, protocol="resp", seconds=0):
    """`seconds`: how long it runs by its arguments."""
    command = [kv, "bench", "--endpoint", endpoints, "--protocol", protocol, "-o", "json", *arguments]
    return parse_kv_bench(output_of(command, seconds + GRACE_SECONDS))


def load_keys(kv, endpoints, keys, size):
    command = [kv, "bench", "--endpoint", endpoints, "--protocol", "resp", "-o", "json", "--load", "only"]
    return parse_kv_bench(output_of([*command, "--keys", keys, "--value-size", size], LOADING_SECONDS))


def measure(kv, endpoints, seconds, keys, size, *arguments, protocol="resp"):
    """Throughput and percentiles of keys that are there, uniformly chosen, after a second of warm-up."""
    report = kv_bench(
        kv, endpoints, "--load", "no", "--keys", keys, "--value-size", size, "--duration", f"{seconds}s",
        "--warmup", "1s", "--clients", CONNECTIONS, "--distribution", "uniform", *arguments, protocol=protocol,
        seconds=seconds)
    return figures(report)


def figures(report):
    if report["missing"]:
        raise Trouble(f"kv bench: {report['missing']} reads found nothing: the keys were not loaded")
    times = report["latency_ms"]["all"]
    return {"throughput": report["throughput"], "p50": times["p50"], "p99": times["p99"], "p99.9": times["p99.9"]}


def microseconds(kv, side, seconds, keys, size, clients, ratio):
    """Of processor time, of all nodes of `side`, for one operation. Idle nodes work as well: what they do in the same
    time is not the operations'."""
    before = side.cpu_seconds()
    time.sleep(2)
    idle = (side.cpu_seconds() - before) / 2
    before, begin = side.cpu_seconds(), time.monotonic()
    found = kv_bench(
        kv, side.endpoints, "--load", "no", "--keys", keys, "--value-size", size, "--clients", clients,
        "--distribution", "uniform", "--read-ratio", ratio, "--duration", f"{seconds}s", seconds=seconds)
    used = side.cpu_seconds() - before - idle * (time.monotonic() - begin)
    return max(used, 0) / found["operations"] * 1e6


def crc16(data):
    """Redis Cluster's, which gives keys their slots."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def kv_requests(leaders, operation, keys, size):
    """Requests to kv, by the port of each key's leader. `leaders`: the port for each slot."""
    value = "v" * size
    by_port = {port: [] for port in set(leaders)}
    for number in range(keys):
        key = f"user{number:012d}"
        if operation == "PUT":
            request = f"PUT /v1/kv/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n{value}"
        else:
            request = f"GET /v1/kv/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        by_port[leaders[crc16(key.encode()) % 16384]].append(request)
    return by_port


def etcd_requests(leader, operation, keys, size):
    """The same to etcd's JSON gateway, all to the port of the member that leads."""
    value = base64.b64encode(b"v" * size).decode()
    requests = []
    for number in range(keys):
        key = base64.b64encode(b"user%012d" % number).decode()
        path, body = "range", f'{{"key":"{key}"}}'
        if operation == "PUT":
            path, body = "put", f'{{"key":"{key}","value":"{value}"}}'
        requests.append(
            f"POST /v3/kv/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    return {leader: requests}


def parse_zkload(text):
    """The object that zkload prints: throughput and percentiles."""
    figures = json.loads(text)
    if set(figures) != {"throughput", "p50", "p99", "p99.9"}:
        raise Trouble(f"zkload printed no figures: {text.strip()}")
    return figures


def zkload(executable, operation, ports, keys, size, seconds, warmup):
    """get or set: throughput and percentiles, after so many seconds of warm-up. It fails if an operation fails."""
    command = [executable, operation, ",".join(map(str, ports)), keys, size, CONNECTIONS, seconds, warmup]
    return parse_zkload(output_of(command, seconds + warmup + GRACE_SECONDS))


def zkload_keys(executable, ports, keys, size):
    output_of([executable, "create", ",".join(map(str, ports)), keys, size, CONNECTIONS], LOADING_SECONDS)


def parse_wrk(text):
    """What requests.lua prints at the end."""
    lines = [line.removeprefix("RESULT ") for line in text.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise Trouble(f"wrk printed no result: {text.strip()}")
    result = json.loads(lines[0])
    if result.pop("failed"):
        raise Trouble(f"wrk: requests failed: {text.strip()}")
    return result


def wrk(directory, seconds, by_port, threads):
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
    command = ["wrk", f"-t{threads}", f"-c{connections}", "--timeout", "10s", "-s", SCRIPT]
    url = f"http://127.0.0.1:{min(by_port)}"
    for duration in (1, seconds):  # The first warms up.
        text = output_of([*command, f"-d{duration}s", url], duration + GRACE_SECONDS, {"TARGETS": listing})
    return parse_wrk(text)


STORE_LINES = {
    "put, new key": "put", "put, key overwritten": "overwrite", "get, page cache": "get", "memory a key": "memory",
    "sidecars and merging": "maintenance", "start": "start"}


def parse_storebench(text):
    """Microseconds of processor time, bytes, and seconds, by STORE_LINES."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(": ")
        if name in STORE_LINES:
            found[STORE_LINES[name]] = float(rest.split()[0])
    if lacking := set(STORE_LINES.values()) - set(found):
        raise Trouble(f"storebench did not print {', '.join(sorted(lacking))}: {text.strip()}")
    return found
