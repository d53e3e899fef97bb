import KVCore

// What leases are tried by: event loops that stop anywhere in a tick, and nodes that change how they answer reads.

extension World {
    /// Goes on with a tick, perhaps only after the event loop has stood still for a while: mostly a short one, at times
    /// a longer one than any lease.
    func mayFreeze(_ node: Node, _ process: Process, _ runner: Runner, _ body: @escaping () -> Void) {
        guard !isHealed, let span = runner.freeze ?? nextFreeze() else { return body() }
        runner.freeze = nil
        statistics[.freezes] += 1
        runner.isFrozen = true
        trace.line(time, "\(name(node, runner)) freezes")
        after(span) { [self] in
            guard node.process === process else { return }
            runner.isFrozen = false
            node.resumed = time
            body()
            if !runner.isFrozen { wake(node, process, runner) }
        }
    }

    private func nextFreeze() -> UInt64? {
        guard scenario.freezes > 0, leaseRandom.chance(scenario.freezes) else { return nil }
        return leaseRandom.chance(0.2)
            ? leaseRandom.within(500_000_000...2_500_000_000) : leaseRandom.within(1_000_000...500_000_000)
    }

    // MARK: Usurpations

    func usurp(among members: [Node]) {
        let leaders = members.filter { $0.process?.leads ?? false }
        guard !leaders.isEmpty else { return }
        let node = leaseRandom.pick(leaders)
        let lease = scenario.lease.nanoseconds
        let span = leaseRandom.within(lease / 2...3 * lease)
        guard let process = node.process else { return }
        switch leaseRandom.pick(scenario.usurpations) {
        case .cut:
            cutOff(node, for: span)
            // Some pairs stay apart for longer.
            for other in members where other !== node && leaseRandom.chance(0.5) {
                cut([(node.index, other.index), (other.index, node.index)], for: 2 * span)
            }
        case .amnesia:
            cutOff(node, for: span)
            for other in members where other !== node && leaseRandom.chance(0.7) {
                stop(other)
                after(1_000_000) { [self] in start(other) }
            }
        case .handover: return process.isCutOffAfterTransfer = true
        case .pause:
            pause(node, for: span)
            // What is under way to it waits until it runs again. What its successor sends does not arrive.
            after(20_000_000) { [self] in cutOff(node, for: 2 * span) }
        case .freeze:
            for runner in process.runners { runner.freeze = lease + span }
            after(20_000_000) { [self] in cutOff(node, for: 2 * span) }
        }
        beUsurped(node, for: span)
    }

    private func cutOff(_ node: Node, for span: UInt64) {
        let others = nodes.indices.filter { $0 != node.index }
        cut(others.map { (node.index, $0) } + others.map { ($0, node.index) }, for: span)
    }

    /// All others notice that the node is gone, and again if they start anew meanwhile.
    private func beUsurped(_ node: Node, for span: UInt64) {
        let end = time + span
        for delay in [2_000_000, 10_000_000, 30_000_000] as [UInt64] where delay < span {
            after(delay) { [self] in
                guard !isHealed, let boot = node.process?.boot else { return }
                for other in nodes where other !== node {
                    suspect(node.index, at: other, nil, for: end - time, boot: boot)
                }
            }
        }
    }

    /// Notes that a leader has asked its successor to prepare.
    func handedOver(to peer: NodeNumber, _ node: Node, _ process: Process) {
        guard process.isCutOffAfterTransfer, !isHealed, let successor = machines[peer].map({ nodes[$0] }) else {
            return
        }
        process.isCutOffAfterTransfer = false
        let span = leaseRandom.within(1_000_000_000...2_000_000_000)
        // What it has sent still arrives. It hears nothing any more.
        cut(nodes.indices.filter { $0 != node.index }.map { ($0, node.index) }, for: span)
        // It takes the lead back, as far as it can.
        if let boot = successor.process?.boot { suspect(successor.index, at: node, nil, for: span, boot: boot) }
        after(10_000_000) { [self] in
            cutOff(node, for: span)
            beUsurped(node, for: span)
        }
    }

    // MARK: Settings

    func startSwitches() {
        if let gap = scenario.switches { scheduleSwitch(gap.nanoseconds) }
    }

    private func scheduleSwitch(_ gap: UInt64) {
        after(gap / 4 + leaseRandom.below(gap * 3 / 2)) { [self] in
            guard !isHealed else { return }
            let node = nodes[leaseRandom.below(nodes.count)]
            node.reads = node.reads == .lease ? .confirm : .lease
            giveAll(.input(.reads(node.reads)), to: node.index)
            scheduleSwitch(gap)
        }
    }
}
