import KVCore

/// The failure detectors of many nodes on one network, in virtual time of whole milliseconds.
package struct GossipNetwork {
    package let scenario: GossipScenario
    /// Milliseconds since the beginning.
    package private(set) var time: UInt64 = 0
    /// Messages that all nodes together have sent since `resetTraffic`.
    package private(set) var messages = 0
    /// Bytes of these messages.
    package private(set) var bytes = 0
    /// The number of times that some node began to suspect a node that runs.
    package private(set) var falseSuspicions = 0
    /// The number of times that some node took a node that runs for dead.
    package private(set) var falseDeaths = 0

    /// The detector of node `n` is at `n - 1`.
    private var swims: [Swim] = []
    private var isDown: [Bool]
    private var random: SeededRandom
    /// The arrivals by their time, modulo the number of elements.
    private var calendar: [[Arrival]]
    /// For each node, the nodes that hold it suspect or dead.
    private var suspecting: [Set<NodeNumber>]
    /// For each node, the nodes that hold it dead.
    private var holdingDead: [Set<NodeNumber>]
    /// The epoch of the newest topology.
    private var latest: Epoch = 1
    /// The number of nodes that have the newest topology.
    private var upToDate = 0

    private enum Arrival {
        case message(GossipMessage, from: NodeNumber, to: NodeNumber)
        case topology(Epoch, at: NodeNumber)
    }

    package init(_ scenario: GossipScenario) {
        self.scenario = scenario
        random = SeededRandom(seed: scenario.seed)
        isDown = Array(repeating: false, count: scenario.nodes)
        suspecting = Array(repeating: [], count: scenario.nodes)
        holdingDead = suspecting
        calendar = Array(repeating: [], count: Int(max(scenario.delay.upperBound, scenario.fetch)) + 1)
        let members = (1...scenario.nodes).map { NodeNumber(UInt16($0)) }
        for member in members {
            // Nodes presume the lowest incarnation of each other, so nothing need be told of a node that has it.
            var swim = Swim(
                me: member, incarnation: scenario.isEstablished ? 0 : 1 << 32, options: scenario.options,
                seed: random.next(), now: now)
            swim.setMembers(members, now: now)
            swim.epoch = latest
            swims.append(swim)
        }
        upToDate = scenario.nodes
    }

    /// The number of nodes that run.
    package var running: Int { isDown.count { !$0 } }

    /// The number of nodes that hold `node` suspect or dead.
    package func suspecting(of node: NodeNumber) -> Int { suspecting[Int(node.raw) - 1].count }
    /// The number of nodes that hold `node` dead.
    package func holdingDead(of node: NodeNumber) -> Int { holdingDead[Int(node.raw) - 1].count }

    /// The number of nodes that have the newest topology.
    package var informed: Int { upToDate }

    package mutating func kill(_ node: NodeNumber) { isDown[Int(node.raw) - 1] = true }

    /// Makes a new topology that at first only `node` has.
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

    /// Runs until `condition` holds, and returns the time then. Nil if it does not hold within `limit` milliseconds.
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
            case .unanswered: break  // There are no connections here by which a node could vouch for another.
            case .epochSeen(let epoch, _):
                schedule(.topology(epoch, at: me), after: scenario.fetch)
            }
        }
    }

    private mutating func note(_ node: NodeNumber, _ liveness: Liveness, by observer: NodeNumber) {
        let index = Int(node.raw) - 1
        if liveness == .alive { suspecting[index].remove(observer) } else { suspecting[index].insert(observer) }
        if liveness == .dead { holdingDead[index].insert(observer) } else { holdingDead[index].remove(observer) }
        guard !isDown[index] else { return }
        if liveness == .suspect { falseSuspicions += 1 }
        if liveness == .dead { falseDeaths += 1 }
    }

    private mutating func schedule(_ arrival: Arrival, after delay: UInt64) {
        let slot = Int((time + max(delay, 1)) % UInt64(calendar.count))
        calendar[slot].append(arrival)
    }
}
