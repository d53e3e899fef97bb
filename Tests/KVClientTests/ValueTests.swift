import KVClient
import KVFakes
import NIOConcurrencyHelpers
import NIOCore
import XCTest

/// Values of types, the loop that changes them, and what errors say.
final class ValueTests: XCTestCase {
    /// A node that keeps values. Before each change that has a condition it may let another client be faster.
    private final class Store: Sendable {
        struct Stored {
            var bytes: [UInt8]
            var sequence: Int
            var contentType: String
            var line: String
        }

        let values = NIOLockedValueBox<[String: Stored]>([:])
        let rivals = NIOLockedValueBox(0)

        func answer(_ request: FakeNode.Request) -> FakeNode.Reply {
            let name = String(request.line.split(separator: "/").last?.prefix { $0 != "?" } ?? "")
            return values.withLockedValue { values in
                let present = values[name]
                if request.line.hasPrefix("GET") {
                    guard let present else { return .error(404, "not_found", "no") }
                    return .status(
                        200,
                        ["ETag": "\"1.1.\(present.sequence)\"", "Content-Type": present.contentType, "KV-TTL": "7"],
                        present.bytes.text)
                }
                let isRival = rivals.withLockedValue { rivals in
                    defer { rivals -= rivals > 0 ? 1 : 0 }
                    return rivals > 0
                }
                if isRival {
                    values[name] = Stored(
                        bytes: Array("\((present.flatMap { Int($0.bytes.text) } ?? 0) + 100)".utf8),
                        sequence: (present?.sequence ?? 0) + 1, contentType: "text/plain", line: "")
                }
                let now = values[name]
                if let tag = request.headers["if-match"].first, now.map({ "\"1.1.\($0.sequence)\"" }) != tag {
                    return .status(412, ["ETag": "\"9.9.9\""])
                }
                if !request.headers["if-none-match"].isEmpty, now != nil { return .status(412) }
                if request.line.hasPrefix("DELETE") {
                    values[name] = nil
                    return .status(204)
                }
                let sequence = (now?.sequence ?? 0) + 1
                values[name] = Stored(
                    bytes: request.body, sequence: sequence,
                    contentType: request.headers["content-type"].first ?? "", line: request.line)
                return .status(204, ["ETag": "\"1.1.\(sequence)\""])
            }
        }
    }

    private struct User: Codable, Equatable {
        var name: String
        var age: Int
    }

    func testTypes() async throws {
        let store = Store()
        let node = try await FakeNode { store.answer($0) }
        let client = KVClient(endpoints: [node.address])
        try await client.put("text", "h\u{e9}llo")
        try await client.put("number", -5)
        try await client.put("bytes", [1, 2] as [UInt8])
        try await client.put("buffer", ByteBuffer(string: "b"))
        try await client.put("user", JSON(User(name: "a", age: 3)), lifetime: .seconds(9))
        let text = try await client.get("text", as: String.self)
        XCTAssertEqual(text?.value, "h\u{e9}llo")
        XCTAssertEqual(text?.version, Version("1.1.1"))
        let number = try await client.get("number", as: Int.self)
        XCTAssertEqual(number?.value, -5)
        let bytes = try await client.get("bytes", as: [UInt8].self)
        XCTAssertEqual(bytes?.value, [1, 2])
        let buffer = try await client.get("buffer", as: ByteBuffer.self)
        XCTAssertEqual(buffer?.value, ByteBuffer(string: "b"))
        let user = try await client.get("user", as: JSON<User>.self)
        XCTAssertEqual(user?.value.value, User(name: "a", age: 3))
        let none = try await client.get("none", as: Int.self)
        XCTAssertNil(none)
        XCTAssertEqual(store.values.withLockedValue { $0["user"]?.bytes.text }, #"{"age":3,"name":"a"}"#)
        let types = store.values.withLockedValue { $0.mapValues(\.contentType) }
        XCTAssertEqual(
            types,
            ["text": "text/plain", "number": "text/plain", "bytes": "", "buffer": "", "user": "application/json"])
        await expect({ $0.code == .unfit && $0.effect == .none && $0.message.contains("'text'") }) {
            try await client.get("text", as: Int.self)?.value
        }
        try await node.stop()
    }

    func testUpdateBeginsAnewWhereAnotherWasFaster() async throws {
        let store = Store()
        let node = try await FakeNode { store.answer($0) }
        let client = KVClient(endpoints: [node.address])
        store.rivals.withLockedValue { $0 = 3 }
        let calls = NIOLockedValueBox(0)
        let result = try await client.update("k", as: Int.self) { value in
            calls.withLockedValue { $0 += 1 }
            return (value ?? 0) + 1
        }
        XCTAssertEqual(result?.value, 301, "no change of the others is lost")
        XCTAssertEqual(calls.withLockedValue { $0 }, 4)
        XCTAssertEqual(
            store.values.withLockedValue { $0["k"]?.line.contains("?ttl=7000ms&") }, true, "the rest of its time")
        let gone: (value: Int, version: Version)? = try await client.update("k") { _ in nil }
        XCTAssertNil(gone)
        XCTAssertNil(store.values.withLockedValue { $0["k"] })
        let never: (value: Int, version: Version)? = try await client.update("k") { _ in nil }
        XCTAssertNil(never)
        try await node.stop()
    }

    func testUpdateEndsAfterItsAttempts() async throws {
        let store = Store()
        let node = try await FakeNode { store.answer($0) }
        let client = KVClient(endpoints: [node.address])
        store.rivals.withLockedValue { $0 = .max }
        await expect({ $0.code == .conditionFailed }) {
            try await client.update("k", as: Int.self, attempts: 3) { ($0 ?? 0) + 1 }?.value
        }
        XCTAssertEqual(node.keyRequests.count { $0.line.hasPrefix("PUT") }, 3)
        try await node.stop()
    }

    /// What may have been done is not done again.
    func testUpdateNeverRepeatsWhatIsUnknown() async throws {
        let node = try await FakeNode { request in
            request.line.hasPrefix("GET") ? .error(404, "not_found", "no") : .error(504, "outcome_unknown", "late")
        }
        let client = KVClient(endpoints: [node.address])
        await expect(.unknown(.timedOut, "late")) { try await client.update("k", as: Int.self) { _ in 1 }?.value }
        XCTAssertEqual(node.keyRequests.count { $0.line.hasPrefix("PUT") }, 1)
        try await node.stop()
    }

    func testAnUpdateThatFailsChangesNothing() async throws {
        struct NotToday: Error {}
        let store = Store()
        let node = try await FakeNode { store.answer($0) }
        let client = KVClient(endpoints: [node.address])
        do {
            try await client.update("k", as: Int.self) { _ in throw NotToday() }
            XCTFail("it was to fail")
        } catch {
            XCTAssertTrue(error is NotToday)
        }
        XCTAssertNil(store.values.withLockedValue { $0["k"] })
        try await node.stop()
    }

    func testManyKeys() async throws {
        let store = Store()
        let node = try await FakeNode { store.answer($0) }
        let client = KVClient(endpoints: [node.address])
        for index in 0..<20 { try await client.put(Key("k\(index)"), index) }
        let values = await client.getMany((0..<30).map { Key("k\($0)") } + ["k1"])
        XCTAssertEqual(values.count, 30)
        for index in 0..<30 {
            guard case .success(let value) = values[Key("k\(index)")] else { return XCTFail("\(index)") }
            XCTAssertEqual(value?.text, index < 20 ? "\(index)" : nil)
        }
        try await node.stop()
    }

    func testWhatErrorsSay() {
        let error = KVError(.noLeader, "nothing was changed: why", node: "n2")
        XCTAssertEqual("\(error)", "nothing was changed: why")
        XCTAssertEqual(
            error.debugDescription, "KVError(no_leader by n2, effect: none): nothing was changed: why")
        XCTAssertTrue(error.isRetryable)
        XCTAssertFalse(KVError(.timedOut, effect: .unknown, "late").isRetryable)
        XCTAssertFalse(KVError(.conditionFailed, "no").isRetryable)
    }
}
