"""The store alone, without a node: one thread, 16-byte keys, 100-byte values, batches of 16, no sync, no cache.

Puts every key once and then a tenth of them again, reads at random from the page cache, and opens what it has written.
Times are processor time, the writes included; that of the start is from its beginning to its end.
"""

import os
import shutil
import tempfile

from .. import ROOT, arguments, generators, interrupts, report
from ..report import Outcome

SUMMARY = "put, get, memory a key and start of the store without a node; a second, a minute with 10^7 keys"


def add_arguments(parser):
    parser.add_argument(
        "--keys", type=arguments.at_least(1000), nargs="+", default=[100_000], metavar="N",
        help="how many; several numbers give several columns (default: 100000)")
    parser.add_argument(
        "--storebench", type=arguments.executable("make bench BENCH=store"),
        default=os.path.join(ROOT, ".build/release/storebench"), metavar="FILE",
        help="what measures the store (default: .build/release/storebench of this repository)")
    arguments.add_data(parser)
    arguments.add_results(parser)


def measure(options, keys):
    with interrupts.held():
        directory = tempfile.mkdtemp(prefix="kv-bench-", dir=options.data)
    try:
        command = [options.storebench, keys, os.path.join(directory, "store")]
        return generators.parse_storebench(generators.output_of(command, generators.LOADING_SECONDS))
    finally:
        with interrupts.held():
            shutil.rmtree(directory, ignore_errors=True)


def run(options):
    outcome = Outcome()
    outcome.rows = [{"name": "store", "keys": keys, **measure(options, keys)} for keys in options.keys]
    rows = []
    for title, name, unit in (
            ("put, new key", "put", "us"), ("put, key overwritten", "overwrite", "us"),
            ("get, from the page cache", "get", "us"), ("memory a key, its 16 bytes included", "memory", "B"),
            ("sidecars and merging", "maintenance", "s"), ("start", "start", "s")):
        rows.append([title, *(f"{row[name]:.4g} {unit}" for row in outcome.rows)])
    print(report.table(["", *(f"{keys:,} keys" for keys in options.keys)], rows))
    return outcome
