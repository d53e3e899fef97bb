// Repairs records that this node's disk has spoiled.
//
// An acceptor knows the version of every record it holds, whether the value can be read or not. Invariant 2: a version
// names one value, so any replica's copy of that version will do. It is asked for as by a quorum read, and written
// again in its place. Only this disk is concerned; nothing changes for the protocol.

/// The records that other replicas are being asked for.
struct Repairs {
    private struct Repair {
        let damaged: DamagedRecord
        let began: Instant
    }

    private var underWay: [RequestID: Repair] = [:]

    var count: Int { underWay.count }

    /// Whether a record may be asked for. It is not asked for twice at a time.
    func hasRoom(for damaged: DamagedRecord, _ options: ShardOptions) -> Bool {
        underWay.count < options.maximumRepairs && !underWay.values.contains { $0.damaged == damaged }
    }

    mutating func begin(_ id: RequestID, _ damaged: DamagedRecord, at now: Instant) {
        assert(underWay[id] == nil, "a number names one question")
        underWay[id] = Repair(damaged: damaged, began: now)
    }

    /// The record that an answer is about; nil where the answer is to another question.
    func damaged(_ id: RequestID) -> DamagedRecord? { underWay.isEmpty ? nil : underWay[id]?.damaged }

    mutating func end(_ id: RequestID) { underWay[id] = nil }

    /// Forgets the questions that nobody has answered in time: the store still names their records.
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
        // It is being asked for, there is no room now, or the partition has left this node.
        guard repairs.hasRoom(for: damaged, context.options), let replica = replica(damaged.partition) else { return }
        let others = replica.quorum.members.filter { $0 != me && context.isUp($0) }
        // It is asked for again later: the store names it for as long as it cannot be read.
        guard !others.isEmpty else { return }
        let id = context.pursued.insert()
        repairs.begin(id, damaged, at: context.now.monotonic)
        let header = RequestHeader(
            id, epoch: replica.changed, partition: damaged.partition, key: damaged.key)
        for member in others { context.send(member, .request(header, .quorumRead)) }
    }

    /// Takes an answer about a damaged record; false where the answer is to another question.
    func receiveRepair(_ id: RequestID, _ record: Record?) -> Bool {
        guard let damaged = repairs.damaged(id) else { return false }
        // A replica with another version cannot help. Whatever it lacks, or has too much, is its leader's to repair.
        guard let record, record.version == damaged.version else { return true }
        repairs.end(id)
        context.pursued.remove(id)
        // The partition may have left this node, the record been overwritten, or the disk filled up.
        guard let replica = replica(damaged.partition),
            context.store.restore(damaged.partition, damaged.key, record)
        else { return true }
        replica.restored(damaged.key)
        context.effects.append(.notice(.repaired(damaged)))
        return true
    }
}

extension Replica {
    /// A record can be read again: the requests that had to wait for it go on.
    func restored(_ key: Key) {
        lastAppend = context.store.appended
        leader?.unreadable.remove(key)
        releaseHeld()
    }
}
