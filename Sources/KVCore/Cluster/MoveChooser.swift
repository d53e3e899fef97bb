/// Chooses the partitions of a plan that begin to move next, so that the nodes that send and those that receive are
/// burdened evenly. How many may be under way depends on what they copy (`ClusterOptions.burden`).
struct MoveChooser {
    private let topology: Topology
    private let plan: ChangePlan
    private let options: ClusterOptions
    private let ledger: RebalanceProgress
    private let isAlive: (NodeNumber) -> Bool
    /// How many moves are under way in which a node sends or receives, by its number.
    private var load: [Int]
    /// How many of these it sends.
    private var sends: [Int]
    private let maximumSends: Int
    /// What moves that begin may count together.
    private var room: Int
    /// The next move does not fit any more. None that is smaller goes ahead of it, or it would wait for ever.
    private var isFull = false

    /// The most candidates looked at, of either kind.
    private static let window = 4096

    /// Nil where the topology has no plan.
    init?(
        _ topology: Topology, options: ClusterOptions, ledger: RebalanceProgress,
        isAlive: @escaping (NodeNumber) -> Bool
    ) {
        guard let plan = topology.plan else { return nil }
        self.topology = topology
        self.plan = plan
        self.options = options
        self.ledger = ledger
        self.isAlive = isAlive
        load = Array(repeating: 0, count: Int(topology.lastNumber.raw) + 1)
        sends = load
        maximumSends = options.maximumSends(plan)
        room = options.maximumMovingBytes
        var underWay = 0
        for target in plan.targets {
            guard let assignment = topology.assignment(of: target), assignment.next != nil else { continue }
            var nodes = burdened(assignment, target.replicas)
            let count = bytes(assignment, target)
            underWay += count
            // A move that waits for a node to come back must not hold up the others.
            if canProgress(assignment, target.replicas) { room -= count } else { nodes.sender = nil }
            burden(nodes)
        }
        room = min(room, 2 * options.maximumMovingBytes - underWay)
    }

    /// What a move counts.
    private func bytes(_ assignment: Assignment, _ target: ChangePlan.Target) -> Int {
        options.burden(ledger.bytes(toMove: target.partition, from: assignment.replicas, to: target.replicas))
    }

    private mutating func burden(_ nodes: Burdened) {
        for node in nodes.all { load[Int(node.raw)] += 1 }
        if let sender = nodes.sender { sends[Int(sender.raw)] += 1 }
    }

    /// Chooses moves. Those come first whose partitions still count on a member given up for dead.
    mutating func choose() -> [ChangePlan.Target] {
        guard room > 0 else { return [] }
        let lost = topology.members.filter { $0.status == .lost }.map(\.number)
        var urgent: [Candidate] = []
        var others: [Candidate] = []
        for target in plan.targets {
            guard let assignment = topology.assignment(of: target), assignment.next == nil else { continue }
            let isUrgent = lost.contains(where: assignment.replicas.contains)
            guard (isUrgent ? urgent : others).count < Self.window,
                !assignment.replicas.isPermutation(of: target.replicas),
                canProgress(assignment, target.replicas)
            else { continue }
            let candidate = Candidate(
                target: target, nodes: burdened(assignment, target.replicas), bytes: bytes(assignment, target))
            if isUrgent { urgent.append(candidate) } else { others.append(candidate) }
        }
        return pick(from: urgent) + pick(from: others)
    }

    private struct Candidate {
        var target: ChangePlan.Target
        var nodes: Burdened
        var bytes: Int
    }

    /// Candidates that burden the same nodes, by their places in the list of all. The first is taken first.
    private struct Group {
        let nodes: Burdened
        var waiting: ArraySlice<Int>
    }

    private struct Burdened: Hashable {
        /// The likeliest sender; nil where nothing is sent for now.
        var sender: NodeNumber?
        /// The sender and the receivers.
        let all: [NodeNumber]
    }

    /// Picks the candidate whose nodes are burdened least, again and again. Of several it is the first.
    private mutating func pick(from candidates: [Candidate]) -> [ChangePlan.Target] {
        var groups = Dictionary(grouping: candidates.indices) { candidates[$0].nodes }.map {
            Group(nodes: $0.key, waiting: $0.value[...])
        }
        var chosen: [ChangePlan.Target] = []
        while !isFull, let best = leastBurdened(groups), let place = groups[best].waiting.popFirst() {
            let candidate = candidates[place]
            guard candidate.bytes <= room else {
                isFull = true
                break
            }
            burden(candidate.nodes)
            chosen.append(candidate.target)
            room -= candidate.bytes
        }
        return chosen
    }

    /// The group to pick from next; nil where none is left, or all senders that are left have as much to do as they
    /// may.
    private func leastBurdened(_ groups: [Group]) -> Int? {
        var best: Int?
        var least = (Int.max, Int.max, Int.max)
        for (index, group) in groups.enumerated() {
            guard let first = group.waiting.first else { continue }
            if let sender = group.nodes.sender, sends[Int(sender.raw)] >= maximumSends { continue }
            var burden = (0, 0, first)
            for node in group.nodes.all {
                burden.0 = max(burden.0, load[Int(node.raw)])
                burden.1 += load[Int(node.raw)]
            }
            if burden < least { (best, least) = (index, burden) }
        }
        return best
    }

    /// Whether a move gets anywhere now: it needs majorities of both sets, and everyone it copies to.
    private func canProgress(_ assignment: Assignment, _ target: [NodeNumber]) -> Bool {
        joiningNodes(assignment, target).allSatisfy(isAlive) && assignment.replicas.hasMajority(isAlive)
            && target.hasMajority(isAlive)
    }

    private func joiningNodes(_ assignment: Assignment, _ target: [NodeNumber]) -> [NodeNumber] {
        target.filter { !assignment.replicas.contains($0) }
    }

    /// The nodes that would send and receive.
    private func burdened(_ assignment: Assignment, _ target: [NodeNumber]) -> Burdened {
        let sender = assignment.replicas.first(where: isAlive) ?? assignment.replicas.first
        return Burdened(sender: sender, all: (sender.map { [$0] } ?? []) + joiningNodes(assignment, target))
    }
}

extension [NodeNumber] {
    /// Whether `isSo` holds for more than half of these.
    func hasMajority(_ isSo: (NodeNumber) -> Bool) -> Bool { self.count(where: isSo) > self.count / 2 }
}
