import KVCore

/// The links between the nodes: which of them carry, how long they take, what they lose.
///
/// `forward` and `forwarded` travel at most once and not past a broken connection, as over the product's own links.
/// Every other message may also come twice, late, or out of order.
struct Network {
    struct Delivery {
        let time: UInt64
        let generation: UInt32
    }

    /// What a slow link adds to the time that a message takes.
    private static let slowness: UInt64 = 400_000_000

    private let count: Int
    private let scenario: Scenario
    private var random: SeededRandom
    /// How many faults block each directed link.
    private var blocks: [UInt16]
    /// Counts the connections that each directed link has had.
    private var generations: [UInt32]
    private var lastArrival: [UInt64]
    /// How many storms rage.
    var storms = 0
    /// What becomes of datagrams.
    var datagrams = Datagrams.asStreams
    /// All that goes to it and comes from it takes long.
    var slowNode: Int?

    enum Datagrams {
        /// The same as of all else.
        case asStreams
        /// They pass where a link is blocked.
        case pass
        case lost
    }
    /// Nothing is lost, doubled or late any more.
    private(set) var isHealed = false

    init(scenario: Scenario, random: SeededRandom) {
        count = scenario.machines
        self.scenario = scenario
        self.random = random
        blocks = Array(repeating: 0, count: count * count)
        generations = Array(repeating: 0, count: count * count)
        lastArrival = Array(repeating: 0, count: count * count)
    }

    private func link(_ from: Int, _ to: Int) -> Int { from * count + to }

    mutating func block(_ from: Int, _ to: Int) { blocks[link(from, to)] += 1 }

    mutating func unblock(_ from: Int, _ to: Int) {
        if blocks[link(from, to)] > 0 { blocks[link(from, to)] -= 1 }
    }

    /// All links are made anew: they carry, and what was still on its way is lost.
    mutating func heal() {
        isHealed = true
        storms = 0
        datagrams = .asStreams
        slowNode = nil
        // Nothing was wrong with them.
        guard !scenario.isCalm else { return }
        for link in blocks.indices {
            blocks[link] = 0
            lastArrival[link] = 0
            generations[link] &+= 1
        }
    }

    /// The connection between two nodes breaks, both ways.
    mutating func reset(_ a: Int, _ b: Int) {
        generations[link(a, b)] &+= 1
        generations[link(b, a)] &+= 1
    }

    /// A message sent now arrives at these times: none, one or two of them.
    mutating func send(
        from: Int, to: Int, atMostOnce: Bool, isDatagram: Bool = false, now: UInt64
    ) -> [Delivery] {
        let link = link(from, to)
        guard !isLost(link, isDatagram) else { return [] }
        let lossiness = isHealed ? 0 : scenario.loss + (storms > 0 ? 0.3 : 0)
        if random.chance(lossiness) { return [] }
        var deliveries = [delivery(link, now)]
        if !atMostOnce, !isHealed, random.chance(scenario.duplication) { deliveries.append(delivery(link, now)) }
        return deliveries
    }

    private func isLost(_ link: Int, _ isDatagram: Bool) -> Bool {
        switch datagrams {
        case .pass where isDatagram: false
        case .lost where isDatagram: true
        case .asStreams, .pass, .lost: blocks[link] > 0
        }
    }

    private mutating func delivery(_ link: Int, _ now: UInt64) -> Delivery {
        var span = scenario.delay.nanoseconds + random.below(scenario.jitter.nanoseconds + 1)
        if let slowNode, link / count == slowNode || link % count == slowNode { span += Self.slowness }
        if !isHealed {
            let isLate = scenario.straggler > 0 && random.below(scenario.straggler) == 0
            if isLate || storms > 0 && random.chance(0.2) { span += random.below(scenario.jitter.nanoseconds * 100) }
        }
        var time = now + span
        if !scenario.reorders || isHealed {
            time = max(time, lastArrival[link])
            lastArrival[link] = time
        }
        return Delivery(time: time, generation: generations[link])
    }

    /// Whether what was sent over an earlier connection, or into a cut, still arrives.
    mutating func arrives(
        from: Int, to: Int, generation: UInt32, atMostOnce: Bool, isDatagram: Bool = false
    ) -> Bool {
        let link = link(from, to)
        if isLost(link, isDatagram) { return false }
        return generations[link] == generation || !isHealed && !atMostOnce && random.chance(0.5)
    }
}
