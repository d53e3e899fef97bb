/// The data directories that members run with, as far as this node has heard. A first member's directory is not in the
/// topology until the coordinator has recorded it.
struct StoreRegistry {
    private struct Pair: Hashable {
        var node: NodeNumber
        var store: UUID128
    }

    private var seen: [NodeNumber: UUID128]
    private var lastNew: Instant
    /// Foreign stores that were reported.
    private var told: Set<Pair> = []

    init(me: NodeNumber, store: UUID128, now: Now) {
        seen = [me: store]
        lastNew = now.monotonic
    }

    /// Notes a member's store. Returns whether to report that it is not the one the member is known by; that is
    /// reported once.
    mutating func see(_ node: NodeNumber, _ store: UUID128, in topology: Topology, now: Instant) -> Bool {
        // It is no member here: no longer, or not yet.
        guard let member = topology.member(node) else { return false }
        if seen.updateValue(store, forKey: node) != store { lastNew = now }
        let isForeign = member.store.map { $0 != store } ?? !isFree(store, in: topology, for: node)
        return isForeign && told.insert(Pair(node: node, store: store)).inserted
    }

    /// The stores that the topology does not name yet, once all are there or nothing new has come for a while.
    func unrecorded(in topology: Topology, now: Instant, gather: Nanoseconds) -> [NodeNumber: UUID128] {
        let nameless = topology.members.filter { $0.store == nil }
        guard !nameless.isEmpty else { return [:] }
        var found: [NodeNumber: UUID128] = [:]
        for member in nameless {
            // It has not been heard, or its store is another's.
            guard let store = seen[member.number], isFree(store, in: topology, for: member.number),
                !found.values.contains(store)
            else { continue }
            found[member.number] = store
        }
        return found.count == nameless.count || now - lastNew >= gather ? found : [:]
    }

    mutating func keepMembers(of topology: Topology) {
        seen = seen.filter { topology.member($0.key) != nil }
        told = told.filter { topology.member($0.node) != nil }
    }

    private func isFree(_ store: UUID128, in topology: Topology, for node: NodeNumber) -> Bool {
        topology.members.allSatisfy { $0.store != store || $0.number == node }
            && topology.removed.allSatisfy { $0.store != store }
    }
}
