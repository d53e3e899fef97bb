/// Proposes a leader for each partition so that neighbours on the ring share theirs: clients are told of leaders by
/// ranges of slots, and neighbours with one leader are one range.
///
/// The choice is greedy, along the ring. A leader that is to stay stays. Other partitions take their neighbour's leader
/// while it holds them and has room, and then the node that can go on the longest. Without limits on what a node leads
/// this would give the fewest runs there can be. The results are wishes: the planner's flow takes them first among
/// equally good choices, and makes the numbers exact.
struct LeaderRuns {
    /// The nodes of each partition, by index.
    private let sets: [[Int]]
    /// How many more partitions each node may lead.
    private var room: [Int]
    private var wishes: [Int?]
    /// For each node of a partition's set, how many neighbouring partitions it could lead from there on.
    private var reaches: [[Int]]

    /// - Parameters:
    ///   - present: the leader of each partition, one of its set, that is to go on leading; nil where one is to be
    ///     chosen.
    ///   - limits: the most partitions that each node may lead.
    init(sets: [[Int]], present: [Int?], limits: [Int]) {
        assert(present.count == sets.count, "there is an entry for every partition")
        self.sets = sets
        room = limits
        wishes = present
        for node in present { if let node { room[node] -= 1 } }
        reaches = Array(repeating: [], count: sets.count)
        var beyond = Array(repeating: 0, count: limits.count)
        for partition in sets.indices.reversed() {
            var reach = Array(repeating: 0, count: limits.count)
            for node in sets[partition] where present[partition] == nil || present[partition] == node {
                reach[node] = beyond[node] + 1
            }
            beyond = reach
            reaches[partition] = sets[partition].map { reach[$0] }
        }
    }

    /// The leader proposed for each partition; nil where no node of its set has room.
    consuming func choose() -> [Int?] {
        var last: Int?
        for partition in sets.indices {
            if wishes[partition] == nil {
                wishes[partition] = next(partition, after: last)
                if let node = wishes[partition] { room[node] -= 1 }
            }
            last = wishes[partition]
        }
        return wishes
    }

    private func next(_ partition: Int, after last: Int?) -> Int? {
        if let last, room[last] > 0, sets[partition].contains(last) { return last }
        return zip(sets[partition], reaches[partition]).filter { room[$0.0] > 0 }
            .max { min($0.1, room[$0.0]) < min($1.1, room[$1.0]) }?.0
    }
}
