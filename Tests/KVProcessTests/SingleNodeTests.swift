import KVCore
import XCTest

/// A cluster of one: with nothing to hide behind, what its disk says is what there is.
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

    func testDamageIsNotServed() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "storage: {segment: 4MiB}\n")
        try cluster.startAndWait()
        let connection = try cluster.connect("n1")
        let value = [UInt8](repeating: 0xab, count: 300_000)
        for number in 0..<40 {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/\(number)", body: value).status, 204)
        }
        cluster.killNow()
        let shard = cluster.data("n1") + "/shard-0"
        let segments = try FileManager.default.contentsOfDirectory(atPath: shard).filter { $0.hasSuffix(".log") }
            .sorted()
        XCTAssertGreaterThan(segments.count, 2)
        let sealed = shard + "/" + (try XCTUnwrap(segments.first))
        let original = try Data(contentsOf: URL(fileURLWithPath: sealed))
        var damaged = original
        damaged[original.count / 2] ^= 0x40
        try damaged.write(to: URL(fileURLWithPath: sealed))

        // Found while starting, or where a sidecar spares reading the values, by the first read of one of them.
        try cluster.start()
        try cluster.wait(for: "the damage to be met") {
            for number in 0..<40 where cluster.isRunning("n1") {
                guard let answer = try? cluster.http("n1", "GET", "/v1/kv/\(number)") else { continue }
                if answer.status == 200 { XCTAssertTrue(answer.body == value, "damaged bytes were served") }
            }
            return !cluster.isRunning("n1")
        }
        let log = cluster.log("n1")
        XCTAssertTrue(log.contains("kv: \(sealed) is damaged at byte"), log)
        XCTAssertTrue(log.contains("--replace NODE"), log)

        try original.write(to: URL(fileURLWithPath: sealed))
        try cluster.startAndWait()
        for number in 0..<40 { XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/\(number)").body == value) }
    }

    func testAStoreThatLostAPartOfItselfIsRefused() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "storage: {segment: 4MiB, shards: 1}\n")
        try cluster.startAndWait()
        let connection = try cluster.connect("n1")
        let value = [UInt8](repeating: 0xab, count: 300_000)
        for number in 0..<20 {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/\(number)", body: value).status, 204)
        }
        // What is on disk is known before the process ends.
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
