// Records that this node's disk has spoiled.
//
// An acceptor knows of every record it holds which version that is, whether its value can be read or not. A version
// names one value for good, so any replica's copy of that version will do: it is asked for as a read without the leader
// asks, and written again in its place. This is a matter of one disk, and changes nothing for the protocol.

/// The records that other replicas are being asked for.
struct Repairs {
    private struct Repair {
        let damaged: DamagedRecord
        let began: Instant
    }

    private var underWay: [RequestID: Repair] = [:]

    var count: Int { underWay.count }

    /// Whether a record may be asked for: not once more while it is being asked for.
    func hasRoom(for damaged: DamagedRecord, _ options: ShardOptions) -> Bool {
        underWay.count < options.maximumRepairs && !underWay.values.contains { $0.damaged == damaged }
    }

    mutating func begin(_ id: RequestID, _ damaged: DamagedRecord, at now: Instant) {
        underWay[id] = Repair(damaged: damaged, began: now)
    }

    /// What an answer is about; nil for one to something else.
    func damaged(_ id: RequestID) -> DamagedRecord? { underWay.isEmpty ? nil : underWay[id]?.damaged }

    mutating func end(_ id: RequestID) { underWay[id] = nil }

    /// Forgets those that nobody has answered: the store still names their records.
    ///
    /// - Returns: their numbers.
    mutating func expire(at now: Instant, _ options: ShardOptions) -> [RequestID] {
        guard !underWay.isEmpty else { return [] }
        let expired = underWay.filter { now - $0.value.began >= options.repairTimeout }.map(\.key)
        for id in expired { underWay[id] = nil }
        return expired.sorted { $0.raw < $1.raw }
    }
}

extension Shard {
    func repair(_ damaged: DamagedRecord) {
        guard repairs.hasRoom(for: damaged, context.options), let replica = replica(damaged.partition) else { return }
        let others = replica.quorum.members.filter { $0 != me && context.isUp($0) }
        guard !others.isEmpty else { return }
        let id = context.pursued.insert()
        repairs.begin(id, damaged, at: context.now.monotonic)
        let header = RequestHeader(
            id, epoch: replica.changed, partition: damaged.partition, key: damaged.key)
        for member in others { context.send(member, .request(header, .quorumRead)) }
    }

    /// False for an answer to something else.
    func receiveRepair(_ id: RequestID, _ record: Record?) -> Bool {
        guard let damaged = repairs.damaged(id) else { return false }
        // A replica with another version has nothing for this one: what it misses, or has too much, is its leader's to
        // repair.
        guard let record, record.version == damaged.version else { return true }
        repairs.end(id)
        context.pursued.remove(id)
        guard let replica = replica(damaged.partition),
            context.store.restore(damaged.partition, damaged.key, record)
        else { return true }
        replica.restored(damaged.key)
        context.effects.append(.notice(.repaired(damaged)))
        return true
    }
}

extension Replica {
    /// A record is where it was, and can be read again: what had to wait for it goes on.
    func restored(_ key: Key) {
        lastAppend = context.store.appended
        leader?.unreadable.remove(key)
        releaseHeld()
    }
}
