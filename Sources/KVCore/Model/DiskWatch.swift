/// Decides whether the disk under a store has stalled, by the age of the oldest append that is not durable. After a
/// stall, also decides for how long the node rests: a resting node leads only what no other node can lead.
///
/// A leader whose disk hangs cannot have anything chosen, because its own copy is part of every majority. Its messages,
/// however, keep the others from electing another leader. So the leader itself has to notice ("gray failure", Huang et
/// al., HotOS 2017).
struct DiskWatch {
    /// An append that is not durable yet, and when it was first waited for. It was the newest append at that time.
    private var awaited: (position: LogPosition, since: Instant)?
    private(set) var isStalled = false
    private var lastStall: Instant?
    private var rest: Nanoseconds = .zero
    private var restsUntil: Instant?

    /// Looks at how far the disk is. To be called several times within `ShardOptions.stall`.
    /// - Returns: true if `isStalled` has changed.
    mutating func look(appended: LogPosition, durable: LogPosition, now: Instant, _ options: ShardOptions) -> Bool {
        let wasStalled = isStalled
        if durable >= appended {
            awaited = nil
        } else if awaited.map({ durable >= $0.position }) ?? true {
            awaited = (appended, now)
        }
        isStalled = awaited.map { now - $0.since >= options.stall } ?? false
        if isStalled, !wasStalled { begin(now, options) }
        if wasStalled, !isStalled { restsUntil = now + rest }
        return isStalled != wasStalled
    }

    private mutating func begin(_ now: Instant, _ options: ShardOptions) {
        let isAnother = lastStall.map { now - $0 < options.steadiness } ?? false
        rest = isAnother ? min(Nanoseconds(nanoseconds: rest.nanoseconds * 2), options.maximumRest) : options.rest
        lastStall = now
    }

    /// True while the disk is stalled, and for a while after. The node then refuses leaderships that it is offered, and
    /// lets others be elected first.
    func isResting(at now: Instant) -> Bool { isStalled || restsUntil.map { now < $0 } ?? false }
}
