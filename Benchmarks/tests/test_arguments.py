"""The command line, without a server: a shell script stands for kv."""

import contextlib
import io
import json
import os
import stat
import tempfile
import unittest
from unittest import mock

from kvbench import Trouble, cli, interrupts, report, thresholds
from kvbench.report import Outcome
from kvbench.suites import scale, speed


class ArgumentTests(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.used = 0.05
        self.kv = self.path("kv")
        with open(self.kv, "w") as file:
            file.write("#!/bin/sh\necho 'kv 0.3.0-dev (abc123+)'\n")
        os.chmod(self.kv, stat.S_IRWXU)

    def path(self, name):
        return os.path.join(self.directory, name)

    def parse(self, *words):
        """With an executable that is there, whatever has been built."""
        return cli.parser().parse_args([*words, "--kv", self.kv])

    def refused(self, *words):
        """What is said of wrong usage."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as end:
            self.parse(*words)
        self.assertEqual(end.exception.code, 2)
        return said.getvalue()

    def main(self, outcome, *words):
        """The exit code of a speed that finds `outcome`, and what is said on standard error."""
        measure = mock.Mock(side_effect=outcome) if isinstance(outcome, BaseException) else lambda _: outcome
        said = io.StringIO()
        with (
            mock.patch.object(report, "processors_used", lambda: self.used),
            mock.patch.object(speed, "run", measure), mock.patch.object(interrupts, "install"),
            contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()),
        ):
            code = cli.main(["speed", *words, "--kv", self.kv, "--results", self.directory, "--thresholds",
                             self.path("thresholds.json")])
        return code, said.getvalue()

    def found(self, **ratios):
        outcome = Outcome()
        outcome.rows = [{"name": row} for row in ratios]
        outcome.ratios = ratios
        outcome.how = "once"
        return outcome

    def test_defaults(self):
        options = self.parse("speed")
        self.assertEqual((options.rows, options.rounds, options.seconds), ([], 3, 5))
        self.assertFalse(options.check or options.update_thresholds)
        self.assertEqual(options.thresholds, thresholds.PATH)
        options = self.parse("moves", "throttled", "--rate", "4")
        self.assertEqual((options.rows, options.rate, options.keys), (["throttled"], 4, 500_000))
        self.assertEqual(self.parse("failure", "kill", "stop").rows, ["kill", "stop"])
        self.assertEqual(self.parse("scale", "join", "scan").rows, ["join", "scan"])

    def test_wrong_usage_names_what_is_wrong(self):
        for words, expected in (
                (["spede"], "invalid choice: 'spede'"),
                (["speed", "get-etdc"], "there is no 'get-etdc'; there are set-interval, set-always, put-etcd"),
                (["speed", "--rounds", "0"], "--rounds: '0' is not a number of at least 1"),
                (["speed", "--seconds", "1.5"], "'1.5' is not a number of at least 1"),
                (["speed", "--check", "--update-thresholds"], "not allowed with argument --check"),
                (["speed", "--data", "/nowhere"], "there is no directory /nowhere"),
                (["scale", "--most-keys", "7"], "invalid choice: 7"),
                (["memory", "--check"], "unrecognized arguments: --check")):
            self.assertIn(expected, self.refused(*words), words)

    def test_a_missing_executable_is_named_with_what_builds_it(self):
        self.kv = "/nowhere/kv"
        self.assertIn("there is no executable /nowhere/kv; make build builds it", self.refused("failure"))

    def test_help_names_every_row(self):
        for suite, rows in (
                ("speed", speed.ROWS), ("scale", scale.ROWS), ("failure", ("kill", "stop", "busy")),
                ("moves", ("unthrottled", "throttled")), ("memory", ("stalled-follower", "large-values"))):
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown), self.assertRaises(SystemExit) as end:
                cli.parser().parse_args([suite, "--help"])
            self.assertEqual(end.exception.code, 0)
            for row in rows:
                # Once where it is described, and once among the arguments.
                self.assertGreaterEqual(shown.getvalue().count(row), 2, (suite, row))

    def test_every_suite_is_listed_and_described(self):
        shown = cli.parser().format_help()
        for name in cli.SUITES:
            self.assertIn(name, shown)
            self.assertTrue(cli.suite(name).__doc__ and cli.suite(name).SUMMARY)

    def test_results_say_what_was_measured(self):
        code, said = self.main(self.found(**{"set-single": 1.5}))
        self.assertEqual((code, said), (0, ""))
        with open(self.path("speed.json")) as file:
            written = json.load(file)
        self.assertEqual(written["kv"], "kv 0.3.0-dev (abc123+)")
        self.assertEqual(written["ratios"], {"set-single": 1.5})
        self.assertEqual(written["options"]["rounds"], 3)

    def test_what_is_written_down_is_checked(self):
        good, bad = self.found(**{"set-single": 1.0}), self.found(**{"set-single": 0.79})
        code, said = self.main(good, "--check")
        self.assertEqual(code, 1)
        self.assertIn("set-single: 1.00, and there is no threshold", said)
        self.assertEqual(self.main(good, "--update-thresholds")[0], 0)
        self.assertEqual(self.main(good, "--check"), (0, ""))
        code, said = self.main(bad, "--check")
        self.assertEqual(code, 1)
        self.assertIn("set-single: 0.79, where 1.00 was measured (commit abc123+", said)
        self.assertEqual(self.main(bad), (0, ""))

    def test_a_busy_machine_is_said(self):
        self.used = 0.314
        code, said = self.main(self.found(**{"set-single": 1.5}))
        self.assertEqual(code, 0)
        self.assertIn("other programs use 31% of the processors", said)

    def test_failures_and_skipped_rows_are_said(self):
        outcome = self.found(busy=1)
        outcome.failures = ["nodes that run were held dead 2 times"]
        outcome.skipped = {"put-etcd": "there is no etcd (apt-get install etcd-server)"}
        code, said = self.main(outcome)
        self.assertEqual(code, 1)
        self.assertIn("held dead 2 times", said)
        self.assertIn("put-etcd was skipped: there is no etcd (apt-get install etcd-server)", said)

    def test_exit_codes_of_what_could_not_be_measured(self):
        self.assertEqual(self.main(Trouble("wrk did not end"))[0], 3)
        self.assertEqual(self.main(ConnectionRefusedError("refused"))[0], 3)
        self.assertEqual(self.main(interrupts.Interrupted(15))[0], 143)
        nothing = Outcome()
        nothing.skipped = {"put-etcd": "there is no etcd"}
        code, said = self.main(nothing, "--check")
        self.assertEqual(code, 3)
        self.assertIn("nothing was measured: put-etcd: there is no etcd", said)
        self.assertFalse(os.path.exists(self.path("speed.json")))
