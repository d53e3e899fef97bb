import KVCore

/// The product's failure detector, which a node's shards share.
struct SwimWatch {
    var swim: Swim
    private var members: [NodeNumber] = []

    init(me: NodeNumber, boot: UInt64, interval: Nanoseconds, seed: UInt64, now: Instant) {
        swim = Swim(
            me: me, incarnation: boot << 32, options: SwimOptions(probeInterval: interval), seed: seed, now: now)
    }

    mutating func follow(_ topology: Topology, now: Instant) {
        members = topology.members.map(\.number)
        swim.setMembers(members, now: now)
        swim.epoch = topology.epoch
    }

    /// Has it look at the time. To be called with each timer of the first shard, whose links these are.
    mutating func tick(_ links: LinkWatch?, now: Instant) {
        for member in members where links?.reachability.isHeard(member, within: Reachability.lately) ?? false {
            swim.vouch(for: member, now: now)
        }
        swim.tick(now: now)
    }
}

/// The product's `Reachability` of one shard.
struct LinkWatch {
    var reachability: Reachability
    /// The number of times that a peer went out of touch at a tick, that is, because nothing had come from it.
    private(set) var silences = 0
    /// False if a mutant never attends to a peer.
    private let attends: Bool
    /// By machine: when a connection that was cut on purpose may be made again.
    private var deafUntil: [UInt64]

    init(machines: Int, attends: Bool, now: Instant) {
        reachability = Reachability(now: now)
        self.attends = attends
        deafUntil = Array(repeating: 0, count: machines)
    }

    mutating func follow(_ topology: Topology) {
        reachability.pace = HeartbeatPace(members: topology.members.count)
    }

    /// Notes that a peer's process has been heard, so a connection to it stands.
    mutating func heard(_ node: NodeNumber, machine: Int, boot: UInt64, beats: Bool, at time: UInt64, now: Instant) {
        if time >= deafUntil[machine] { reachability.linkUp(node, boot: boot, beats: beats, now: now) }
    }

    mutating func attend(_ node: NodeNumber, isDoubted: Bool = false, now: Instant) {
        if attends { reachability.attend(node, isDoubted: isDoubted, now: now) }
    }

    /// Has it look at the time. To be called with each timer of the shard.
    mutating func tick(now: Instant) {
        let before = reachability.effects.count
        reachability.tick(now: now)
        for case .down in reachability.effects[before...] { silences += 1 }
    }

    /// Cuts the connection to a peer. It is not made again before `time`.
    mutating func cut(_ node: NodeNumber, machine: Int, until time: UInt64) {
        deafUntil[machine] = max(deafUntil[machine], time)
        reachability.linkDown(node)
    }

    /// Allows all connections to be made again.
    mutating func endSuspicions() {
        for index in deafUntil.indices { deafUntil[index] = 0 }
    }
}
