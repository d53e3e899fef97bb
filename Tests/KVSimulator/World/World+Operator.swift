import KVCore

// Nodes that join, leave and die for good, and the operator's requests, in runs that govern themselves.

extension World {
    func startOperator() {
        guard scenario.isSelfGoverned, let gap = scenario.moves else { return }
        for node in nodes where node.topology == nil {
            after(operatorRandom(scenario.duration.nanoseconds)) { [self] in apply(node) }
        }
        scheduleControl(gap.nanoseconds)
        if let gap = scenario.deaths { scheduleDeath(gap.nanoseconds) }
    }

    private func operatorRandom(_ bound: UInt64) -> UInt64 { moveRandom.below(bound) }

    // MARK: - Joining nodes

    private func apply(_ node: Node) {
        guard !isHealed else { return }
        statistics[.applications] += 1
        node.isPending = true
        announce(node, admitsItself: moveRandom.chance(0.3))
    }

    private func announce(_ node: Node, admitsItself: Bool) {
        guard node.isPending else { return }
        let name = "m\(node.index + 1)"
        let pendingNode = PendingNode(
            id: name, client: Address(host: name, port: 1), peer: Address(host: name, port: 2),
            zone: scenario.zone(node.index),
            weight: 1 + node.index % 2, store: node.storeID, boot: 1, admitsItself: admitsItself)
        for seed in 0..<scenario.nodes where moveRandom.chance(0.6) {
            send(from: node.index, to: seed, .node(.cluster(.announce(pendingNode))))
        }
        after(300_000_000) { [self] in announce(node, admitsItself: admitsItself) }
    }

    /// Has the cluster machine see that pending nodes of its topology have no topology yet. A member connects to all
    /// nodes that its topology names.
    func greetJoiningNodes(_ node: Node, _ process: Process) {
        for member in process.topology.members {
            guard let index = machines[member.number], nodes[index].isPending,
                !network.send(from: node.index, to: index, atMostOnce: true, now: time).isEmpty
            else { continue }
            process.first.inbox.append(.cluster(.epochSeen(0, at: member.number)))
        }
    }

    /// Gives a pending node a topology. If that names the node's store, the node is a member, and starts.
    func admitted(_ node: Node, by topology: Topology) {
        guard let member = topology.members.first(where: { $0.store == node.storeID }) else { return }
        node.isPending = false
        statistics[.admissions] += 1
        number(node.index, member.number)
        after(diskDelay(node)) { [self] in
            node.topology = topology
            trace.line(time, "\(node.storeID) is \(node.number)")
            start(node)
        }
    }

    // MARK: - Leaving and dying nodes

    /// Stops a process that has learned that its node is not a member any more, once it has ended its requests.
    func depart(_ node: Node, _ process: Process) {
        guard !process.isLeaving else { return }
        process.isLeaving = true
        let limit = time + 3_000_000_000
        func look() {
            guard node.process === process else { return node.isGone = true }
            guard process.pendingRequests == 0 || time >= limit else { return after(20_000_000, look) }
            statistics[.departures] += 1
            stop(node, noticed: 1)
            node.isGone = true
        }
        after(20_000_000, look)
    }

    private func scheduleDeath(_ gap: UInt64) {
        after(gap / 4 + moveRandom.below(gap * 3 / 2)) { [self] in
            guard !isHealed else { return }
            dieForGood()
            scheduleDeath(gap)
        }
    }

    /// Kills one node or two for good, if nothing is lost by that.
    private func dieForGood() {
        let latest = [topology] + topologies.proposed(after: topology.epoch)
        guard !latest.contains(where: hasDead) else { return }
        let candidates = admitted.filter { canBeSpared([$0.number], latest) }
        guard !candidates.isEmpty else { return }
        let node = moveRandom.pick(candidates)
        let others = admitted.filter { $0 !== node && canBeSpared([node.number, $0.number], latest) }
        die(node)
        guard !others.isEmpty, moveRandom.chance(0.5) else { return }
        let other = moveRandom.pick(others)
        statistics[.doubleDeaths] += 1
        // The second dies at once, or while the plan that removes the first may be under way.
        if moveRandom.chance(0.5) { return die(other) }
        after(moveRandom.below(2_000_000_000)) { [self] in
            let latest = [topology] + topologies.proposed(after: topology.epoch)
            let gone = nodes.filter { $0.isGone && $0 !== other }.map(\.number)
            guard !isHealed, !other.isGone, canBeSpared(gone + [other.number], latest) else { return }
            die(other)
        }
    }

    /// True if every replica set that has one of these nodes, the metadata quorum included, has a majority without
    /// them, and three members are left. (With fewer members the metadata quorum would have one member.)
    private func canBeSpared(_ numbers: [NodeNumber], _ latest: [Topology]) -> Bool {
        latest.allSatisfy { topology in
            topology.members.count { $0.stays && !numbers.contains($0.number) } >= 3
                && (topology.assignments + [topology.metadataQuorum]).allSatisfy { assignment in
                    [assignment.replicas, assignment.next ?? assignment.replicas].allSatisfy { set in
                        let gone = set.count(where: numbers.contains)
                        return gone == 0 || set.count - gone > set.count / 2
                    }
                }
        }
    }

    private func die(_ node: Node) {
        statistics[.deaths] += 1
        trace.line(time, "\(node.number) is lost for good")
        stop(node)
        node.isGone = true
    }

    // MARK: - The operator

    private func scheduleControl(_ gap: UInt64) {
        after(gap / 4 + moveRandom.below(gap * 3 / 2)) { [self] in
            let running = admitted.filter { $0.process.map { !$0.isLeaving } ?? false }
            if !running.isEmpty {
                let node = moveRandom.pick(running)
                if let process = node.process, let request = isHealed ? repair(process) : randomControl(process) {
                    ask(request, node, process)
                }
            }
            scheduleControl(gap)
        }
    }

    private func hasDead(_ topology: Topology) -> Bool {
        topology.members.contains { machines[$0.number].map { nodes[$0].isGone } ?? false }
    }

    /// A random request of the operator; nil if there is none this time.
    private func randomControl(_ process: Process) -> ControlRequest? {
        // While a dead node is a member, no other node is removed.
        if hasDead(topology) { return repair(process) ?? .status }
        let members = process.topology.members
        let pendingNodes = process.cluster?.pendingNodes ?? []
        let isDryRun = moveRandom.chance(0.15)
        switch moveRandom.weighted([6, 3, 2, 1, 1, 1, 2, 1]) {
        case 0 where !pendingNodes.isEmpty:
            var change = MembershipChange(joins: [.init(id: moveRandom.pick(pendingNodes).id)])
            if moveRandom.chance(0.3) { change.leaves = [moveRandom.pick(members).id] }
            if moveRandom.chance(0.2) { change.joins[0].replaces = moveRandom.pick(members).id }
            return .change(change, isDryRun: isDryRun)
        case 0, 1:
            guard members.count > 2 || moveRandom.chance(0.2) else { return nil }
            return .change(MembershipChange(leaves: [moveRandom.pick(members).id]), isDryRun: isDryRun)
        case 2: return repair(process)
        case 3: return .pause
        case 4, 5: return .resume
        // In a calm run no plan is cancelled: a joining node that leads already would lose the lead, and what is in
        // flight with it.
        case 6: return scenario.isCalm ? .status : .cancel
        default: return .status
        }
    }

    /// A request that resumes a paused plan or removes a dead member; nil if there is nothing to repair.
    private func repair(_ process: Process) -> ControlRequest? {
        let topology = process.topology
        if topology.plan?.isPaused == true { return .resume }
        let dead = topology.members.filter { member in
            member.status != .lost && machines[member.number].map { nodes[$0].isGone } ?? false
        }
        guard let member = dead.first else { return nil }
        return .change(MembershipChange(leaves: [member.id], isForced: true), isDryRun: false)
    }

    func ask(_ request: ControlRequest, _ node: Node, _ process: Process) {
        statistics[.controls] += 1
        process.lastRequest += 1
        let id = RequestID(node.boot << 32 | process.lastRequest)
        let timeout = moveRandom.pick([Nanoseconds.milliseconds(300), .milliseconds(3000)])
        process.controls[id] = ControlCall(request: request, timeout: timeout, invoked: time)
        trace.line(time, "\(node.number) is asked \(process.lastRequest): \(request)")
        give(.cluster(.control(id, request, deadline: node.clock.monotonic(time) + timeout)), to: node.index)
    }

    func controlAnswered(_ id: RequestID, _ reply: ControlReply, _ node: Node, _ process: Process) {
        trace.line(time, "\(node.number) answers \(id.raw & 0xffff_ffff) \(reply)")
        guard let call = process.controls.removeValue(forKey: id) else {
            return history.add(Violation(.answers, "node \(node.number) answered an operator again: \(reply)"))
        }
        switch reply {
        case .plan: statistics[.plans] += call.request.isChange ? 1 : 0
        case .refused: statistics[.refusedControls] += 1
        case .unknown: statistics[.unknownControls] += 1
        case .notCoordinator:
            history.add(Violation(.answers, "node \(node.number) left an operator to find the coordinator"))
        }
        let taken = node.clock.monotonic(time) - node.clock.monotonic(call.invoked)
        // The coordinator waits for a write to the register that it has begun, and for a read if the write's outcome is
        // unknown.
        let grace = 2 * World.registerPatience.nanoseconds + 500_000_000
        if node.resumed <= call.invoked, taken.nanoseconds > call.timeout.nanoseconds + grace {
            history.add(Violation(.lateAnswer, "node \(node.number) to an operator: \(call.request)"))
        }
    }

    /// True if all other members that the node knows are gone, so that nobody can tell it that it was removed.
    private func isForgotten(_ node: Node) -> Bool {
        node.process?.topology.members.allSatisfy { member in
            member.number == node.number || machines[member.number].map { nodes[$0].isGone } ?? true
        } ?? true
    }

    /// The first thing that keeps the membership from being final after the end of all faults; nil if there is none.
    func ungoverned() -> String? {
        guard scenario.isSelfGoverned else { return nil }
        if let plan = topology.plan { return "a plan is under way: \(plan.summary); \(topology.summary)" }
        for member in topology.members where machines[member.number].map({ nodes[$0].isGone }) ?? true {
            return "\(member.id) is dead and still a member"
        }
        if topology.metadataQuorum.next != nil { return "the metadata quorum moves" }
        for node in admitted {
            if topology.member(node.number) == nil {
                guard isForgotten(node) else { return "node \(node.number) has not noticed that it was removed" }
                stop(node)
                node.isGone = true
            }
            if let call = node.process?.controls.values.first { return "unanswered: \(call.request)" }
        }
        return nil
    }
}

extension ControlRequest {
    fileprivate var isChange: Bool {
        if case .change(_, isDryRun: false) = self { return true }
        return false
    }
}

extension ChangePlan {
    fileprivate var summary: String {
        "\(id)" + (isPaused ? ", paused" : "") + (isCancelling ? ", cancelling" : "")
            + ", \(targets.count) partitions to go"
    }
}
