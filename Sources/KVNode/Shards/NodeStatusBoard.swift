import KVAPI
import KVCore
import Synchronization

/// The shards' latest reports, for any thread to read.
final class NodeStatusBoard: Sendable {
    private struct State {
        var usages: [PartitionUsage]
        var disks: [DiskHealth]
        /// The number of partitions held here without a known leader; nil before a shard's first report.
        var leaderless: [Int?]
        /// The number of copies that may lack records since power was lost. They abstain until they have been repaired.
        var incomplete: [Int]
        var isStopping = false
        /// The slots of partitions by the topology that each shard goes by.
        var slots: [SlotMap]
        /// Problems that keep the node from serving, by subject.
        var obstacles: [String: String] = [:]
        /// Problems that do not keep the node from serving, by subject.
        var warnings: [String: String] = [:]
    }

    private let state: Mutex<State>

    init(shards: Int, _ slots: SlotMap) {
        state = Mutex(
            State(
                usages: Array(repeating: PartitionUsage(), count: shards),
                disks: Array(repeating: DiskHealth(), count: shards),
                leaderless: Array(repeating: nil, count: shards), incomplete: Array(repeating: 0, count: shards),
                slots: Array(repeating: slots, count: shards)))
    }

    func update(shard: Int, usage: PartitionUsage, leaderless: Int, disk: DiskHealth) {
        state.withLock {
            $0.usages[shard] = usage
            $0.disks[shard] = disk
            $0.leaderless[shard] = leaderless
        }
    }

    func setIncomplete(_ count: Int, of shard: Int) { state.withLock { $0.incomplete[shard] = count } }

    /// The slots of partitions by the topology that each shard goes by. One may go by a later one than others.
    var slots: [SlotMap] { state.withLock { $0.slots } }

    func set(_ slots: SlotMap, of shard: Int) { state.withLock { $0.slots[shard] = slots } }

    func beginStopping() { state.withLock { $0.isStopping = true } }

    /// - Parameter obstacle: the problem with `subject`, in words; nil when it is solved.
    func set(_ obstacle: String?, of subject: String) { state.withLock { $0.obstacles[subject] = obstacle } }

    func set(warning: String?, of subject: String) { state.withLock { $0.warnings[subject] = warning } }

    /// A problem that does not keep the node from serving; nil if there is none.
    var warning: String? { state.withLock { $0.warnings.min { $0.key < $1.key }?.value } }

    /// The sum over all shards; nil before each of them has reported.
    var usage: PartitionUsage? {
        state.withLock { state in
            guard state.leaderless.allSatisfy({ $0 != nil }) else { return nil }
            return state.usages.reduce(into: PartitionUsage()) { sum, part in
                sum.keys += part.keys
                sum.tombstones += part.tombstones
                sum.bytes += part.bytes
            }
        }
    }

    /// The sum over all shards.
    var disk: DiskHealth {
        state.withLock { state in
            state.disks.reduce(into: DiskHealth()) { sum, part in
                sum.damaged += part.damaged
                sum.repaired += part.repaired
            }
        }
    }

    /// Why the node cannot serve; nil while it can.
    var obstacle: String? {
        state.withLock { state in
            if state.isStopping { return "the node is stopping" }
            if let obstacle = state.obstacles.min(by: { $0.key < $1.key }) { return obstacle.value }
            var leaderless = 0
            for part in state.leaderless {
                guard let part else { return "the node is starting" }
                leaderless += part
            }
            let incomplete = state.incomplete.reduce(0, +)
            if leaderless > 0, incomplete > 0 {
                return """
                    \(leaderless) of the partitions held here have no known leader, and \(incomplete) may lack the \
                    newest writes, as this machine lost power: they need a majority of replicas that did not, or all of \
                    them; start the other nodes, or, where some are lost for good, run `kv recover` on those that are left
                    """
            }
            return leaderless == 0
                ? nil
                : "\(leaderless) of the partitions held here have no known leader; are enough of the other nodes up?"
        }
    }
}
