import Foundation
import KVCore
import XCTest

/// Tests a node that runs while its disk does not answer: syncs hang for as long as a certain file exists.
final class StalledDiskTests: XCTestCase {
    private static let shim = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shims/stall.c")

    /// A library that is loaded before the C library's own, and what a node is started with to use it.
    private func prepare(_ cluster: TestCluster) throws -> (stall: String, launcher: (TestCluster.Node) -> [String]) {
        let library = try PreloadedLibrary(String(contentsOf: Self.shim, encoding: .utf8), named: "stall", in: cluster)
        let stall = cluster.directory.path + "/hangs"
        return (
            stall,
            { node in
                guard node.id == "n1" else { return [] }
                return library.launcher(["KV_TEST_STALL": stall])
            }
        )
    }

    func testALeaderWhoseDiskHangsGivesUpTheLead() throws {
        let cluster = try TestCluster()
        let (stall, launcher) = try prepare(cluster)
        cluster.launcher = launcher
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let keys = try cluster.keys(ledBy: "n1", count: 8)
        for key in keys { XCTAssertEqual(try cluster.http("n2", "PUT", "/v1/kv/\(key)", body: [1]).status, 204) }

        XCTAssertTrue(FileManager.default.createFile(atPath: stall, contents: nil))
        let onset = Time.now
        for (index, key) in keys.enumerated() {
            let node = ["n2", "n3"][index % 2]
            // A write that was under way when the disk hung may end as unknown. Later ones succeed.
            while true {
                let answer = try cluster.http(node, "PUT", "/v1/kv/\(key)?timeout=1s", body: [2])
                if answer.status == 204 { break }
                XCTAssertTrue([503, 504].contains(answer.status), answer.text)
                guard Time.now < onset + 10 else { return XCTFail("\(key) cannot be written: \(answer.text)") }
            }
        }
        let taken = Time.now - onset
        print("written again \(taken) s after the disk hung")
        XCTAssertLessThan(taken, 4)
        for key in keys { XCTAssertEqual(try cluster.http("n3", "GET", "/v1/kv/\(key)").body, [2]) }
        let ready = try cluster.http("n1", "GET", "/health/ready")
        XCTAssertEqual(ready.status, 503)
        XCTAssertTrue(ready.text.contains("has not finished a write for a second or more"), ready.text)
        XCTAssertTrue(cluster.log("n1").contains("the disk of shard 0 has not finished a write"), cluster.log("n1"))
        // Through the node itself its neighbours' keys are served as ever, and so are those that it led.
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/\(keys[0])", body: [3]).status, 204)

        try FileManager.default.removeItem(atPath: stall)
        try cluster.waitUntilReady("n1")
        XCTAssertTrue(cluster.log("n1").contains("answers again"))
        try cluster.waitUntilBalanced()
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(keys[0])").body, [3])
    }

    /// The others go on writing, and it must not gather what they write; nor must they.
    func testAFollowerWhoseDiskHangsTakesNoMoreMemoryThanItMay() throws {
        // One shard: each notices by a commit of its own that hangs, and only one is written to.
        let cluster = try TestCluster(settings: "storage: {cache: 16MiB, shards: 1}\n")
        let (stall, launcher) = try prepare(cluster)
        cluster.launcher = launcher
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        XCTAssertTrue(FileManager.default.createFile(atPath: stall, contents: nil))
        _ = try cluster.http("n2", "PUT", "/v1/kv/\(try cluster.keys(ledBy: "n1", count: 1)[0])?timeout=1s", body: [1])
        try cluster.wait(for: "the others to lead") { try cluster.leads("n1", seenBy: "n2") == 0 }
        let value = [UInt8](repeating: 7, count: 1 << 20)
        let before = try cluster.memory("n1")
        let connections = [try cluster.connect("n2"), try cluster.connect("n3")]
        let (count, live) = (600, 40)
        for number in 0..<count {
            let answer = try connections[number % 2].request("PUT", "/v1/kv/large-\(number % live)", body: value)
            XCTAssertEqual(answer.status, 204, answer.text)
        }
        let grown = try cluster.memory("n1") - before
        print("\(count) MiB written, the follower's memory grew by \(grown >> 20) MiB")
        // The limit allows for appends that wait for the disk (64 MiB), the cache, and changes on their way.
        XCTAssertLessThan(grown, 200 << 20)
        for id in ["n2", "n3"] { XCTAssertLessThan(try cluster.memory(id), 600 << 20, id) }
        try FileManager.default.removeItem(atPath: stall)
        try cluster.waitUntilReady("n1")
        try cluster.waitUntilBalanced()
        for number in 0..<live {
            try cluster.wait(for: "n1 to be brought level") {
                try cluster.http("n1", "GET", "/v1/kv/large-\(number)?consistency=stale").body == value
            }
        }
    }
}

/// Tests values of the largest size between nodes with healthy connections.
final class LargeValueTests: XCTestCase {
    /// Each is larger than a window, and as large as a link's queue was: no link may be given up for that.
    func testTheLargestValuesTravelOverLinksThatStand() throws {
        let cluster = try TestCluster(settings: "limits: {value: 64MiB}\n")
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let value = (0..<64 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        for number in 0..<4 {
            let answer = try cluster.http(
                "n\(number % 3 + 1)", "PUT", "/v1/kv/large-\(number % 2)?timeout=20s", body: value)
            XCTAssertEqual(answer.status, 204, answer.text)
        }
        for id in ["n1", "n2", "n3"] {
            XCTAssertFalse(cluster.log(id).contains("lost the connection"), cluster.log(id))
            let read = try cluster.http(id, "GET", "/v1/kv/large-1?timeout=20s").body
            XCTAssertTrue(read == value, "\(read.count) bytes of \(value.count)")
        }
    }
}
