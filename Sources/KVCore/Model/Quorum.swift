/// Which replicas make a majority. While a partition moves, a majority of both its replica sets (Raft's joint consensus).
struct Quorum {
    /// Everyone in either set, the current one first and in its order.
    let members: [NodeNumber]
    private let current: ReplicaMask
    private let next: ReplicaMask?

    init(_ assignment: Assignment) {
        var members = assignment.replicas
        for node in assignment.next ?? [] where !members.contains(node) { members.append(node) }
        func mask(_ set: [NodeNumber]) -> ReplicaMask {
            var mask = ReplicaMask()
            for (index, member) in members.enumerated() where set.contains(member) { mask.insert(index) }
            return mask
        }
        self.members = members
        current = mask(assignment.replicas)
        next = assignment.next.map(mask)
    }

    func index(of node: NodeNumber) -> Int? { members.firstIndex(of: node) }

    /// Whether the replicas in `mask` are a majority.
    func isMet(by mask: ReplicaMask) -> Bool {
        guard mask.intersection(current).count > current.count / 2 else { return false }
        guard let next else { return true }
        return mask.intersection(next).count > next.count / 2
    }
}

/// A set of replicas of one partition, by their index among `Quorum.members`.
struct ReplicaMask: Equatable {
    private var bits: UInt64 = 0

    init() {}
    init(_ index: Int) { insert(index) }

    var count: Int { bits.nonzeroBitCount }
    func contains(_ index: Int) -> Bool { bits >> UInt64(index) & 1 == 1 }
    mutating func insert(_ index: Int) { bits |= 1 << UInt64(index) }
    func intersection(_ other: Self) -> Self {
        var both = self
        both.bits &= other.bits
        return both
    }
}
