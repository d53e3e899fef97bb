extension Planner {
    /// A lower bound of `Plan.moves`, found without planning: no balanced placement of these members takes fewer
    /// copies. The parameters are those of `plan`.
    ///
    /// A copy is saved where a replica stays. A node can keep no more replicas than it holds, and no more than its
    /// share. A partition can keep no more than those of its replicas that still have a place, and in no zone more than
    /// the spread lets it have there. Each of these two counts, over all or zone by zone, says how many replicas can
    /// stay; the rest must be copied.
    package static func leastCopies(
        members: [Member], partitions: Int, replicas: Int, current: [[NodeNumber]]
    ) -> Int {
        var indices: [NodeNumber: Int] = [:]
        let members = members.sorted { $0.number < $1.number }
        for (index, member) in members.enumerated() { indices[member.number] = index }
        let width = min(replicas, members.count)
        guard width > 0, partitions > 0, indices.count == members.count else { return 0 }
        let spread = ZoneSpread(names: members.map(\.zone), replicas: width)
        let shares = Shares(weights: members.map(\.weight), spread: spread, partitions: partitions, replicas: width)
            .compute()

        var held = Array(repeating: 0, count: members.count)
        var placed = 0
        var staying = 0
        var stayingInZone = Array(repeating: 0, count: spread.count)
        for set in current.prefix(partitions) where !set.isEmpty {
            placed += 1
            var inZone = Array(repeating: 0, count: spread.count)
            for node in Set(set) {
                // It is no member any more: its replicas have to go.
                guard let index = indices[node] else { continue }
                held[index] += 1
                inZone[spread.zones[index]] += 1
            }
            staying += mostThatStay(inZone, bounds: Array(zip(spread.lower, spread.upper)), total: width)
            for zone in inZone.indices { stayingInZone[zone] += min(inZone[zone], spread.upper[zone]) }
        }
        let bounds = shares.map { ($0.floor, $0.ceiling) }
        let byNode = mostThatStay(held, bounds: bounds, total: partitions * width)
        let byZone = stayingInZone.indices.reduce(0) { sum, zone in
            let nodes = members.indices.filter { spread.zones[$0] == zone }
            // Where every partition has as many replicas in the zone, its nodes share a known total.
            let isFixed = spread.lower[zone] == spread.upper[zone] || spread.upper.reduce(0, +) == width
            let total = isFixed ? partitions * spread.upper[zone] : Int.max
            let inNodes = mostThatStay(nodes.map { held[$0] }, bounds: nodes.map { bounds[$0] }, total: total)
            return sum + min(stayingInZone[zone], inNodes)
        }
        return max(placed * width - min(staying, byNode, byZone), 0)
    }

    /// How many of the replicas that are there can stay, where every place takes its least or one more, and all
    /// together take `total`.
    private static func mostThatStay(_ held: [Int], bounds: [(least: Int, most: Int)], total: Int) -> Int {
        var sum = 0
        var spare = total
        var wanted = 0
        for (count, bound) in zip(held, bounds) {
            sum += min(count, bound.least)
            spare -= bound.least
            if count > bound.least, bound.most > bound.least { wanted += 1 }
        }
        return sum + min(max(spare, 0), wanted)
    }
}
