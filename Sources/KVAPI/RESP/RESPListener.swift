import KVCore
import NIOCore

/// The Redis listener: serves a `Backend` over RESP2 and RESP3 on accepted connections. A node has one for all of them.
///
/// `RESPRequestParser` tells requests apart; `RESPConnection` decides what becomes of them; `RESPHandler` performs it.
package final class RESPListener: Sendable {
    private let server: RESPServer

    var budgets: ReplyBudgets { server.budgets }

    /// - Parameters:
    ///   - budgets: what the node's connections may hold, by both protocols.
    ///   - wallClock: milliseconds since 1970, UTC.
    package init(
        backend: any Backend, info: NodeInfo, options: RESPOptions = RESPOptions(), budgets: ReplyBudgets,
        wallClock: @escaping @Sendable () -> UInt64
    ) {
        server = RESPServer(
            backend: backend, info: info, options: options, budgets: budgets, wallClock: wallClock)
    }

    /// Prepares an accepted connection. To be called on its event loop, before it is read from.
    ///
    /// The channel should allow half-closure by the client (`ChannelOptions.allowRemoteHalfClosure`), or those who
    /// close their sending half after the last request get no reply. A `ChannelShouldQuiesceEvent` drains the
    /// connection.
    package func configure(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(RESPHandler(server: server, channel: channel))
    }
}
