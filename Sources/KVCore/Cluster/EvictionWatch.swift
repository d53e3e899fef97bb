/// Counts how long members have been dead, and decides which ones to evict.
struct EvictionWatch {
    /// Since when members are dead, by this node's observation since it began to lead. It cannot know what an earlier
    /// leader saw.
    private var deadSince: [NodeNumber: Instant] = [:]
    /// The obstacle that was told last of each, so that none is told twice.
    private var told: [NodeNumber: String] = [:]

    /// Begins anew.
    mutating func begin() { self = EvictionWatch() }

    /// The members to evict now, ascending. For others that are due, notices say what speaks against it.
    mutating func due(_ context: ClusterContext) -> [NodeNumber] {
        let topology = context.topology
        let dead = topology.members.filter { $0.stays && context.isDead($0.number) }.map(\.number)
        deadSince = deadSince.filter { dead.contains($0.key) }
        told = told.filter { dead.contains($0.key) }

        var evicted: [NodeNumber] = []
        for node in dead {
            let since = deadSince[node] ?? context.time
            deadSince[node] = since
            guard context.time - since >= context.options.evictAfter else { continue }
            if let reason = obstacle(to: node, with: evicted, context) {
                if told.updateValue(reason, forKey: node) != reason { context.notice(.evictionWaits(node, reason)) }
            } else {
                evicted.append(node)
            }
        }
        return evicted
    }

    /// Says what speaks against evicting a member along with others; nil where nothing does.
    private func obstacle(to node: NodeNumber, with others: [NodeNumber], _ context: ClusterContext) -> String? {
        let topology = context.topology
        if topology.plan?.isPaused == true { return "the change of membership under way is paused" }
        let left = topology.members.count(where: \.stays) - others.count - 1
        guard left >= topology.settings.replicas else {
            return "only \(left) members would be left to hold \(topology.settings.replicas) replicas"
        }
        let alive = topology.members.count { context.isAlive($0.number) }
        guard alive > topology.members.count / 2 else {
            return "only \(alive) of \(topology.members.count) members are alive, which is no majority"
        }
        if topology.isStranded(node, isDead: context.isDead) {
            return "no partition of which it has a replica has a majority of its replicas alive"
        }
        return nil
    }
}

extension Topology {
    /// Whether a dead member holds replicas, and none of their partitions can be moved away from it: without a majority
    /// of the present replicas nothing can be agreed.
    func isStranded(_ node: NodeNumber, isDead: (NodeNumber) -> Bool) -> Bool {
        let held = assignments.filter { $0.replicas.contains(node) }
        return !held.isEmpty && held.allSatisfy { !$0.replicas.hasMajority { $0 != node && !isDead($0) } }
    }
}
