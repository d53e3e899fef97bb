import KVClient
import KVCore
import KVFakes
import XCTest

/// Calls that make many requests.
final class BatchAndScanTests: XCTestCase {
    func testABatchGivesEachOperationItsOwnResult() async throws {
        let node = try await FakeNode { request in
            let name = request.line.split(separator: "/").last?.prefix { $0 != "?" } ?? ""
            switch (request.line.prefix(3), name) {
            case ("GET", "there"): return .status(200, ["ETag": "\"1.1.1\""], "value")
            case ("PUT", "taken"): return .error(412, "condition_failed", "no")
            case ("PUT", "lost"): return .error(504, "outcome_unknown", "no")
            case ("PUT", _): return .status(204, ["ETag": "\"2.2.2\""])
            case ("DEL", "there"): return .status(204)
            default: return .error(404, "not_found", "no")
            }
        }
        let client = KVClient(endpoints: [node.address])
        let results = await client.batch([
            .get(Key("there")), .get(Key("gone"), consistency: .stale),
            .put(Key("new"), [1], lifetime: .milliseconds(5)),
            .put(Key("taken"), [], condition: .ifAbsent), .delete(Key("there")), .delete(Key("gone")),
            .put(Key("lost"), []),
        ])
        guard case .success(.value(let value?)) = results[0] else { return XCTFail("\(results[0])") }
        XCTAssertEqual(value.text, "value")
        XCTAssertEqual(results[1], .success(.value(nil)))
        XCTAssertEqual(results[2], .success(.written(try XCTUnwrap(Version("2.2.2")))))
        guard case .failure(let failed) = results[3] else { return XCTFail("\(results[3])") }
        XCTAssertEqual(failed.code, .conditionFailed)
        XCTAssertEqual(failed.node, "n1")
        XCTAssertEqual(results[4], .success(.deleted(true)))
        XCTAssertEqual(results[5], .success(.deleted(false)))
        guard case .failure(let lost) = results[6] else { return XCTFail("\(results[6])") }
        XCTAssertEqual(lost.effect, .unknown)
        let put = node.requests.first { $0.line.contains("/new?") }
        XCTAssertEqual(put?.line.contains("?ttl=5ms&"), true)
        try await node.stop()
    }

    func testALargeBatch() async throws {
        let node = try await FakeNode { request in .status(204, ["ETag": "\"1.1.\(request.body.text)\""]) }
        let client = KVClient(endpoints: [node.address])
        let results = await client.batch((1...2000).map { .put(Key("k\($0)"), Array("\($0)".utf8)) })
        for (index, result) in results.enumerated() {
            guard case .success(.written(let version)) = result else { return XCTFail("\(index): \(result)") }
            XCTAssertEqual(version.sequence, UInt64(index + 1))
        }
        let none = await client.batch([])
        XCTAssertTrue(none.isEmpty)
        try await node.stop()
    }

    // MARK: Listings

    private static func pages(_ request: FakeNode.Request) -> FakeNode.Reply {
        if request.line.contains("cursor=a%2Bb") { return .status(200, [:], #"{"keys":[],"cursor":"third"}"#) }
        if request.line.contains("cursor=third") {
            return .status(
                200, [:],
                """
                {"keys":[{"key":"AP8=","encoding":"base64","value":"/w==","value_encoding":"base64","version":"1.1.3"}],
                "cursor":null}
                """)
        }
        return .status(
            200, [:], #"{"keys":[{"key":"a\n","value":"1","version":"1.1.1"},{"key":"b"}],"cursor":"a+b"}"#)
    }

    func testScanGoesThroughAllPages() async throws {
        let node = try await FakeNode(speaksFrames: false) { Self.pages($0) }
        let client = KVClient(endpoints: [node.address])
        var entries: [KeyEntry] = []
        for try await entry in client.scan(prefix: "p/", values: true, pageSize: 5000) { entries.append(entry) }
        XCTAssertEqual(
            entries,
            [
                KeyEntry(key: Key("a\n"), value: Array("1".utf8), version: Version("1.1.1")), KeyEntry(key: Key("b")),
                KeyEntry(key: Key([0, 255]), value: [255], version: Version("1.1.3")),
            ])
        XCTAssertEqual(
            node.requests.map { $0.line.prefix { $0 != "t" } },
            ["GET /v1/kv?prefix=p%2F&limi", "GET /v1/kv?prefix=p%2F&limi", "GET /v1/kv?prefix=p%2F&limi"])
        XCTAssertTrue(node.requests[0].line.contains("&limit=1000&values=true&timeout="), node.requests[0].line)
        try await node.stop()
    }

    func testAPageIsAskedForWhenItIsNeededAndAgainWhereItFailed() async throws {
        let node = try await FakeNode(speaksFrames: false) { request in
            request.line.contains("cursor=third") ? .error(500, "internal_error", "why") : Self.pages(request)
        }
        let client = KVClient(endpoints: [node.address])
        let iterator = client.scan().makeAsyncIterator()
        var keys = iterator
        for _ in 0..<2 { _ = try await keys.next() }
        XCTAssertEqual(node.requests.count, 1)
        for count in [3, 4] {
            do {
                _ = try await keys.next()
                XCTFail("there is no such page")
            } catch {
                XCTAssertEqual((error as? KVError)?.code, .internalError)
            }
            XCTAssertEqual(node.requests.count, count)
        }
        try await node.stop()
    }

    func testAPageThatIsNotUnderstood() async throws {
        for body in [
            #"{"keys":[{"value":"x"}],"cursor":null}"#, #"{"keys":[{"key":"?","encoding":"base64"}],"cursor":null}"#,
            #"{"keys":[{"key":"a","encoding":"rot13"}],"cursor":null}"#, "[]",
        ] {
            let node = try await FakeNode(speaksFrames: false) { _ in .status(200, [:], body) }
            let client = KVClient(endpoints: [node.address])
            await expect({ $0.code == .badRequest }) { try await client.page() }
            try await node.stop()
        }
    }
}
