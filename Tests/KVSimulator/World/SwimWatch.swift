import KVCore

/// The product's own failure detector, with what a node knows of its links.
struct SwimWatch {
    var swim: Swim
    var reachability: Reachability
    /// How often a peer whose link stood was held for out of touch, as nothing came from it.
    private(set) var silences = 0
    private var members: [NodeNumber] = []
    /// By machine: a link that was cut on purpose is not made again before then.
    private var deafUntil: [UInt64]

    init(me: NodeNumber, boot: UInt64, interval: Nanoseconds, machines: Int, seed: UInt64, now: Instant) {
        swim = Swim(
            me: me, incarnation: boot << 32, options: SwimOptions(probeInterval: interval), seed: seed, now: now)
        reachability = Reachability(now: now)
        deafUntil = Array(repeating: 0, count: machines)
    }

    mutating func follow(_ topology: Topology, now: Instant) {
        members = topology.members.map(\.number)
        swim.setMembers(members, now: now)
        swim.epoch = topology.epoch
    }

    /// The other end of a link has shown itself.
    mutating func heard(_ node: NodeNumber, machine: Int, boot: UInt64, beats: Bool, at time: UInt64, now: Instant) {
        if time >= deafUntil[machine] { reachability.linkUp(node, boot: boot, beats: beats, now: now) }
    }

    /// Time has passed.
    mutating func tick(now: Instant) {
        let before = reachability.effects.count
        reachability.tick(now: now)
        for case .down in reachability.effects[before...] { silences += 1 }
        for member in members where reachability.isHeard(member, within: Reachability.lately) {
            swim.vouch(for: member, now: now)
        }
        swim.tick(now: now)
    }

    mutating func cut(_ node: NodeNumber, machine: Int, until time: UInt64) {
        deafUntil[machine] = max(deafUntil[machine], time)
        reachability.linkDown(node)
    }

    mutating func hearAgain() {
        for index in deafUntil.indices { deafUntil[index] = 0 }
    }
}
