import KVCore

/// Who comes, who goes, who dies, and the operator who asks for it.
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

    /// A member links to those whom its topology names: one that does not know yet goes by no epoch.
    func greetJoiningNodes(_ node: Node, _ process: Process) {
        for member in process.topology.members {
            guard let index = machines[member.number], nodes[index].isPending,
                !network.send(from: node.index, to: index, atMostOnce: true, now: time).isEmpty
            else { continue }
            process.inbox.append(.cluster(.epochSeen(0, at: member.number)))
        }
    }

    /// A pending node is shown a topology: it may find itself a member.
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

    // MARK: - Those who go

    /// A process has learned that it is no member any more: it ends what it has begun, and stops.
    func depart(_ node: Node, _ process: Process) {
        guard !process.isLeaving else { return }
        process.isLeaving = true
        let limit = time + 3_000_000_000
        func look() {
            guard node.process === process else { return node.isGone = true }
            guard process.shard.pendingRequests == 0 || time >= limit else { return after(20_000_000, look) }
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

    /// Only where nothing is lost by it, one after the other or two at once.
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
        // At once, or within the plan that removes the first.
        if moveRandom.chance(0.5) { return die(other) }
        after(moveRandom.below(2_000_000_000)) { [self] in
            let latest = [topology] + topologies.proposed(after: topology.epoch)
            let gone = nodes.filter { $0.isGone && $0 !== other }.map(\.number)
            guard !isHealed, !other.isGone, canBeSpared(gone + [other.number], latest) else { return }
            die(other)
        }
    }

    /// Whether every replica set, the metadata quorum's among them, has a majority without these, and three members are
    /// left: then no metadata quorum is of one.
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
                if let process = node.process, let request = isHealed ? repair(process) : wish(process) {
                    ask(request, node, process)
                }
            }
            scheduleControl(gap)
        }
    }

    private func hasDead(_ topology: Topology) -> Bool {
        topology.members.contains { machines[$0.number].map { nodes[$0].isGone } ?? false }
    }

    private func wish(_ process: Process) -> ControlRequest? {
        // Nobody else is taken away meanwhile.
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
        // A joining node that leads already loses the lead by it, and with it what is in flight.
        case 6: return scenario.isCalm ? .status : .cancel
        default: return .status
        }
    }

    /// Gets the dead out of the way, and what was paused going.
    private func repair(_ process: Process) -> ControlRequest? {
        let topology = process.topology
        if topology.plan?.isPaused == true { return .resume }
        let dead = topology.members.filter { member in
            member.status != .lost && machines[member.number].map { nodes[$0].isGone } ?? false
        }
        guard let member = dead.first else { return nil }
        return .change(MembershipChange(leaves: [member.id], isForced: true), isDryRun: false)
    }

    private func ask(_ request: ControlRequest, _ node: Node, _ process: Process) {
        statistics[.controls] += 1
        process.lastRequest += 1
        let id = RequestID(node.boot << 32 | process.lastRequest)
        let span = moveRandom.pick([Nanoseconds.milliseconds(300), .milliseconds(3000)])
        process.controls[id] = ControlCall(request: request, span: span, invoked: time)
        trace.line(time, "\(node.number) is asked \(process.lastRequest): \(request)")
        give(.cluster(.control(id, request, deadline: node.clock.monotonic(time) + span)), to: node.index)
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
        // What has begun is waited for: the write, and a read if that does not tell.
        let grace = 2 * World.registerPatience.nanoseconds + 500_000_000
        if node.resumed <= call.invoked, taken.nanoseconds > call.span.nanoseconds + grace {
            history.add(Violation(.lateAnswer, "node \(node.number) to an operator: \(call.request)"))
        }
    }

    /// It was removed, and everybody it knows is gone: nobody is left to tell it.
    private func isForgotten(_ node: Node) -> Bool {
        node.process?.topology.members.allSatisfy { member in
            member.number == node.number || machines[member.number].map { nodes[$0].isGone } ?? true
        } ?? true
    }

    /// What is not yet as the operator would have it, after all faults.
    func ungoverned() -> String? {
        guard scenario.isSelfGoverned else { return nil }
        if let plan = topology.plan { return "a plan is under way: \(plan.summary); \(topology.summary)" }
        for member in topology.members where machines[member.number].map({ nodes[$0].isGone }) ?? true {
            return "\(member.id) is dead and still a member"
        }
        if topology.metadataQuorum.next != nil { return "the council moves" }
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
