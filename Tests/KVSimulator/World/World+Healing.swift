import KVCore

// The checks after the end of all faults: within a bounded time the cluster must serve every request, agree on its
// leaders, and hold equal copies.

extension World {
    /// By then every partition must have a settled leader and equal replicas. The product's timeouts add up to far
    /// less.
    static var healingLimit: UInt64 { 20_000_000_000 }
    /// The time between two looks at whether the cluster has healed.
    static var healingStep: UInt64 { 50_000_000 }
    static var probeDeadline: Nanoseconds { .milliseconds(5000) }

    func checkHealing() {
        // Work of a slow disk that is still under way, and silences that began before, may cause one more election.
        let slowest = scenario.faults[.slowDisk] == nil ? 0 : 200 * scenario.sync.nanoseconds
        let probing = 5 * (scenario.probeInterval?.nanoseconds ?? 0)
        run(until: time + max(slowest, Detector.patience * 3 / 2, probing))
        guard eventually(.liveness, unhealed) else { return }
        guard probe() else { return }
        guard eventually(.convergence, unhealed), loseMajorities() else { return }
        guard eventually(.liveness, unhealed), probe() else { return }
        _ = eventually(.convergence, unhealed)
    }

    /// Runs until `lacking` returns nil. False, with a violation, if that takes longer than `healingLimit`.
    private func eventually(_ check: Violation.Check, _ lacking: () -> String?) -> Bool {
        let limit = time + Self.healingLimit
        while failure == nil, let missing = lacking() {
            guard time < limit else {
                history.add(Violation(check, "\(Self.healingLimit / 1_000_000) ms after all faults ended: \(missing)"))
                return false
            }
            run(until: time + Self.healingStep)
        }
        return failure == nil
    }

    /// The first thing that has not healed yet; nil if the cluster has healed.
    private func unhealed() -> String? {
        if let call = history.pendingCalls().first { return "unanswered: \(call)" }
        if let ungoverned = ungoverned() { return ungoverned }
        for node in admitted {
            let epochs = node.process?.runners.map(\.topology.epoch) ?? []
            guard let oldest = epochs.min(), oldest == topology.epoch else {
                return "node \(node.number) goes by epoch \(epochs.min() ?? 0) of \(topology.epoch)"
            }
            let missed = admitted.first { peer in
                peer !== node && !isInTouch(node, with: peer)
            }
            if let missed { return "node \(node.number) is not in touch with node \(missed.number)" }
        }
        for partition in partitions(of: topology) {
            if let missing = unhealed(partition) { return "partition \(partition): \(missing)" }
        }
        return unlisted() ?? miscounted()
    }

    /// Each shard must come to know what every shard of the other nodes leads.
    private func unlisted() -> String? {
        for node in admitted {
            for runner in node.process?.runners ?? [] {
                for other in admitted where other !== node {
                    let peers = other.process?.runners ?? []
                    if let missed = peers.first(where: { !runner.shard.hasList(of: $0.shard) }) {
                        return "node \(name(node, runner)) does not know what node \(name(other, missed)) leads"
                    }
                }
            }
        }
        return nil
    }

    /// The figures that a shard keeps as they change must come to be those of its store.
    private func miscounted() -> String? {
        // (In other runs nobody asks for reports, which look at what the store has dropped since.)
        guard scenario.isSelfGoverned else { return nil }
        for node in admitted {
            for runner in node.process?.runners ?? [] {
                var held = PartitionUsage()
                for partition in topology.slots.partitions {
                    let usage = runner.store.usage(partition)
                    held.keys += usage.keys
                    held.tombstones += usage.tombstones
                    held.bytes += usage.bytes
                }
                let counted = runner.shard.usage
                if counted != held { return "node \(name(node, runner)) counts \(counted), and holds \(held)" }
            }
        }
        return nil
    }

    private func unhealed(_ partition: PartitionID) -> String? {
        guard let assignment = topology.assignment(of: partition) else { return nil }
        if let next = assignment.next { return "it still moves from \(assignment.replicas) to \(next)" }
        let replicas = assignment.replicas.compactMap { machines[$0] }.map { nodes[$0] }
        let beliefs = replicas.map { $0.process?[partition].shard.leader(of: partition) }
        guard let leader = beliefs.first ?? nil, beliefs.allSatisfy({ $0 == leader }) else {
            return "the replicas hold for the leader: \(beliefs.map { $0.map { "\($0)" } ?? "nobody" })"
        }
        guard let settled = machines[leader].flatMap({ nodes[$0].process?.leadership(of: partition) }) else {
            return "\(leader) is held for the leader and has not said so"
        }
        guard settled else { return "\(leader) leads and has not settled" }
        let copies = replicas.map { $0.process.map { Copy(of: partition, in: $0[partition].store) } }
        guard copies.allSatisfy({ $0 == copies[0] }) else { return "the replicas of \(replicas.map(\.number)) differ" }
        for node in admitted {
            guard let process = node.process else { continue }
            let isReplica = assignment.replicas.contains(node.number)
            for runner in process.runners where !isReplica || runner !== process[partition] {
                let store = runner.store
                if store.membership(partition) != 0 || store.usage(partition) != PartitionUsage() {
                    return "node \(name(node, runner)) still holds a copy"
                }
            }
        }
        return nil
    }

    /// The state of a replica that must be equal on all replicas of a partition.
    private struct Copy: Equatable {
        let root: HashTree.Leaf
        let floor: Version
        var heads: [Key: RecordHead] = [:]

        init(of partition: PartitionID, in store: WatchedStore<Driver.Store>) {
            root = store.tree(partition).root
            floor = store.purgeFloor(partition)
            store.forEach(partition) { heads[$0] = $1 }
        }
    }

    /// Reads and writes at every node. False, with a violation, if a request failed.
    private func probe() -> Bool {
        var failed: [Call] = []
        for node in admitted {
            // A cramped run has thousands of keys; twenty of them cover all partitions.
            for key in keys.prefix(20) {
                for request in [Request(key: key, command: .get), put(key, .always), Request(key: key, command: .get)] {
                    self.request(request, at: node, within: Self.probeDeadline) { call, outcome in
                        switch outcome {
                        case .found, .absent, .written: return
                        default: failed.append(call)
                        }
                    }
                    run(until: time + (scenario.isCramped ? 20_000_000 : 1_000_000))
                }
            }
        }
        run(until: time + Self.probeDeadline.nanoseconds + 500_000_000)
        guard let first = failed.first ?? history.pendingCalls().first else { return true }
        history.add(Violation(.liveness, "after all faults ended and the cluster had settled: \(first)"))
        return false
    }
}
