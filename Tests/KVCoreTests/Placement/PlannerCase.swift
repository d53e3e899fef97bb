import KVCore

extension Member {
    init(_ number: Int, zone: String = "", weight: Int = 1) {
        self.init(
            number: NodeNumber(UInt16(number)), id: "n\(number)",
            client: Address(host: "127.0.0.1", port: 7400 + number),
            peer: Address(host: "127.0.0.1", port: 7500 + number), zone: zone, weight: weight)
    }
}

extension Plan {
    func replicas(on number: Int) -> Int { target.count { $0.contains(NodeNumber(UInt16(number))) } }
    func leaders(on number: Int) -> Int { target.count { $0.first == NodeNumber(UInt16(number)) } }
}

/// A cluster and its placement, for which the planner computes a plan.
struct PlannerCase: CustomStringConvertible {
    var members: [Member]
    var partitions: Int
    var replicas: Int
    var current: [[NodeNumber]] = []

    var plan: Plan {
        Planner.plan(members: members, partitions: partitions, replicas: replicas, current: current)
    }

    var description: String {
        let nodes = members.map { "\($0.number)\($0.zone)*\($0.weight)" }.joined(separator: " ")
        return "P=\(partitions) N=\(replicas) [\(nodes)] current \(current)"
    }

    /// A random cluster. Its placement is a plan for other nodes, a random one, or a plan for fewer nodes.
    static func random(
        using random: inout SplitMix, partitions: ClosedRange<Int>, nodes: ClosedRange<Int>
    ) -> PlannerCase {
        let partitions = Int.random(in: partitions, using: &random)
        let zones = ["", "a", "b", "c", "d"].prefix(Int.random(in: 1...5, using: &random))
        let weights = [[1], [1, 2], [1, 2, 3, 7], [1, 100]].randomElement(using: &random) ?? [1]
        func pick(_ numbers: [Int], using random: inout SplitMix) -> [Member] {
            numbers.map { number in
                Member(
                    number, zone: zones.randomElement(using: &random) ?? "",
                    weight: weights.randomElement(using: &random) ?? 1)
            }
        }
        let count = Int.random(in: nodes, using: &random)
        let replicas = Int.random(in: 1...4, using: &random)
        var result = PlannerCase(
            members: pick((1...(count + 2)).shuffled(using: &random).prefix(count).map { $0 }, using: &random),
            partitions: partitions, replicas: replicas)
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            var before = result
            before.members = pick((1...count).map { $0 }, using: &random)
            before.replicas = Int.random(in: 1...4, using: &random)
            result.current = before.plan.target
        case 1:
            result.current = (0..<partitions).map { _ in
                let width = Int.random(in: 0...min(count, 4), using: &random)
                return (1...(count + 2)).shuffled(using: &random).prefix(width).map { NodeNumber(UInt16($0)) }
            }
        default:
            var before = result
            before.members.removeLast(before.members.count > 1 ? 1 : 0)
            result.current = before.plan.target
        }
        return result
    }
}
