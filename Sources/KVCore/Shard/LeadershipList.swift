/// What this shard leads, as it tells it to the other members, with the version that each of them was told last.
///
/// The receiving side is `ListedLeaderships`.
struct LeadershipList {
    let shard: UInt16
    /// Versions of one process are above those of every process before it on the same store.
    private(set) var version: UInt64
    /// What this version of the list says.
    private(set) var ballots: [PartitionID: Ballot] = [:]
    /// The change that the next version makes.
    private var begun: [PartitionID: Ballot] = [:]
    private var ended: Set<PartitionID> = []
    /// The members that were sent this version, or an earlier one that they are sent the changes of.
    private var told: Set<NodeNumber> = []

    init(shard: Int, boot: UInt64) {
        self.shard = UInt16(truncatingIfNeeded: shard)
        version = boot &<< 32 | 1
    }

    /// Notes whether a partition is led here, and under which ballot.
    mutating func note(_ partition: PartitionID, _ ballot: Ballot?) {
        begun[partition] = nil
        ended.remove(partition)
        guard ballot != ballots[partition] else { return }
        if let ballot { begun[partition] = ballot } else { ended.insert(partition) }
    }

    /// Makes a new version of what was noted since the last one.
    /// - Returns: The change; nil if nothing has changed.
    mutating func advance() -> LeadershipUpdate? {
        guard !begun.isEmpty || !ended.isEmpty else { return nil }
        let base = version
        version += 1
        for (partition, ballot) in begun { ballots[partition] = ballot }
        for partition in ended { ballots[partition] = nil }
        defer {
            begun.removeAll(keepingCapacity: true)
            ended.removeAll(keepingCapacity: true)
        }
        return LeadershipUpdate(
            shard: shard, base: base, version: version, begun: Self.sorted(begun), ended: ended.sorted())
    }

    /// True if a member has what the version before this one says, or is on its way to.
    func isTold(_ node: NodeNumber) -> Bool { told.contains(node) }

    mutating func setTold(_ node: NodeNumber, _ isTold: Bool) {
        if isTold { told.insert(node) } else { told.remove(node) }
    }

    /// Says that nothing has changed.
    var heartbeat: LeadershipUpdate { LeadershipUpdate(shard: shard, base: version, version: version) }

    /// Names everything that is led.
    var whole: LeadershipUpdate {
        LeadershipUpdate(shard: shard, base: 0, version: version, begun: Self.sorted(ballots))
    }

    private static func sorted(_ ballots: [PartitionID: Ballot]) -> [Leadership] {
        ballots.map { Leadership(partition: $0.key, ballot: $0.value) }.sorted { $0.partition < $1.partition }
    }
}
