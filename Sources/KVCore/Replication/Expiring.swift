import DequeModule

// The sweep: how expired records are replaced by tombstones, whether or not a request needs it.
//
// The shard knows for each partition that it leads when the first of the partition's records expires. When that time
// has come, the partition joins a queue. At each timer the partitions of the queue take turns, until the budget for one
// timer is used up. So an hour without an expiry costs nothing, whatever the partitions hold, and a moment in which
// everything expires does not hold up other requests.

/// The partitions of a shard with records that expire.
struct ExpirySchedule {
    /// By partition, the time of day at which to look for expired records; `.max` for none. Milliseconds.
    private var times: ContiguousArray<UInt64> = []
    /// No time is earlier than this.
    private var earliest = UInt64.max
    /// The partitions with expired records, in the order of their turns.
    private var queue: Deque<PartitionID> = []
    private var queued: Set<PartitionID> = []

    /// Notes that a record of the partition expires at this time.
    mutating func watch(_ partition: PartitionID, from expiry: Expiry) {
        let number = Int(partition.raw)
        while times.count <= number { times.append(.max) }
        guard expiry.milliseconds < times[number] else { return }
        times[number] = expiry.milliseconds
        earliest = min(earliest, expiry.milliseconds)
    }

    /// Queues the partitions whose time has come, behind those that are queued.
    mutating func queueDue(at wall: UInt64) {
        guard earliest <= wall else { return }
        earliest = .max
        for number in times.indices {
            if times[number] <= wall {
                times[number] = .max
                enqueue(PartitionID(UInt16(truncatingIfNeeded: number)))
            } else {
                earliest = min(earliest, times[number])
            }
        }
    }

    /// The number of partitions in the queue. Each is in it once.
    var turns: Int { queue.count }

    mutating func enqueue(_ partition: PartitionID) {
        if queued.insert(partition).inserted { queue.append(partition) }
    }

    mutating func takeNext() -> PartitionID? {
        let next = queue.popFirst()
        if let next { queued.remove(next) }
        return next
    }
}

extension Shard {
    /// Lets the partitions with expired records take turns, as far as the budget for one timer goes.
    func sweepExpired() {
        context.expiryBudget = context.options.expirySlice
        context.expiries.queueDue(at: context.now.wall)
        for _ in 0..<context.expiries.turns {
            guard context.expiryBudget > 0, let partition = context.expiries.takeNext() else { return }
            if replica(partition)?.sweepExpired() == true { context.expiries.enqueue(partition) }
        }
    }
}

extension Replica {
    /// Has the sweep look at the partition when the first of its records expires. The leader calls it once its copy is
    /// the truth; records that it proposes from then on are watched one by one.
    func watchExpiry() {
        if let next = context.store.nextExpiry(partition) { context.expiries.watch(partition, from: next) }
    }

    /// Proposes tombstones above expired records.
    ///
    /// - Returns: True if the partition is to have another turn.
    func sweepExpired() -> Bool {
        // The next leader looks for itself.
        guard let leader, leader.isSettled, let next = context.store.nextExpiry(partition) else { return false }
        guard next.hasPassed(at: context.now.wall) else {
            context.expiries.watch(partition, from: next)
            return false
        }
        // What was proposed in the last turn is to be chosen first. So a disk that hangs, or a majority that is away,
        // stops the sweep too.
        guard leader.transfer == nil, majorityIsUp, leader.log.isChosen(leader.lastSwept),
            context.proposedBytes < context.options.maximumProposedBytes / 2
        else { return true }
        let limit = min(context.options.maximumExpired, context.expiryBudget)
        var expired: [Key] = []
        let cost = context.store.forEachExpired(partition, at: context.now.wall, limit: limit) { key, _ in
            expired.append(key)
        }
        context.expiryBudget -= cost
        tombstone(expired, leader)
        leader.lastSwept = leader.log.last
        return true
    }
}
