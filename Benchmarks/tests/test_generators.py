import json
import unittest
from unittest import mock

from kvbench import Trouble, generators

BENCH = {
    "throughput": 80685.2, "operations": 2420636, "missing": 0, "load_seconds": 0.4,
    "errors": {"refused": 0, "unknown": 0, "other": 0, "examples": {}},
    "latency_ms": {"all": {"count": 9, "mean": 0.62, "p50": 0.52, "p99": 1.71, "p99.9": 3.63}},
}

WRK = """\
Running 5s test @ http://127.0.0.1:21001
  1 threads and 50 connections
Requests/sec:  86957.12
RESULT {"throughput":86957.1,"p50":0.540,"p99":1.110,"p99.9":2.420,"failed":0}
"""

STORE = """\
put, new key: 1.29 us
memory a key: 171.04 bytes, of which the key itself 16
put, key overwritten: 1.24 us
(3 of 100000 reads were not in the page cache)
get, page cache: 1.72 us
sidecars and merging: 0.03 s
start: 0.14 s, of which 0.11 s at work, 2 segments
"""


class GeneratorTests(unittest.TestCase):
    def test_kv_bench(self):
        report = generators.parse_kv_bench(json.dumps(BENCH))
        self.assertEqual(
            generators.figures(report), {"throughput": 80685.2, "p50": 0.52, "p99": 1.71, "p99.9": 3.63})

    def test_failed_operations_and_missing_keys_are_trouble(self):
        for kind in ("refused", "unknown", "other"):
            failed = {**BENCH, "errors": {**BENCH["errors"], kind: 2}}
            with self.assertRaisesRegex(Trouble, f"operations failed.*'{kind}': 2"):
                generators.parse_kv_bench(json.dumps(failed))
        with self.assertRaisesRegex(Trouble, "7 reads found nothing"):
            generators.figures({**BENCH, "missing": 7})

    def test_wrk(self):
        self.assertEqual(
            generators.parse_wrk(WRK), {"throughput": 86957.1, "p50": 0.54, "p99": 1.11, "p99.9": 2.42})
        with self.assertRaisesRegex(Trouble, "requests failed"):
            generators.parse_wrk(WRK.replace('"failed":0', '"failed":3'))
        with self.assertRaisesRegex(Trouble, "printed no result: unable to connect"):
            generators.parse_wrk("unable to connect\n")

    def test_zkload(self):
        def run(operation, script):
            """With a shell script in zkload's place."""
            return generators.parse_zkload(generators.output_of(["sh", "-c", script, operation], 10))

        line = '{"throughput": 15080.5, "p50": 3.076321, "p99": 7.409434, "p99.9": 11.905179}'
        self.assertEqual(
            run("set", f"echo '{line}'"), {"throughput": 15080.5, "p50": 3.076321, "p99": 7.409434, "p99.9": 11.905179})
        with self.assertRaisesRegex(Trouble, "exit 1: zkload: ZooKeeper's error -101"):
            run("get", "echo \"zkload: ZooKeeper's error -101\" >&2; exit 1")
        with self.assertRaisesRegex(Trouble, "zkload printed no figures: {}"):
            run("get", "echo '{}'")

    def test_what_zkload_is_told(self):
        told = []
        with mock.patch.object(generators, "output_of", lambda command, seconds: told.append((command, seconds))):
            generators.zkload_keys("zkload", [1, 2, 3], 9, 100)
            with mock.patch.object(generators, "parse_zkload", lambda text: text):
                generators.zkload("zkload", "get", [1, 2, 3], 9, 100, 3, 10)
        self.assertEqual(told, [
            (["zkload", "create", "1,2,3", 9, 100, 50], generators.LOADING_SECONDS),
            (["zkload", "get", "1,2,3", 9, 100, 50, 3, 10], 13 + generators.GRACE_SECONDS)])

    def test_storebench(self):
        self.assertEqual(generators.parse_storebench(STORE), {
            "put": 1.29, "memory": 171.04, "overwrite": 1.24, "get": 1.72, "maintenance": 0.03, "start": 0.14})
        with self.assertRaisesRegex(Trouble, "did not print get, start"):
            generators.parse_storebench(STORE.replace("get,", "got,").replace("start:", "begin:"))

    def test_a_generator_that_fails_hangs_or_is_not_there_is_trouble(self):
        with self.assertRaisesRegex(Trouble, "exit 3: no such host"):
            generators.output_of(["sh", "-c", "echo no such host >&2; exit 3"], 10)
        with self.assertRaisesRegex(Trouble, "sleep 60: it did not end within 0.05 s"):
            generators.output_of(["sleep", 60], 0.05)
        with self.assertRaisesRegex(Trouble, "/nowhere: it cannot be started"):
            generators.output_of(["/nowhere"], 10)

    def test_what_a_generator_is_told_by_its_environment(self):
        self.assertEqual(generators.output_of(["sh", "-c", "echo $TARGETS"], 10, {"TARGETS": "here"}), "here\n")

    def test_slots_are_those_of_redis_cluster(self):
        # Of the Redis Cluster specification, and of CLUSTER KEYSLOT.
        self.assertEqual(generators.crc16(b"123456789"), 0x31C3)
        self.assertEqual(generators.crc16(b"foo") % 16384, 12182)

    def test_requests_go_to_the_leader_of_their_key(self):
        leaders = [1 if slot < 8192 else 2 for slot in range(16384)]
        requests = generators.kv_requests(leaders, "PUT", 20, 3)
        self.assertEqual(sum(map(len, requests.values())), 20)
        for port, texts in requests.items():
            for text in texts:
                key = text.split("/v1/kv/")[1].split(" ")[0]
                self.assertEqual(leaders[generators.crc16(key.encode()) % 16384], port)
                self.assertTrue(text.endswith("Content-Length: 3\r\n\r\nvvv"))
        (read,) = generators.kv_requests([7] * 16384, "GET", 1, 3)[7]
        self.assertEqual(read, "GET /v1/kv/user000000000000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def test_requests_to_etcd(self):
        (put,) = generators.etcd_requests(2379, "PUT", 1, 2)[2379]
        head, body = put.split("\r\n\r\n")
        self.assertTrue(head.startswith("POST /v3/kv/put HTTP/1.1\r\n"))
        self.assertIn(f"Content-Length: {len(body)}", head)
        self.assertEqual(json.loads(body), {"key": "dXNlcjAwMDAwMDAwMDAwMA==", "value": "dnY="})
