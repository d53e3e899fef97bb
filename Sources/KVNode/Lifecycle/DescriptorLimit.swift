import Glibc

/// How many files and sockets the process may have open, and how many of them are clients'.
struct DescriptorLimit: Hashable, Sendable {
    /// Left for the store, peers, event loops and the log, whatever clients do: they must not meet the limit.
    static let reserve = 128
    /// Fewer clients than this are not worth a node.
    static let fewestConnections = 16

    /// Of the process.
    var total: Int

    /// Raises what the process may open to what it may raise that to. Soft limits are low for the sake of programs that
    /// use `select`, which these are not.
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

    /// How many clients may be connected at a time, of those that the configuration allows.
    /// - Throws: `NodeError` where hardly any may.
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
