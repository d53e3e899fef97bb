/// What the parts of a shard share: who and when this is, who is in touch, and where decisions go.
class Environment {
    let me: NodeNumber
    let options: ShardOptions
    var epoch: Epoch
    var now: Now
    var random: SplitMix
    var isDraining = false
    var effects: [ShardEffect] = []
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

    init(me: NodeNumber, options: ShardOptions, epoch: Epoch, now: Now, seed: UInt64) {
        self.me = me
        self.options = options
        self.epoch = epoch
        self.now = now
        started = now.monotonic
        random = SplitMix(seed: seed)
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
