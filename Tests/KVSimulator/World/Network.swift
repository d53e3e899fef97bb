import KVCore

/// The network between the nodes. It delays, loses, duplicates and reorders messages, and links can be blocked.
///
/// Each shard of a node has a connection of its own to every other node. Messages keep their order within a connection
/// only. A connection breaks alone, or with all others between two nodes, but links are blocked as a whole.
///
/// Requests and their replies (`forward`, `forwarded`) arrive at most once, and not after their connection has broken,
/// as with the product's connections. Every other message may also arrive twice, late, or out of order.
struct Network {
    struct Delivery {
        let time: UInt64
        let generation: UInt32
    }

    /// Nanoseconds that a slow link adds to the delay of a message.
    private static let slowness: UInt64 = 400_000_000

    private let count: Int
    /// The connections that each directed link may have.
    private let width: Int
    private let scenario: Scenario
    private var random: SeededRandom
    /// The number of faults that block each directed link.
    private var blocks: [UInt16]
    /// By connection: the number of connections that there were in its place.
    private var generations: [UInt32]
    /// By connection: when its last message arrives.
    private var lastArrival: [UInt64]
    /// The number of storms at present. In a storm, the whole network loses and delays many messages.
    var storms = 0
    var datagrams = Datagrams.asStreams
    /// A node whose links are slow in both directions.
    var slowNode: Int?

    /// How the network treats datagrams.
    enum Datagrams {
        /// As it treats all other messages.
        case asStreams
        /// Datagrams pass even where a link is blocked.
        case pass
        /// All datagrams are lost.
        case lost
    }
    /// No message is lost, duplicated or late any more.
    private(set) var isHealed = false

    init(scenario: Scenario, random: SeededRandom) {
        count = scenario.machines
        width = scenario.shards
        self.scenario = scenario
        self.random = random
        blocks = Array(repeating: 0, count: count * count)
        generations = Array(repeating: 0, count: count * count * width)
        lastArrival = Array(repeating: 0, count: count * count * width)
    }

    private func link(_ from: Int, _ to: Int) -> Int { from * count + to }

    mutating func block(_ from: Int, _ to: Int) { blocks[link(from, to)] += 1 }

    mutating func unblock(_ from: Int, _ to: Int) {
        if blocks[link(from, to)] > 0 { blocks[link(from, to)] -= 1 }
    }

    /// Replaces all links by new ones that work. Messages that are still on their way are lost.
    mutating func heal() {
        isHealed = true
        storms = 0
        datagrams = .asStreams
        slowNode = nil
        // In a calm run nothing was wrong with the links.
        guard !scenario.isCalm else { return }
        for link in blocks.indices { blocks[link] = 0 }
        for connection in generations.indices {
            lastArrival[connection] = 0
            generations[connection] &+= 1
        }
    }

    /// Breaks the connections between two nodes, in both directions.
    /// - Parameter shard: Those of this shard of either node only; nil for all.
    mutating func reset(_ a: Int, _ b: Int, shard: Int? = nil) {
        for connection in shard.map({ $0..<$0 + 1 }) ?? 0..<width {
            generations[link(a, b) * width + connection] &+= 1
            generations[link(b, a) * width + connection] &+= 1
        }
    }

    /// Sends a message.
    /// - Parameter shard: The shard of the sender whose connection takes it.
    /// - Returns: When it will arrive: never, once or twice.
    mutating func send(
        from: Int, to: Int, shard: Int = 0, atMostOnce: Bool, isDatagram: Bool = false, now: UInt64
    ) -> [Delivery] {
        let link = link(from, to)
        guard !isLost(link, isDatagram) else { return [] }
        let lossiness = isHealed ? 0 : scenario.loss + (storms > 0 ? 0.3 : 0)
        if random.chance(lossiness) { return [] }
        var deliveries = [delivery(link, shard, now)]
        if !atMostOnce, !isHealed, random.chance(scenario.duplication) {
            deliveries.append(delivery(link, shard, now))
        }
        return deliveries
    }

    private func isLost(_ link: Int, _ isDatagram: Bool) -> Bool {
        switch datagrams {
        case .pass where isDatagram: false
        case .lost where isDatagram: true
        case .asStreams, .pass, .lost: blocks[link] > 0
        }
    }

    private mutating func delivery(_ link: Int, _ shard: Int, _ now: UInt64) -> Delivery {
        let connection = link * width + shard
        var span = scenario.delay.nanoseconds + random.below(scenario.jitter.nanoseconds + 1)
        if let slowNode, link / count == slowNode || link % count == slowNode { span += Self.slowness }
        if !isHealed {
            let isLate = scenario.straggler > 0 && random.below(scenario.straggler) == 0
            if isLate || storms > 0 && random.chance(0.2) { span += random.below(scenario.jitter.nanoseconds * 100) }
        }
        var time = now + span
        if !scenario.reorders || isHealed {
            time = max(time, lastArrival[connection])
            lastArrival[connection] = time
        }
        return Delivery(time: time, generation: generations[connection])
    }

    /// True if a message whose time has come arrives. It is lost if the link is blocked now, and may be lost if its
    /// connection has broken since.
    mutating func arrives(
        from: Int, to: Int, shard: Int = 0, generation: UInt32, atMostOnce: Bool, isDatagram: Bool = false
    ) -> Bool {
        let link = link(from, to)
        if isLost(link, isDatagram) { return false }
        return generations[link * width + shard] == generation || !isHealed && !atMostOnce && random.chance(0.5)
    }
}
