/// Counts how long members have been dead, and decides who is to be planned out.
struct EvictionWatch {
    /// By this node's observation since it began to lead: what an earlier leader saw it cannot know.
    private var deadSince: [NodeNumber: Instant] = [:]
    /// What was said last of each, so that nothing is said twice.
    private var told: [NodeNumber: String] = [:]

    /// Begins anew.
    mutating func begin() { self = EvictionWatch() }

    /// Whom to evict now, ascending; what speaks against others is said as notices.
    mutating func due(_ context: ClusterContext) -> [NodeNumber] {
        let topology = context.topology
        let dead = topology.members.filter { $0.stays && context.isDead($0.number) }.map(\.number)
        deadSince = deadSince.filter { dead.contains($0.key) }
        told = told.filter { dead.contains($0.key) }
        for node in dead where deadSince[node] == nil { deadSince[node] = context.time }

        var evicted: [NodeNumber] = []
        for node in dead {
            guard let since = deadSince[node], context.time - since >= context.options.evictAfter else { continue }
            if let reason = obstacle(to: evicted.count + 1, context) {
                if told.updateValue(reason, forKey: node) != reason { context.notice(.evictionWaits(node, reason)) }
            } else {
                evicted.append(node)
            }
        }
        return evicted
    }

    /// What speaks against evicting so many.
    private func obstacle(to count: Int, _ context: ClusterContext) -> String? {
        let topology = context.topology
        if topology.plan != nil { return "another change of membership is under way" }
        let left = topology.members.count - count
        guard left >= topology.settings.replicas else {
            return "only \(left) members would be left to hold \(topology.settings.replicas) replicas"
        }
        let alive = topology.members.count { context.isAlive($0.number) }
        guard alive > topology.members.count / 2 else {
            return "only \(alive) of \(topology.members.count) members are alive, which is no majority"
        }
        return nil
    }
}
