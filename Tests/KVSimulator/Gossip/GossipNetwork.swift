import KVCore

/// Failure detectors of many nodes on one network, in virtual time of whole milliseconds.
package struct GossipNetwork {
    package let scenario: GossipScenario
    /// Milliseconds since the beginning.
    package private(set) var time: UInt64 = 0
    /// Since `resetTraffic`, of all nodes together.
    package private(set) var messages = 0
    package private(set) var bytes = 0
    /// Changes of status about nodes that run, since the beginning.
    package private(set) var falseSuspicions = 0
    package private(set) var falseDeaths = 0

    /// Node number `n` is at `n - 1`.
    private var swims: [Swim] = []
    private var isDown: [Bool]
    private var random: SeededRandom
    /// What arrives at a time, at that time modulo their number.
    private var calendar: [[Arrival]]
    /// Of each node, who do not hold it alive, and who hold it dead.
    private var doubters: [Set<NodeNumber>]
    private var mourners: [Set<NodeNumber>]
    private var latest: Epoch = 1
    private var upToDate = 0

    private enum Arrival {
        case message(GossipMessage, from: NodeNumber, to: NodeNumber)
        case topology(Epoch, at: NodeNumber)
    }

    package init(_ scenario: GossipScenario) {
        self.scenario = scenario
        random = SeededRandom(seed: scenario.seed)
        isDown = Array(repeating: false, count: scenario.nodes)
        doubters = Array(repeating: [], count: scenario.nodes)
        mourners = doubters
        calendar = Array(repeating: [], count: Int(max(scenario.delay.upperBound, scenario.fetch)) + 1)
        let members = (1...scenario.nodes).map { NodeNumber(UInt16($0)) }
        for member in members {
            // The lowest incarnation is the one that others presume.
            var swim = Swim(
                me: member, incarnation: scenario.isEstablished ? 0 : 1 << 32, options: scenario.options,
                seed: random.next(), now: now)
            swim.setMembers(members, now: now)
            swim.epoch = latest
            swims.append(swim)
        }
        upToDate = scenario.nodes
    }

    /// Nodes that run.
    package var running: Int { isDown.count { !$0 } }

    /// How many hold `node` suspect or dead, and how many dead.
    package func doubters(of node: NodeNumber) -> Int { doubters[Int(node.raw) - 1].count }
    package func mourners(of node: NodeNumber) -> Int { mourners[Int(node.raw) - 1].count }

    /// Of those that run, how many go by the latest topology.
    package var informed: Int { upToDate }

    package mutating func kill(_ node: NodeNumber) { isDown[Int(node.raw) - 1] = true }

    /// A later topology, which at first `node` alone has.
    package mutating func changeTopology(at node: NodeNumber) {
        latest += 1
        upToDate = 1
        swims[Int(node.raw) - 1].epoch = latest
    }

    package mutating func resetTraffic() {
        messages = 0
        bytes = 0
    }

    package mutating func run(milliseconds: UInt64) {
        for _ in 0..<milliseconds { step() }
    }

    /// Returns when `condition` first held, or nil if it did not within `limit` milliseconds.
    package mutating func run(atMost limit: UInt64, until condition: (GossipNetwork) -> Bool) -> UInt64? {
        let end = time + limit
        while time < end {
            if condition(self) { return time }
            step()
        }
        return nil
    }

    private var now: Instant { Instant(nanoseconds: (1000 + time) * 1_000_000) }

    private mutating func step() {
        time += 1
        let now = now
        let slot = Int(time % UInt64(calendar.count))
        let arrivals = calendar[slot]
        calendar[slot] = []
        for arrival in arrivals {
            switch arrival {
            case .message(let message, let from, let to):
                let index = Int(to.raw) - 1
                guard !isDown[index] else { continue }
                swims[index].receive(message, from: from, now: now)
                perform(index)
            case .topology(let epoch, let node):
                let index = Int(node.raw) - 1
                guard !isDown[index], epoch > swims[index].epoch else { continue }
                swims[index].epoch = epoch
                if epoch == latest { upToDate += 1 }
            }
        }
        // Each node's timer has its own phase.
        let period = Int(max(scenario.options.timer.milliseconds, 1))
        for index in stride(from: Int(time) % period, to: swims.count, by: period) where !isDown[index] {
            swims[index].tick(now: now)
            perform(index)
        }
    }

    private mutating func perform(_ index: Int) {
        guard !swims[index].effects.isEmpty else { return }
        let effects = swims[index].effects
        swims[index].effects = []
        let me = swims[index].me
        for effect in effects {
            switch effect {
            case .send(let to, let message):
                messages += 1
                bytes += message.size
                guard !random.chance(scenario.loss) else { continue }
                let delay = random.chance(0.8) ? scenario.delay.lowerBound : random.within(scenario.delay)
                schedule(.message(message, from: me, to: to), after: delay)
            case .changed(let node, let liveness):
                note(node, liveness, by: me)
            case .unanswered: break  // Nobody vouches for anybody here.
            case .epochSeen(let epoch, _):
                schedule(.topology(epoch, at: me), after: scenario.fetch)
            }
        }
    }

    private mutating func note(_ node: NodeNumber, _ liveness: Liveness, by observer: NodeNumber) {
        let index = Int(node.raw) - 1
        if liveness == .alive { doubters[index].remove(observer) } else { doubters[index].insert(observer) }
        if liveness == .dead { mourners[index].insert(observer) } else { mourners[index].remove(observer) }
        guard !isDown[index] else { return }
        if liveness == .suspect { falseSuspicions += 1 }
        if liveness == .dead { falseDeaths += 1 }
    }

    private mutating func schedule(_ arrival: Arrival, after delay: UInt64) {
        let slot = Int((time + max(delay, 1)) % UInt64(calendar.count))
        calendar[slot].append(arrival)
    }
}
