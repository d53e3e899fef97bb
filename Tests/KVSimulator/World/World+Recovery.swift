import KVCore

// The end of a run in which majorities are lost for good, and an operator recovers the cluster from the nodes that are
// left.

extension World {
    /// Loses nodes for good and recovers the cluster, if the scenario says so.
    ///
    /// All replicas are equal at this time, so nothing is lost with any of them, and later answers must follow from
    /// earlier ones. Of every partition at least one replica is left, but not necessarily a majority of the partition's
    /// replicas or of the metadata quorum.
    ///
    /// - Returns: True if nodes were lost. The cluster has to heal once more then.
    func loseMajorities() -> Bool {
        guard scenario.losesMajorities, let lost = pickLost() else { return false }
        statistics[.recoveries] += 1
        let left = admitted.filter { node in !lost.contains { $0 === node } }
        let members = topology.members.filter { member in lost.contains { $0.number == member.number } }.map(\.id)
        trace.line(time, "\(members) are lost for good, an operator goes on with \(left.map(\.number))")
        for node in nodes { stop(node, noticed: 1) }
        for node in lost { node.isGone = true }
        do {
            // The recovery runs on some of the nodes. The others learn the recovered topology from these.
            for (index, node) in left.enumerated() where index == 0 || isNeeded(node, left) || moveRandom.chance(0.5) {
                guard let disk = node.topology else { continue }
                node.topology = try TopologyRecovery(
                    of: disk, survivor: node.number, lost: members, acceptsLoss: false
                ).topology
            }
        } catch {
            history.add(Violation(.liveness, "the cluster cannot be recovered: \(error)"))
            return false
        }
        for node in left { after(moveRandom.below(200_000_000)) { [self] in start(node) } }
        run(until: time + 3_000_000_000)
        return true
    }

    /// True if the recovery has to run on this node: if a majority of the metadata quorum is left, its members could
    /// continue with the old topology, so each of them needs the new one.
    private func isNeeded(_ node: Node, _ left: [Node]) -> Bool {
        let metadataQuorum = topology.metadataQuorum.replicas
        return metadataQuorum.contains(node.number)
            && left.count { metadataQuorum.contains($0.number) } > metadataQuorum.count / 2
    }

    /// The nodes to lose, chosen in a random order: as many as possible while each partition keeps a replica.
    private func pickLost() -> [Node]? {
        var candidates = admitted
        var lost: [Node] = []
        while !candidates.isEmpty {
            let node = candidates.remove(at: moveRandom.below(candidates.count))
            let numbers = Set((lost + [node]).map(\.number))
            let isBearable = topology.assignments.allSatisfy { !$0.replicas.allSatisfy(numbers.contains) }
            if isBearable, numbers.count < admitted.count { lost.append(node) }
        }
        return lost.isEmpty ? nil : lost
    }
}
