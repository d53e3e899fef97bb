"""Medians, ratios, and tables of them."""

import json
import os
import platform
import statistics
import subprocess

FIGURES = ("throughput", "p50", "p99", "p99.9")


def medians(runs):
    return {figure: statistics.median(run[figure] for run in runs) for figure in FIGURES}


def per_second(value):
    return f"{round(value):,}/s"


def milliseconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def markdown(rows):
    lines = [
        "| work | kv | p50 / p99 / p99.9 ms | against | | p50 / p99 / p99.9 ms | ratio | at least |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row["title"]]
        for side in ("kv", "peer"):
            figures = row[side]
            if side == "peer":
                cells.append(row["against"])
            cells.append(per_second(figures["throughput"]))
            cells.append(" / ".join(milliseconds(figures[name]) for name in FIGURES[1:]))
        cells += [f"{row['ratio']:.2f}", f"{row['at_least']}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def version(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return (done.stdout or done.stderr).splitlines()[0].strip() if done.stdout or done.stderr else None


def machine(data):
    """What the figures were taken on."""
    model = ""
    with open("/proc/cpuinfo") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    stat = version("stat", "-f", "-c", "%T", data)
    return {
        "processor": model, "processors": len(os.sched_getaffinity(0)), "kernel": platform.release(),
        "file_system": stat, "redis": version("redis-server", "--version"), "etcd": version("etcd", "--version"),
        "wrk": version("wrk", "-v"),
    }


def write_json(path, value):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        json.dump(value, file, indent=2, sort_keys=True)
        file.write("\n")
