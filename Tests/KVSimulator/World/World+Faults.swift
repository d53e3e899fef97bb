import KVCore

// The faults of a run, and their end.

extension World {
    func startFaults() {
        for kind in FaultKind.allCases {
            if let gap = scenario.faults[kind] { scheduleFault(kind, gap.nanoseconds) }
        }
    }

    private func scheduleFault(_ kind: FaultKind, _ gap: UInt64) {
        after(gap / 4 + faultRandom.below(gap * 3 / 2)) { [self] in
            guard !isHealed else { return }
            inject(kind)
            scheduleFault(kind, gap)
        }
    }

    /// The duration of a fault: mostly short, at times longer than every timeout.
    private func length() -> UInt64 {
        faultRandom.chance(0.2)
            ? faultRandom.within(500_000_000...2_500_000_000) : faultRandom.within(5_000_000...500_000_000)
    }

    private func inject(_ kind: FaultKind) {
        let members = admitted
        guard !members.isEmpty else { return }
        let node = members[faultRandom.below(members.count)]
        let other = members[faultRandom.below(members.count)]
        trace.line(time, "fault: \(kind) \(node.number)")
        switch kind {
        case .isolation: cut { a, b in (a == node.index) != (b == node.index) }
        case .split:
            let side = nodes.map { _ in faultRandom.chance(0.5) }
            cut { a, b in side[a] != side[b] }
        case .oneWay: cutOneWay(node, other)
        case .reset: if node !== other { reset(node, other) }
        case .crash: crash(node)
        case .powerLoss: for node in members { crash(node, outage: scenario.losesUnsynced) }
        case .outage: if isSpare(node) { crash(node, outage: true) }
        case .restart: restart(node)
        case .pause:
            statistics[.pauses] += 1
            pauseSomething(of: node)
        case .falseSuspicion:
            statistics[.falseSuspicions] += 1
            if let boot = other.process?.boot, node !== other {
                suspect(other.index, at: node, someShard(of: node), for: length(), boot: boot)
            }
        case .slowDisk:
            statistics[.slowDisks] += 1
            last(length(), begin: { node.slowness += 1 }, end: { node.slowness -= 1 })
        case .fullDisk:
            statistics[.fullDisks] += 1
            last(length(), begin: { node.fullness += 1 }, end: { node.fullness -= 1 })
            reviewFullness(node)
        case .stalledDisk:
            statistics[.stalledDisks] += 1
            last(2 * length(), begin: { node.stalls += 1 }, end: { node.stalls = max(node.stalls - 1, 0) })
        case .clockStep: stepClock(node)
        case .usurpation: usurp(among: members)
        case .rot: if nodes[0].driver.rot() { statistics[.rots] += 1 }
        case .storm:
            statistics[.storms] += 1
            network.storms += 1
            after(length()) { [self] in network.storms = max(0, network.storms - 1) }
        }
    }

    /// Begins a fault, and ends it after `span` nanoseconds.
    private func last(_ span: UInt64, begin: () -> Void, end: @escaping () -> Void) {
        begin()
        after(span) { [self] in
            end()
            for node in nodes { reviewFullness(node) }
        }
    }

    /// Sets a machine's wall clock by up to an hour. If only one clock may be wrong, it is the first machine's, and it
    /// is set forward.
    private func stepClock(_ node: Node) {
        let node = scenario.wrongClocks == .one ? nodes[0] : node
        statistics[.clockSteps] += 1
        let limits: [UInt64] = [50, 500, 5000, 3_600_000]
        let step = 1 + faultRandom.below(faultRandom.pick(limits))
        // Half of the steps begin at the right time again.
        if faultRandom.chance(0.5) { node.clock.wall = Self.wallOrigin }
        let isForward = scenario.wrongClocks == .one || faultRandom.chance(0.5)
        node.clock.wall = isForward ? node.clock.wall + step : node.clock.wall - step
        trace.line(time, "the clock of machine \(node.index + 1) is set, to \(node.clock.now(time).wall)")
    }

    func reviewFullness(_ node: Node) {
        for runner in node.process?.runners ?? [] { runner.store.isFull = node.fullness > 0 && !isHealed }
    }

    private func cut(_ separates: (Int, Int) -> Bool) {
        var links: [(Int, Int)] = []
        for a in nodes.indices {
            for b in nodes.indices where a != b && separates(a, b) { links.append((a, b)) }
        }
        cut(links)
    }

    private func cutOneWay(_ node: Node, _ other: Node) {
        switch faultRandom.below(3) {
        case 0: cut { a, b in a == node.index && b == other.index }
        case 1: cut { a, _ in a == node.index }
        default: cut { _, b in b == node.index }
        }
    }

    func cut(_ links: [(Int, Int)], for span: UInt64? = nil) {
        statistics[.cuts] += 1
        for (a, b) in links { network.block(a, b) }
        after(span ?? length()) { [self] in
            for (a, b) in links { network.unblock(a, b) }
        }
    }

    private func reset(_ a: Node, _ b: Node) {
        statistics[.resets] += 1
        let shard = someShard(of: a)
        network.reset(a.index, b.index, shard: shard)
        if let boot = b.process?.boot { suspect(b.index, at: a, shard, for: 0, boot: boot) }
        if let boot = a.process?.boot { suspect(a.index, at: b, shard, for: 0, boot: boot) }
    }

    /// Nil for all shards of a node. Where there are several it is mostly one.
    private func someShard(of node: Node) -> Int? {
        guard let process = node.process, process.runners.count > 1, faultRandom.chance(0.7) else { return nil }
        return faultRandom.below(process.runners.count)
    }

    /// Pauses a process, or the event loop of one of its shards.
    private func pauseSomething(of node: Node) {
        guard let process = node.process, let shard = someShard(of: node) else { return pause(node, for: length()) }
        pause(process.runners[shard], of: node, process, for: length())
    }

    /// True if each partition has a majority of complete copies on the other machines.
    private func isSpare(_ node: Node) -> Bool {
        topology.assignments.allSatisfy { assignment in
            let whole = assignment.replicas.count { replica in
                machines[replica].map { nodes[$0] !== node && !nodes[$0].mayLackRecords } ?? false
            }
            return whole > assignment.replicas.count / 2
        }
    }

    private func crash(_ node: Node, outage: Bool = false) {
        guard node.process != nil else { return }
        statistics[outage ? scenario.losesMajorityOfCopies ? .blackouts : .outages : .crashes] += 1
        stop(node, outage: outage)
        let span = faultRandom.chance(0.3) ? length() : faultRandom.within(1_000_000...50_000_000)
        after(span) { [self] in start(node) }
    }

    /// Stops a node and starts it again. The process has some time to transfer its leaderships before.
    private func restart(_ node: Node) {
        guard let process = node.process else { return }
        statistics[.restarts] += 1
        process.isDraining = true
        giveAll(.input(.drain), to: node.index)
        awaitDrain(node, process, until: time + 1_500_000_000)
    }

    private func awaitDrain(_ node: Node, _ process: Process, until limit: UInt64) {
        after(20_000_000) { [self] in
            guard node.process === process else { return }
            guard process.isDrained || time >= limit else {
                return awaitDrain(node, process, until: limit)
            }
            stop(node)
            after(faultRandom.within(1_000_000...50_000_000)) { [self] in start(node) }
        }
    }

    /// Ends all faults, and starts everything that is down.
    func heal() {
        trace.line(time, "all faults end")
        isHealed = true
        network.heal()
        for node in nodes {
            node.slowness = 0
            node.fullness = scenario.sickness == .fullDisk ? 0 : node.fullness
            node.stalls = 0
            node.pauses = 0
            if node.process?.isDraining == true { stop(node) }
            start(node)
            for runner in node.process?.runners ?? [] {
                runner.pauses = 0
                runner.detector.endSuspicions()
                runner.links?.endSuspicions()
            }
            resume(node)
            reviewFullness(node)
        }
        endMoves()
    }
}
