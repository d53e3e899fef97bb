import Foundation
import KVClient
import KVTesting
import XCTest

/// A node in the process of a test does what any node does, and leaves nothing behind.
final class TestNodeTests: XCTestCase {
    private func directories() throws -> Set<String> {
        let all = try FileManager.default.contentsOfDirectory(atPath: FileManager.default.temporaryDirectory.path)
        return Set(all.filter { $0.hasPrefix("kv-test-") })
    }

    func testEveryCall() async throws {
        let before = try directories()
        let sum = try await TestNode.run { client in
            let version = try await client.put("text", "hello", lifetime: .seconds(60))
            let value = try await client.get("text")
            XCTAssertEqual(value?.text, "hello")
            XCTAssertEqual(value?.version, version)
            XCTAssertEqual(value?.contentType, "text/plain")
            let left = try XCTUnwrap(value?.timeToLive)
            XCTAssertTrue(left > .seconds(50) && left <= .seconds(60), "\(left)")

            do {
                try await client.put("text", "again", condition: .ifAbsent)
                XCTFail("it is there")
            } catch let error as KVError {
                XCTAssertEqual(error.code, .conditionFailed)
                XCTAssertEqual(error.currentVersion, version)
                XCTAssertEqual(error.effect, .none)
            }
            let wasThere = try await client.touch("text", lifetime: nil)
            XCTAssertTrue(wasThere)
            let lasting = try await client.get("text")
            XCTAssertNil(lasting?.timeToLive)
            let isGone = try await client.delete("text", condition: .ifVersion(try XCTUnwrap(lasting?.version)))
            XCTAssertTrue(isGone)
            let again = try await client.delete("text")
            XCTAssertFalse(again)
            let untouched = try await client.touch("text", lifetime: .seconds(1))
            XCTAssertFalse(untouched)

            try await client.put("bytes", [0, 255, 13, 10] as [UInt8])
            let stale = try await client.get("bytes", as: [UInt8].self, consistency: .stale)
            XCTAssertEqual(stale?.value, [0, 255, 13, 10])
            do {
                try await client.increment("bytes")
                XCTFail("it is no number")
            } catch let error as KVError {
                XCTAssertEqual(error.code, .unfit)
            }
            do {
                try await client.put("large", [UInt8](repeating: 0, count: 100 << 20))
                XCTFail("it is too large")
            } catch let error as KVError {
                XCTAssertEqual(error.code, .badRequest)
                XCTAssertTrue(error.message.contains("limits.value"), error.message)
            }

            for index in 0..<250 { try await client.put(Key("list/\(index)"), index) }
            var listed: [Key: Int] = [:]
            for try await entry in client.scan(prefix: "list/", values: true, pageSize: 7) {
                listed[entry.key] = try Int(decodingValue: entry.value ?? [])
            }
            XCTAssertEqual(listed, Dictionary((0..<250).map { (Key("list/\($0)"), $0) }) { first, _ in first })

            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask { try await client.increment("counter", by: 2) }
                    group.addTask { try await client.update("counter", as: Int.self) { ($0 ?? 0) + 1 } }
                }
                try await group.waitForAll()
            }
            return try await client.get("counter", as: Int.self)?.value
        }
        XCTAssertEqual(sum, 150)
        XCTAssertEqual(try directories(), before)
    }

    func testNodesKnowNothingOfEachOther() async throws {
        let first = try await TestNode.start()
        let second = try await TestNode.start()
        XCTAssertNotEqual(first.address, second.address)
        let clients = (first.client(), second.client())
        try await clients.0.put("k", "of the first")
        let other = try await clients.1.get("k")
        XCTAssertNil(other)
        await clients.0.close()
        await clients.1.close()
        await first.stop()
        await second.stop()
    }

    /// What is thrown in the body comes out, and the node is stopped.
    func testABodyThatFails() async throws {
        struct Failed: Error {}
        let before = try directories()
        do {
            try await TestNode.run { _ in throw Failed() }
            XCTFail("it was to fail")
        } catch {
            XCTAssertTrue(error is Failed, "\(error)")
        }
        XCTAssertEqual(try directories(), before)
    }
}
