import Foundation
import KVCore
import Synchronization
import XCTest

/// Tests a cluster of one node. No replica can help, so everything must be on its disk.
final class SingleNodeTests: XCTestCase {
    func testKeepsItsDataWithoutAConfiguration() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        // Everything at its default but where it listens and keeps its data, as the default ports may be taken.
        let node = try cluster.node("n1")
        try "nodes: [{id: n1, client: \"\(node.client)\", peer: \"\(node.peer)\"}]\ncluster: {name: one}\n"
            .write(to: cluster.file, atomically: true, encoding: .utf8)
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("put", "greeting", "hello").status, 0)
        let samples = Array(Sample.all.suffix(30))
        let connection = try cluster.connect("n1")
        try Sample.put(samples, on: [connection])
        let told = Time.now
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        XCTAssertLessThan(Time.now - told, 4, "a client that keeps its connection open does not hold up the end")
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("get", "greeting").text, "hello")
        cluster.killNow()
        try cluster.startAndWait()
        let again = try cluster.connect("n1")
        for sample in samples { try sample.assertThere(on: again) }
        XCTAssertTrue(FileManager.default.fileExists(atPath: "\(cluster.directory.path)/kv-data/n1/identity"))
        XCTAssertEqual(try cluster.ring("n1").nodes.map(\.leaders), [1024])
    }

    func testItMovesToAnotherAddress() throws {
        let cluster = try TestCluster(nodes: 1, spares: 1)
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("put", "k", "v").status, 0)
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        // Elsewhere to its clients and its peers, which here come to the same place all the same.
        var text = try String(contentsOf: cluster.file, encoding: .utf8)
        let (client, peer) = (try cluster.node("n1").client, try cluster.node("n1").peer)
        text = text.replacingOccurrences(
            of: "{id: n1,",
            with: "{id: n1, advertise_client: \"localhost:\(client.port)\", advertise_peer: \"localhost:\(peer.port)\","
        )
        try text.write(to: cluster.file, atomically: true, encoding: .utf8)
        try cluster.startAndWait()
        try cluster.wait(for: "n1 to say where it is") {
            try cluster.ring("n1").nodes.map(\.client) == ["localhost:\(client.port)"]
        }
        XCTAssertEqual(try cluster.kv("get", "k").text, "v")
        // Whoever joins finds it there; from then on others look for it.
        try cluster.startPendingNode("n2")
        try cluster.wait(for: "n2 to wait") { try cluster.ring("n1").waiting.contains { $0.id == "n2" } }
        let join = try cluster.kv("join", "n2", "--yes", at: ["n1"])
        XCTAssertEqual(join.status, 0, join.errors)
        XCTAssertEqual(try cluster.kv("get", "k", at: ["n2"]).text, "v")
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        let refused = try cluster.serve("n1") { $0.replacingOccurrences(of: "localhost", with: "127.0.0.1") }
        XCTAssertEqual(refused.status, 65)
        XCTAssertTrue(refused.errors.contains("looks for n1 at the client address localhost:"), refused.errors)
    }

    func testAnIdleNodeNoticesThatItsDirectoryIsGone() throws {
        let cluster = try TestCluster(nodes: 1)
        try cluster.startAndWait()
        // It has written down all there is to write.
        try cluster.wait(for: "the cluster to have begun") { try cluster.ring("n1").epoch == 2 }
        Thread.sleep(forTimeInterval: 0.5)
        let (path, aside) = (cluster.data("n1"), cluster.data("n1") + ".aside")
        func ready() throws -> (status: Int, text: String) {
            let answer = try cluster.http("n1", "GET", "/health/ready")
            return (answer.status, String(decoding: answer.body, as: UTF8.self))
        }
        try FileManager.default.moveItem(atPath: path, toPath: aside)
        try cluster.wait(limit: 6, for: "n1 to notice") { try ready().status == 503 }
        XCTAssertTrue(try ready().text.contains("\(path) was deleted or replaced under the running node"))
        try FileManager.default.moveItem(atPath: aside, toPath: path)
        try cluster.wait(limit: 6, for: "n1 to be ready again") { try ready().status == 200 }
        try FileManager.default.removeItem(atPath: path)
        try cluster.wait(limit: 6, for: "n1 to notice") { try ready().status == 503 }
        XCTAssertTrue(cluster.log("n1").contains("ERROR \(path) was deleted or replaced"), cluster.log("n1"))
        cluster.killNow("n1")
    }

    /// The pages of `KEYS` and `FLUSHALL` follow each other on the loop that serves everybody. `kv` has no other here.
    func testOthersAreServedWhileAllKeysAreListedOrDeleted() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "storage: {sync: never, shards: 1}\n")
        try cluster.startAndWait()
        let load = try cluster.kv(
            "bench", "--protocol", "resp", "--load", "only", "--keys", "60000", "--value-size", "10")
        XCTAssertEqual(load.status, 0, load.errors)
        let address = try cluster.node("n1").client
        for (command, reply) in [("*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n", 60_000 * 23 + 8), ("*1\r\n$8\r\nFLUSHALL\r\n", 5)]
        {
            let other = try cluster.connect("n1")
            let took = Mutex<Double?>(nil)
            Thread {
                let begin = Time.now
                let connection = try? RawConnection(address)
                let isWhole = connection?.send(command) == true && connection?.discard(reply) == true
                took.withLock { $0 = isWhole ? Time.now - begin : 0 }
            }.start()
            var longest = 0.0
            while took.withLock({ $0 }) == nil {
                let asked = Time.now
                XCTAssertTrue(other.send("*1\r\n$4\r\nPING\r\n"))
                XCTAssertTrue(other.discard(7))
                longest = max(longest, Time.now - asked)
            }
            let whole = took.withLock { $0 ?? 0 }
            XCTAssertLessThan(longest, whole / 2, "\(command) took \(whole) s, and somebody waited \(longest) s")
        }
    }

    func testAStoreThatLostAPartOfItselfIsRefused() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "storage: {segment: 4MiB, shards: 1}\n")
        try cluster.startAndWait()
        let connection = try cluster.connect("n1")
        let value = [UInt8](repeating: 0xab, count: 300_000)
        for number in 0..<20 {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/\(number)", body: value).status, 204)
        }
        // The node has noted how much is on its disk before it is killed.
        cluster.killNow()
        let shard = cluster.data("n1") + "/shard-0"
        let (manager, aside) = (FileManager.default, cluster.directory.path + "/aside")
        let segments = try manager.contentsOfDirectory(atPath: shard).filter { $0.hasSuffix(".log") }.sorted()
        XCTAssertGreaterThan(segments.count, 1)
        try manager.copyItem(atPath: shard, toPath: aside)
        let losses: [(String, () throws -> Void)] = [
            ("\(shard) holds less than when this node last ran", { try manager.removeItem(atPath: shard) }),
            (segments[0], { try manager.removeItem(atPath: "\(shard)/\(segments[0])") }),
            (
                segments[segments.count - 1],
                {
                    try manager.removeItem(atPath: "\(shard)/\(segments[segments.count - 1])")
                }
            ),
            (
                "is damaged at byte 0",
                {
                    try Data().write(to: URL(fileURLWithPath: "\(shard)/\(segments[segments.count - 1])"))
                }
            ),
        ]
        for (words, lose) in losses {
            try lose()
            let result = try cluster.serve("n1")
            XCTAssertEqual(result.status, 65, result.errors)
            XCTAssertTrue(result.errors.contains(words), result.errors)
            XCTAssertTrue(result.errors.contains("kv join NODE --replace NODE"), result.errors)
            if manager.fileExists(atPath: shard) { try manager.removeItem(atPath: shard) }
            try manager.copyItem(atPath: aside, toPath: shard)
        }
        try cluster.startAndWait()
        for number in 0..<20 { XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/\(number)").body == value) }
    }

    func testNewerSegmentIsRefused() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("put", "k", "v").status, 0)
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        let segment = cluster.data("n1") + "/shard-0/0000000001.log"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: segment))
        // The header's frozen fields: the format at byte 8, a CRC-32C of what is before byte 56 there.
        bytes[8] = 99
        let checksum = crc32c(bytes.prefix(56))
        for index in 0..<4 { bytes[56 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index)) }
        try bytes.write(to: URL(fileURLWithPath: segment))
        let result = try cluster.serve("n1")
        XCTAssertEqual(result.status, 65, result.errors)
        XCTAssertTrue(result.errors.contains("\(segment) has format 99, written by a newer kv"), result.errors)
    }

    private func crc32c(_ bytes: Data) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82f6_3b78 }
        }
        return ~crc
    }
}
