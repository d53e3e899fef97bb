/// Which replicas make a majority. While a partition moves, a majority of both its replica sets (Raft's joint
/// consensus).
struct Quorum {
    /// Everyone in either set, the current one first and in its order.
    let members: [NodeNumber]
    /// Indices of the members, the likeliest leader first: while the partition moves, those who stay before those who
    /// leave, as they need not hand over again, and the joining nodes, whose copies begin empty, last.
    let preference: [Int]
    /// Everyone in either set.
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

    /// All others than `own`, by their numbers: first those above its member's.
    func indices(after own: Int) -> [Int] {
        let me = members[own]
        return members.indices.filter { $0 != own }
            .sorted { (members[$0] < me ? 1 : 0, members[$0]) < (members[$1] < me ? 1 : 0, members[$1]) }
    }

    var isJoint: Bool { next != nil }

    /// It comes with the move under way: its copy began empty.
    func isJoiningNode(_ index: Int) -> Bool { !current.contains(index) }

    /// Whether it is to hold the partition in the end.
    func stays(_ index: Int) -> Bool { next?.contains(index) ?? true }

    /// Whether the replicas in `mask` are a majority: to choose, to promise, to confirm.
    func isMet(by mask: ReplicaMask) -> Bool {
        guard currentIsMet(by: mask) else { return false }
        guard let next else { return true }
        return mask.intersection(next).count > next.count / 2
    }

    /// Whether they are a majority of the set that the partition is to have in the end.
    func nextIsMet(by mask: ReplicaMask) -> Bool {
        let set = next ?? current
        return mask.intersection(set).count > set.count / 2
    }

    /// Whether they are a majority of the current set: enough to see whatever was chosen. While a partition moves,
    /// records from before are on such a majority only; whoever is elected sees them, as nobody is without one, until
    /// the settled leader has brought them to a majority of the next set as well.
    func currentIsMet(by mask: ReplicaMask) -> Bool { mask.intersection(current).count > current.count / 2 }
}

/// A set of replicas of one partition, by their index among `Quorum.members`.
struct ReplicaMask: Equatable {
    private var bits: UInt64 = 0

    init() {}
    init(_ index: Int) { insert(index) }

    /// Members past these cannot be counted; a topology with so many replicas of one partition is refused.
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
