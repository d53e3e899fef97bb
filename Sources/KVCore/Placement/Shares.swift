/// A node's fair number of replicas, which is a fraction: the node gets `floor` or, unless the share is whole, one
/// more.
struct Share: Hashable {
    var floor: Int
    var isWhole: Bool

    var ceiling: Int { isWhole ? floor : floor + 1 }
}

/// Computes shares in proportion to weights, as far as the zones allow.
///
/// Within bounds all shares grow with one water level: a node's share is `weight * level`, but at most `partitions`,
/// because a node holds a partition once. A zone's share is kept within what the spread over zones asks of it, by a
/// level of its own. The others get what one cannot take. Of all shares within the bounds these are the fairest
/// (max-min by weight).
///
/// All fractions are exact, made of integers, so all machines compute the same.
struct Shares {
    let weights: [Int128]
    let spread: ZoneSpread
    let partitions: Int
    let replicas: Int

    /// Share per weight.
    private struct Level {
        var numerator: Int128
        var denominator: Int128
    }

    /// - Parameters:
    ///   - weights: by node; a weight that is not positive counts as 1.
    ///   - replicas: how many replicas a partition has.
    init(weights: [Int], spread: ZoneSpread, partitions: Int, replicas: Int) {
        self.weights = weights.map { Int128(max($0, 1)) }
        self.spread = spread
        self.partitions = partitions
        self.replicas = replicas
    }

    /// The share of each node.
    func compute() -> [Share] {
        let totals = zoneTotals()
        let free = level(of: weights.indices.filter { totals.fixed[spread.zones[$0]] == nil }, total: totals.rest)
        let levels = totals.fixed.enumerated().map { zone, total in
            total.map { level(of: nodes(in: zone), total: $0) } ?? free
        }
        return weights.indices.map { share(of: $0, at: levels[spread.zones[$0]]) }
    }

    /// Finds the zones that sit at a bound, and so have a fixed total, and what is left for the others.
    ///
    /// It tries one level for all free zones and clamps each zone's share. If the clamped total is too high, the right
    /// level is lower still, and zones at their lower bound stay there; otherwise those at their upper bound stay
    /// there.
    private func zoneTotals() -> (fixed: [Int?], rest: Int) {
        var fixed: [Int?] = Array(repeating: nil, count: spread.count)
        var rest = partitions * replicas
        while true {
            let level = level(of: weights.indices.filter { fixed[spread.zones[$0]] == nil }, total: rest)
            var low: [Int] = []
            var high: [Int] = []
            var surplus: Int128 = 0
            for zone in fixed.indices where fixed[zone] == nil {
                let amount = nodes(in: zone).reduce(0) { $0 + scaledShare(of: $1, at: level) }
                let least = Int128(partitions * spread.lower[zone]) * level.denominator
                let most = Int128(partitions * spread.upper[zone]) * level.denominator
                if amount < least { low.append(zone) }
                if amount > most { high.append(zone) }
                surplus += min(max(amount, least), most) - amount
            }
            if low.isEmpty, high.isEmpty { return (fixed, rest) }
            for zone in surplus >= 0 ? low : [] { fixed[zone] = partitions * spread.lower[zone] }
            for zone in surplus <= 0 ? high : [] { fixed[zone] = partitions * spread.upper[zone] }
            rest = partitions * replicas - fixed.reduce(0) { $0 + ($1 ?? 0) }
        }
    }

    private func nodes(in zone: Int) -> [Int] { weights.indices.filter { spread.zones[$0] == zone } }

    /// The level at which the shares of `nodes` add up to `total`.
    private func level(of nodes: [Int], total: Int) -> Level {
        var rest = Int128(total)
        var weight = nodes.reduce(0) { $0 + weights[$1] }
        for node in nodes.sorted(by: { weights[$0] > weights[$1] }) {
            if weights[node] * rest < Int128(partitions) * weight { return Level(numerator: rest, denominator: weight) }
            // The heaviest is full: the others share what it leaves.
            rest -= Int128(partitions)
            weight -= weights[node]
        }
        // All are full, at any level from here on.
        return Level(numerator: Int128(partitions), denominator: 1)
    }

    private func scaledShare(of node: Int, at level: Level) -> Int128 {
        min(weights[node] * level.numerator, Int128(partitions) * level.denominator)
    }

    private func share(of node: Int, at level: Level) -> Share {
        let (whole, remainder) = scaledShare(of: node, at: level).quotientAndRemainder(dividingBy: level.denominator)
        return Share(floor: Int(whole), isWhole: remainder == 0)
    }
}
