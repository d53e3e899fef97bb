import KVCore

/// The planner's rules, implemented by trying everything. Fast enough only for few nodes and partitions.
struct NaivePlanner {
    let task: PlannerCase
    /// The sets of indices in `task.members` that are spread over zones as evenly as possible.
    let subsets: [[Int]]
    /// The fair share of each member, by the weights (`fairShares`).
    let shares: [Double]

    init(_ task: PlannerCase) {
        self.task = task
        let width = min(task.replicas, task.members.count)
        let all = (0..<1 << task.members.count).map { bits in task.members.indices.filter { bits >> $0 & 1 == 1 } }
        let wide = all.filter { $0.count == width }
        let evenness = wide.map { Self.zoneCounts(of: $0, in: task.members) }
        let best = evenness.min { $0.lexicographicallyPrecedes($1) }
        subsets = zip(wide, evenness).filter { $0.1 == best }.map(\.0)
        shares = Self.fairShares(task, subsets: subsets, width: width)
    }

    /// The numbers of replicas per zone, the largest first. Of two sets, the one whose numbers come first in
    /// lexicographic order is spread more evenly.
    static func zoneCounts(of subset: [Int], in members: [Member]) -> [Int] {
        var counts: [String: Int] = [:]
        for index in subset { counts[members[index].zone, default: 0] += 1 }
        return counts.values.sorted(by: >)
    }

    /// The fair shares of the members. Each is its weight times a common level, within the bounds of its zone; the
    /// level at which the shares add up is found by bisection.
    static func fairShares(_ task: PlannerCase, subsets: [[Int]], width: Int) -> [Double] {
        let partitions = Double(task.partitions)
        let zones = Set(task.members.map(\.zone)).sorted()
        func shares(in zone: String, level: Double) -> [(Int, Double)] {
            task.members.indices.filter { task.members[$0].zone == zone }
                .map { ($0, min(partitions, Double(task.members[$0].weight) * level)) }
        }
        func total(_ shares: [(Int, Double)]) -> Double { shares.reduce(0) { $0 + $1.1 } }
        func bisect(_ target: Double, _ amount: (Double) -> Double) -> Double {
            var low = 0.0
            var high = partitions
            for _ in 0..<64 {
                let middle = (low + high) / 2
                if amount(middle) < target { low = middle } else { high = middle }
            }
            return high
        }
        func bounds(_ zone: String) -> (Double, Double) {
            let counts = subsets.map { $0.count { task.members[$0].zone == zone } }
            return (Double(counts.min() ?? 0) * partitions, Double(counts.max() ?? 0) * partitions)
        }
        func clamped(_ zone: String, level: Double) -> Double {
            min(max(total(shares(in: zone, level: level)), bounds(zone).0), bounds(zone).1)
        }
        let level = bisect(partitions * Double(width)) { level in zones.reduce(0) { $0 + clamped($1, level: level) } }
        var result = task.members.map { _ in 0.0 }
        for zone in zones {
            let own = bisect(clamped(zone, level: level)) { total(shares(in: zone, level: $0)) }
            for (index, share) in shares(in: zone, level: own) { result[index] = share }
        }
        return result
    }

    func isFair(_ count: Int, share: Double) -> Bool {
        count >= Int((share - 1e-6).rounded(.down)) && count <= Int((share + 1e-6).rounded(.up))
            && abs(Double(count) - share) < 1 - 1e-7
    }

    /// The fewest copies that a placement within the rules needs. Nil if there is no such placement.
    func fewestMoves() -> Int? {
        let best = cheapest(choices: { _ in subsets }) { partition, subset in
            let current = partition < task.current.count ? task.current[partition] : []
            return current.isEmpty ? 0 : subset.count { !current.contains(task.members[$0].number) }
        }
        return best { counts in zip(counts, shares).allSatisfy { isFair($0, share: $1) } }
    }

    /// The fewest changes of leaders within given replica sets.
    func fewestLeaderChanges(in sets: [[NodeNumber]]) -> Int? {
        let indices = sets.map { set in task.members.indices.filter { set.contains(task.members[$0].number) } }
        let best = cheapest(choices: { indices[$0].map { [$0] } }) { partition, leader in
            guard partition < task.current.count, let current = task.current[partition].first else { return 0 }
            return task.members[leader[0]].number == current ? 0 : 1
        }
        let width = min(task.replicas, task.members.count)
        let fair = task.members.indices.map { node in Double(indices.count { $0.contains(node) }) / Double(width) }
        return best { counts in zip(counts, fair).allSatisfy { isFair($0, share: $1) } }
    }

    /// Tries all choices for all partitions, and remembers the cheapest way to each tuple of counts per node.
    private func cheapest(
        choices: (Int) -> [[Int]], cost: (Int, [Int]) -> Int
    ) -> (_ accept: ([Int]) -> Bool) -> Int? {
        var states: [[Int]: Int] = [task.members.map { _ in 0 }: 0]
        for partition in 0..<task.partitions {
            var next: [[Int]: Int] = [:]
            for choice in choices(partition) {
                let price = cost(partition, choice)
                for (counts, sum) in states {
                    var counts = counts
                    for node in choice { counts[node] += 1 }
                    next[counts] = min(next[counts] ?? .max, sum + price)
                }
            }
            states = next
        }
        return { accept in states.filter { accept($0.key) }.map(\.value).min() }
    }
}
