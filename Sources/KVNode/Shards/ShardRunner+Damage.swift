import KVCore
import KVStorage

/// The news about damaged records that has been logged.
struct DamageReport {
    /// The counts of found and repaired records when they were last logged.
    var found = 0
    var repaired = 0
    /// The start of the present wait for other nodes' copies, and the time when it was last logged.
    var unrepairedSince: Instant?
    var complained: Instant?
    /// The number of attempts; it selects which records are requested next, so that all have their turn.
    var attempts = 0
}

/// Fetches records that are damaged on this node's disk from other replicas, and logs it.
extension ShardRunner {
    /// The time that a record may wait for another replica before that is logged, and the interval between such lines.
    private static let patience = Nanoseconds.milliseconds(10_000)
    private static let complainEvery = Nanoseconds.milliseconds(60_000)

    /// Requests some of the damaged records from other replicas. Call it for as long as there are any.
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

    /// Logs news about damage. Call it about once a second.
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

    /// Logs that records wait for a replica that has them.
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
