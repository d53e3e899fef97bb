"""Medians, tables, JSON, and what the figures were taken on."""

import datetime
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time

FIGURES = ("throughput", "p50", "p99", "p99.9")


def say(text):
    """Progress. Results go to standard output."""
    print("  " + text, file=sys.stderr, flush=True)


def medians(runs):
    return {figure: statistics.median(run[figure] for run in runs) for figure in FIGURES}


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def per_second(value):
    return f"{round(value):,}/s"


def milliseconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def mebibytes(value):
    return f"{value / (1 << 20):,.0f} MiB"


def table(columns, rows):
    """In Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else None


def processor():
    with open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def machine():
    """In a line."""
    return f"{len(os.sched_getaffinity(0))} processors ({processor()}), Linux {platform.release()}"


def processor_ticks():
    """Of all processors since the start of the machine: at work, and in all."""
    with open("/proc/stat") as stat:
        ticks = list(map(int, stat.readline().split()[1:9]))
    # The fourth and fifth are idle, and idle while a disk works.
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def processors_used(seconds=1):
    """The share of all processors' time that is used, by anything, over so many seconds."""
    before, before_all = processor_ticks()
    time.sleep(seconds)
    after, after_all = processor_ticks()
    return (after - before) / max(after_all - before_all, 1)


def surroundings(data):
    """What the figures were taken on, and with."""
    return {
        "machine": machine(), "file_system": first_line("stat", "-f", "-c", "%T", data),
        "load_average": os.getloadavg()[0], "redis": first_line("redis-server", "--version"),
        "etcd": first_line("etcd", "--version"), "wrk": first_line("wrk", "-v"),
        "java": first_line("java", "-version"),
        "zookeeper": first_line(
            "java", "-cp", "/usr/share/java/zookeeper.jar", "org.apache.zookeeper.version.VersionInfoMain")}


def commit_of(version):
    """The commit that `kv --version` names: kv 0.3.0 (a0d409ca90)."""
    found = re.search(r"\(([0-9a-f]+\+?)\)", version or "")
    return found[1] if found else "unknown"


def today():
    return datetime.date.today().isoformat()


def write_json(path, value):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


class Outcome:
    """What a suite found."""

    def __init__(self):
        # Of anything that JSON can say, each with a name.
        self.rows = []
        # By row: what thresholds are about.
        self.ratios = {}
        # Of the ratios that differ more from run to run than others: how much worse each may be.
        self.margins = {}
        # How the ratios were measured, in words.
        self.how = ""
        # By row: why it was not measured.
        self.skipped = {}
        # What is not as it should be, in sentences.
        self.failures = []
