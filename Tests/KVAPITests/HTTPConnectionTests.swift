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
        let door = try Door()
        door.backend.isHolding = true
        door.backend.outcome = { _, key in .found(Record(version: version(1, 1, 1), value: key.bytes)) }
        door.send(request("GET /v1/kv/one") + request("GET /ping") + request("GET /v1/kv/two"))
        XCTAssertEqual(door.backend.asked.map(\.key), [Key("one")])
        XCTAssertEqual(door.received(), "")

        door.backend.release()
        let first = door.received()
        XCTAssertTrue(first.hasSuffix("pong"), first)
        XCTAssertEqual(first.components(separatedBy: "HTTP/1.1 200 OK").count, 3)
        XCTAssertLessThan(
            try XCTUnwrap(first.range(of: "one")).lowerBound, try XCTUnwrap(first.range(of: "pong")).lowerBound)
        XCTAssertEqual(door.backend.asked.map(\.key), [Key("one"), Key("two")])
        door.backend.release()
        XCTAssertTrue(door.received().hasSuffix("two"))
    }

    func testAnswersOfOneReadLeaveInOneWrite() throws {
        let door = try Door()
        door.send(String(repeating: get, count: 50))
        let bytes = try XCTUnwrap(try door.channel.readOutbound(as: ByteBuffer.self))
        XCTAssertEqual(String(buffer: bytes).components(separatedBy: "HTTP/1.1 404").count, 51)
        XCTAssertNil(try door.channel.readOutbound(as: ByteBuffer.self))
    }

    func testLongPipelineDoesNotDeepenTheStack() throws {
        let door = try Door()
        for _ in 0..<20 { door.send(String(repeating: request("GET /ping"), count: 1000)) }
        XCTAssertEqual(door.received().components(separatedBy: "pong").count, 20_001)
    }

    func testPipelineIsBounded() throws {
        var options = HTTPOptions()
        options.maximumPipelined = 3
        let door = try Door(options: options)
        door.backend.isHolding = true
        door.send(String(repeating: get, count: 10))
        for _ in 0..<4 { door.backend.release() }
        XCTAssertTrue(door.backend.held.isEmpty)
        XCTAssertEqual(door.backend.asked.count, 4)
        let text = door.received()
        XCTAssertEqual(text.components(separatedBy: "HTTP/1.1 404").count, 5)
        XCTAssertTrue(text.contains("HTTP/1.1 429"), text)
        XCTAssertTrue(text.contains("too_many_pipelined"), text)
        XCTAssertFalse(door.isOpen)
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
        let door = try Door()
        try door.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        door.backend.isHolding = true
        door.send(get)
        door.channel.read()
        XCTAssertEqual(counter.reads, 1, "one request is under way: the next may be read")
        door.send(get)
        door.channel.read()
        XCTAssertEqual(counter.reads, 1, "one waits: no more is read")
        door.backend.release()
        XCTAssertEqual(counter.reads, 2, "none waits again")
    }

    func testNothingIsStartedForAClientThatDoesNotRead() throws {
        let door = try Door()
        door.channel.isWritable = false
        door.channel.pipeline.fireChannelWritabilityChanged()
        door.send(get)
        XCTAssertTrue(door.backend.asked.isEmpty)
        door.channel.isWritable = true
        door.channel.pipeline.fireChannelWritabilityChanged()
        XCTAssertEqual(door.backend.asked.count, 1)
        XCTAssertEqual(Answer(door.received()).status, "404 Not Found")
    }

    func testClientThatNeverReadsIsCutOff() throws {
        let door = try Door()
        door.channel.isWritable = false
        door.channel.pipeline.fireChannelWritabilityChanged()
        door.send(get)
        door.channel.embeddedEventLoop.advanceTime(by: .seconds(59))
        XCTAssertTrue(door.isOpen)
        door.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        XCTAssertFalse(door.isOpen)
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
            let door = try Door()
            XCTAssertEqual(door.exchange(text).fields["connection"], connection, text)
            XCTAssertEqual(door.isOpen, staysOpen, text)
        }
    }

    func testRequestInPiecesIsOneRequest() throws {
        let door = try Door()
        for byte in request("PUT /v1/kv/abc", body: "value").utf8 { door.send([byte]) }
        XCTAssertEqual(door.backend.asked.map(\.command), [.put(Put(value: Array("value".utf8)))])
        XCTAssertEqual(door.backend.asked.map(\.key), [Key("abc")])
    }

    func testAbsoluteTargetNamesTheSameKey() throws {
        let door = try Door()
        door.send(request("GET http://kv.example:7400/v1/kv/a?timeout=1s"))
        XCTAssertEqual(door.backend.asked.map(\.key), [Key("a")])
        _ = door.received()
        XCTAssertEqual(door.exchange(request("GET http://kv.example")).error, "unknown_path")
    }

    func testRequestToUpgradeIsAnsweredAndIsTheLast() throws {
        let door = try Door()
        door.send(
            request("GET /ping", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"])
                + request("GET /v1/kv/a"))
        let answer = Answer(door.received())
        XCTAssertEqual(answer.body, "pong")
        XCTAssertEqual(answer.fields["connection"], "close")
        XCTAssertFalse(door.isOpen)
        XCTAssertTrue(door.backend.asked.isEmpty)
    }

    // MARK: - Bodies

    func testDeclaredLengthIsRefusedBeforeAnyOfTheBody() throws {
        let door = try Door()
        let answer = door.exchange(request("PUT /v1/kv/a", ["Content-Length: 1000000000"]))
        XCTAssertEqual(answer.error, "value_too_large")
        XCTAssertFalse(door.isOpen)
    }

    func testChunkedBodyIsRefusedAsSoonAsItPassesTheLimit() throws {
        let door = try Door()
        door.send(request("PUT /v1/kv/a", ["Transfer-Encoding: chunked"]))
        door.send("3e8\r\n" + String(repeating: "x", count: 1000) + "\r\n")
        XCTAssertEqual(door.received(), "")
        door.send("ffffff\r\ny")
        XCTAssertEqual(Answer(door.received()).error, "value_too_large")
        XCTAssertTrue(door.backend.asked.isEmpty)
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
        let door = try Door()
        door.send(request("PUT /v1/kv/a?ttl=x", ["Content-Length: 1000"]))
        door.send(String(repeating: "x", count: 999))
        XCTAssertEqual(door.received(), "")
        door.send("x" + get)
        let text = door.received()
        XCTAssertEqual(Answer(text).error, "bad_ttl")
        XCTAssertTrue(text.contains("HTTP/1.1 404"), "the next request is answered: \(text)")
        XCTAssertTrue(door.isOpen)
    }

    func testExpectContinue() throws {
        let door = try Door()
        door.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
        door.send(request("PUT /v1/kv/a", ["Expect: 100-Continue", "Content-Length: 3"]))
        XCTAssertEqual(door.received(), "HTTP/1.1 100 Continue\r\n\r\n")
        door.send("abc")
        XCTAssertEqual(Answer(door.received()).status, "204 No Content")

        let refused = door.exchange(request("PUT /v1/kv/a?ttl=x", ["Expect: 100-continue", "Content-Length: 3"]))
        XCTAssertEqual(refused.error, "bad_ttl")
        XCTAssertEqual(refused.fields["connection"], "close")
        XCTAssertFalse(door.isOpen)

        let tooLarge = try Door().exchange(request("PUT /v1/kv/a", ["Expect: 100-continue", "Content-Length: 1001"]))
        XCTAssertEqual(tooLarge.status, "413 Content Too Large")

        let old = try Door()
        old.send("PUT /v1/kv/a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        XCTAssertEqual(old.received(), "")
    }

    // MARK: - Deadlines

    func testSlowHeadIsTimedOut() throws {
        let door = try Door()
        door.send("GET /v1/kv/a HTTP/1.1\r\n")
        for _ in 0..<9 {
            door.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            door.send("X: y\r\n")
        }
        XCTAssertTrue(door.isOpen)
        door.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        let answer = Answer(door.received())
        XCTAssertEqual(answer.status, "408 Request Timeout")
        XCTAssertEqual(answer.error, "request_timeout")
        XCTAssertFalse(door.isOpen)
    }

    func testSlowBodyIsTimedOut() throws {
        let door = try Door()
        door.send(request("PUT /v1/kv/a", ["Content-Length: 1000"]))
        for _ in 0..<59 {
            door.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
            door.send("x")
        }
        XCTAssertTrue(door.isOpen)
        door.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        XCTAssertEqual(Answer(door.received()).status, "408 Request Timeout")
        XCTAssertFalse(door.isOpen)
        XCTAssertTrue(door.backend.asked.isEmpty)
    }

    func testIdleConnectionIsClosedWithoutAWord() throws {
        let door = try Door()
        door.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        XCTAssertEqual(door.exchange(request("GET /ping")).body, "pong")
        door.channel.embeddedEventLoop.advanceTime(by: .seconds(74))
        XCTAssertTrue(door.isOpen)
        door.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        XCTAssertFalse(door.isOpen)
        XCTAssertEqual(door.received(), "")
    }

    func testRequestUnderWayIsNotTimedOut() throws {
        let door = try Door()
        door.backend.isHolding = true
        door.send(get)
        door.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        XCTAssertTrue(door.isOpen)
        door.backend.release()
        XCTAssertEqual(Answer(door.received()).status, "404 Not Found")
    }

    // MARK: - The end

    func testDrainClosesAnIdleConnection() throws {
        let door = try Door()
        door.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        XCTAssertFalse(door.isOpen)
    }

    func testDrainAnswersTheRequestUnderWayFirst() throws {
        let door = try Door()
        door.backend.isHolding = true
        door.send(get)
        door.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        XCTAssertTrue(door.isOpen)
        door.backend.release()
        let answer = Answer(door.received())
        XCTAssertEqual(answer.status, "404 Not Found")
        XCTAssertEqual(answer.fields["connection"], "close")
        XCTAssertFalse(door.isOpen)
    }

    func testDrainTakesTheBodyOfARequestThatHasBegun() throws {
        let door = try Door()
        door.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
        door.send(request("PUT /v1/kv/a", ["Content-Length: 3"]))
        door.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        door.send("abc")
        let answer = Answer(door.received())
        XCTAssertEqual(answer.status, "204 No Content")
        XCTAssertEqual(answer.fields["connection"], "close")
        XCTAssertFalse(door.isOpen)
    }

    func testClientThatClosesItsHalfStillGetsItsAnswers() throws {
        let door = try Door()
        door.backend.isHolding = true
        door.send(get + get)
        door.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        door.backend.release()
        door.backend.release()
        XCTAssertEqual(door.received().components(separatedBy: "HTTP/1.1 404").count, 3)
        XCTAssertFalse(door.isOpen)
    }

    func testReplyAfterTheClientHasGoneIsDropped() throws {
        let door = try Door()
        door.backend.isHolding = true
        door.send(get + get)
        try door.channel.close().wait()
        door.backend.release()
        XCTAssertEqual(door.received(), "")
        XCTAssertEqual(door.backend.asked.count, 1, "what waited is not begun")
    }

    func testHandlerIsReleasedWithItsConnection() throws {
        weak var released: FakeBackend?
        do {
            let door = try Door()
            released = door.backend
            door.send(get)
            _ = door.received()
            try door.channel.close().wait()
            door.channel.embeddedEventLoop.run()
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
