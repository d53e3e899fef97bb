import KVCore

/// Who copies what a node held that was removed.
package struct Recovery: Sendable {
    /// The replicas that were made anew.
    package private(set) var replicas = 0
    /// The nodes that held other replicas of these partitions. The death of one of them as well leaves one replica.
    package let holders: Int
    /// By number, how many of the replicas a node sent, and how many it got.
    private var sent: [NodeNumber: Int] = [:]
    private var got: [NodeNumber: Int] = [:]

    init(of node: NodeNumber, from before: Topology, to after: Topology) {
        var holders: Set<NodeNumber> = []
        for (old, new) in zip(before.assignments, after.assignments) {
            let rest = old.replicas.filter { $0 != node }
            if rest.count < old.replicas.count { holders.formUnion(rest) }
            for joining in new.replicas where !old.replicas.contains(joining) {
                replicas += 1
                got[joining, default: 0] += 1
                // The first that is left leads while the others are level.
                if let sender = rest.first { sent[sender, default: 0] += 1 }
            }
        }
        self.holders = holders.count
    }

    package var senders: Int { sent.count }
    package var receivers: Int { got.count }
    package var mostSent: Int { sent.values.max() ?? 0 }
    package var mostGot: Int { got.values.max() ?? 0 }
}

extension ScaleWorld {
    /// The longest time that a phase may take.
    private static let limit: UInt64 = 300_000
    /// Milliseconds from a node's end to its next start.
    private static let absence: UInt64 = 1000

    /// What is not as it is in a cluster that has nothing to do, in words; nil if everything is.
    package var unrest: String? {
        let running = nodes.filter { $0.process != nil }
        guard let topology = running.first?.process?.topology else { return "no node runs" }
        if let plan = topology.plan { return "a plan is under way, \(plan.targets.count) partitions to go" }
        if topology.metadataQuorum.next != nil { return "the metadata quorum moves" }
        for node in running {
            guard let process = node.process, process.topology.epoch == topology.epoch else {
                return "node \(node.number) goes by another topology"
            }
        }
        guard topology.members.count == running.count else { return "\(running.count) of the members run" }
        let all = Array(topology.assignments) + [topology.metadataQuorum]
        let waiting = all.indices.filter { !isLed(PartitionID(UInt16($0)), by: all[$0].replicas[0]) }
        return waiting.isEmpty ? nil : "\(waiting.count) partitions are not led by the first of their replicas"
    }

    private func isLed(_ partition: PartitionID, by node: NodeNumber) -> Bool {
        machines[Int(node.raw)].flatMap { nodes[$0].process?.shard.isSettled(partition) } ?? false
    }

    private func rest() -> Bool { run(atMost: Self.limit) { unrest == nil } }

    /// Waits until all partitions are led by whom they should be, and everything that follows from that is over: no
    /// node attends to another one any more, and each has told all others in turn how far its store has come.
    package func settle() -> Bool {
        let isAtRest = rest()
        let turns = scenario.nodes / ProgressNews.peersPerTurn + 1
        run(milliseconds: 12_000 + UInt64(turns) * 100)
        return isAtRest
    }

    /// Lets a phase take place in a cluster at rest, and returns what it has taken.
    ///
    /// - Parameter repetitions: The number of nodes that are restarted, or the seconds of idleness.
    package func measure(_ phase: ScalePhase, repetitions: Int) -> ScaleFigures {
        let mark = mark()
        recovery = nil
        let isComplete: Bool
        switch phase {
        case .idle:
            run(milliseconds: UInt64(repetitions) * 1000)
            isComplete = unrest == nil
        case .join: isComplete = join()
        case .death: isComplete = lose()
        case .restart: isComplete = (0..<repetitions).allSatisfy { restart(victim($0)) }
        }
        let parts = phase == .idle || phase == .restart ? Double(repetitions) : 1
        return figures(phase, since: mark, parts: parts, isComplete: isComplete)
    }

    private func join() -> Bool {
        guard let spare = nodes.first(where: { $0.process == nil && $0.boot == 0 && !$0.isPending }) else {
            return false
        }
        apply(spare)
        let asked = nodes[scenario.nodes / 2]
        guard run(atMost: Self.limit, until: { asked.process?.cluster.pendingNodes.isEmpty == false }),
            let id = ask(.change(MembershipChange(joins: [.init(id: spare.name)]), isDryRun: false), at: asked)
        else { return false }
        return run(atMost: Self.limit) { replies[id] != nil && spare.process != nil } && rest()
    }

    private func lose() -> Bool {
        let node = victim(1)
        let number = node.number
        guard let before = node.process?.topology else { return false }
        stop(node, vanishes: true)
        let isRemoved = run(atMost: Self.limit) {
            nodes.allSatisfy { $0.process.map { $0.topology.member(number) == nil } ?? true }
        }
        guard isRemoved, rest(), let after = nodes.lazy.compactMap({ $0.process?.topology }).first else { return false }
        recovery = Recovery(of: number, from: before, to: after)
        return true
    }

    private func restart(_ node: ScaleNode) -> Bool {
        guard let process = node.process else { return false }
        measure(.shard, node) { process.shard.handle(.drain, now: now) }
        touch(node, process)
        guard run(atMost: Self.limit, until: { process.isDrained }) else { return false }
        stop(node, vanishes: false)
        run(milliseconds: Self.absence)
        start(node)
        return rest()
    }

    /// A member outside of the metadata quorum, if there is one: that has work of its own.
    private func victim(_ number: Int) -> ScaleNode {
        let quorum = nodes.lazy.compactMap { $0.process?.topology.metadataQuorum.members }.first ?? []
        let others = nodes.filter { $0.process != nil && !quorum.contains($0.number) }
        let candidates = others.isEmpty ? nodes.filter { $0.process != nil } : others
        return candidates[(number * 7 + candidates.count / 3) % candidates.count]
    }
}
