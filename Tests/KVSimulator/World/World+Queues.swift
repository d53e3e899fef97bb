import KVCore

// Runs with many keys, values of all sizes and small limits: every window and limit of a shard is reached, and none is
// exceeded.

extension Scenario {
    /// The largest value in bytes.
    static let largestValue = 2048

    package init(cramped seed: UInt64) {
        var random = SeededRandom(seed: seed, stream: 1)
        self.init()
        isCramped = true
        (nodes, replicas) = random.pick([(3, 3), (4, 3), (5, 3)])
        (partitions, keys, clients) = (2, 2000, 30)
        (think, deadline, duration) = (.milliseconds(2), .milliseconds(2000), .milliseconds(2500))
        jitter = Nanoseconds(nanoseconds: random.pick([300_000, 2_000_000]))
        sync = .milliseconds(5)
        (store, loads) = (.log, 0.3)
        faults = [
            .isolation: .milliseconds(500), .pause: .milliseconds(700), .falseSuspicion: .milliseconds(500),
            .slowDisk: .milliseconds(1000),
        ]
        // Bits flip only in runs without crashes and moves: a node does not start on a damaged disk, and a replica set
        // that has shrunk to that node could not be served.
        if seed % 2 == 0 {
            faults[.rot] = .milliseconds(20)
        } else {
            (moves, spares, heed, broadcast) = (.milliseconds(200), 1, 0.3, 0.5)
            (faults[.crash], faults[.restart]) = (.milliseconds(1000), .milliseconds(1000))
        }
        recompare = .milliseconds(300)
        stagger = .milliseconds(20)
    }
}

extension ShardOptions {
    mutating func cramp() {
        maximumRequests = 12
        maximumProposedBytes = 16 << 10
        peerWindow = 4 << 10
        repairBytes = 4 << 10
        (repairWindow, maximumMissed, settleWindow) = (4, 16, 2)
        (maximumComparisons, maximumTransfers) = (1, 1)
        (maximumEarly, maximumEarlyBytes) = (3, 3 * 128)
        maximumDeferred = 12
        maximumRepairs = 1
        maximumDropped = 1
    }
}

extension World {
    /// Checks each queue of a shard against its limit.
    func checkQueues(_ node: Node, _ runner: Runner) {
        guard scenario.isCramped else { return }
        for queue in runner.shard.queueLevels {
            if queue.level >= queue.limit { statistics.reached[queue.queue, default: 0] += 1 }
            guard queue.level > queue.limit + Self.excess(queue.queue, options) else { continue }
            history.add(
                Violation(.queues, "node \(name(node, runner)): \(queue.queue) is \(queue.level) of \(queue.limit)"))
        }
    }

    /// The number or bytes by which a queue may exceed its limit.
    private static func excess(_ queue: ShardQueue, _ options: ShardOptions) -> Int {
        let largest = 512 + Scenario.largestValue
        return switch queue {
        // One item is accepted as long as there is some room.
        case .window, .repairing: largest
        // One item; the records that each of the two partitions was recovering when the limit was reached; and the
        // changes in flight of an earlier leadership, which the next one proposes again in addition to its own.
        case .proposed: largest * (1 + 2 * options.settleWindow) + options.maximumProposedBytes
        // Repaired records on their way that are missed after all, and the records of one leaf of the tree.
        case .missed: options.repairWindow + 64
        default: 0
        }
    }
}
