// The least that NIOHTTP1 can do: every request is answered with the same 100 bytes. What kv's HTTP is held against.
//
//   barehttp PORT [THREADS]     on 127.0.0.1, until it is killed

import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// Answers a request when it has come to its end.
private final class ConstantAnswer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let head: HTTPResponseHead
    private let body = ByteBuffer(repeating: UInt8(ascii: "v"), count: 100)

    init() {
        head = HTTPResponseHead(
            version: .http1_1, status: .ok,
            headers: ["content-type": "application/octet-stream", "content-length": "100"])
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
}

private func fail(_ message: String) -> Never {
    let line = Array("barehttp: \(message)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(64)
}

let arguments = CommandLine.arguments.dropFirst().map { Int($0) }
guard let port = arguments.first ?? nil, 1...65_535 ~= port else { fail("usage: barehttp PORT [THREADS]") }
// As many as the node beside it has shards (kvbench/servers.py).
let threads = arguments.dropFirst().first.flatMap { $0 } ?? 1
guard 1...256 ~= threads else { fail("THREADS is 1 to 256") }

let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
let server = try await ServerBootstrap(group: group)
    .serverChannelOption(.backlog, value: 1024)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                withPipeliningAssistance: false, withErrorHandling: false)
            try channel.pipeline.syncOperations.addHandler(ConstantAnswer())
        }
    }
    .bind(host: "127.0.0.1", port: port).get()
try await server.closeFuture.get()
