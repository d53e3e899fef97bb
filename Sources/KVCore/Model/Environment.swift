/// The state that all parts of a shard share: the node's number, the time, the peers in touch, the requests, and the
/// effects that have been decided.
class Environment {
    let me: NodeNumber
    /// The boot counter of this process.
    let boot: UInt64
    let options: ShardOptions
    var epoch: Epoch
    var now: Now
    var random: SplitMix
    var isDraining = false
    var effects: [ShardEffect] = []

    /// Requests of this node's clients that have ended. The shard's caller takes them at the end of the turn.
    var finished: [Request] = []
    /// Requests of this node's clients that its replicas have turned away. The router takes them.
    var turnedAway: [(Request, hint: NodeNumber?)] = []
    /// Requests of this node's clients that other nodes have, or that wait for a leader.
    var pursued: RequestTable
    /// All requests that have not ended, by the time at which they must be answered.
    var deadlines: Deadlines
    /// The number of requests of this node's clients that have not ended.
    var underWay = 0
    /// The request that is being submitted. If it ends at once, it is not added to `finished`: the caller of `submit`
    /// sees it.
    var submitting: Request?
    /// The peers in touch: the boot counter of each, since when it has been in touch, and whether it relays requests.
    private(set) var up: [NodeNumber: (boot: UInt64, since: Instant, relays: Bool)] = [:]

    /// Grows whenever a peer comes in touch or goes out of touch.
    private(set) var touch: UInt64 = 1

    /// How often peers are sent heartbeats that this node does not attend to.
    var pace = HeartbeatPace(members: 1)
    /// The peers that this node attends to, and since when.
    private var attended: [NodeNumber: Instant] = [:]

    /// Peers that have declined a leadership, because they are stopping or their disks have stalled, and until when
    /// that counts.
    private var declined: [NodeNumber: Instant] = [:]

    /// When this process began. For a while after, peers that have not been heard of yet are given their turn to lead.
    private let started: Instant
    private var everHeard: Set<NodeNumber> = []
    /// The boot counter that each peer had when it was last in touch.
    private var lastBoot: [NodeNumber: UInt64] = [:]

    init(
        me: NodeNumber, boot: UInt64, shard: Int, options: ShardOptions, epoch: Epoch, now: Now, seed: UInt64
    ) {
        self.me = me
        self.boot = boot
        self.options = options
        self.epoch = epoch
        self.now = now
        started = now.monotonic
        random = SplitMix(seed: seed)
        pursued = RequestTable(boot: boot, shard: shard)
        deadlines = Deadlines(now: now.monotonic)
    }

    /// True if a test has switched this rule off.
    @inline(__always)
    final func breaks(_ rule: BrokenRules) -> Bool { options.broken.contains(rule) }

    // MARK: Requests

    /// Ends a request that this node has executed. A request ends once: later calls do nothing.
    func finish(_ request: Request, _ outcome: Outcome) { finish(request, outcome, by: me) }

    /// Ends a request. A request ends once: later calls do nothing.
    /// - Parameter node: The node that has executed the request.
    func finish(_ request: Request, _ outcome: Outcome, by node: NodeNumber) {
        guard !request.isFinished else { return }
        request.end(outcome, by: node)
        deadlines.remove(request)
        switch request.origin {
        case .peer(let asker, let id): send(asker, .reply(id, .forwarded(.outcome(outcome))))
        case .client:
            underWay -= 1
            if let number = request.number { pursued.remove(number) }
            if request !== submitting { finished.append(request) }
        }
    }

    /// Returns a request that this node's replica cannot execute, because it does not lead. `hint` is the leader, if
    /// the replica knows it.
    func turnAway(_ request: Request, hint: NodeNumber?) {
        guard !request.isFinished else { return }
        request.stage = .begun
        switch request.origin {
        case .peer(let asker, let id):
            // The node that has sent the request looks for another leader.
            request.stage = .finished
            deadlines.remove(request)
            send(asker, .reply(id, .forwarded(.notLeader(hint: hint))))
        case .client: turnedAway.append((request, hint))
        }
    }

    func send(_ node: NodeNumber, _ message: PeerMessage) { effects.append(.send(node, message)) }

    func relays(_ node: NodeNumber) -> Bool { up[node]?.relays ?? false }

    func isUp(_ node: NodeNumber) -> Bool { node == me || up[node] != nil }

    /// True if `node`, where it is preferred as a leader, is to be given time to lead: it is in touch, or it has not
    /// been heard of and this process has only just started.
    func isInTurn(_ node: NodeNumber) -> Bool {
        isUp(node) || !everHeard.contains(node) && now.monotonic - started < options.startGrace
    }

    func setAttended(_ node: NodeNumber, _ isAttended: Bool) {
        guard isAttended else { return attended[node] = nil }
        if attended[node] == nil { attended[node] = now.monotonic }
    }

    func isAttended(_ node: NodeNumber) -> Bool { attended[node] != nil }

    /// The peers that this node attends to, ascending.
    var attendedPeers: [NodeNumber] { attended.keys.sorted() }

    /// True if a leader on `node` that was last heard at `heard` counts as gone.
    func isOverdue(_ node: NodeNumber, heard: Instant) -> Bool { now.monotonic >= overdue(node, heard: heard) }

    /// When a leader on `node` that was last heard at `heard` counts as gone, unless it is heard again.
    func overdue(_ node: NodeNumber, heard: Instant) -> Instant {
        guard pace.isReduced else { return heard + options.leaderTimeout }
        guard let since = attended[node] else { return heard + pace.stretched(options.leaderTimeout) }
        // From here on heartbeats come in every turn.
        return max(heard, since) + options.leaderTimeout
    }

    /// Notes that a peer is in touch.
    /// - Returns: The boot counter that the peer had when it was last in touch; nil if it never was.
    func setUp(_ node: NodeNumber, boot: UInt64, relays: Bool) -> UInt64? {
        everHeard.insert(node)
        declined[node] = nil
        touch += 1
        up[node] = (boot, now.monotonic, relays)
        return lastBoot.updateValue(boot, forKey: node)
    }

    func setDown(_ node: NodeNumber) {
        everHeard.insert(node)
        touch += 1
        up[node] = nil
        declined[node] = nil
    }

    /// Notes that a peer has declined a leadership.
    func setDeclining(_ node: NodeNumber) { declined[node] = now.monotonic + options.declined }

    func isDeclining(_ node: NodeNumber) -> Bool { declined[node].map { now.monotonic < $0 } ?? false }
}
