/// The replicas of a partition, and which of them make a majority. While the partition moves, a majority is one of both
/// replica sets (Raft's joint consensus).
struct Quorum {
    /// The nodes of either set: the current set in its order, then the other nodes of the next set in theirs.
    let members: [NodeNumber]
    /// Indices of the members, in order of preference to lead. While the partition moves, members that stay come before
    /// members that leave, because a leader that leaves has to transfer the lead later. Joining nodes come last,
    /// because their copies begin empty.
    let preference: [Int]
    /// All members.
    let all: ReplicaMask
    let current: ReplicaMask
    let next: ReplicaMask?

    init(_ assignment: Assignment) {
        let members = assignment.members
        func mask(_ set: [NodeNumber]) -> ReplicaMask {
            var mask = ReplicaMask()
            for (index, member) in members.enumerated() where set.contains(member) { mask.insert(index) }
            return mask
        }
        let (current, next) = (mask(assignment.replicas), assignment.next.map(mask))
        self.members = members
        all = mask(members)
        self.current = current
        self.next = next
        guard let next else {
            preference = Array(members.indices)
            return
        }
        let old = members.indices.filter(current.contains)
        preference =
            old.filter(next.contains) + old.filter { !next.contains($0) }
            + members.indices.filter { !current.contains($0) }
    }

    func index(of node: NodeNumber) -> Int? { members.firstIndex(of: node) }

    /// The indices of all members but `own`, ordered by node number, beginning after the number of `own` and wrapping
    /// around.
    func indices(after own: Int) -> [Int] {
        let me = members[own]
        return members.indices.filter { $0 != own }
            .sorted { (members[$0] < me ? 1 : 0, members[$0]) < (members[$1] < me ? 1 : 0, members[$1]) }
    }

    var isJoint: Bool { next != nil }

    /// True if the member joins with the move under way. Its copy began empty.
    func isJoiningNode(_ index: Int) -> Bool { !current.contains(index) }

    /// True if the member holds the partition after the move under way.
    func stays(_ index: Int) -> Bool { next?.contains(index) ?? true }

    /// True if the replicas in `mask` are a majority, as is needed to choose, to promise and to confirm.
    func isMet(by mask: ReplicaMask) -> Bool {
        guard currentIsMet(by: mask) else { return false }
        guard let next else { return true }
        return mask.intersection(next).count > next.count / 2
    }

    /// True if the replicas in `mask` are a majority of the set that holds the partition after the move under way.
    func nextIsMet(by mask: ReplicaMask) -> Bool {
        let set = next ?? current
        return mask.intersection(set).count > set.count / 2
    }

    /// True if the replicas in `mask` are a majority of the current set, which is enough to see every chosen record:
    /// those chosen before the move are on such a majority, and those chosen since are on majorities of both sets.
    func currentIsMet(by mask: ReplicaMask) -> Bool { mask.intersection(current).count > current.count / 2 }
}

/// A set of replicas of one partition, by their index among `Quorum.members`.
struct ReplicaMask: Equatable {
    private var bits: UInt64 = 0

    init() {}
    init(_ index: Int) { insert(index) }

    /// The largest number of members. A topology in which a partition has more is refused.
    static let capacity = 64

    var count: Int { bits.nonzeroBitCount }
    func contains(_ index: Int) -> Bool { bits >> UInt64(index) & 1 == 1 }
    mutating func insert(_ index: Int) { bits |= 1 << UInt64(index) }
    mutating func remove(_ index: Int) { bits &= ~(1 << UInt64(index)) }
    func union(_ other: Self) -> Self {
        var either = self
        either.bits |= other.bits
        return either
    }
    func intersection(_ other: Self) -> Self {
        var both = self
        both.bits &= other.bits
        return both
    }
}
