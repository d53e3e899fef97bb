import KVCore

/// The product's own failure detector, with what a node knows of its links.
struct SwimWatch {
    var swim: Swim
    var reachability = Reachability()
    /// By machine: a link that was cut on purpose is not made again before then.
    private var deafUntil: [UInt64]

    init(me: NodeNumber, boot: UInt64, interval: Span, machines: Int, seed: UInt64, now: Instant) {
        swim = Swim(
            me: me, incarnation: boot << 32, options: SwimOptions(probeInterval: interval), seed: seed, now: now)
        deafUntil = Array(repeating: 0, count: machines)
    }

    mutating func follow(_ topology: Topology, now: Instant) {
        swim.setMembers(topology.members.map(\.number), now: now)
        swim.epoch = topology.epoch
    }

    /// The other end of a link has shown itself.
    mutating func heard(_ node: NodeNumber, machine: Int, boot: UInt64, at time: UInt64) {
        if time >= deafUntil[machine] { reachability.linkUp(node, boot: boot) }
    }

    mutating func cut(_ node: NodeNumber, machine: Int, until time: UInt64) {
        deafUntil[machine] = max(deafUntil[machine], time)
        reachability.linkDown(node)
    }

    mutating func hearAgain() {
        for index in deafUntil.indices { deafUntil[index] = 0 }
    }
}
