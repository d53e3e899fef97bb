import KVClient
import KVCore
import KVFakes
import XCTest

final class KVClientTests: XCTestCase {
    private let key = Key([0x61, 0x2F, 0x00, 0xFF])

    // MARK: Requests and answers

    func testGet() async throws {
        let node = try await FakeNode { request in
            request.line.contains("none")
                ? .error(404, "not_found", "no")
                : .status(200, ["ETag": "\"3.1.42\"", "KV-TTL": "7", "Content-Type": "text/plain"], "hello")
        }
        let client = KVClient(endpoints: [node.address])
        let value = try await client.get(key)
        XCTAssertEqual(value?.bytes, Array("hello".utf8))
        XCTAssertEqual(value?.version, Version("3.1.42"))
        XCTAssertEqual(value?.timeToLive, .seconds(7))
        XCTAssertEqual(value?.contentType, "text/plain")
        let absent = try await client.get(Key("none"), consistency: .stale)
        XCTAssertNil(absent)
        let lines = node.requests.map(\.line)
        XCTAssertTrue(lines[0].hasPrefix("GET /v1/kv/a%2F%00%FF?timeout=4"), lines[0])
        XCTAssertTrue(lines[1].hasPrefix("GET /v1/kv/none?consistency=stale&timeout=4"), lines[1])
        XCTAssertEqual(node.requests.map(\.connection), [1, 1])
        try await node.stop()
    }

    func testPut() async throws {
        for speaksFrames in [true, false] { try await put(speaksFrames) }
    }

    private func put(_ speaksFrames: Bool) async throws {
        let node = try await FakeNode(speaksFrames: speaksFrames) { _ in .status(204, ["ETag": "\"1.2.3\""]) }
        let client = KVClient(endpoints: [node.address])
        let version = try await client.put(
            key, [0, 1, 2], contentType: "image/x", lifetime: .milliseconds(1500),
            condition: .ifVersion(Version(ballot: Ballot(round: 9, node: NodeNumber(8)), sequence: 7)))
        XCTAssertEqual(version, Version("1.2.3"))
        try await client.put(key, [], condition: .ifAbsent)
        try await client.put(key, [], condition: .ifPresent)
        let requests = node.requests
        XCTAssertTrue(requests[0].line.hasPrefix("PUT /v1/kv/a%2F%00%FF?ttl=1500ms&timeout="), requests[0].line)
        XCTAssertEqual(requests[0].body, [0, 1, 2])
        XCTAssertEqual(requests[0].headers["if-match"], ["\"9.8.7\""])
        XCTAssertEqual(requests[0].headers["content-type"], ["image/x"])
        if !speaksFrames { XCTAssertEqual(requests[1].headers["content-length"], ["0"]) }
        XCTAssertEqual(requests[1].headers["if-none-match"], ["*"])
        XCTAssertEqual(requests[2].headers["if-match"], ["*"])
        try await node.stop()
    }

    func testDelete() async throws {
        let node = try await FakeNode { $0.line.contains("/there?") ? .status(204) : .error(404, "not_found", "no") }
        let client = KVClient(endpoints: [node.address])
        let there = try await client.delete(Key("there"))
        let gone = try await client.delete(Key("gone"))
        XCTAssertTrue(there)
        XCTAssertFalse(gone)
        XCTAssertTrue(node.requests[0].line.hasPrefix("DELETE /v1/kv/there?timeout="))
        try await node.stop()
    }

    func testStatus() async throws {
        let one = """
            {"id":"n1","number":1,"state":"alive","standing":"active","zone":"a","weight":1,"client":"h:1","peer":"h:2","replicas":2,"leaders":1,
            "keys":10,"bytes":1234}
            """
        let two = """
            {"id":"n2","number":2,"state":"suspect","standing":"leaving","zone":"","weight":3,"client":"h:3","peer":"h:4","replicas":2,"leaders":0,
            "keys":null,"bytes":null}
            """
        let node = try await FakeNode { request in
            switch request.line {
            case "GET /v1/ring":
                .status(
                    200, [:],
                    """
                    {"cluster":"demo","epoch":4,"partitions":2,"replicas":3,"waiting":[],"nodes":[\(one),\(two)],"assignments":[
                    {"partition":0,"first_slot":0,"last_slot":8191,"replicas":["n1","n2"],"leader":"n1"},
                    {"partition":1,"first_slot":8192,"last_slot":16383,"replicas":["n2","n1"],"leader":null}],"new":1}
                    """)
            case "GET /v1/nodes": .status(200, [:], "{\"nodes\":[\(one),\(two)]}")
            case "GET /v1/ring?key=a%20b":
                .status(200, [:], #"{"key":"a b","slot":7,"partition":0,"replicas":["n1"],"leader":"n1"}"#)
            default: .status(500)
            }
        }
        let client = KVClient(endpoints: [node.address])
        let ring = try await client.ring()
        XCTAssertEqual(ring.epoch, 4)
        XCTAssertEqual(ring.assignments.map(\.lastSlot), [8191, 16383])
        XCTAssertEqual(ring.assignments.map(\.leader), ["n1", nil])
        XCTAssertEqual(ring.nodes.map(\.bytes), [1234, nil])
        let nodes = try await client.nodes()
        XCTAssertEqual(nodes, ring.nodes)
        let placement = try await client.placement(of: Key("a b"))
        XCTAssertEqual(placement.slot, 7)
        try await node.stop()
    }

    func testTheLoadOfANode() async throws {
        let load = """
            {"node":"n1","milliseconds":250,"shards":[{"shard":0,"partitions":2,"leaders":1,"reads":1.5,"writes":0,\
            "copies":7,"keys":3,"bytes":4}],"busiest":[{"partition":5,"shard":0,"leader":null,"reads":1.5,"writes":0,\
            "copies":0,"keys":1,"bytes":2}]}
            """
        let node = try await FakeNode { request in
            switch request.line {
            case "GET /v1/load?over=250ms": .status(200, [:], load)
            case "GET /v1/load?over=1000ms": .error(429, "overloaded", "busy")
            default: .error(400, "bad_over", "no")
            }
        }
        let client = KVClient(endpoints: [node.address], timeout: .milliseconds(100))
        let status = try await client.load(over: .milliseconds(250))
        XCTAssertEqual(status.shards.map(\.reads), [1.5])
        XCTAssertEqual(status.busiest.map(\.partition), [5])
        XCTAssertNil(status.busiest[0].leader)
        await expect(KVError(.overloaded, "busy")) { try await client.load() }
        for span in [.zero, .seconds(-1), .seconds(Int64.max)] as [Duration] {
            await expect(.badRequest("no")) { try await client.load(over: span) }
        }
        try await node.stop()
    }

    func testConcurrentRequestsGetTheirOwnAnswers() async throws {
        // The node answers only when all connections are in use. If it answered at once, fewer could be enough.
        let gate = FakeNode.Gate()
        let node = try await FakeNode { request in
            let name = request.line.split(separator: "/").last?.split(separator: "?").first ?? ""
            return .held(gate, .status(200, ["ETag": "\"1.1.1\""], String(name)))
        }
        let client = KVClient(endpoints: [node.address])
        let all = KVClientOptions().connectionsPerNode
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<300 {
                group.addTask {
                    let value = try await client.get(Key("k\(index)"))
                    XCTAssertEqual(value?.bytes, Array("k\(index)".utf8))
                }
            }
            group.addTask {
                defer { gate.open() }
                try await eventually("all connections") { Set(node.keyRequests.map(\.connection)).count == all }
            }
            try await group.waitForAll()
        }
        XCTAssertEqual(node.keyRequests.count, 300)
        XCTAssertEqual(Set(node.keyRequests.map(\.connection)).count, all)
        try await node.stop()
    }

    // MARK: Failures

    func testWhatStatusesMean() async throws {
        let node = try await FakeNode(speaksFrames: false) { request in
            let status = Int(request.headers.first(name: "host") == nil ? "0" : request.body.text) ?? 0
            return .status(
                status, status == 412 ? ["ETag": "\"2.2.2\""] : [:], #"{"error":"code","message":"m \#(status)"}"#)
        }
        let client = KVClient(endpoints: [node.address])
        let meanings: [Int: KVError] = [
            400: .badRequest("m 400"), 401: KVError(.denied, "m 401"), 403: KVError(.denied, "m 403"),
            405: .badRequest("m 405"), 408: KVError(.unavailable, "m 408"), 412: .conditionFailed(Version("2.2.2")),
            413: .badRequest("m 413"), 429: KVError(.unavailable, "m 429"),
            500: .unknown(.internalError, "m 500"), 503: KVError(.unavailable, "m 503"),
            504: .unknown(.timedOut, "m 504"), 302: .unknown(.internalError, "m 302"),
        ]
        for (status, meaning) in meanings {
            await expect(meaning) { try await client.put(Key("k"), Array("\(status)".utf8)) }
        }
        try await node.stop()
    }

    func testNoMessageFromTheServer() async throws {
        let node = try await FakeNode(speaksFrames: false) { _ in .status(503, [:], "<html>") }
        let client = KVClient(endpoints: [node.address])
        await expect(KVError(.unavailable, "\(node.address) answered 503 and gave no reason")) {
            try await client.delete(Key("k"))
        }
        try await node.stop()
    }

    func testGoesToTheNextEndpointWhereItCannotConnect() async throws {
        let gone = try await FakeNode { _ in .silence }
        try await gone.stop()
        let node = try await FakeNode { _ in .status(204, ["ETag": "\"1.1.1\""]) }
        let client = KVClient(endpoints: [gone.address, node.address])
        try await client.put(Key("k"), [1])
        try await client.put(Key("k"), [2])
        XCTAssertEqual(node.requests.map(\.body), [[1], [2]])
        let alone = KVClient(endpoints: [gone.address])
        await expect(.unreachable("\(gone.address): connection refused")) { try await alone.put(Key("k"), []) }
        try await node.stop()
    }

    func testNeverSendsAChangeTwice() async throws {
        let failing = try await FakeNode { _ in .close }
        let node = try await FakeNode { _ in .status(204, ["ETag": "\"1.1.1\""]) }
        let client = KVClient(endpoints: [failing.address, node.address])
        await expect(isUnknown) { try await client.put(Key("k"), [1]) }
        await expect(isUnknown) { try await client.delete(Key("k")) }
        XCTAssertEqual(failing.requests.count, 2)
        XCTAssertEqual(node.requests.count, 0)
        try await failing.stop()
        try await node.stop()
    }

    func testReadsElsewhereWhenAnAnswerIsLost() async throws {
        for reply in [FakeNode.Reply.close, .raw("SSH-2.0-x\r\n")] {
            let failing = try await FakeNode { _ in reply }
            let node = try await FakeNode { _ in .status(200, ["ETag": "\"1.1.1\""], "v") }
            let client = KVClient(endpoints: [failing.address, node.address])
            let value = try await client.get(Key("k"))
            XCTAssertEqual(value?.bytes.text, "v")
            XCTAssertEqual(failing.requests.count, 1)
            try await failing.stop()
            try await node.stop()
        }
    }

    func testNoAnswerInTime() async throws {
        let node = try await FakeNode { _ in .silence }
        let client = KVClient(endpoints: [node.address], timeout: .milliseconds(50))
        await expect(.unreachable("\(node.address): no answer in time")) { try await client.get(Key("k")) }
        await expect(isUnknown) { try await client.put(Key("k"), []) }
        try await node.stop()
    }

    func testOpensANewConnectionAfterTheServerEndsOne() async throws {
        let node = try await FakeNode { _ in .last(204, ["ETag": "\"1.1.1\""]) }
        let client = KVClient(endpoints: [node.address])
        for _ in 0..<3 { try await client.put(Key("k"), []) }
        XCTAssertEqual(node.requests.map(\.connection), [1, 2, 3])
        try await node.stop()
    }

    func testAnswersThatAreNotOurs() async throws {
        let node = try await FakeNode(speaksFrames: false) { _ in .status(200, [:], "welcome") }
        let client = KVClient(endpoints: [node.address])
        let message = "\(node.address) answered 200 in a way that is not kv's; is it a kv node's client port?"
        await expect(.badRequest(message)) { try await client.get(Key("k")) }
        await expect(.badRequest(message)) { try await client.ring() }
        await expect(isUnknown) { try await client.put(Key("k"), []) }
        try await node.stop()
    }
}

func expect<Value: Sendable>(
    _ expected: KVError, line: UInt = #line, _ body: @Sendable () async throws -> Value
) async {
    await expect({ $0 == expected }, line: line, body)
}

func expect<Value: Sendable>(
    _ matches: @Sendable (KVError) -> Bool, line: UInt = #line, _ body: @Sendable () async throws -> Value
) async {
    do {
        let value = try await body()
        XCTFail("done: \(value)", line: line)
    } catch var error as KVError {
        // Who said so is checked by itself.
        error.node = nil
        XCTAssertTrue(matches(error), "\(error.debugDescription)", line: line)
    } catch {
        XCTFail("\(error)", line: line)
    }
}

func expectCancellation<Value: Sendable>(line: UInt = #line, _ body: @Sendable () async throws -> Value) async {
    do {
        let value = try await body()
        XCTFail("done: \(value)", line: line)
    } catch {
        XCTAssertTrue(error is CancellationError, "\(error)", line: line)
    }
}

let isUnknown: @Sendable (KVError) -> Bool = { $0.effect == .unknown }
