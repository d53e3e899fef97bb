"""The command line: Benchmarks/run SUITE [ROW ...] [OPTIONS]."""

import argparse
import http.client
import importlib
import os
import sys

from . import Trouble, arguments, interrupts, report, servers, thresholds

SUITES = ("speed", "scale", "failure", "moves", "memory", "store", "first-build")

# The share of the processors' time that a machine uses which does nothing else, at most.
QUIET = 0.1

DESCRIPTION = """\
Measures kv, and what it is compared with, on this machine. Each suite prints tables in Markdown on standard output,
says on standard error how far it is, and writes SUITE.json. What it starts has free ports and a directory of its own,
and is ended with it, also by Ctrl-C. docs/performance.md has the figures, and the command for each.
"""

EPILOG = """\
Benchmarks/run SUITE --help describes a suite and its options.

exit codes: 0 measured; 1 what was measured is not as it should be (a ratio with --check, a bound of memory, a node that
was taken for dead), and standard error says what; 2 wrong usage; 3 something could not be measured; 128 and the number
of the signal that ended it.
"""


def suite(name):
    return importlib.import_module(f".suites.{name.replace('-', '_')}", __package__)


def parser():
    top = argparse.ArgumentParser(
        prog="Benchmarks/run", description=DESCRIPTION, epilog=EPILOG, formatter_class=arguments.Formatter)
    suites = top.add_subparsers(dest="suite", metavar="SUITE", required=True, title="suites")
    for name in SUITES:
        module = suite(name)
        below = suites.add_parser(
            name, help=module.SUMMARY, description=module.__doc__, formatter_class=arguments.Formatter)
        module.add_arguments(below)
        below.set_defaults(measure=module.run)
    return top


def complain(text):
    print(f"Benchmarks/run: {text}", file=sys.stderr)


def conclude(options, outcome):
    """Writes what was found; the exit code."""
    version = report.first_line(options.kv, "--version") if "kv" in options else None
    given = {name: value for name, value in vars(options).items() if name not in ("measure", "suite")}
    report.write_json(os.path.join(options.results, options.suite + ".json"), {
        "suite": options.suite, "options": given, "kv": version, "date": report.today(),
        **report.surroundings(getattr(options, "data", "/")), "rows": outcome.rows, "ratios": outcome.ratios,
        "skipped": outcome.skipped})
    for row, why in outcome.skipped.items():
        complain(f"{row} was skipped: {why}")
    for failure in outcome.failures:
        complain(failure)
    failed = bool(outcome.failures)
    if getattr(options, "update_thresholds", False):
        known = thresholds.read(options.thresholds)
        commit = report.commit_of(version)
        report.write_json(
            options.thresholds, thresholds.updated(
                options.suite, outcome.ratios, known, commit, outcome.how, outcome.margins))
        print(f"{options.thresholds}: {len(outcome.ratios)} ratios written, those of {', '.join(outcome.ratios)}")
    if getattr(options, "check", False):
        failed = check(options, outcome.ratios) or failed
    return 1 if failed else 0


def check(options, ratios):
    """True where a ratio is not as it should be."""
    verdict = thresholds.judge(options.suite, ratios, thresholds.read(options.thresholds))
    for messages in (verdict.better, verdict.unknown, verdict.worse):
        for message in messages.values():
            complain(message)
    for message in thresholds.advice(options.suite, verdict):
        complain(message)
    if verdict.passes:
        print(f"\nNone of {len(ratios)} ratios is worse than its threshold and margin.")
    return not verdict.passes


def main(words=None):
    options = parser().parse_args(words)
    interrupts.install()
    try:
        if "check" in options and (used := report.processors_used()) > QUIET:
            complain(
                f"other programs use {used:.0%} of the processors, and change ratios too (kv's threads give way to "
                "them sooner than its peers' do): measure while the machine does nothing else")
        outcome = options.measure(options)
        if not outcome.rows:
            raise Trouble("nothing was measured: " + "; ".join(f"{row}: {why}" for row, why in outcome.skipped.items()))
        return conclude(options, outcome)
    except Trouble as trouble:
        complain(trouble)
        return 3
    except (OSError, http.client.HTTPException) as error:
        complain(f"{type(error).__name__}: {error}: a server, or a file, could not be reached")
        return 3
    except interrupts.Interrupted as interrupted:
        return 128 + interrupted.number
    finally:
        servers.end_all()
