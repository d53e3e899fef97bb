/// Tells whether the disk under a store has stalled, by the age of the oldest append that is not durable, and for how
/// long a node that was so rests before it leads again what others can lead.
///
/// A leader whose disk hangs can have nothing chosen, as its own copy counts among every majority, while its messages
/// keep the others from electing another: such a leader has to say so itself ("gray failure", Huang et al., HotOS
/// 2017).
struct DiskWatch {
    /// What was the newest append at some time, not durable yet, and since when that has been waited for.
    private var awaited: (position: LogPosition, since: Instant)?
    private(set) var isStalled = false
    private var lastStall: Instant?
    private var rest: Nanoseconds = .zero
    private var restsUntil: Instant?

    /// To be called a few times in `ShardOptions.stall`.
    /// - Returns: whether `isStalled` is another than before.
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

    /// It takes no lead that it is offered, and leaves it to others where nobody leads.
    func isResting(at now: Instant) -> Bool { isStalled || restsUntil.map { now < $0 } ?? false }
}
