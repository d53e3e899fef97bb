import KVClient
import KVCore
import KVWire
import NIOCore
import NIOPosix

/// A request by Redis's protocol on a connection of its own, for what the generator asks seldom.
enum RESPOneShotRequest {
    /// - Throws: `BenchError.unreachable`
    static func ask(_ address: Address, _ request: ByteBuffer, timeout: Nanoseconds) async throws
        -> RESPReplyReader.Reply
    {
        let limit = TimeAmount.nanoseconds(Int64(clamping: timeout.nanoseconds))
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: RESPReplyReader.Reply.self)
        do {
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(limit)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(RESPOneShotHandler(promise))
                    }
                }
                .connect(host: address.host, port: address.port).get()
            let alarm = loop.scheduleTask(in: limit) { promise.fail(BenchError.unreachable("no answer in time")) }
            channel.writeAndFlush(request, promise: nil)
            defer {
                alarm.cancel()
                channel.close(promise: nil)
            }
            return try await promise.futureResult.get()
        } catch {
            promise.fail(error)
            throw BenchError.unreachable("\(address): \(failureReason(error))")
        }
    }
}

private final class RESPOneShotHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var reader = RESPReplyReader()
    private let promise: EventLoopPromise<RESPReplyReader.Reply>

    init(_ promise: EventLoopPromise<RESPReplyReader.Reply>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        reader.feed(&bytes)
        do {
            if let reply = try reader.next() { promise.succeed(reply) }
        } catch {
            promise.fail(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(BenchError.unreachable("the connection was closed"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
}
