import KVCore
import KVStorage

/// What has been said of records that the disk has spoiled.
struct DamageReport {
    /// How many had been found, and written again, when that was last said.
    var found = 0
    var repaired = 0
    /// Since when there have been some that no other node could give; and when that was last said.
    var unrepairedSince: Instant?
    var complained: Instant?
    /// Counts the attempts, so that all records have their turn.
    var attempts = 0
}

/// Has records that this node's disk has spoiled fetched from other replicas, and says so.
extension ShardRunner {
    /// How long a record may wait for another replica before somebody is told, and how often they are told.
    private static let patience = Nanoseconds.milliseconds(10_000)
    private static let complainEvery = Nanoseconds.milliseconds(60_000)

    /// Asks for some of the records that cannot be read; to be called again for as long as there are any.
    func repair() {
        let damaged = store.damagedRecords()
        guard !damaged.isEmpty, !isStopped else { return }
        let ordered = damaged.sorted { ($0.partition, $0.key) < ($1.partition, $1.key) }
        let count = min(ordered.count, ShardOptions().maximumRepairs)
        for place in 0..<count {
            handle(.repair(ordered[(damage.attempts &* count &+ place) % ordered.count]))
        }
        damage.attempts = (damage.attempts + 1) % ordered.count
    }

    /// To be called every second or so.
    func reviewDamage(_ now: Instant) {
        let counts = store.damageCounts
        if counts.found > damage.found, let error = store.lastDamage,
            case .damaged(let file, let byte, _) = error
        {
            let news = counts.found - damage.found
            logger.warning(
                """
                \(news) records on disk are not what was written, the last at byte \(byte) of \(file); their values are \
                fetched from other replicas and written again; look at the disk and the system's log
                """)
            damage.found = counts.found
        }
        if counts.repaired > damage.repaired {
            logger.notice(
                "\(counts.repaired - damage.repaired) records that the disk had spoiled have been written again")
            damage.repaired = counts.repaired
        }
        repair()
        complain(now)
    }

    /// Says that records wait for a replica that can give them.
    private func complain(_ now: Instant) {
        let damaged = store.damagedRecords()
        guard let first = damaged.min(by: { ($0.partition, $0.key) < ($1.partition, $1.key) }) else {
            return damage.unrepairedSince = nil
        }
        let since = damage.unrepairedSince ?? now
        damage.unrepairedSince = since
        guard now - since >= Self.patience, damage.complained.map({ now - $0 >= Self.complainEvery }) ?? true
        else { return }
        damage.complained = now
        logger.error(
            """
            \(damaged.count) records cannot be read from disk, and no other node in touch has them; reads of their keys \
            are refused until one has, or until the keys are written again or deleted; the first is \
            \(printable("\(first.key)", limit: 64)) in partition \(first.partition)
            """)
    }
}
