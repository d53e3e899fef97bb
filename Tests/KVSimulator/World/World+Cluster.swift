import KVCore

// The product's cluster machines, which change the topology and tell each other of it, in runs that govern themselves.

extension World {
    /// The timeout of a request of the coordinator to the topology's register.
    static var registerPatience: Nanoseconds { .milliseconds(2000) }

    func startCluster(_ node: Node, _ process: Process) {
        guard scenario.isSelfGoverned else { return }
        process.cluster = ClusterMachine(
            me: node.number, boot: process.boot, store: node.storeID, topology: process.topology,
            options: scenario.clusterOptions(mutant), coding: topologies.coding, seed: loopRandom.next(),
            now: node.clock.now(time))
        // An earlier process may have written this topology to the disk and died before any node adopted it.
        if process.topology.epoch < node.acted {
            history.add(
                Violation(
                    .invariants,
                    "10: node \(node.number) starts with epoch \(process.topology.epoch), and has acted on \(node.acted)"
                ))
        }
        noteAdopted(process.topology, node)
        if process.topology.member(node.number) == nil { depart(node, process) }
    }

    /// Has the cluster machine report the sizes and moves of the partitions that are led here.
    func report(_ node: Node, _ process: Process) {
        let shards = process.runners.map(\.shard)
        let report = NodeReport(
            epoch: process.topology.epoch, store: node.storeID, partitions: shards.flatMap { $0.takeSizes(again: 1) },
            moves: shards.flatMap { $0.moveReports() })
        process.first.inbox.append(.cluster(.report(report)))
        guard process.topology.plan?.reason == .split, let prepared = shards.map(\.preparedPartitions).min() else {
            return
        }
        process.first.inbox.append(.cluster(.prepared(partitions: prepared)))
    }

    func performCluster(_ node: Node, _ process: Process, _ now: Now) {
        guard scenario.isSelfGoverned else { return }
        let news = process.metadataNews
        process.metadataNews = []
        for leads in news { process.cluster?.handle(.leading(leads), now: now) }
        checkNotices(of: process, node)
        let effects = process.cluster?.effects ?? []
        process.cluster?.effects = []
        for effect in effects { perform(effect, node, process) }
    }

    /// Checks that the shard has given notice of each change of its lead of the metadata quorum. The cluster machine
    /// knows no more than these notices: without one, a deposed coordinator would go on, or the cluster would have
    /// none.
    private func checkNotices(of process: Process, _ node: Node) {
        let metadataQuorum = process.topology.metadataPartition
        // A shard that stands still in the middle of a tick has yet to give its notices.
        guard !process[metadataQuorum].isFrozen else { return }
        let leads = process[metadataQuorum].shard.isSettled(metadataQuorum)
        guard leads != (process.leadership(of: metadataQuorum) ?? false) else { return }
        history.add(Violation(.notices, "node \(node.number) \(leads ? "leads" : "does not lead") the metadata quorum"))
    }

    private func perform(_ effect: ClusterEffect, _ node: Node, _ process: Process) {
        switch effect {
        case .send(let peer, let message):
            trace.line(time, "\(node.number) -> \(peer) \(message.summary)")
            send(from: node.index, to: peer, .node(.cluster(message)))
        case .request(let id, let command): executeOnRegister(id, command, node, process)
        case .persist(let topology, let changes):
            findMachines(of: topology)
            process.persisting = topology
            process.changes = changes
            queue.push(.persisted(node.index, boot: process.boot), at: time + diskDelay(node))
        case .adopt(let topology): adopt(topology, node, process)
        case .answer(let id, let reply): controlAnswered(id, reply, node, process)
        case .notice(let notice):
            trace.line(time, "\(node.number) \(notice)")
            count(notice)
        }
    }

    private func executeOnRegister(_ id: UInt64, _ command: Command, _ node: Node, _ process: Process) {
        process.lastRequest += 1
        let request = RequestID(node.boot << 32 | process.lastRequest)
        let deadline = node.clock.monotonic(time) + World.registerPatience
        give(
            KVCore.Request(
                command, key: Topology.key, partition: process.topology.metadataPartition, limit: .until(deadline),
                caller: RequestCaller(.cluster(id)), token: request.raw),
            to: node, process)
    }

    private func adopt(_ next: Topology, _ node: Node, _ process: Process) {
        trace.line(time, "\(node.number) adopts \(next.summary)")
        trace.fold(time, next.epoch, 3)
        noteAdopted(next, node)
        giveAll(.input(.topology(next)), to: node.index)
        if next.member(node.number) == nil { depart(node, process) }
    }

    /// Notes that a node acts on this topology, and checks that no other one has the same epoch.
    private func noteAdopted(_ next: Topology, _ node: Node) {
        node.acted = max(node.acted, next.epoch)
        if !topologies.isOnly(next) {
            history.add(Violation(.agreement, "node \(node.number) goes by another epoch \(next.epoch) than others"))
        }
        if next.epoch > topology.epoch {
            // A recovery skips many epochs.
            let isRecovery = next.epoch.generation > topology.epoch.generation
            statistics[.topologies] += isRecovery ? 1 : Int(next.epoch - topology.epoch)
            countMoves(from: topology, to: next)
            topology = next
        }
    }

    /// Finds the machines on which a topology's members run.
    func findMachines(of topology: Topology) {
        for member in topology.members where machines[member.number] == nil {
            guard let store = member.store, let node = nodes.first(where: { $0.storeID == store }) else { continue }
            machines[member.number] = node.index
        }
    }

    private func countMoves(from before: Topology, to after: Topology) {
        let pairs = zip(before.assignments + [before.metadataQuorum], after.assignments + [after.metadataQuorum])
        for (old, new) in pairs where old != new {
            if new.next != nil {
                statistics[.moves] += 1
            } else if let target = old.next {
                statistics[target == new.replicas ? .switches : .cancels] += 1
            } else {
                statistics[.reorders] += 1
            }
        }
    }

    private func count(_ notice: ClusterNotice) {
        switch notice {
        case .evicting: statistics[.evictions] += 1
        case .planEnded(_, _, let isCancelled): statistics[isCancelled ? .plansCancelled : .plansEnded] += 1
        default: break
        }
    }
}

extension ClusterMessage {
    var summary: String {
        switch self {
        case .topology(let topology): "topology of \(topology.summary)"
        case .topologyChanges(let changes): "changes of epochs \(changes.map { "\($0.base)-\($0.epoch)" })"
        default: "\(self)"
        }
    }
}

extension Topology {
    var summary: String {
        let members = members.map { $0.status == .active ? "\($0.number)" : "\($0.number) \($0.status)" }
        let plan = plan.map { plan in
            ", plan \(plan.id) with \(plan.targets.count) to go" + (plan.isPaused ? ", paused" : "")
                + (plan.isCancelling ? ", cancelling" : "")
        }
        return "epoch \(epoch): " + members.joined(separator: ", ") + "; metadata quorum \(metadataQuorum.summary); "
            + assignments.map(\.summary).joined(separator: " | ") + (plan ?? "")
    }
}
