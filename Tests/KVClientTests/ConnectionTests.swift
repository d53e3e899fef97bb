import KVFakes
import KVModel
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import XCTest

@testable import KVClient

/// Requests share connections. These tests show how, and what happens if an answer is late or a connection breaks.
final class ConnectionTests: XCTestCase {
    private let done = FakeNode.Reply.status(204, ["ETag": "\"1.1.1\""])

    private func client(
        _ nodes: FakeNode..., connections: Int = 1, depth: Int = 16, waiting: Int = 1000, followsLeaders: Bool = true
    ) -> KVClient {
        var options = KVClientOptions()
        options.followsLeaders = followsLeaders
        options.connectionsPerNode = connections
        options.requestsPerConnection = depth
        options.maximumWaiting = waiting
        return KVClient(endpoints: nodes.map(\.address), options: options)
    }

    /// Begins to put a key, and waits until the node has received the request.
    private func begin(
        _ client: KVClient, _ name: String, at node: FakeNode, timeout: Duration? = nil
    ) async throws -> Task<Version, any Error> {
        let task = Task { try await client.put(Key(name), Array(name.utf8), timeout: timeout) as Version }
        try await eventually("\(name) to arrive") { node.requests.contains { $0.body.text == name } }
        return task
    }

    // MARK: Sharing

    func testSpreadsOnceAConnectionIsBusyThenWaits() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { [done] _ in .held(gate, done) }
        let client = client(node, connections: 3, depth: 2)
        let tasks = (0..<20).map { index in Task { try await client.put(Key("k\(index)"), []) as Version } }
        try await eventually("all connections to be full") { node.keyRequests.count == 6 }
        XCTAssertEqual(Dictionary(grouping: node.keyRequests, by: \.connection).values.map(\.count), [2, 2, 2])
        gate.open()
        for task in tasks { _ = try await task.value }
        XCTAssertEqual(node.keyRequests.count, 20)
        XCTAssertEqual(Set(node.keyRequests.map(\.connection)).count, 3)
        XCTAssertLessThanOrEqual(node.mostOnOneConnection, 2)
        try await node.stop()
    }

    func testOneAfterTheOtherNeedsOneConnection() async throws {
        let node = try await FakeNode { [done] _ in done }
        // A client that follows leaders would fetch the map meanwhile, which is a second request at the same time.
        let client = client(node, connections: 8, followsLeaders: false)
        for _ in 0..<20 { try await client.put(Key("k"), []) }
        XCTAssertEqual(node.requests.map(\.connection), Array(repeating: 1, count: 20))
        try await node.stop()
    }

    func testPipelinedAnswersGoToTheirRequests() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { request in
            let name = request.line.split(separator: "/").last?.prefix { $0 != "?" } ?? ""
            let reply = FakeNode.Reply.status(200, ["ETag": "\"1.1.1\""], String(name))
            return .held(gate, reply)
        }
        let client = client(node, depth: 100)
        let first = Task { try await client.get(Key("k0")) }
        try await eventually("the first to arrive") { node.requests.count == 1 }
        let others = (1..<50).map { index in Task { try await client.get(Key("k\(index)")) } }
        try await eventually("all to arrive") { node.keyRequests.count == 50 }
        gate.open()
        for (index, task) in ([first] + others).enumerated() {
            let value = try await task.value
            XCTAssertEqual(value?.text, "k\(index)")
        }
        XCTAssertEqual(Set(node.keyRequests.map(\.connection)), [1])
        XCTAssertEqual(node.mostOnOneConnection, 50)
        try await node.stop()
    }

    func testTooManyWait() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { [done] _ in .held(gate, done) }
        let client = client(node, depth: 1, waiting: 2)
        let sent = try await begin(client, "sent", at: node)
        let errors = NIOLockedValueBox<[KVError]>([])
        let waiting = (0..<5).map { index in
            Task {
                do {
                    try await client.put(Key("k\(index)"), [])
                } catch {
                    if let error = error as? KVError { errors.withLockedValue { $0.append(error) } }
                }
            }
        }
        try await eventually("all but two to be turned away") { errors.withLockedValue { $0.count } == 3 }
        gate.open()
        _ = try await sent.value
        for task in waiting { await task.value }
        let refused = KVError(
            .tooManyWaiting,
            "nothing was changed: too many requests wait for \(node.address) already; send fewer at once")
        XCTAssertEqual(errors.withLockedValue { $0 }, [refused, refused, refused])
        XCTAssertEqual(node.keyRequests.count, 3)
        try await node.stop()
    }

    // MARK: Late answers

    func testALateAnswerCostsNobodyElseTheirs() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { request in
            let reply = FakeNode.Reply.status(204, ["ETag": "\"1.1.\(request.body.count)\""])
            return request.body.text == "late" ? .held(gate, reply) : reply
        }
        let client = client(node, followsLeaders: false)
        let late = try await begin(client, "late", at: node, timeout: .milliseconds(300))
        let behind = try await client.put(Key("k"), Array("behind".utf8))
        XCTAssertEqual(behind.sequence, 6, "its own answer, not that of the one before it")
        await expect(isUnknown) { try await late.value }
        gate.open()
        // The node has answered meanwhile, so the connection is good. No other request gets the late answer.
        for _ in 0..<10 {
            let version = try await client.put(Key("k"), Array("another".utf8))
            XCTAssertEqual(version.sequence, 7)
        }
        XCTAssertEqual(Set(node.requests.map(\.connection)), [1])
        try await node.stop()
    }

    /// If the node says nothing at all, no more requests are sent on the connection: the way to it may be cut.
    func testAConnectionThatIsSilentIsLeft() async throws {
        let node = try await FakeNode { request in
            request.connection == 1 ? .silence : .status(204, ["ETag": "\"1.1.1\""])
        }
        let client = client(node, followsLeaders: false)
        let cut = try await begin(client, "cut", at: node, timeout: .milliseconds(100))
        await expect(isUnknown) { try await cut.value }
        try await client.put(Key("k"), [])
        XCTAssertEqual(node.requests.map(\.connection), [1, 2])
        try await node.stop()
    }

    /// The same where the tasks were cancelled: programs may have timeouts of their own.
    func testAConnectionOnWhichAllIsCancelledIsLeftToo() async throws {
        let node = try await FakeNode { request in
            request.connection == 1 ? .silence : .status(204, ["ETag": "\"1.1.1\""])
        }
        let client = client(node, followsLeaders: false)
        for index in 0..<3 {
            let cut = try await begin(client, "cut\(index)", at: node, timeout: .milliseconds(150))
            cut.cancel()
            await expect({ $0.effect == .unknown && $0.code == .cancelled }) { try await cut.value }
        }
        try await Task.sleep(for: .milliseconds(300))
        try await client.put(Key("k"), [])
        XCTAssertEqual(node.requests.last?.connection, 2)
        try await node.stop()
    }

    /// Places of requests that were cancelled are free at once.
    func testACancelledRequestFreesItsPlace() async throws {
        let node = try await FakeNode { [done] request in request.body.text.hasPrefix("held") ? .silence : done }
        let client = client(node, depth: 2, followsLeaders: false)
        let held = [try await begin(client, "held1", at: node), try await begin(client, "held2", at: node)]
        let next = Task { try await client.put(Key("k"), Array("next".utf8)) as Version }
        for task in held { task.cancel() }
        _ = try await next.value
        for task in held { await expect(isUnknown) { try await task.value } }
        XCTAssertEqual(Set(node.requests.map(\.connection)), [1])
        try await node.stop()
    }

    func testWhatIsLogged() async throws {
        let lines = NIOLockedValueBox<[String]>([])
        let logger = Logger(label: "test") { _ in LineHandler(lines: lines) }
        let node = try await FakeNode { [done] _ in done }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let client = KVClient(endpoints: [node.address], logger: logger, eventLoopGroup: group)
        try await client.put("k", [])
        XCTAssertEqual(lines.withLockedValue { $0 }, [])
        try await node.stop()
        await expect({ $0.effect == .unknown || $0.code == .unreachable }) { try await client.put("k", []) }
        await expect({ $0.code == .unreachable }) { try await client.put("k", []) }
        XCTAssertEqual(
            lines.withLockedValue { $0 }, ["info no connection to \(node.address): connection refused"])
        await client.close()
        try await group.shutdownGracefully()
    }

    private struct LineHandler: LogHandler {
        let lines: NIOLockedValueBox<[String]>
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.withLockedValue { $0.append("\(event.level) \(event.message)") }
        }
    }

    /// A server that closes without a word is not taken for a node of version 0.2: nothing is sent to it.
    func testAServerThatClosesAtOnce() async throws {
        let closing = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { $0.close() }
            .bind(host: "127.0.0.1", port: 0).get()
        let node = try await FakeNode { [done] _ in done }
        let address = Address(host: "127.0.0.1", port: closing.localAddress?.port ?? 0)
        var options = KVClientOptions()
        options.followsLeaders = false
        let client = KVClient(endpoints: [address, node.address], options: options)
        for _ in 0..<5 { try await client.put(Key("k"), []) }
        XCTAssertEqual(node.requests.count, 5)
        let alone = KVClient(endpoints: [address], options: options)
        await expect({ $0.code == .unreachable && $0.effect == .none }) { try await alone.put(Key("k"), []) }
        try await closing.close()
        try await node.stop()
    }

    /// One version of the node does not speak the client protocol. Its requests go by HTTP, and nothing else differs.
    func testANodeOfAnOlderVersion() async throws {
        let node = try await FakeNode(speaksFrames: false) { request in
            request.line.hasPrefix("GET")
                ? .status(200, ["ETag": "\"1.1.1\""], "v") : .status(204, ["ETag": "\"1.1.1\""])
        }
        let client = client(node, followsLeaders: false)
        for index in 0..<20 {
            try await client.put(Key("k\(index)"), [1])
            let value = try await client.get(Key("k\(index)"))
            XCTAssertEqual(value?.text, "v")
        }
        XCTAssertEqual(node.requests.count, 40)
        await expect(
            .unreachable("\(node.address): it has a version of kv that cannot do this; run a newer one there")
        ) { try await client.increment(Key("k")) }
        try await node.stop()
    }

    func testWaitingForAConnectionHasALimit() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { [done] _ in .held(gate, done) }
        let client = client(node, depth: 1)
        let sent = try await begin(client, "sent", at: node)
        await expect(.unreachable("\(node.address): too many requests were under way")) {
            try await client.put(Key("k"), [], timeout: .milliseconds(50))
        }
        gate.open()
        _ = try await sent.value
        XCTAssertEqual(node.requests.count, 1)
        try await node.stop()
    }

    // MARK: Broken connections

    func testABreakLeavesOnlyWhatWasSentInDoubt() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { [done] request in
            ["a", "b"].contains(request.body.text) ? .held(gate, .close) : done
        }
        let client = client(node, depth: 2)
        let a = try await begin(client, "a", at: node)
        let b = try await begin(client, "b", at: node)
        let c = Task { try await client.put(Key("c"), [3]) as Version }
        gate.open()
        await expect(isUnknown) { try await a.value }
        await expect(isUnknown) { try await b.value }
        _ = try await c.value
        XCTAssertEqual(node.requests.map(\.body), [[0x61], [0x62], [3]])
        try await node.stop()
    }

    /// Requests behind one whose answer has `Connection: close` are not executed (RFC 9112, 9.6), so they can be sent
    /// again without being done twice.
    func testWhatANodeDoesNotTakeGoesToAnotherByHTTP() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode(speaksFrames: false) { _ in .held(gate, .last(204, ["ETag": "\"1.1.1\""])) }
        let other = try await FakeNode { [done] _ in done }
        let client = client(node, other, followsLeaders: false)
        let tasks = (0...ConnectionLimits.httpConnections).map { index in
            Task { try await client.put(Key("k"), [UInt8(index)]) as Version }
        }
        try await eventually("all to arrive") { node.requests.count == tasks.count }
        gate.open()
        for task in tasks { _ = try await task.value }
        XCTAssertEqual(other.requests.count, 1, "the second on a connection")
        try await node.stop()
        try await other.stop()
    }

    /// A node that stops answers what it has, and says so of what it does not execute.
    func testANodeThatStops() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { request in
            .held(
                gate,
                request.body.text == "first"
                    ? .last(204, ["ETag": "\"1.1.1\""]) : .error(503, "stopping", "it stops"))
        }
        let other = try await FakeNode { [done] _ in done }
        let client = client(node, other, followsLeaders: false)
        let first = try await begin(client, "first", at: node)
        let second = try await begin(client, "second", at: node)
        gate.open()
        _ = try await first.value
        _ = try await second.value
        XCTAssertEqual(other.requests.map(\.body.text), ["second"])
        try await node.stop()
        try await other.stop()
    }

    func testClosing() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { [done] _ in .held(gate, done) }
        let client = client(node, depth: 1)
        let sent = try await begin(client, "sent", at: node)
        let waiting = Task { try await client.put(Key("waiting"), []) as Version }
        await client.close()
        await expect(isUnknown) { try await sent.value }
        let isUnreachable: @Sendable (KVError) -> Bool = { $0.code == .unreachable }
        await expect(isUnreachable) { try await waiting.value }
        await expect(isUnreachable) { try await client.get(Key("k")) }
        gate.open()
        XCTAssertEqual(node.requests.count, 1)
        try await node.stop()
    }

    /// The node's port plus 65,536 equals the node's port in 16 bits.
    func testWhatIsNoPortIsNotConnectedTo() async throws {
        let node = try await FakeNode { [done] _ in done }
        for port in [node.address.port + 65_536, 0, -1, .max, .min] {
            let address = Address(host: node.address.host, port: port)
            let client = KVClient(endpoints: [address])
            let isRefused: @Sendable (KVError) -> Bool = {
                $0.code == .unreachable && $0.message.contains("\(port) is not a port")
            }
            await expect(isRefused) { try await client.put(Key("k"), []) as Version }
        }
        XCTAssertEqual(node.requests.count, 0)
        try await node.stop()
    }

    // MARK: Cancellation

    func testCancellation() async throws {
        let gate = FakeNode.Gate()
        let node = try await FakeNode { [done] request in
            let isRead = request.line.hasPrefix("GET")
            return .held(gate, isRead ? .status(200, ["ETag": "\"1.1.1\""], "v") : done)
        }
        let client = client(node, depth: 2)
        let get = Task { try await client.get(Key("read")) }
        try await eventually("the read to arrive") { node.requests.count == 1 }
        let put = try await begin(client, "sent", at: node)
        let waiting = Task { try await client.put(Key("waiting"), Array("waiting".utf8)) as Version }
        // The others' places would be free for it as soon as they are cancelled.
        waiting.cancel()
        await expectCancellation { try await waiting.value }
        put.cancel()
        get.cancel()
        await expectCancellation { try await get.value }
        await expect(isUnknown) { try await put.value }
        // The connection stays in use, and no other request gets their answers.
        gate.open()
        let value = try await client.get(Key("next"))
        XCTAssertEqual(value?.text, "v")
        XCTAssertEqual(node.requests.map(\.connection), [1, 1, 1])
        XCTAssertFalse(node.requests.contains { $0.body.text == "waiting" }, "it was not to be sent any more")
        try await node.stop()
    }

    func testCancelledBeforeItBegins() async throws {
        let node = try await FakeNode { [done] _ in done }
        let client = client(node)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await client.put(Key("k"), [])
        }
        task.cancel()
        await expectCancellation { try await task.value }
        XCTAssertEqual(node.requests.count, 0)
        try await node.stop()
    }

    // MARK: What is sent

    func testAContentTypeCannotForgeHeaders() async throws {
        let node = try await FakeNode { [done] _ in done }
        let client = client(node)
        let isBad: @Sendable (KVError) -> Bool = { $0.code == .badRequest }
        for type in ["text/plain\r\nx: y", "text/\n", "é/x", String(repeating: "a", count: 256)] {
            await expect(isBad) { try await client.put(Key("k"), [], contentType: type) }
        }
        XCTAssertEqual(node.requests.count, 0)
        try await node.stop()
    }
}
