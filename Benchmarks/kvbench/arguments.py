"""Options that several suites have."""

import argparse
import os
import textwrap

from . import ROOT, thresholds


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Leaves descriptions as they are, and never breaks a line within the name of a row or an option."""

    def __init__(self, prog):
        super().__init__(prog, width=100)

    def _split_lines(self, text, width):
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def at_least(minimum):
    def count(text):
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least {minimum}")
        return value
    return count


def executable(built_by):
    def path(text):
        found = os.path.abspath(text)
        if not os.path.isfile(found) or not os.access(found, os.X_OK):
            raise argparse.ArgumentTypeError(f"there is no executable {found}; {built_by} builds it")
        return found
    return path


def directory(text):
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"there is no directory {text}")
    return os.path.abspath(text)


def one_of(names):
    def name(text):
        if text not in names:
            raise argparse.ArgumentTypeError(f"there is no {text!r}; there are {', '.join(names)}")
        return text
    return name


def add_rows(parser, names):
    # Not by `choices`, which would also look for an empty list among them.
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", type=one_of(tuple(names)),
        help=f"what to measure: {', '.join(names)} (default: all)")


def add_rounds(parser, default, what):
    parser.add_argument(
        "--rounds", type=at_least(1), default=default, metavar="N", help=f"{what} (default: {default})")


def add_seconds(parser, default, what):
    parser.add_argument(
        "--seconds", type=at_least(1), default=default, metavar="N", help=f"{what} (default: {default})")


def add_kv(parser, note=""):
    parser.add_argument(
        "--kv", type=executable("make build"), default=os.path.join(ROOT, ".build/release/kv"), metavar="FILE",
        help=f"the kv that is measured{note} (default: .build/release/kv of this repository)")


def add_data(parser):
    parser.add_argument(
        "--data", type=directory, default="/var/tmp", metavar="DIRECTORY",
        help="where the servers' data goes, and is removed from at the end: on a real disk (default: /var/tmp)")


def add_results(parser):
    parser.add_argument(
        "--results", default=os.path.join(ROOT, "bench-results"), metavar="DIRECTORY",
        help="where SUITE.json goes: the figures, and what they were taken on (default: bench-results of this "
        "repository)")


def add_thresholds(parser):
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--check", action="store_true",
        help="exit with 1 where a ratio is worse, by more than its margin, than the one in the file of thresholds")
    either.add_argument(
        "--update-thresholds", action="store_true",
        help="write the ratios of the rows that were measured into the file of thresholds")
    parser.add_argument(
        "--thresholds", default=thresholds.PATH, metavar="FILE",
        help="the file of thresholds (default: Benchmarks/thresholds.json)")
