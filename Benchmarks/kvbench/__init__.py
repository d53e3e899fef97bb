"""Measurements of kv. Benchmarks/run is the command; docs/performance.md has what it found.

cli          the command line: which suite, which options
suites/      one module for each suite: what it measures, its options, its rows
servers      processes on free ports that are ended whatever happens; kv's nodes
peers        Redis, etcd, ZooKeeper and a bare NIOHTTP1, as such processes
growth/      rows of the suite scale: what grows faster than the work that is asked for
generators   kv bench, wrk and zkload, which make the load
thresholds   the ratios that a later run is held against
report       tables, JSON, and what the figures were taken on
svg          plots
interrupts   ends everything that was started, also on Ctrl-C
"""

import os

BENCHMARKS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCHMARKS)


class Trouble(Exception):
    """Something that is needed for a measurement did not do what it should; the message says what, and what to do."""
