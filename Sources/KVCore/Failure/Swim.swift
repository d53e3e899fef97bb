/// Decides which members run: each is alive, suspect or dead.
///
/// It is SWIM (Das, Gupta and Motivala, 2002) with Lifeguard (Dadgar, Phillips and Currey, 2017). Every node pings a
/// few members in turn each interval; one that does not answer is pinged through others, then suspected, and, unless it
/// refutes that, declared dead. News travels on these messages: each node tells each piece a number of times that grows
/// with the logarithm of the members, so that all know in as many rounds and no node sends more than a constant amount.
///
///     alive(i) --probe failed--> suspect(i) --time--> dead(i)
///        ^                           |                   |
///        +------ alive(i + 1), said by the member itself +
///
/// Only a member raises its incarnation, to refute what is said of it; a new process begins with a higher one than any
/// before. So a member that was paused, cut off or restarted is alive again as soon as it is heard.
///
/// Lifeguard's part is to doubt oneself first. A node that misses answers that must have come (nacks of helpers), has
/// to refute a suspicion, or finds its own ticks late gives others more time. A suspicion lasts long until others
/// confirm it. A suspect is told so with the next ping to it.
///
/// The detector only informs: no guarantee of the store depends on its being right.
package struct Swim: Sendable {
    /// What the caller is to perform, in order; it empties the array.
    package var effects: [SwimEffect] = []
    package let me: NodeNumber
    package let options: SwimOptions
    /// This process's own incarnation.
    package internal(set) var incarnation: UInt64
    /// Lifeguard's local health: 0 is well, `SwimOptions.maximumHealthScore` the worst.
    package internal(set) var healthScore = 0

    /// The epoch of the topology that this node goes by. Every message tells it. A later one is news, and is passed on
    /// as such.
    package var epoch: Epoch = 0 {
        didSet { if epoch > oldValue { epochTellings = transmissions } }
    }

    /// No process has an incarnation from here on: there must be room above every incarnation to refute.
    static let incarnationLimit = UInt64(1) << 63

    var clock: OwnClock
    var random: SplitMix
    /// Ascending by number.
    var peers: [SwimPeer] = []
    /// The order in which members are probed. It stays as it is, so that the time between two probes of one is bounded.
    var probeOrder: [NodeNumber] = []
    var nextInOrder = 0
    /// The same members, in the order in which they were last drawn.
    var shuffled: [NodeNumber] = []
    /// The members whose status is suspect, and those whose status is dead.
    var suspects: [NodeNumber] = []
    var dead: [NodeNumber] = []
    var deadProbe = 0
    var probes: [SwimProbe] = []
    var relays: [SwimRelay] = []
    var rumors = Rumors()
    /// Messages of gossip that are still to carry the epoch, if nothing else.
    var epochTellings = 0
    var sequence: UInt32
    private var nextProbe: Instant
    private var nextGossip: Instant
    private var nextDeadProbe: Instant

    /// - Parameters:
    ///   - incarnation: higher than any that this member had before: its boot counter shifted left by 32.
    ///   - seed: nodes with different ones probe in different orders.
    package init(me: NodeNumber, incarnation: UInt64, options: SwimOptions, seed: UInt64, now: Instant) {
        self.me = me
        self.incarnation = min(incarnation, Self.incarnationLimit - 1)
        self.options = options
        clock = OwnClock(now: now, maximumStep: options.maximumStep)
        random = SplitMix(seed: seed)
        // Random, so that an answer to a former process is not taken for one to this.
        sequence = UInt32(truncatingIfNeeded: random.next())
        nextProbe = now + options.probeInterval.scaled(UInt64.random(in: 0..<1000, using: &random), over: 3000)
        nextGossip = now + options.gossipInterval
        nextDeadProbe = now + options.probeInterval
        rumors.begin(me)
    }

    /// Sets the members, as the topology has them; this node is left out. New ones count as alive until found
    /// otherwise. Those no longer named are forgotten.
    package mutating func setMembers(_ members: [NodeNumber], now: Instant) {
        advance(now, isTick: false)
        let wanted = Set(members).subtracting([me])
        for number in peers.map(\.number) where !wanted.contains(number) { forget(number) }
        for number in wanted.sorted() where index(of: number) == nil {
            peers.insert(SwimPeer(number: number, now: clock.time), at: position(of: number))
            let place = Int.random(in: 0...probeOrder.count, using: &random)
            probeOrder.insert(number, at: place)
            if place <= nextInOrder { nextInOrder += 1 }
            shuffled.append(number)
        }
        assert(zip(peers, peers.dropFirst()).allSatisfy { $0.number < $1.number }, "members ascend by number")
        assert(probeOrder.count == peers.count && shuffled.count == peers.count, "every list has every member once")
        assert((suspects + dead).allSatisfy { index(of: $0) != nil }, "only members are suspect or dead")
    }

    /// The status of a member; nil for a stranger.
    package func liveness(of node: NodeNumber) -> Liveness? {
        node == me ? .alive : index(of: node).map { peers[$0].liveness }
    }

    /// Handles a message. The topology alone says who is a member: messages from others are ignored, and so are updates
    /// about others.
    package mutating func receive(_ message: GossipMessage, from: NodeNumber, now: Instant) {
        advance(now, isTick: false)
        // It is from a stranger, or forged.
        guard message.incarnation < Self.incarnationLimit, let sender = index(of: from) else { return }
        if message.epoch > epoch { effects.append(.epochSeen(message.epoch, at: from)) }
        hear(sender, incarnation: message.incarnation)
        var reply = Reply()
        for update in message.updates { consider(update, from: from, &reply) }
        // A suspect that sends messages may well be alive: it can say so once it knows of the suspicion.
        let isSuspected = peers[sender].liveness != .alive && peers[sender].incarnation == message.incarnation
        switch message.kind {
        case .ping(let sequence):
            send(.ack(sequence: sequence), to: from, first: reply.corrections)
            return
        case .pingRequest(let sequence, let target): relay(to: target, requester: from, requested: sequence)
        case .ack(let sequence): acknowledged(sequence, by: from)
        case .nack(let sequence): declined(sequence, by: from)
        case .gossip: break
        }
        if isSuspected || reply.isNeeded { tell(from, first: reply.corrections) }
    }

    /// `node` has just been heard over a connection. Whatever others say of it, it is alive to this node while it is
    /// heard. (memberlist pings over TCP where UDP fails; here connections stand, and carry heartbeats.)
    package mutating func vouch(for node: NodeNumber, now: Instant) {
        advance(now, isTick: false)
        // It is no member any more.
        guard let index = index(of: node) else { return }
        peers[index].vouchedUntil = clock.time + options.vouchTime
        clear(index)
    }

    func isVouched(_ node: NodeNumber) -> Bool { index(of: node).map { clock.time < peers[$0].vouchedUntil } ?? false }

    /// Time has passed: to be given every `SwimOptions.timer` or so.
    package mutating func tick(now: Instant) {
        advance(now, isTick: true)
        let time = clock.time
        attendProbes(time)
        attendRelays(time)
        attendSuspects(time)
        if time >= nextProbe {
            let slot = options.probeInterval.scaled(1, over: UInt64(max(options.probesPerInterval, 1)))
            // Counted from when it was due, not from `time`: otherwise every turn would be longer by a tick.
            nextProbe = max(nextProbe + slot, time)
            probeNext()
        }
        if time >= nextDeadProbe {
            nextDeadProbe = time + options.probeInterval
            probeOneDead()
        }
        if time >= nextGossip {
            nextGossip = time + options.gossipInterval
            gossip()
        }
    }

    /// How often this node tells one piece of news.
    var transmissions: Int { options.transmissions(members: peers.count + 1) }

    /// How many other members are alive.
    var aliveCount: Int { peers.count - suspects.count - dead.count }

    private mutating func advance(_ now: Instant, isTick: Bool) {
        let lateness = clock.advance(to: now, isTick: isTick)
        guard lateness > .zero else { return }
        let intervals = lateness.nanoseconds / options.probeInterval.nanoseconds
        worsenHealth(1 + Int(clamping: min(intervals, UInt64(max(options.maximumHealthScore, 0)))))
    }

    mutating func worsenHealth(_ points: Int) { healthScore = min(healthScore + points, options.maximumHealthScore) }

    private mutating func forget(_ number: NodeNumber) {
        peers.removeAll { $0.number == number }
        if let place = probeOrder.firstIndex(of: number) {
            probeOrder.remove(at: place)
            if place < nextInOrder { nextInOrder -= 1 }
        }
        shuffled.removeAll { $0 == number }
        suspects.removeAll { $0 == number }
        dead.removeAll { $0 == number }
        probes.removeAll { $0.target == number }
        relays.removeAll { $0.target == number || $0.requester == number }
        rumors.end(number)
    }

    func index(of number: NodeNumber) -> Int? {
        let index = position(of: number)
        return index < peers.count && peers[index].number == number ? index : nil
    }

    /// The place of a member among `peers`, or where it would be.
    private func position(of number: NodeNumber) -> Int {
        var (low, high) = (0, peers.count)
        while low < high {
            let middle = (low + high) / 2
            if peers[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
