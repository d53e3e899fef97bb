import KVModel
import NIOCore
import NIOPosix

/// Connects to a node, on an event loop of NIOPosix.
/// - Parameter handler: is called on the loop, for each address of the node's name that is tried.
func openChannel<Handler: ChannelHandler>(
    to address: Address, on loop: any EventLoop, within limit: TimeAmount, handler: @escaping @Sendable () -> Handler
) -> EventLoopFuture<any Channel> {
    // NIO would truncate the number to 16 bits. The failure comes later in this turn of the loop, as that of a
    // connection would, so that it does not call back into the caller.
    guard (1...65535).contains(address.port) else { return loop.submit { throw NotAPort(port: address.port) } }
    return ClientBootstrap(group: loop)
        .connectTimeout(limit)
        .channelOption(.tcpOption(.tcp_nodelay), value: 1)
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler()) }
        }
        .connect(host: address.host, port: address.port)
}
