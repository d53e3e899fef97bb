import KVCore

// Where a shard's runner looks at the clock for leases, and what shards of a node tell each other.

extension ShardRunner {
    /// How often a tick looks at the clock once more for reads that were looked up after the last look. The next tick
    /// has the rest.
    private static let maximumLooks = 4

    /// Ends a turn of the machine.
    ///
    /// - Parameter now: The time, which was read after everything had come that the turn brings.
    func flush(_ now: Now) {
        shard.flush(now: now)
        var looks = 1
        while shard.wantsLook, looks < Self.maximumLooks {
            shard.flush(now: readClock())
            looks += 1
        }
        if shard.wantsLook { scheduleTick() }
    }

    /// Takes what another shard of the node has said.
    func hear(_ messages: [SiblingMessage]) {
        guard !isStopped, !isAbstaining else { return }
        for message in messages { handle(.sibling(message)) }
    }
}
