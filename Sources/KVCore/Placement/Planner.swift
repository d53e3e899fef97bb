/// Computes where the partitions are to live. It is pure and deterministic: the same question has the same answer
/// everywhere.
///
/// The aims, in this order:
/// 1. Every partition has `min(replicas, members)` replicas on different nodes, in as many zones and as evenly as the
///    zones' sizes allow (`ZoneSpread`).
/// 2. Every node holds its weighted share of replicas (`Shares`), rounded up or down, and leads one in `replicas` of
///    those, rounded up or down.
/// 3. The plan takes one of the placements that copy the fewest partitions, and then one of the choices of leaders for
///    it that change the fewest.
/// 4. Where a choice is left, neighbours on the ring share their leader, and their replicas, for long runs. Clients are
///    told of leaders by ranges of slots. A run has partitions of every shard of a node.
///
/// Replicas and leaders are both found as flows: from each partition, through its zones, to the nodes that can hold it.
/// A replica that is not there yet costs one. A fractional flow with exactly the fair shares always exists (every node
/// holds the same part of every partition), hence a whole one within their roundings exists too. Garage places its
/// partitions by such a flow ("Optimal data placement in Garage", Auvolat and others, 2023).
package struct Planner {
    private let nodes: [NodeNumber]
    private let spread: ZoneSpread
    private let shares: [Share]
    private let partitions: Int
    private let replicas: Int
    private let current: [[NodeNumber]]

    /// - Parameters:
    ///   - members: in any order. A weight that is not positive counts as 1.
    ///   - partitions: how many partitions there are (P).
    ///   - replicas: how many replicas each has (N).
    ///   - current: the replica set of each partition, by its number; empty for a new cluster. Nodes that are not among
    ///     `members` any more are left out of the target.
    package static func plan(
        members: [Member], partitions: Int, replicas: Int, current: [[NodeNumber]] = []
    ) -> Plan {
        Planner(members: members, partitions: partitions, replicas: replicas, current: current).plan()
    }

    private init(members: [Member], partitions: Int, replicas: Int, current: [[NodeNumber]]) {
        var distinct: [Member] = []
        for member in members.sorted(by: { $0.number < $1.number }) where distinct.last?.number != member.number {
            distinct.append(member)
        }
        nodes = distinct.map(\.number)
        self.partitions = max(partitions, 0)
        self.replicas = max(min(replicas, nodes.count), 0)
        spread = ZoneSpread(names: distinct.map(\.zone), replicas: self.replicas)
        shares = Shares(
            weights: distinct.map(\.weight), spread: spread, partitions: self.partitions, replicas: self.replicas
        ).compute()
        self.current = (0..<self.partitions).map { $0 < current.count ? current[$0] : [] }
    }

    private func plan() -> Plan {
        let sets = replicaSets()
        let leaders = leaders(of: sets)
        var plan = Plan(target: [], moves: 0, leaderChanges: 0)
        plan.target.reserveCapacity(partitions)
        for (partition, set) in sets.enumerated() {
            let ordered = order(set, leader: leaders[partition], partition: partition)
            assert(ordered.count == replicas && Set(ordered).count == replicas, "replicas are on different nodes")
            plan.target.append(ordered)
            let current = current[partition]
            guard let leader = current.first else { continue }
            plan.moves += ordered.count { !current.contains($0) }
            plan.leaderChanges += ordered.first == leader ? 0 : 1
        }
        return plan
    }

    /// The nodes of each partition, by index in `nodes`.
    private func replicaSets() -> [[Int]] {
        guard replicas > 0 else { return Array(repeating: [], count: partitions) }
        var network = AssignmentNetwork(
            bounds: shares.map { ($0.floor, $0.ceiling) }, total: partitions * replicas,
            inner: partitions * (1 + spread.count), expectedArcs: partitions * (nodes.count + 3 * spread.count))
        var vertices = Array(repeating: -1, count: spread.count)
        let required = spread.lower.reduce(0, +)
        for partition in 0..<partitions {
            for zone in vertices.indices { vertices[zone] = -1 }
            let root = network.addVertex(supply: replicas - required)
            for node in preferences(partition) {
                let zone = spread.zones[node]
                if vertices[zone] < 0 {
                    vertices[zone] = network.addVertex(supply: spread.lower[zone])
                    network.connect(root, to: vertices[zone], capacity: spread.upper[zone] - spread.lower[zone])
                }
                let isHeld = current[partition].contains(nodes[node])
                network.offer(partition, from: vertices[zone], to: node, cost: isHeld ? 0 : 1)
            }
        }
        return network.solve(partitions: partitions)
    }

    /// The preferred leader of each partition, by index in `nodes`; nil where no node holds it.
    private func leaders(of sets: [[Int]]) -> [Int?] {
        guard replicas > 0 else { return Array(repeating: nil, count: partitions) }
        var held = Array(repeating: 0, count: nodes.count)
        for set in sets { for node in set { held[node] += 1 } }
        let bounds = held.map { (least: $0 / replicas, most: ($0 + replicas - 1) / replicas) }
        let present = sets.enumerated().map { partition, set in
            set.first { nodes[$0] == current[partition].first }
        }
        let wishes = LeaderRuns(sets: sets, present: present, limits: bounds.map(\.most)).choose()
        var network = AssignmentNetwork(
            bounds: bounds, total: partitions, inner: partitions, expectedArcs: partitions * (replicas + 1))
        for (partition, set) in sets.enumerated() {
            let root = network.addVertex(supply: 1)
            let wish = wishes[partition]
            let others = sorted(set.filter { $0 != wish }, run(of: partition), salt: .leader)
            for node in (wish.map { [$0] } ?? []) + others {
                network.offer(partition, from: root, to: node, cost: node == present[partition] ? 0 : 1)
            }
        }
        return network.solve(partitions: partitions).map(\.first)
    }

    /// Orders a replica set: the leader, then the others in an order that differs from run to run, so that a dead
    /// leader's partitions go in equal parts to all who share them with it. The order does not depend on which other
    /// members there are. A set that stays the same keeps its order, however that came about, because another order is
    /// a change of the topology.
    private func order(_ set: [Int], leader: Int?, partition: Int) -> [NodeNumber] {
        guard let leader else { return [] }
        let current = current[partition]
        if current.first == nodes[leader], current.isPermutation(of: set.map { nodes[$0] }) { return current }
        let others = set.filter { $0 != leader }
        guard !others.isEmpty else { return [nodes[leader]] }
        let (round, turn) = run(of: partition).quotientAndRemainder(dividingBy: others.count)
        let followers = sorted(others, round, salt: .followers)
        return ([leader] + followers[turn...] + followers[..<turn]).map { nodes[$0] }
    }

    /// The least number of runs, that is, of stretches of neighbouring partitions within which ties are broken alike.
    private static let runs = 128
    /// The number of runs for each node, where there are many nodes: enough for a node to share its partitions with
    /// most others.
    private static let runsPerNode = 8

    private func run(of partition: Int, outOf runs: Int = Self.runs) -> Int {
        runs < partitions ? partition * runs / partitions : partition
    }

    private enum Salt: UInt64 {
        case replicas = 0x243f_6a88_85a3_08d3
        case leader = 0x1319_8a2e_0370_7344
        case followers = 0xa409_3822_299f_31d0
    }

    /// The nodes in the order in which they are to hold a partition. The present leader comes first, because it would
    /// be missed the most.
    private func preferences(_ partition: Int) -> [Int] {
        let run = run(of: partition, outOf: max(Self.runs, Self.runsPerNode * nodes.count))
        var ordered = sorted(Array(nodes.indices), run, salt: .replicas)
        if let leader = ordered.firstIndex(where: { nodes[$0] == current[partition].first }) {
            ordered.insert(ordered.remove(at: leader), at: 0)
        }
        return ordered
    }

    /// Sorts nodes by random weights, the highest first (rendezvous hashing, Thaler and Ravishankar). So ties between
    /// equally good placements are broken alike within a run, and neighbours share their nodes; and differently from
    /// run to run, so that a node does not share all its partitions with the same few.
    private func sorted(_ indices: [Int], _ run: Int, salt: Salt) -> [Int] {
        let seed = mix(UInt64(run) ^ salt.rawValue, Self.seed)
        let scored = indices.map { index in
            (index: index, score: mix(seed, UInt64(nodes[index].raw) &+ salt.rawValue))
        }
        return scored.sorted { $0.score == $1.score ? $0.index < $1.index : $0.score > $1.score }.map(\.index)
    }

    private static let seed: UInt64 = 0x9e37_79b9_7f4a_7c15
}
