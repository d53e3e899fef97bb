import KVCore
import NIOCore

/// The listener of the client protocol (`KVProtocol`): serves a `Backend` on accepted connections. A node has one for
/// all of them.
///
/// `FrameReader` tells requests apart; `FrameConnection` decides what becomes of them; `FrameHandler` performs it.
package final class FrameListener: Sendable {
    let backend: any Backend
    let options: FrameOptions
    let budgets: ReplyBudgets
    /// Milliseconds since 1970, UTC.
    let wallClock: @Sendable () -> UInt64

    /// - Parameters:
    ///   - budgets: what the node's connections may hold, by all protocols.
    ///   - wallClock: milliseconds since 1970, UTC.
    package init(
        backend: any Backend, options: FrameOptions = FrameOptions(), budgets: ReplyBudgets,
        wallClock: @escaping @Sendable () -> UInt64
    ) {
        self.backend = backend
        self.options = options
        self.budgets = budgets
        self.wallClock = wallClock
    }

    /// Prepares an accepted connection. To be called on its event loop, before it is read from.
    ///
    /// The channel should allow half-closure by the client (`ChannelOptions.allowRemoteHalfClosure`). A
    /// `ChannelShouldQuiesceEvent` drains the connection.
    package func configure(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(FrameHandler(self, channel: channel))
    }
}
