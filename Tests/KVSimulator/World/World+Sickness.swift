import KVCore

/// A condition from which one node suffers for longer than every timeout.
package enum Sickness: String, CaseIterable, Sendable {
    /// The process is killed, and does not come back.
    case dead
    /// The process does not run, but its connections stand.
    case hung
    /// One shard's event loop does not run. The others do, and say that the node runs.
    case hungShard = "hung-shard"
    /// Nothing that the node appends becomes durable.
    case stalledDisk = "stalled-disk"
    /// The disk has no room for values.
    case fullDisk = "full-disk"
    /// No message reaches the node, but its own messages arrive.
    case deaf
    /// No message but datagrams reaches the node, so failure detectors hold it alive.
    case deafToStreams = "deaf-to-streams"
    /// No message of the node arrives.
    case mute
    /// Datagrams between all nodes are lost, and nothing else is wrong.
    case noDatagrams = "no-datagrams"
    /// Messages to and from the node take long.
    case slowLinks = "slow-links"
    /// The node is cut off for a while, again and again.
    case flapping
    /// The node and one other do not hear each other, but all others hear both. So no node is sick, and each must
    /// serve.
    case halfCut = "half-cut"
    /// The node's wall clock jumps an hour ahead and an hour behind in turn.
    case wrongClock = "wrong-clock"
}

extension Scenario {
    /// A cluster in which one node falls ill for a while and nothing else goes wrong.
    /// - Parameter isLarge: Whether it has more members than exchange heartbeats in every turn (`HeartbeatPace`).
    package init(seed: UInt64, sickness: Sickness, isLarge: Bool = false) {
        var random = SeededRandom(seed: seed, stream: 1)
        self.init()
        (nodes, replicas) = random.pick([(3, 3), (3, 3), (5, 3), (5, 5), (4, 3)])
        partitions = random.pick([1, 2, 4, 8])
        keys = 1 + random.below(6)
        clients = 1 + random.below(4)
        deadline = random.pick([.milliseconds(600), .milliseconds(2000), .milliseconds(5000)])
        delay = Nanoseconds(nanoseconds: random.pick([50_000, 200_000, 1_000_000]))
        jitter = Nanoseconds(nanoseconds: random.pick([20_000, 300_000, 2_000_000]))
        sync = Nanoseconds(nanoseconds: random.pick([100_000, 1_000_000, 5_000_000]))
        loads = random.pick([0, 0.1])
        if random.chance(0.25) { store = .log }
        if random.chance(0.3) { probeInterval = .milliseconds(random.pick([50, 200])) }
        let isAboutDatagrams = sickness == .deafToStreams || sickness == .noDatagrams
        if isAboutDatagrams, probeInterval == nil { probeInterval = .milliseconds(200) }
        if isLarge {
            (nodes, replicas) = random.pick([(7, 3), (9, 3), (8, 5)])
            probeInterval = .milliseconds(1000)
        }
        self.sickness = sickness
        duration = .milliseconds(11_000)
        drawShards(seed)
        if !random.chance(0.25) { (reads, lease) = (.lease, .milliseconds(400)) }
        if sickness == .hungShard { (shards, partitions) = (3, max(partitions, 4)) }
    }
}

// Checks that one sick node, whatever it suffers from, keeps the others from serving a key for a short time only.

extension World {
    /// When the node falls ill.
    private static var onset: UInt64 { 3_000_000_000 }
    /// How long it is ill.
    private static var length: UInt64 { 7_000_000_000 }
    /// Every key must be readable within this time after the onset.
    private static var readableWithin: UInt64 { 1_000_000_000 }
    /// Every key must be writable within this time after the onset.
    private static var writableWithin: UInt64 { 3_000_000_000 }
    /// The timeout of one try. Over slow links, a request takes two round trips.
    private var patience: Nanoseconds { .milliseconds(scenario.sickness == .slowLinks ? 2500 : 400) }

    func startSickness() {
        guard let sickness = scenario.sickness else { return }
        after(Self.onset) { [self] in
            // A leader falls ill, because a leader is missed most.
            let leaders = nodes.filter { $0.process?.leads == true }
            guard let node = leaders.isEmpty ? nil : leaders[faultRandom.below(leaders.count)] else {
                return history.add(Violation(.sickness, "nobody leads when a node is to fall ill"))
            }
            fall(ill: node, with: sickness)
        }
    }

    private func fall(ill node: SimulatedNode<Driver>, with sickness: Sickness) {
        trace.line(time, "\(node.number) falls ill: \(sickness.rawValue)")
        switch sickness {
        case .dead: stop(node)
        case .hung: pause(node, for: Self.length)
        case .hungShard:
            let leading = node.process?.runners.filter { !$0.leaderships.isEmpty } ?? []
            guard let process = node.process, !leading.isEmpty else { break }
            pause(leading[faultRandom.below(leading.count)], of: node, process, for: Self.length)
        case .stalledDisk:
            statistics[.stalledDisks] += 1
            node.stalls += 1
            after(Self.length) { node.stalls = max(node.stalls - 1, 0) }
        case .fullDisk:
            node.fullness += 1
            reviewFullness(node)
        case .deaf: cut { _, to in to == node.index }
        case .deafToStreams:
            network.datagrams = .pass
            cut { _, to in to == node.index }
        case .mute: cut { from, _ in from == node.index }
        case .noDatagrams: network.datagrams = .lost
        case .slowLinks: network.slowNode = node.index
        case .flapping: flap(node, until: time + Self.length)
        case .halfCut:
            guard let other = nodes.last(where: { $0 !== node && $0.process != nil }) else { break }
            cut { from, to in
                (from, to) == (node.index, other.index) || (from, to) == (other.index, node.index)
            }
        case .wrongClock: jump(node, by: 3_600_000, until: time + Self.length)
        }
        for key in keys {
            for healthy in nodes where (healthy !== node || sickness == .halfCut) && healthy.process != nil {
                expect(Request(key: key, command: .get), at: healthy, since: time, within: Self.readableWithin)
                guard sickness == .halfCut else { continue }
                expect(nil, of: key, at: healthy, since: time, within: Self.writableWithin)
            }
            guard let healthy = nodes.first(where: { $0 !== node && $0.process != nil }) else { continue }
            expect(nil, of: key, at: healthy, since: time, within: Self.writableWithin)
        }
    }

    private func cut(_ separates: (_ from: Int, _ to: Int) -> Bool) {
        for from in nodes.indices {
            for to in nodes.indices where from != to && separates(from, to) { network.block(from, to) }
        }
    }

    private func flap(_ node: SimulatedNode<Driver>, until end: UInt64) {
        guard time < end, !isHealed else { return }
        let others = nodes.indices.filter { $0 != node.index }
        for other in others {
            network.block(node.index, other)
            network.block(other, node.index)
        }
        after(faultRandom.within(50_000_000...1_500_000_000)) { [self] in
            guard !isHealed else { return }
            for other in others {
                network.unblock(node.index, other)
                network.unblock(other, node.index)
            }
            after(faultRandom.within(50_000_000...1_000_000_000)) { [self] in flap(node, until: end) }
        }
    }

    private func jump(_ node: SimulatedNode<Driver>, by milliseconds: UInt64, until end: UInt64) {
        guard time < end, !isHealed else { return }
        let isAhead = node.clock.wall > Self.wallOrigin
        node.clock.wall = isAhead ? Self.wallOrigin - milliseconds : Self.wallOrigin + milliseconds
        after(700_000_000) { [self] in jump(node, by: milliseconds, until: end) }
    }

    private func expect(_ request: Request, at node: SimulatedNode<Driver>, since onset: UInt64, within limit: UInt64) {
        expect(request, of: request.key, at: node, since: onset, within: limit)
    }

    /// Repeats a request until it succeeds. It is a violation if that takes longer than `limit` from the onset.
    /// - Parameter request: If nil, a put of a new value each time.
    private func expect(
        _ request: Request?, of key: Key, at node: SimulatedNode<Driver>, since onset: UInt64, within limit: UInt64
    ) {
        self.request(request ?? put(key, .always), at: node, within: patience) { [self] call, outcome in
            switch outcome {
            case .found, .absent, .written:
                guard time - onset > limit else { return }
                history.add(
                    Violation(.sickness, "\((time - onset) / 1_000_000) ms after a node fell ill: the first \(call)"))
            default:
                guard !isHealed else {
                    return history.add(Violation(.sickness, "never while a node was ill: \(call)"))
                }
                after(1_000_000) { [self] in expect(request, of: key, at: node, since: onset, within: limit) }
            }
        }
    }
}
