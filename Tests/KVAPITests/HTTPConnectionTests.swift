import KVCore
import NIOCore
import NIOEmbedded
import NIOHTTP1
import XCTest

@testable import KVAPI

/// Order, keep-alive, bodies, deadlines and the end of connections.
final class HTTPConnectionTests: XCTestCase {
    private let get = request("GET /v1/kv/a")

    private func machine(_ options: HTTPOptions = HTTPOptions()) -> HTTPConnection {
        let parser = RequestParser(
            settings: { FakeBackend.cluster(partitions: 4).topology.settings },
            limits: RequestLimits(key: 64, value: 1000))
        return HTTPConnection(parser: parser, options: options, now: .start)
    }

    // MARK: - Order

    func testPipelinedRequestsAreAnsweredInOrderOneAtATime() throws {
        let client = try HTTPTestClient()
        client.backend.isHolding = true
        client.backend.outcome = { _, key in .found(Record(version: version(1, 1, 1), value: key.bytes)) }
        client.send(request("GET /v1/kv/one") + request("GET /ping") + request("GET /v1/kv/two"))
        XCTAssertEqual(client.backend.asked.map(\.key), [Key("one")])
        XCTAssertEqual(client.received(), "")

        client.backend.release()
        let first = client.received()
        XCTAssertTrue(first.hasSuffix("pong"), first)
        XCTAssertEqual(first.components(separatedBy: "HTTP/1.1 200 OK").count, 3)
        XCTAssertLessThan(
            try XCTUnwrap(first.range(of: "one")).lowerBound, try XCTUnwrap(first.range(of: "pong")).lowerBound)
        XCTAssertEqual(client.backend.asked.map(\.key), [Key("one"), Key("two")])
        client.backend.release()
        XCTAssertTrue(client.received().hasSuffix("two"))
    }

    func testAnswersOfOneReadLeaveInOneWrite() throws {
        let client = try HTTPTestClient()
        client.send(String(repeating: get, count: 50))
        let bytes = try XCTUnwrap(try client.channel.readOutbound(as: ByteBuffer.self))
        XCTAssertEqual(String(buffer: bytes).components(separatedBy: "HTTP/1.1 404").count, 51)
        XCTAssertNil(try client.channel.readOutbound(as: ByteBuffer.self))
    }

    func testLongPipelineDoesNotDeepenTheStack() throws {
        let client = try HTTPTestClient()
        for _ in 0..<20 { client.send(String(repeating: request("GET /ping"), count: 1000)) }
        XCTAssertEqual(client.received().components(separatedBy: "pong").count, 20_001)
    }

    func testPipelineIsBounded() throws {
        var options = HTTPOptions()
        options.maximumPipelined = 3
        let client = try HTTPTestClient(options: options)
        client.backend.isHolding = true
        client.send(String(repeating: get, count: 10))
        for _ in 0..<4 { client.backend.release() }
        XCTAssertTrue(client.backend.held.isEmpty)
        XCTAssertEqual(client.backend.asked.count, 4)
        let text = client.received()
        XCTAssertEqual(text.components(separatedBy: "HTTP/1.1 404").count, 5)
        XCTAssertTrue(text.contains("HTTP/1.1 429"), text)
        XCTAssertTrue(text.contains("too_many_pipelined"), text)
        XCTAssertFalse(client.isOpen)
    }

    func testWhatComesBeyondTheBoundIsNotKept() {
        var options = HTTPOptions()
        options.maximumPipelined = 3
        var connection = machine(options)
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/ping", headers: ["Host": "kv"])
        connection.received(.head(head))
        connection.received(.end(nil))
        guard case .execute(.ping)? = connection.next(now: .start) else { return XCTFail("not executed") }
        for _ in 0..<1000 {
            connection.received(.head(head))
            connection.received(.body(ByteBuffer(string: "x")))
            connection.received(.end(nil))
        }
        XCTAssertEqual(connection.queuedParts, 10, "three requests of three parts, and a refusal")
        XCTAssertFalse(connection.wantsInput)
    }

    func testReadingStopsWhileRequestsWait() throws {
        let counter = ReadCounter()
        let client = try HTTPTestClient()
        try client.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        client.backend.isHolding = true
        client.send(get)
        client.channel.read()
        XCTAssertEqual(counter.reads, 1, "one request is under way: the next may be read")
        client.send(get)
        client.channel.read()
        XCTAssertEqual(counter.reads, 1, "one waits: no more is read")
        client.backend.release()
        XCTAssertEqual(counter.reads, 2, "none waits again")
    }

    func testNothingIsStartedForAClientThatDoesNotRead() throws {
        let client = try HTTPTestClient()
        client.channel.isWritable = false
        client.channel.pipeline.fireChannelWritabilityChanged()
        client.send(get)
        XCTAssertTrue(client.backend.asked.isEmpty)
        client.channel.isWritable = true
        client.channel.pipeline.fireChannelWritabilityChanged()
        XCTAssertEqual(client.backend.asked.count, 1)
        XCTAssertEqual(Answer(client.received()).status, "404 Not Found")
    }

    func testClientThatNeverReadsIsCutOff() throws {
        let client = try HTTPTestClient()
        client.channel.isWritable = false
        client.channel.pipeline.fireChannelWritabilityChanged()
        client.send(get)
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(59))
        XCTAssertTrue(client.isOpen)
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        XCTAssertFalse(client.isOpen)
    }

    // MARK: - Keep-alive

    func testKeepAlive() throws {
        let table: [(String, String?, Bool)] = [
            ("GET /ping HTTP/1.1\r\nHost: kv\r\n\r\n", nil, true),
            ("GET /ping HTTP/1.1\r\nHost: kv\r\nConnection: close\r\n\r\n", "close", false),
            ("GET /ping HTTP/1.0\r\n\r\n", "close", false),
            ("GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", true),
            ("GET /nothing HTTP/1.0\r\n\r\n", "close", false),
        ]
        for (text, connection, staysOpen) in table {
            let client = try HTTPTestClient()
            XCTAssertEqual(client.exchange(text).fields["connection"], connection, text)
            XCTAssertEqual(client.isOpen, staysOpen, text)
        }
    }

    func testRequestInPiecesIsOneRequest() throws {
        let client = try HTTPTestClient()
        for byte in request("PUT /v1/kv/abc", body: "value").utf8 { client.send([byte]) }
        XCTAssertEqual(client.backend.asked.map(\.command), [.put(Put(value: Array("value".utf8)))])
        XCTAssertEqual(client.backend.asked.map(\.key), [Key("abc")])
    }

    func testAbsoluteTargetNamesTheSameKey() throws {
        let client = try HTTPTestClient()
        client.send(request("GET http://kv.example:7400/v1/kv/a?timeout=1s"))
        XCTAssertEqual(client.backend.asked.map(\.key), [Key("a")])
        _ = client.received()
        XCTAssertEqual(client.exchange(request("GET http://kv.example")).error, "unknown_path")
    }

    func testRequestToUpgradeIsAnsweredAndIsTheLast() throws {
        let client = try HTTPTestClient()
        client.send(
            request("GET /ping", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"])
                + request("GET /v1/kv/a"))
        let answer = Answer(client.received())
        XCTAssertEqual(answer.body, "pong")
        XCTAssertEqual(answer.fields["connection"], "close")
        XCTAssertFalse(client.isOpen)
        XCTAssertTrue(client.backend.asked.isEmpty)
    }

    // MARK: - Bodies

    func testDeclaredLengthIsRefusedBeforeAnyOfTheBody() throws {
        let client = try HTTPTestClient()
        let answer = client.exchange(request("PUT /v1/kv/a", ["Content-Length: 1000000000"]))
        XCTAssertEqual(answer.error, "value_too_large")
        XCTAssertFalse(client.isOpen)
    }

    func testChunkedBodyIsRefusedAsSoonAsItPassesTheLimit() throws {
        let client = try HTTPTestClient()
        client.send(request("PUT /v1/kv/a", ["Transfer-Encoding: chunked"]))
        client.send("3e8\r\n" + String(repeating: "x", count: 1000) + "\r\n")
        XCTAssertEqual(client.received(), "")
        client.send("ffffff\r\ny")
        XCTAssertEqual(Answer(client.received()).error, "value_too_large")
        XCTAssertTrue(client.backend.asked.isEmpty)
    }

    func testNothingBeyondTheLimitIsKept() throws {
        var connection = machine()
        connection.received(
            .head(
                .init(
                    version: .http1_1, method: .PUT, uri: "/v1/kv/a",
                    headers: ["Host": "kv", "Transfer-Encoding": "chunked"])))
        XCTAssertNil(connection.next(now: .start))
        connection.received(.body(ByteBuffer(repeating: 1, count: 1000)))
        XCTAssertNil(connection.next(now: .start))
        XCTAssertEqual(connection.keptBytes, 1000)
        connection.received(.body(ByteBuffer(repeating: 1, count: 1)))
        guard case .refuse(let failure, _)? = connection.next(now: .start) else { return XCTFail("not refused") }
        XCTAssertEqual("\(failure.code)", "value_too_large")
        XCTAssertEqual(connection.keptBytes, 0)
        connection.received(.body(ByteBuffer(repeating: 1, count: 1_000_000)))
        XCTAssertEqual(connection.keptBytes, 0)
        guard case .end(.closeOutput)? = connection.next(now: .start) else { return XCTFail("not closed") }
    }

    func testBodyOfARefusedRequestIsNotKept() throws {
        let client = try HTTPTestClient()
        client.send(request("PUT /v1/kv/a?ttl=x", ["Content-Length: 1000"]))
        client.send(String(repeating: "x", count: 999))
        XCTAssertEqual(client.received(), "")
        client.send("x" + get)
        let text = client.received()
        XCTAssertEqual(Answer(text).error, "bad_ttl")
        XCTAssertTrue(text.contains("HTTP/1.1 404"), "the next request is answered: \(text)")
        XCTAssertTrue(client.isOpen)
    }

    func testExpectContinue() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
        client.send(request("PUT /v1/kv/a", ["Expect: 100-Continue", "Content-Length: 3"]))
        XCTAssertEqual(client.received(), "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("abc")
        XCTAssertEqual(Answer(client.received()).status, "204 No Content")

        let refused = client.exchange(request("PUT /v1/kv/a?ttl=x", ["Expect: 100-continue", "Content-Length: 3"]))
        XCTAssertEqual(refused.error, "bad_ttl")
        XCTAssertEqual(refused.fields["connection"], "close")
        XCTAssertFalse(client.isOpen)

        let tooLarge = try HTTPTestClient().exchange(
            request("PUT /v1/kv/a", ["Expect: 100-continue", "Content-Length: 1001"]))
        XCTAssertEqual(tooLarge.status, "413 Content Too Large")

        let old = try HTTPTestClient()
        old.send("PUT /v1/kv/a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        XCTAssertEqual(old.received(), "")
    }

    // MARK: - Deadlines

    func testSlowHeadIsTimedOut() throws {
        let client = try HTTPTestClient()
        client.send("GET /v1/kv/a HTTP/1.1\r\n")
        for _ in 0..<9 {
            client.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            client.send("X: y\r\n")
        }
        XCTAssertTrue(client.isOpen)
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        let answer = Answer(client.received())
        XCTAssertEqual(answer.status, "408 Request Timeout")
        XCTAssertEqual(answer.error, "request_timeout")
        XCTAssertFalse(client.isOpen)
    }

    func testSlowBodyIsTimedOut() throws {
        let client = try HTTPTestClient()
        client.send(request("PUT /v1/kv/a", ["Content-Length: 1000"]))
        for _ in 0..<59 {
            client.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            client.send("x")
        }
        XCTAssertTrue(client.isOpen)
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        XCTAssertEqual(Answer(client.received()).status, "408 Request Timeout")
        XCTAssertFalse(client.isOpen)
        XCTAssertTrue(client.backend.asked.isEmpty)
    }

    func testIdleConnectionIsClosedWithoutAWord() throws {
        let client = try HTTPTestClient()
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        XCTAssertEqual(client.exchange(request("GET /ping")).body, "pong")
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(74))
        XCTAssertTrue(client.isOpen)
        client.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        XCTAssertFalse(client.isOpen)
        XCTAssertEqual(client.received(), "")
    }

    func testRequestUnderWayIsNotTimedOut() throws {
        let client = try HTTPTestClient()
        client.backend.isHolding = true
        client.send(get)
        client.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        XCTAssertTrue(client.isOpen)
        client.backend.release()
        XCTAssertEqual(Answer(client.received()).status, "404 Not Found")
    }

    // MARK: - The end

    func testDrainClosesAnIdleConnection() throws {
        let client = try HTTPTestClient()
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        XCTAssertFalse(client.isOpen)
    }

    func testDrainAnswersTheRequestUnderWayFirst() throws {
        let client = try HTTPTestClient()
        client.backend.isHolding = true
        client.send(get)
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        XCTAssertTrue(client.isOpen)
        client.backend.release()
        let answer = Answer(client.received())
        XCTAssertEqual(answer.status, "404 Not Found")
        XCTAssertEqual(answer.fields["connection"], "close")
        XCTAssertFalse(client.isOpen)
    }

    func testDrainTakesTheBodyOfARequestThatHasBegun() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
        client.send(request("PUT /v1/kv/a", ["Content-Length: 3"]))
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        client.send("abc")
        let answer = Answer(client.received())
        XCTAssertEqual(answer.status, "204 No Content")
        XCTAssertEqual(answer.fields["connection"], "close")
        XCTAssertFalse(client.isOpen)
    }

    func testClientThatClosesItsHalfStillGetsItsAnswers() throws {
        let client = try HTTPTestClient()
        client.backend.isHolding = true
        client.send(get + get)
        client.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        client.backend.release()
        client.backend.release()
        XCTAssertEqual(client.received().components(separatedBy: "HTTP/1.1 404").count, 3)
        XCTAssertFalse(client.isOpen)
    }

    func testReplyAfterTheClientHasGoneIsDropped() throws {
        let client = try HTTPTestClient()
        client.backend.isHolding = true
        client.send(get + get)
        try client.channel.close().wait()
        client.backend.release()
        XCTAssertEqual(client.received(), "")
        XCTAssertEqual(client.backend.asked.count, 1, "what waited is not begun")
    }

    func testHandlerIsReleasedWithItsConnection() throws {
        weak var released: FakeBackend?
        do {
            let client = try HTTPTestClient()
            released = client.backend
            client.send(get)
            _ = client.received()
            try client.channel.close().wait()
            client.channel.embeddedEventLoop.run()
        }
        XCTAssertNil(released)
    }
}

extension Instant {
    fileprivate static let start = Instant(nanoseconds: 0)
}

/// Counts the reads that reach the socket.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = Never
    var reads = 0

    func read(context: ChannelHandlerContext) {
        reads += 1
        context.read()
    }
}
