"""What a first build is made of: builds kv as `make build` does, in a directory of its own, and says which packages'
compilers took how much processor time.
"""

import collections
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

from .. import ROOT, Trouble, arguments, interrupts, report
from ..report import Outcome

SUMMARY = "processor time of each package's compilers, from scratch; five minutes"
# A compiler that begins and ends between two looks is missed; those that matter take seconds.
INTERVAL = 0.1
LIMIT_SECONDS = 3600
PACKAGES = [
    ("kv", r"KV\w*|kv|CRelease|CProcess|CChecksum|CLinux|CYAML"),
    ("swift-nio, with swift-atomics and swift-system", r"_?(C?NIO|Atomics|CAtomics|_Atomics|SystemPackage|CSystem)\w*"),
    ("swift-crypto", r"Crypto\w*|CCrypto\w*|CXKCP\w*|CBoring\w*"),
    ("swift-argument-parser", r"ArgumentParser\w*"),
    ("swift-collections", r"DequeModule|InternalCollectionsUtilities|ContainersPreview|Collections\w*"),
    ("swift-log", r"Logging"),
    ("hdrhistogram-swift, with swift-numerics", r"Histogram|RealModule|ComplexModule|Numerics|_NumericsShims"),
]


def add_arguments(parser):
    parser.add_argument("--swift", default="swift", metavar="COMMAND", help="the compiler (default: swift)")
    parser.add_argument(
        "--flags", type=shlex.split, default=[], metavar="FLAGS",
        help="more for swift build, as one word: --flags='-debug-info-format none'")
    arguments.add_data(parser)
    arguments.add_results(parser)


def release_flags(makefile):
    """What `make build` gives swift build."""
    return shlex.split(re.search(r"^RELEASE = (.*)$", makefile, re.M)[1])


def module(command):
    """What a process of the build works on; nothing if it is none of them."""
    name = os.path.basename(command[0])
    if name.startswith("swift-frontend"):
        return command[command.index("-module-name") + 1] if "-module-name" in command else "other"
    if name.startswith("clang"):
        found = re.search(r"/([A-Za-z0-9_]+)\.build/", " ".join(command))
        return found[1] if found else "linking"
    if re.match(r"(ld|gold|lld)", name):
        return "linking"
    return "swift build itself" if name in ("swift-build", "swift-driver") else None


def package(name):
    """That a module belongs to, or the module."""
    return next((package for package, pattern in PACKAGES if re.fullmatch(pattern, name)), name)


def look(root, seen):
    """Adds what `root` and the processes below it have used so far."""
    tick = os.sysconf("SC_CLK_TCK")
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            command = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        parents[int(entry)] = int(stat[1])
        names[int(entry)] = (module(command) if command[0] else None, (int(stat[11]) + int(stat[12])) / tick)
    for pid, (name, used) in names.items():
        above = pid
        while above in parents and above != root:
            above = parents[above]
        if above == root and name:
            seen[(pid, name)] = used


def build(options, scratch, seen):
    with open(os.path.join(ROOT, "Makefile")) as makefile:
        flags = release_flags(makefile.read())
    command = [options.swift, "build", *flags, "--scratch-path", scratch, "--product", "kv", *options.flags]
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with interrupts.held():
        try:
            # In a group of its own, whose compilers are ended with it.
            building = subprocess.Popen(command, cwd=ROOT, process_group=0, **silent)
        except OSError as error:
            raise Trouble(f"{options.swift} cannot be started: {error}; --swift says where it is") from error
    end = time.monotonic() + LIMIT_SECONDS
    try:
        while building.poll() is None:
            if time.monotonic() > end:
                raise Trouble(f"the build did not end within {LIMIT_SECONDS} s")
            look(building.pid, seen)
            time.sleep(INTERVAL)
    finally:
        with interrupts.held():
            if building.poll() is None:
                os.killpg(building.pid, signal.SIGKILL)
                building.wait()
    if building.returncode != 0:
        raise Trouble(f"swift build ended with {building.returncode}; `make build` says why")


def run(options):
    seen = {}
    with interrupts.held():
        scratch = tempfile.mkdtemp(prefix="kv-bench-", dir=options.data)
    begin = time.monotonic()
    try:
        build(options, scratch, seen)
    finally:
        with interrupts.held():
            shutil.rmtree(scratch, ignore_errors=True)
    wall = time.monotonic() - begin
    totals = collections.Counter()
    for (_, name), used in seen.items():
        totals[package(name)] += used
    whole = sum(totals.values())
    outcome = Outcome()
    outcome.rows = [{"name": name, "processor_seconds": used} for name, used in totals.most_common()]
    print(f"{wall:.0f} s on {os.cpu_count()} processors, {whole:.0f} s of processor time\n")
    print(report.table(["package", "processor time", "share"], [
        [row["name"], f"{row['processor_seconds']:.1f} s", f"{row['processor_seconds'] / whole:.0%}"]
        for row in outcome.rows if row["processor_seconds"] >= 0.5]))
    return outcome
