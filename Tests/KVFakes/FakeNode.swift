import KVModel
import KVProtocol
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A node that answers as a test tells it to, and remembers the requests. It speaks HTTP and the client protocol, whose
/// requests and answers it shows to the test as those of HTTP that do the same.
package final class FakeNode: Sendable {
    package struct Request: Sendable {
        /// Method and URI, such as `GET /v1/kv/a`.
        package var line: String
        package var headers: HTTPHeaders
        package var body: [UInt8]
        /// The number of the connection that it came on, from 1.
        package var connection: Int
    }

    package enum Reply: Sendable {
        case status(Int, [String: String] = [:], String = "")
        /// Answers, and then closes the connection.
        case last(Int, [String: String] = [:], String = "")
        /// Sends these bytes in place of an answer.
        case raw(String)
        /// Closes the connection without an answer.
        case close
        /// Sends nothing.
        case silence
        /// Answers when the gate is open. Later answers on the connection wait behind this one, as at a real node.
        indirect case held(Gate, Reply)

        package static func error(_ status: Int, _ code: String, _ message: String) -> Reply {
            .status(status, [:], #"{"error":"\#(code)","message":"\#(message)"}"#)
        }
    }

    /// Holds answers back until it is opened. Every gate has to be opened in the end.
    package final class Gate: Sendable {
        private let promise = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)

        package init() {}

        package func open() { promise.succeed() }

        var opened: EventLoopFuture<Void> { promise.futureResult }
    }

    package let address: Address
    private let channel: any Channel
    private let log: Log

    /// - Parameter speaksFrames: false for a node of version 0.2, which speaks HTTP only.
    package init(
        speaksFrames: Bool = true, _ answer: @escaping @Sendable (Request) -> Reply
    ) async throws {
        let log = Log()
        self.log = log
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { child in
                log.connected(child)
                return child.eventLoop.makeCompletedFuture {
                    try child.pipeline.syncOperations.addHandler(Switch(speaksFrames, log, answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        address = Address(host: "127.0.0.1", port: channel.localAddress?.port ?? 0)
    }

    package var requests: [Request] { log.requests }
    /// The requests about keys.
    package var keyRequests: [Request] { requests.filter { $0.line.contains(" /v1/kv/") } }
    /// The largest number of requests that have waited for their answers on one connection.
    package var mostOnOneConnection: Int { log.most }

    package func stop() async throws {
        try await channel.close()
        for child in log.children { try? await child.close() }
    }

    final class Log: Sendable {
        private struct State {
            var connections = 0
            var children: [any Channel] = []
            var requests: [Request] = []
            var most = 0
        }

        private let state = NIOLockedValueBox(State())

        func connected(_ child: any Channel) { state.withLockedValue { $0.children.append(child) } }

        /// The number of a connection that has decided for a protocol, from 1.
        func nextConnection() -> Int {
            state.withLockedValue {
                $0.connections += 1
                return $0.connections
            }
        }

        var children: [any Channel] { state.withLockedValue { $0.children } }

        func add(_ request: Request) { state.withLockedValue { $0.requests.append(request) } }

        func waiting(_ count: Int) { state.withLockedValue { $0.most = max($0.most, count) } }

        var most: Int { state.withLockedValue { $0.most } }

        var requests: [Request] { state.withLockedValue { $0.requests } }
    }

    /// Finds out which protocol a connection speaks, and leaves its place to that.
    private final class Switch: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer

        private let speaksFrames: Bool
        private let log: Log
        private let answer: @Sendable (Request) -> Reply

        init(_ speaksFrames: Bool, _ log: Log, _ answer: @escaping @Sendable (Request) -> Reply) {
            self.speaksFrames = speaksFrames
            self.log = log
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            let pipeline = context.pipeline.syncOperations
            if Preface.begins(bytes.readableBytesView) != false {
                guard speaksFrames else {
                    // To such a node it is a command of Redis's protocol.
                    let refusal = ByteBuffer(string: "-ERR unknown command 'KV'\r\n")
                    return context.writeAndFlush(NIOAny(refusal), promise: nil)
                }
                try? pipeline.addHandler(FakeFrames(log.nextConnection(), log, answer))
            } else {
                try? pipeline.addHandler(
                    ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
                try? pipeline.addHandler(Handler(log.nextConnection(), log, answer))
            }
            context.fireChannelRead(data)
            pipeline.removeHandler(self, promise: nil)
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = ByteBuffer

        private let connection: Int
        private let log: Log
        private let answer: @Sendable (Request) -> Reply
        private var head: HTTPRequestHead?
        private var body: [UInt8] = []
        private var replies = CircularBuffer<Reply>()
        /// The first reply waits for its gate.
        private var isHeld = false

        init(_ connection: Int, _ log: Log, _ answer: @escaping @Sendable (Request) -> Reply) {
            self.connection = connection
            self.log = log
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): (self.head, body) = (head, [])
            case .body(let part): body += Array(part.readableBytesView)
            case .end:
                guard let head else { return }
                let request = Request(
                    line: "\(head.method) \(head.uri)", headers: head.headers, body: body, connection: connection)
                log.add(request)
                replies.append(answer(request))
                log.waiting(replies.count)
                perform(context)
            }
        }

        private func perform(_ context: ChannelHandlerContext) {
            while !isHeld, let reply = replies.first {
                if case .held(let gate, let then) = reply {
                    isHeld = true
                    gate.opened.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
                        self.isHeld = false
                        guard !self.replies.isEmpty else { return }
                        self.replies[self.replies.startIndex] = then
                        self.perform(context)
                    }
                } else {
                    replies.removeFirst()
                    perform(reply, context)
                }
            }
        }

        func channelInactive(context: ChannelHandlerContext) { replies.removeAll() }

        private func perform(_ reply: Reply, _ context: ChannelHandlerContext) {
            switch reply {
            case .status(let status, let headers, let body):
                write(Self.text(status, headers, body), context)
            case .last(let status, let headers, let body):
                write(Self.text(status, headers.merging(["Connection": "close"]) { $1 }, body), context)
                context.close(promise: nil)
                replies.removeAll()
            case .raw(let text): write(text, context)
            case .close: context.close(promise: nil)
            case .silence: break
            case .held(_, let reply): perform(reply, context)
            }
        }

        private func write(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }

        private static func text(_ status: Int, _ headers: [String: String], _ body: String) -> String {
            // A node names itself in every answer; an empty name leaves that out.
            let headers = ["KV-Node": "n1"].merging(headers) { $1 }.filter { $0.key != "KV-Node" || !$0.value.isEmpty }
            let lines = headers.map { "\($0): \($1)\r\n" }.joined()
            let length = status == 204 ? "" : "Content-Length: \(body.utf8.count)\r\n"
            return "HTTP/1.1 \(status) X\r\n\(lines)\(length)\r\n\(body)"
        }
    }
}

extension [UInt8] {
    package var text: String { String(decoding: self, as: UTF8.self) }
}
