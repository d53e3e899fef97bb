"""The ratios that were measured last, in thresholds.json, which later runs are held against.

A ratio is of two figures of one run, kv's over a peer's or two of kv's own, so that it carries over to another hour of
the same machine. More is better. It has the name of its row, and of the operation after a slash where a row has
several. It is not what is aimed at: docs/performance.md has the aims.
"""

import json
import os

from . import BENCHMARKS, report

PATH = os.path.join(BENCHMARKS, "thresholds.json")
# How much worse a ratio may be: they differ by a tenth from run to run.
MARGIN = 0.2


def read(path):
    """By suite and row: ratio, margin, and when, of which commit and on what it was measured."""
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


class Verdict:
    """What is worse than its threshold and margin, what is better than both, and what has no threshold: messages by
    row."""

    def __init__(self):
        self.worse, self.better, self.unknown = {}, {}, {}

    @property
    def passes(self):
        return not self.worse and not self.unknown


def number(ratio):
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def judge(suite, ratios, thresholds):
    verdict = Verdict()
    for row, ratio in ratios.items():
        known = thresholds.get(suite, {}).get(row)
        if known is None:
            verdict.unknown[row] = f"{row}: {number(ratio)}, and there is no threshold to hold it against"
            continue
        change = ratio / known["ratio"] - 1
        said = (
            f"{row}: {number(ratio)}, where {number(known['ratio'])} was measured (commit {known['commit']}, "
            f"{known['date']}, {known['machine']}): {abs(change):.0%}")
        if change < -known["margin"]:
            verdict.worse[row] = f"{said} less; up to {known['margin']:.0%} would pass"
        elif change > known["margin"]:
            verdict.better[row] = f"{said} more; a fall back to the threshold would not be noticed"
    return verdict


def advice(suite, verdict):
    """What to do about a verdict, a sentence or more for each kind."""
    def command(rows):
        return f"Benchmarks/run {suite} {' '.join(dict.fromkeys(row.partition('/')[0] for row in rows))}"

    found = []
    if verdict.worse:
        again = command(verdict.worse)
        found.append(
            f"worse: measure again while the machine does nothing else: {again} --check. On another machine than the "
            "one named, ratios may differ by more than the margin. If they stay, measure the version before in turns "
            "with this one (--kv), and find the change that costs it. If that change is worth it, write down what is: "
            f"{again} --update-thresholds")
    if new := {**verdict.better, **verdict.unknown}:
        found.append(f"better, or new: write down what is: {command(new)} --update-thresholds")
    return found


def updated(suite, ratios, thresholds, commit, how, margins=None):
    """`thresholds` with what was measured now; other rows, and margins, stay. `how`: rounds and the like, in words.
    `margins`: those of new rows, where they are not the usual one."""
    rows = dict(thresholds.get(suite, {}))
    for row, ratio in ratios.items():
        margin = rows.get(row, {}).get("margin", (margins or {}).get(row, MARGIN))
        # Of four digits, so that no ratio is 0, however small.
        rows[row] = {
            "ratio": float(f"{ratio:.4g}"), "margin": margin, "date": report.today(), "commit": commit,
            "machine": report.machine(), "how": how}
    return {**thresholds, suite: rows}
