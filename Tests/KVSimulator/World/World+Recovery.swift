import KVCore

/// The end of a run in which majorities are lost for good, and an operator goes on with what is left.
extension World {
    /// When all replicas hold the same, nothing is lost with any of them: what clients are told afterwards has to
    /// follow from what they were told before. So of every partition one replica is left, but neither a majority of
    /// them nor of the metadata quorum need be.
    ///
    /// - Returns: whether that happened; the cluster has to heal once more then.
    func loseMajorities() -> Bool {
        guard scenario.losesMajorities, let lost = pickLost() else { return false }
        statistics[.recoveries] += 1
        let left = admitted.filter { node in !lost.contains { $0 === node } }
        let members = topology.members.filter { member in lost.contains { $0.number == member.number } }.map(\.id)
        trace.line(time, "\(members) are lost for good, an operator goes on with \(left.map(\.number))")
        for node in nodes { stop(node, noticed: 1) }
        for node in lost { node.isGone = true }
        do {
            // On some of them: the others, of which no majority of the metadata quorum is among, take it over.
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

    /// Where members of the metadata quorum might go on among themselves by what was before, each has to be told.
    private func isNeeded(_ node: Node, _ left: [Node]) -> Bool {
        let metadataQuorum = topology.metadataQuorum.replicas
        return metadataQuorum.contains(node.number)
            && left.count { metadataQuorum.contains($0.number) } > metadataQuorum.count / 2
    }

    /// Whom to lose: as many as can be, in a random order, while each partition keeps a replica.
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
