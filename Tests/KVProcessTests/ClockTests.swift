import Foundation
import KVCore
import XCTest

/// Tests nodes on machines whose wall clocks are set.
final class ClockTests: XCTestCase {
    private static let shim = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <time.h>

        int clock_gettime(clockid_t clock, struct timespec *time) {
            int (*next)(clockid_t, struct timespec *) =
                (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int result = next(clock, time);
            if (clock != CLOCK_REALTIME || result != 0) return result;
            FILE *file = fopen(getenv("KV_TEST_CLOCK"), "r");
            long seconds = 0;
            if (file != NULL) {
                if (fscanf(file, "%ld", &seconds) == 1) time->tv_sec += seconds;
                fclose(file);
            }
            return result;
        }
        """

    private func prepare(_ cluster: TestCluster) throws {
        let launcher = try PreloadedLibrary(Self.shim, named: "clock", in: cluster)
            .launcher(["KV_TEST_CLOCK": cluster.directory.path + "/clock"])
        cluster.launcher = { $0.id == "n1" ? launcher : [] }
    }

    /// Sets the clock of n1's machine, ahead of this one's.
    private func setClock(of cluster: TestCluster, ahead seconds: Int) throws {
        try "\(seconds)".write(toFile: cluster.directory.path + "/clock", atomically: true, encoding: .utf8)
    }

    func testWhatHasExpiredStaysSoWhenTheClockIsSetBack() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try prepare(cluster)
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/k?ttl=30s", body: [1]).status, 204)
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/unread?ttl=30s", body: [1]).status, 204)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/k").status, 200)
        try setClock(of: cluster, ahead: 60)
        try cluster.wait(for: "the key to expire") { try cluster.http("n1", "GET", "/v1/kv/k").status == 404 }
        try setClock(of: cluster, ahead: 0)
        usleep(300_000)
        for key in ["k", "unread"] { XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(key)").status, 404, key) }
        // A lifetime is as long as ever, within a tenth.
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/short?ttl=1s", body: [1]).status, 204)
        try cluster.wait(limit: 3, for: "a key to expire in its time") {
            try cluster.http("n1", "GET", "/v1/kv/short").status == 404
        }
        cluster.killNow("n1")
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/k").status, 404)
    }

    func testAClockThatIsFarAheadDeletesNothing() throws {
        let cluster = try TestCluster()
        try prepare(cluster)
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let key = try cluster.keys(ledBy: "n1", count: 1)[0]
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/\(key)?ttl=10m", body: [1]).status, 204)
        try setClock(of: cluster, ahead: 3600)
        var answer = try cluster.http("n1", "GET", "/health/ready")
        try cluster.wait(for: "n1 to notice") {
            answer = try cluster.http("n1", "GET", "/health/ready")
            return answer.text != "ok"
        }
        XCTAssertEqual(answer.status, 200)
        let warning = " s ahead of what a majority of the nodes' clocks show (it differs from that of n2, n3)"
        XCTAssertTrue(answer.text.hasPrefix("ok, but this machine's clock is 3"), answer.text)
        XCTAssertTrue(answer.text.contains(warning), answer.text)
        XCTAssertTrue(cluster.log("n1").contains(warning), cluster.log("n1"))
        let read = try cluster.http("n1", "GET", "/v1/kv/\(key)")
        XCTAssertEqual(read.status, 200)
        XCTAssertGreaterThan(Int(read.headers["kv-ttl"] ?? "") ?? 0, 500)

        // It starts so as well, and takes its lead back.
        cluster.killNow("n1")
        try cluster.start("n1")
        try cluster.waitUntilReady("n1")
        try cluster.waitUntilBalanced()
        XCTAssertEqual(try cluster.leader(of: key, seenBy: "n1"), "n1")
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(key)").status, 200)
        usleep(1_500_000)
        XCTAssertEqual(try cluster.http("n2", "GET", "/v1/kv/\(key)").status, 200, "it is not swept either")

        try cluster.wait(for: "n1 to notice again") {
            try cluster.http("n1", "GET", "/health/ready").text != "ok"
        }
        try setClock(of: cluster, ahead: 0)
        try cluster.wait(for: "n1 to notice that all is well") {
            try cluster.http("n1", "GET", "/health/ready").text == "ok"
        }
        XCTAssertTrue(cluster.log("n1").contains("agrees with those of the other nodes again"))
    }
}
