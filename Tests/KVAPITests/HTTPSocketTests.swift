import KVCore
import NIOCore
import NIOPosix
import XCTest

@testable import KVAPI

/// What only a real socket shows: what a client gets to read when the server closes first.
final class HTTPSocketTests: XCTestCase {
    /// Sends `text` to a served client, half-closes if asked, and gives all that came until the server closed.
    private func talk(_ text: String, halfClose: Bool = false, _ backend: FakeBackend = FakeBackend()) throws -> String
    {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { try? group.syncShutdownGracefully() }
        let server = try ServerBootstrap(group: group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try HTTPListener.configure(
                        channel, backend: backend, budgets: ReplyBudgets(bytes: 256 << 20, loops: 1),
                        wallClock: { FakeBackend.wall })
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
        let received = group.next().makePromise(of: String.self)
        let client = try ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(received))
                }
            }
            .connect(to: try XCTUnwrap(server.localAddress)).wait()
        defer { try? server.close().wait() }
        try client.writeAndFlush(ByteBuffer(string: text)).wait()
        if halfClose { try client.close(mode: .output).wait() }
        let text = try received.futureResult.wait()
        client.close(promise: nil)
        return text
    }

    func testClientThatSendsAllOfARefusedBodyReadsWhy() throws {
        let value = String(repeating: "x", count: 8_000_000)
        let answer = Answer(try talk(request("PUT /v1/kv/a", body: value)))
        XCTAssertEqual(answer.status, "413 Content Too Large")
        XCTAssertEqual(answer.error, "value_too_large")
    }

    func testClientThatHalfClosesReadsAllAnswers() throws {
        let text = try talk(request("GET /v1/kv/a") + request("GET /ping"), halfClose: true)
        XCTAssertTrue(text.hasPrefix("HTTP/1.1 404"), text)
        XCTAssertTrue(text.hasSuffix("pong"), text)
    }

    func testLargeValueArrivesWholeBeforeTheClose() throws {
        let backend = FakeBackend()
        backend.outcome = { _, _ in
            .found(Record(version: version(1, 1, 1), value: Array(repeating: UInt8(ascii: "v"), count: 20_000_000)))
        }
        let closing = Answer(try talk(request("GET /v1/kv/a", ["Connection: close"]), backend))
        XCTAssertEqual(closing.body.utf8.count, 20_000_000)
        let halfClosed = Answer(try talk(request("GET /v1/kv/a"), halfClose: true, backend))
        XCTAssertEqual(halfClosed.body.utf8.count, 20_000_000)
    }
}

/// Gathers what comes until the connection ends.
private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let received: EventLoopPromise<String>
    private var gathered = ByteBuffer()

    init(_ received: EventLoopPromise<String>) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        gathered.writeBuffer(&bytes)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { received.succeed(String(buffer: gathered)) }
    }

    func channelInactive(context: ChannelHandlerContext) { received.succeed(String(buffer: gathered)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { received.fail(error) }
}
