import KVCore
import NIOCore
import NIOEmbedded
import NIOHTTP1
import XCTest

@testable import KVAPI

/// How the connections of the two protocols end alike, and how they do not.
final class ConnectionEndTests: XCTestCase {
    private static let start = Instant(nanoseconds: 0)

    private let source = RequestSource(caller: Caller(on: EmbeddedEventLoop()) { _ in }, slots: SlotMap(founding: 1))

    private func times() -> ConnectionTimes {
        var times = ConnectionTimes()
        times.write = .milliseconds(700)
        times.linger = .milliseconds(300)
        times.drainingLinger = .milliseconds(20)
        return times
    }

    private func http() -> HTTPConnection {
        var options = HTTPOptions()
        options.times = times()
        let parser = RequestParser(settings: { nil }, limits: RequestLimits(key: 64, value: 1000))
        return HTTPConnection(parser: parser, options: options, now: Self.start)
    }

    private func resp() -> RESPConnection {
        var options = RESPOptions()
        options.times = times()
        let budgets = ReplyBudgets(bytes: 1 << 20, loops: 1)
        let server = RESPServer(
            backend: FakeBackend(), info: RESPTestClient.info(), options: options, budgets: budgets,
            wallClock: { FakeBackend.wall })
        return RESPConnection(
            server: server, client: server.open(address: "", localAddress: ""),
            budget: budgets.budget(of: EmbeddedEventLoop()))
    }

    private func head(_ method: HTTPMethod, _ uri: String, _ fields: [(String, String)] = []) -> HTTPServerRequestPart {
        .head(
            HTTPRequestHead(
                version: .http1_1, method: method, uri: uri, headers: HTTPHeaders([("Host", "kv")] + fields)))
    }

    /// A connection whose only request has been answered and asked for its end.
    private func endedHTTP(isStopping: Bool) -> HTTPConnection {
        var connection = http()
        connection.received(head(.GET, "/ping", [("Connection", "close")]))
        connection.received(.end(nil))
        guard case .execute(.ping)? = connection.next(now: Self.start) else { XCTFail("not begun"); return connection }
        if isStopping { connection.drain() }
        XCTAssertEqual(connection.answered(now: Self.start)?.connection, .close)
        guard case .end(.closeOutput)? = connection.next(now: Self.start) else {
            XCTFail("not ended")
            return connection
        }
        return connection
    }

    private func endedRESP(isStopping: Bool) -> RESPConnection {
        var connection = resp()
        connection.received(ByteBuffer(string: "quit\r\n"))
        if isStopping { connection.drain() }
        guard case .end(.closeOutput)? = connection.next(now: Self.start, source) else {
            XCTFail("not ended")
            return connection
        }
        return connection
    }

    func testAClientHasTimeToReadAndThenToClose() {
        for (isStopping, linger) in [(false, 300), (true, 20)] as [(Bool, UInt64)] {
            let sent = Self.start + .milliseconds(600)
            let end = sent + .milliseconds(linger)
            let early = Instant(nanoseconds: end.nanoseconds - 1)

            var http = endedHTTP(isStopping: isStopping)
            XCTAssertEqual(http.deadline, Self.start + .milliseconds(700))
            http.outputClosed(now: sent)
            XCTAssertTrue(http.wantsInput, "to be dropped")
            XCTAssertEqual(http.deadline, end)
            XCTAssertNil(http.timer(now: early))
            guard case .end(.abort)? = http.timer(now: end) else { return XCTFail("HTTP not closed") }
            XCTAssertNil(http.deadline)

            var resp = endedRESP(isStopping: isStopping)
            XCTAssertEqual(resp.deadline, Self.start + .milliseconds(700))
            resp.outputClosed(now: sent)
            XCTAssertTrue(resp.wantsInput(), "to be dropped")
            XCTAssertEqual(resp.deadline, end)
            XCTAssertNil(resp.timer(now: early, unsent: 0))
            guard case .end(.abort)? = resp.timer(now: end, unsent: 0) else { return XCTFail("RESP not closed") }
            XCTAssertNil(resp.deadline)
        }
    }

    func testAClientThatDoesNotReadItsLastReplyIsCutOff() {
        let end = Self.start + .milliseconds(700)
        var http = endedHTTP(isStopping: false)
        guard case .end(.abort)? = http.timer(now: end) else { return XCTFail("HTTP not closed") }
        var resp = endedRESP(isStopping: false)
        guard case .end(.abort)? = resp.timer(now: end, unsent: 1) else { return XCTFail("RESP not closed") }
    }

    /// A request of HTTP that has begun is taken in, as its client may not know that it can be sent again. A client of
    /// Redis's protocol hears of the end in place of a reply.
    func testAStoppingNodeReadsTheRestOfAnHTTPRequestOnly() {
        var http = http()
        http.received(head(.PUT, "/v1/kv/a", [("Content-Length", "3")]))
        XCTAssertNil(http.next(now: Self.start))
        http.drain()
        XCTAssertNil(http.next(now: Self.start))
        XCTAssertTrue(http.wantsInput)
        http.received(.body(ByteBuffer(string: "abc")))
        http.received(.end(nil))
        guard case .execute(.key(let request))? = http.next(now: Self.start) else { return XCTFail("not begun") }
        XCTAssertEqual(request.command, .put(Put(value: Array("abc".utf8))))

        var resp = resp()
        resp.received(ByteBuffer(string: "*2\r\n$3\r\nGET\r\n"))
        XCTAssertNil(resp.next(now: Self.start, source))
        XCTAssertTrue(resp.wantsInput())
        resp.drain()
        XCTAssertFalse(resp.wantsInput())
        guard case .end(.closeOutput)? = resp.next(now: Self.start, source) else { return XCTFail("not ended") }
    }

    /// There is nothing to wait for where the client has closed its half, or speaks another protocol from here on.
    func testNothingIsWaitedForWhereNothingMoreComes() {
        var http = http()
        http.received(head(.GET, "/ping", [("Upgrade", "h2c")]))
        http.received(.end(nil))
        guard case .execute(.ping)? = http.next(now: Self.start) else { return XCTFail("not begun") }
        XCTAssertFalse(http.wantsInput)
        XCTAssertEqual(http.answered(now: Self.start)?.connection, .close)
        guard case .end(.finish)? = http.next(now: Self.start) else { return XCTFail("not ended") }

        var resp = resp()
        resp.inputClosed()
        guard case .end(.finish)? = resp.next(now: Self.start, source) else { return XCTFail("not ended") }
        XCTAssertEqual(resp.deadline, Self.start + .milliseconds(700), "the last replies are waited for")
    }

    /// Replies under way have their own deadlines.
    func testARESPConnectionWaitsForItsRepliesAtTheEnd() {
        var resp = resp()
        resp.received(ByteBuffer(string: "get a\r\nquit\r\n"))
        guard case .execute(let request)? = resp.next(now: Self.start, source) else { return XCTFail("not begun") }
        XCTAssertNil(resp.next(now: Self.start, source))
        XCTAssertNil(resp.deadline)
        XCTAssertNil(resp.timer(now: Self.start + .milliseconds(1 << 30), unsent: 0))
        request.end(.absent, by: NodeNumber(1))
        resp.ended(request)
        guard case .end(.closeOutput)? = resp.next(now: Self.start, source) else { return XCTFail("not ended") }
        var output = resp.takeOutput()
        XCTAssertEqual(output.readString(length: output.readableBytes), "$-1\r\n+OK\r\n")
    }
}
