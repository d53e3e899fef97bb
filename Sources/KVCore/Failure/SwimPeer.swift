/// What a failure detector knows of a member.
struct SwimPeer: Sendable {
    let number: NodeNumber
    /// The highest incarnation heard of; 0 before any.
    var incarnation: UInt64 = 0
    var liveness = Liveness.alive
    /// When a suspicion began, and who holds it, perhaps with this node among them: first the member that suspected
    /// first, then those that confirmed it.
    var suspectSince: Instant
    var suspecting: [NodeNumber] = []
    /// The member that found the status held here; the first one, where it is a suspicion.
    var source: NodeNumber
    /// It is not told out of turn before then that it is suspected.
    var tellAfter: Instant
    /// It was heard over a connection. A probe that fails before then says something of datagrams, and nothing of it.
    var vouchedUntil: Instant

    init(number: NodeNumber, now: Instant) {
        self.number = number
        suspectSince = now
        source = number
        tellAfter = now
        vouchedUntil = now
    }

    /// The status held here, as it is passed on: of a suspect once for each accuser, as they confirm each other.
    var updates: [GossipUpdate] {
        (suspecting.isEmpty ? [source] : suspecting).map {
            GossipUpdate(node: number, incarnation: incarnation, liveness: liveness, source: $0)
        }
    }

    /// Whether `update` overrules what is held here.
    ///
    /// A higher incarnation always does: only the member itself raises it. At the same one the graver status holds, or
    /// else two nodes would go on telling each other the opposite.
    func isOverruled(by update: GossipUpdate) -> Bool {
        update.incarnation > incarnation
            || update.incarnation == incarnation && update.liveness.rawValue > liveness.rawValue
    }
}

/// A probe of this node's under way.
struct SwimProbe: Sendable {
    let target: NodeNumber
    let sequence: UInt32
    /// Whether the target was alive when the probe began.
    let wasAlive: Bool
    /// When others are asked to probe as well; nil once they have been.
    var escalation: Instant?
    let deadline: Instant
    var helpers: [NodeNumber] = []
    /// Helpers from which nothing has come.
    var silent: [NodeNumber] = []
}

/// A probe on another's behalf.
struct SwimRelay: Sendable {
    let target: NodeNumber
    /// The number of this node's ping.
    let sequence: UInt32
    let requester: NodeNumber
    /// The number of the requester's ping.
    let requested: UInt32
    /// When to say that there is no answer; nil once said.
    var nackAt: Instant?
    /// A late answer is passed on until then.
    let expires: Instant
}
