import KVCore
import KVStorage

// A first member's first start: it takes part once the others have written its store to disk. See `Founding`.

extension ClusterRunner {
    func considerFounding(_ now: KVCore.Instant) {
        guard let founding, founding.isDone(at: now) else { return }
        self.founding = nil
        let (directory, runners) = (parts.directory, parts.runners)
        parts.pool.submit { [parts] state in
            guard state == .active else { return }
            do throws(StoreError) {
                try directory.endFounding()
            } catch {
                return parts.onStoreFailure(error)
            }
            for runner in runners { runner.loop.execute { runner.takePart() } }
            parts.onFounding(nil)
        }
    }

    /// Notes that `member` has written this node's store to disk.
    func agreed(_ member: NodeNumber) {
        guard founding != nil else { return }
        founding?.agreed(member)
        parts.onFounding(awaited)
    }

    var awaited: String? {
        guard let founding else { return nil }
        let names = founding.awaited.map { machine.topology.member($0)?.id ?? "\($0)" }.joined(separator: ", ")
        return """
            its data directory is new, so it takes part once a majority of the first members has written its store down; \
            start \(names)
            """
    }

    /// Handles a refusal because a first member remembers another store of this node.
    func isKnownByAnother(_ reason: String) {
        if founding != nil { fence(reason) }
    }

    /// Handles a refusal because a peer is connected to another process with this node's store. What the peer hears may
    /// be the last data of a dead process, which the network still held. So only a refusal that is repeated after a
    /// while counts.
    func isSecond(_ reason: String) {
        let now = Clock.monotonic
        guard let first = doubted, now - first < Self.doubtEnds else { return doubted = now }
        if now - first >= Self.doubtCounts { fence(reason) }
    }

    /// Ends the process, because of what a peer has said. Called on any loop.
    func fence(_ reason: String) { parts.onDeparture(.fenced(printable(reason, limit: 1000))) }

    private static let doubtCounts = Nanoseconds.milliseconds(3000)
    private static let doubtEnds = Nanoseconds.milliseconds(60_000)
}
