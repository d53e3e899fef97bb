import Glibc

/// The number of files and sockets that the process may have open, and how many of them are for clients.
struct DescriptorLimit: Hashable, Sendable {
    /// Descriptors without which a node is not worth starting: for the store, peers, event loops and the log, which
    /// should never meet the limit.
    static let leastReserve = 128
    /// Those of a shard: its event loop, and files of its store.
    private static let shardReserve = 8
    /// Members that are reckoned with, where there are fewer: others may join.
    private static let expectedMembers = 8
    /// The fewest clients that make a node worth starting.
    static let fewestConnections = 16

    /// The limit of the process.
    var total: Int

    /// Raises the soft limit to the hard one. Soft limits are low for programs that use `select`, which this one does
    /// not.
    static func raised() -> DescriptorLimit {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return DescriptorLimit(total: 1024)
        }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return DescriptorLimit(total: Int(clamping: limit.rlim_cur))
    }

    /// The descriptors that clients do not get. With each other member a shard has one connection of its own, and one
    /// of that member's shards.
    static func reserve(shards: Int, members: Int) -> Int {
        max(leastReserve, leastReserve / 2 + shards * (shardReserve + 2 * (max(members, expectedMembers) - 1)))
    }

    /// - Throws: `NodeError` when there are too few for any node.
    func check() throws(NodeError) {
        guard total >= Self.leastReserve + Self.fewestConnections else {
            throw NodeError(
                .unavailable,
                """
                this process may have \(total) files and sockets open, and a node needs \(Self.leastReserve) for itself \
                and some for clients: raise the limit (`ulimit -n`, or LimitNOFILE= of a systemd unit)
                """)
        }
    }

    /// The number of clients that may be connected at a time, at most as many as the configuration allows.
    ///
    /// - Parameters:
    ///   - shards: The number of the node's shards.
    ///   - members: The number of members of the cluster, as far as it is known.
    func connections(configured: Int, shards: Int, members: Int) -> Int {
        min(configured, max(total - Self.reserve(shards: shards, members: members), Self.fewestConnections))
    }
}
