import json
import os
import tempfile
import unittest

from kvbench import report, thresholds
from kvbench.suites import scale, speed

KNOWN = {
    "speed": {
        "get-etcd": {"ratio": 10.0, "margin": 0.2, "date": "2026-01-02", "commit": "abc", "machine": "2 processors"},
        "set-single": {"ratio": 1.0, "margin": 0.3, "date": "2026-01-02", "commit": "abc", "machine": "2 processors"},
    },
    "scale": {"nodes/get": {"ratio": 0.7, "margin": 0.2, "date": "2026-01-02", "commit": "abc", "machine": "m"}},
}


class ThresholdTests(unittest.TestCase):
    def test_within_the_margin_passes(self):
        for ratio in (8.0, 10.0, 12.0):
            verdict = thresholds.judge("speed", {"get-etcd": ratio}, KNOWN)
            self.assertTrue(verdict.passes)
            self.assertFalse(verdict.better)
            self.assertEqual(thresholds.advice("speed", verdict), [])

    def test_worse_names_the_row_by_how_much_and_what_to_do(self):
        verdict = thresholds.judge("speed", {"get-etcd": 7.5, "set-single": 0.75}, KNOWN)
        self.assertFalse(verdict.passes)
        self.assertEqual(verdict.worse, {"get-etcd": (
            "get-etcd: 7.50, where 10.00 was measured (commit abc, 2026-01-02, 2 processors): 25% less; up to 20% "
            "would pass")})
        (advice,) = thresholds.advice("speed", verdict)
        self.assertIn("Benchmarks/run speed get-etcd --check.", advice)
        self.assertIn("Benchmarks/run speed get-etcd --update-thresholds", advice)

    def test_each_row_has_its_own_margin(self):
        self.assertTrue(thresholds.judge("speed", {"set-single": 0.71}, KNOWN).passes)
        self.assertFalse(thresholds.judge("speed", {"set-single": 0.69}, KNOWN).passes)

    def test_better_passes_and_is_said(self):
        verdict = thresholds.judge("speed", {"get-etcd": 12.5}, KNOWN)
        self.assertTrue(verdict.passes)
        self.assertIn("25% more; a fall back to the threshold would not be noticed", verdict.better["get-etcd"])
        self.assertIn("Benchmarks/run speed get-etcd --update-thresholds", thresholds.advice("speed", verdict)[0])

    def test_a_row_without_threshold_does_not_pass(self):
        verdict = thresholds.judge("speed", {"put-etcd": 5.0}, KNOWN)
        self.assertFalse(verdict.passes)
        self.assertIn("put-etcd: 5.00, and there is no threshold", verdict.unknown["put-etcd"])

    def test_advice_names_rows_as_the_command_line_does(self):
        verdict = thresholds.judge("scale", {"nodes/get": 0.1, "nodes/set": 0.1}, KNOWN)
        worse, new = thresholds.advice("scale", verdict)
        self.assertIn("Benchmarks/run scale nodes --check", worse)
        self.assertIn("Benchmarks/run scale nodes --update-thresholds", new)

    def test_an_update_keeps_margins_and_other_rows(self):
        now = thresholds.updated("speed", {"set-single": 1.23456, "http-get": 0.5}, KNOWN, "def", "3 rounds")
        self.assertEqual(now["scale"], KNOWN["scale"])
        self.assertEqual(now["speed"]["get-etcd"], KNOWN["speed"]["get-etcd"])
        self.assertEqual(now["speed"]["set-single"], {
            "ratio": 1.235, "margin": 0.3, "date": report.today(), "commit": "def", "machine": report.machine(),
            "how": "3 rounds"})
        self.assertEqual(now["speed"]["http-get"]["margin"], thresholds.MARGIN)
        self.assertEqual(KNOWN["speed"]["set-single"]["ratio"], 1.0)

    def test_a_new_row_has_the_margin_that_it_asks_for_and_keeps_it(self):
        now = thresholds.updated("scale", {"turn/scan": 0.9}, KNOWN, "def", "once", {"turn/scan": 0.7})
        self.assertEqual(now["scale"]["turn/scan"]["margin"], 0.7)
        again = thresholds.updated("scale", {"turn/scan": 1}, now, "def", "once")
        self.assertEqual(again["scale"]["turn/scan"]["margin"], 0.7)
        self.assertTrue(thresholds.judge("scale", {"turn/scan": 0.3}, now).passes)
        self.assertFalse(thresholds.judge("scale", {"turn/scan": 0.2}, now).passes)

    def test_a_cost_that_grows_a_thousandfold_has_a_threshold_like_any_other(self):
        now = thresholds.updated("scale", {"join/traffic": 0.00012345}, {}, "def", "once")
        self.assertEqual(now["scale"]["join/traffic"]["ratio"], 0.0001234)
        verdict = thresholds.judge("scale", {"join/traffic": 0.00005}, now)
        self.assertIn("join/traffic: 5e-05, where 0.00012 was measured", verdict.worse["join/traffic"])

    def test_what_is_written_is_read(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "thresholds.json")
            self.assertEqual(thresholds.read(path), {})
            report.write_json(path, KNOWN)
            self.assertEqual(thresholds.read(path), KNOWN)

    def test_the_file_has_each_row_of_speed_and_says_where_it_is_from(self):
        with open(thresholds.PATH) as file:
            written = json.load(file)
        self.assertEqual(set(written["speed"]), set(speed.ROWS))
        plots = {f"{row}/{what}" for row in scale.PLOTS for what in ("get", "set")}
        self.assertLessEqual(plots, set(written["scale"]))
        self.assertLessEqual({row.partition("/")[0] for row in written["scale"]}, set(scale.ROWS))
        for rows in written.values():
            for name, row in rows.items():
                self.assertEqual(set(row), {"ratio", "margin", "date", "commit", "machine", "how"}, name)
                self.assertGreater(row["ratio"], 0, name)
                self.assertTrue(0 < row["margin"] < 1, name)
