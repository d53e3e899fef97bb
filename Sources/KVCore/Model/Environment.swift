/// What the parts of a shard share: who and when this is, who is in touch, and where decisions go.
class Environment {
    let me: NodeNumber
    let options: ShardOptions
    var epoch: Epoch
    var now: Now
    var random: SplitMix
    var isDraining = false
    var effects: [ShardEffect] = []

    /// Requests of this node's clients that have ended, for the caller of the shard.
    var finished: [Request] = []
    /// Those that this node's replicas have turned away, for the router.
    var turnedAway: [(Request, hint: NodeNumber?)] = []
    /// Those that are with other nodes, or wait for a leader.
    var pursued: RequestTable
    /// All that must be answered in time.
    var deadlines: Deadlines
    /// Requests of this node's clients that have not ended.
    var underWay = 0
    /// The one that is being submitted: whoever submits it sees whether it has ended.
    var submitting: Request?
    /// Peers in touch: their boot counters, since when, and whether they pass requests on.
    private(set) var up: [NodeNumber: (boot: UInt64, since: Instant, relays: Bool)] = [:]

    /// Grows whenever somebody comes or goes.
    private(set) var touch: UInt64 = 1

    /// Peers that have declined a leadership, as they are stopping or their disks have stalled, and until when that
    /// counts.
    private var declined: [NodeNumber: Instant] = [:]

    /// When this process began: peers not yet heard of are given their turn for a while after.
    private let started: Instant
    private var everHeard: Set<NodeNumber> = []
    /// The boot counter that each peer had when it was last in touch.
    private var lastBoot: [NodeNumber: UInt64] = [:]

    init(
        me: NodeNumber, boot: UInt64, shard: Int, options: ShardOptions, epoch: Epoch, now: Now, seed: UInt64
    ) {
        self.me = me
        self.options = options
        self.epoch = epoch
        self.now = now
        started = now.monotonic
        random = SplitMix(seed: seed)
        pursued = RequestTable(boot: boot, shard: shard)
        deadlines = Deadlines(now: now.monotonic)
    }

    /// Whether a test has taken this rule away.
    @inline(__always)
    final func breaks(_ rule: BrokenRules) -> Bool { options.broken.contains(rule) }

    // MARK: Requests

    /// Ends a request, unless it has ended before: it is answered once.
    func finish(_ request: Request, _ outcome: Outcome) { finish(request, outcome, by: me) }

    /// - Parameter node: executed it.
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

    /// This node's replica does not lead, and does not know better than `hint` who does.
    func turnAway(_ request: Request, hint: NodeNumber?) {
        guard !request.isFinished else { return }
        request.stage = .begun
        switch request.origin {
        case .peer(let asker, let id):
            // It is that node's to find another.
            request.stage = .finished
            deadlines.remove(request)
            send(asker, .reply(id, .forwarded(.notLeader(hint: hint))))
        case .client: turnedAway.append((request, hint))
        }
    }

    func send(_ node: NodeNumber, _ message: PeerMessage) { effects.append(.send(node, message)) }

    func relays(_ node: NodeNumber) -> Bool { up[node]?.relays ?? false }

    func isUp(_ node: NodeNumber) -> Bool { node == me || up[node] != nil }

    /// Whether to leave a partition to `node` where it comes first: it is in touch, or this node has only just begun to
    /// listen.
    func isInTurn(_ node: NodeNumber) -> Bool {
        isUp(node) || !everHeard.contains(node) && now.monotonic - started < options.startGrace
    }

    /// Returns the boot counter of the process that was last in touch; nil where none ever was.
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

    func setDeclining(_ node: NodeNumber) { declined[node] = now.monotonic + options.declined }

    func isDeclining(_ node: NodeNumber) -> Bool { declined[node].map { now.monotonic < $0 } ?? false }
}
