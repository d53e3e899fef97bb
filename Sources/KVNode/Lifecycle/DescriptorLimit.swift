import Glibc

/// The number of files and sockets that the process may have open, and how many of them are for clients.
struct DescriptorLimit: Hashable, Sendable {
    /// Descriptors that are reserved for the store, peers, event loops and the log, which must never meet the limit.
    static let reserve = 128
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

    /// The number of clients that may be connected at a time, at most as many as the configuration allows.
    /// - Throws: `NodeError` when it would be hardly any.
    func connections(configured: Int) throws(NodeError) -> Int {
        let available = total - Self.reserve
        guard available >= Self.fewestConnections else {
            throw NodeError(
                .unavailable,
                """
                this process may have \(total) files and sockets open, and a node needs \(Self.reserve) for itself and \
                some for clients: raise the limit (`ulimit -n`, or LimitNOFILE= of a systemd unit)
                """)
        }
        return min(configured, available)
    }
}
