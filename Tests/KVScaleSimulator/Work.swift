import Foundation

/// The work of the nodes' machines: how often they were given something, and the processor time that it took.
struct Work {
    enum Part: Int, CaseIterable {
        /// The timers of shards, every 10 ms.
        case timer
        /// Messages of peers, and what else happens to shards.
        case shard
        /// The ends of shards' ticks.
        case flush
        /// The review of who is in touch.
        case reachability
        /// The failure detector.
        case detector
        /// The membership's machine.
        case membership
    }

    struct Amount {
        var steps = 0
        var nanoseconds: UInt64 = 0
    }

    private(set) var parts = Array(repeating: Amount(), count: Part.allCases.count)
    /// By machine.
    private(set) var nodes: [Amount]

    init(machines: Int) { nodes = Array(repeating: Amount(), count: machines) }

    mutating func add(_ part: Part, node: Int, since began: UInt64) {
        let taken = Self.processorTime &- began
        parts[part.rawValue].steps += 1
        parts[part.rawValue].nanoseconds += taken
        nodes[node].steps += 1
        nodes[node].nanoseconds += taken
    }

    /// The processor time that this thread has used.
    static var processorTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
