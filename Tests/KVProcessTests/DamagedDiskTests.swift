import Foundation
import KVCore
import XCTest

/// Tests real nodes whose disks damage data.
final class DamagedDiskTests: XCTestCase {
    private static let settings = "storage: {segment: 4MiB, shards: 1, cache: 0}\n"
    private static let keys = 0..<40

    private func value(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(100 + number), count: 300_000) }

    private func fill(_ cluster: TestCluster) throws {
        let connection = try cluster.connect("n1")
        for number in Self.keys {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/\(number)", body: value(number)).status, 204)
        }
    }

    private func shard(_ cluster: TestCluster, _ id: String) -> String { cluster.data(id) + "/shard-0" }

    private func files(_ cluster: TestCluster, _ id: String, _ ending: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: shard(cluster, id)).filter { $0.hasSuffix(ending) }.sorted()
    }

    /// Until all sealed segments have their sidecars.
    private func waitForSidecars(_ cluster: TestCluster, _ id: String) throws {
        try cluster.wait(for: "sidecars of \(id)") {
            let segments = try files(cluster, id, ".log").count
            return try segments > 2 && files(cluster, id, ".index").count == segments - 1
        }
    }

    /// Flips a bit of the oldest segment of a node that is down.
    /// - Returns: the file.
    private func spoil(_ cluster: TestCluster, _ id: String, at part: Double) throws -> String {
        let path = shard(cluster, id) + "/" + (try XCTUnwrap(files(cluster, id, ".log").first))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[Int(Double(bytes.count) * part)] ^= 0x40
        try bytes.write(to: URL(fileURLWithPath: path))
        return path
    }

    func testTwoNodesRepairEachOther() throws {
        let cluster = try TestCluster(settings: Self.settings)
        try cluster.startAndWait()
        try fill(cluster)
        for (id, part) in [("n1", 0.25), ("n2", 0.75)] {
            try waitForSidecars(cluster, id)
            XCTAssertEqual(try cluster.stop(id), .exited(0))
            _ = try spoil(cluster, id, at: part)
            try cluster.start(id)
            try cluster.waitUntilReady()
        }
        try cluster.waitUntilBalanced()
        for id in ["n1", "n2", "n3"] {
            for number in Self.keys {
                let answer = try cluster.http(id, "GET", "/v1/kv/\(number)")
                XCTAssertEqual(answer.status, 200, answer.text)
                XCTAssertTrue(answer.body == value(number), "\(number) at \(id)")
            }
        }
        // Whoever leads the key, and whether anybody reads it or not: scrubbing comes to it.
        for id in ["n1", "n2"] {
            try cluster.wait(for: "\(id) to write again what its disk has spoiled") {
                cluster.log(id).contains("1 records that the disk had spoiled have been written again")
            }
            XCTAssertTrue(cluster.log(id).contains("1 records on disk are not what was written"), cluster.log(id))
        }
        XCTAssertFalse(cluster.log("n3").contains("not what was written"), cluster.log("n3"))
        // It does not come back with the next start.
        for id in ["n1", "n2"] {
            try cluster.wait(for: "the spoiled file of \(id) to go") {
                try !files(cluster, id, ".log").contains("0000000001.log")
            }
            XCTAssertEqual(try cluster.stop(id), .exited(0))
            try cluster.start(id)
            try cluster.waitUntilReady()
        }
        for number in Self.keys {
            XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/\(number)").body == value(number))
        }
    }

    /// A node on its own that is not running, and the file of its data that is spoiled.
    private func spoiledAlone() throws -> (TestCluster, path: String) {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: Self.settings)
        try cluster.startAndWait()
        try fill(cluster)
        try waitForSidecars(cluster, "n1")
        cluster.killNow()
        return (cluster, try spoil(cluster, "n1", at: 0.5))
    }

    func testTheOnlyCopy() throws {
        let (cluster, path) = try spoiledAlone()
        try cluster.startAndWait()
        var unreadable: [Int] = []
        for number in Self.keys {
            let answer = try cluster.http("n1", "GET", "/v1/kv/\(number)")
            if answer.status == 200 {
                XCTAssertTrue(answer.body == value(number), "\(number)")
            } else {
                XCTAssertEqual(answer.status, 503)
                XCTAssertTrue(answer.text.contains("with a copy that its disk can read"), answer.text)
                unreadable.append(number)
            }
        }
        XCTAssertEqual(unreadable.count, 1)
        try cluster.wait(for: "it to be said") {
            cluster.log("n1").contains("1 records cannot be read from disk, and no other node in touch has them")
        }
        XCTAssertTrue(cluster.log("n1").contains("of \(path); their values are fetched"), cluster.log("n1"))
        // To write it anew needs no look at what was there.
        let number = try XCTUnwrap(unreadable.first)
        XCTAssertEqual(try cluster.http("n1", "PUT", "/v1/kv/\(number)", body: [1]).status, 204)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(number)").body, [1])
        try cluster.wait(for: "the spoiled file to go") { !FileManager.default.fileExists(atPath: path) }
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(number)").body, [1])
    }

    /// Where a start has to read the segment itself, nobody can tell what is lost.
    func testDamageThatAStartMeetsIsRefused() throws {
        let (cluster, path) = try spoiledAlone()
        try FileManager.default.removeItem(atPath: path.dropLast(4) + ".index")
        let result = try cluster.serve("n1")
        XCTAssertEqual(result.status, 65, result.errors)
        XCTAssertTrue(result.errors.contains("\(path) is damaged at byte"), result.errors)
        XCTAssertTrue(result.errors.contains("--replace NODE"), result.errors)
    }
}
