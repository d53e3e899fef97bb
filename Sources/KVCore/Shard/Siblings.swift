// What the shards of one node tell each other. Towards other nodes the first shard speaks for all of them, so that what
// an idle node sends does not grow with its shards.

/// A message from one shard of a node to others of the same node. The first shard's messages go to all others, and
/// theirs to the first.
///
/// It may be late, as event loops are, and is never lost.
package enum SiblingMessage: Hashable, Sendable {
    /// The shard runs: the first shard says so to the others in each of its heartbeats' turns, and the others to it.
    case beat(SiblingBeat)
    /// The shard supports a node from now on, which has asked for it. Only the first shard is told.
    case support(SiblingSupport)
}

/// One shard's part of an answer to a node that wants support.
package struct SiblingSupport: Hashable, Sendable {
    package var node: NodeNumber
    package var question: SupportQuestion
    package var shard: UInt16
    /// How many promises of the node the shard has given to others.
    package var taken: UInt64

    package init(node: NodeNumber, question: SupportQuestion, shard: UInt16, taken: UInt64) {
        self.node = node
        self.question = question
        self.shard = shard
        self.taken = taken
    }
}

/// What a shard would say in a heartbeat of its own.
package struct SiblingBeat: Hashable, Sendable {
    package var shard: UInt16
    /// The version of what it leads that all other members have been sent.
    package var version: UInt64
    /// The peers that it attends to, ascending.
    package var attended: [NodeNumber]
    /// The peers whose support its leaders want, ascending.
    package var wanted: [NodeNumber]
    /// The peers that it is in touch with; only the first shard says so.
    package var reached: Set<NodeNumber>

    package init(
        shard: UInt16, version: UInt64, attended: [NodeNumber] = [], wanted: [NodeNumber] = [],
        reached: Set<NodeNumber> = []
    ) {
        self.shard = shard
        self.version = version
        self.attended = attended
        self.wanted = wanted
        self.reached = reached
    }
}

/// What a shard knows of the other shards of its node: the first one of all others, each of them of the first.
struct Siblings {
    /// Even where the first shard speaks for it, a shard sends heartbeats of its own once in so many turns, half a
    /// minute: its connections carry nothing else on an idle node, and what stands between two nodes may forget them.
    static let ownTurns = 100

    private struct Sibling {
        var beat: SiblingBeat
        var heard: Instant
    }

    private var siblings: [UInt16: Sibling] = [:]

    /// Notes what a sibling has said. The number of shards that a list may name limits them.
    mutating func heard(_ beat: SiblingBeat, at now: Instant) {
        guard beat.shard < LeadershipUpdate.maximumShards else { return }
        siblings[beat.shard] = Sibling(beat: beat, heard: now)
    }

    /// Whether the first shard's event loop runs, and is in touch with a peer, so that it speaks for this one there.
    func firstSpeaks(to node: NodeNumber, at now: Instant, _ options: ShardOptions) -> Bool {
        runs(0, at: now, options) && siblings[0]?.beat.reached.contains(node) == true
    }

    /// The lists of those shards whose event loops run, ascending by shard.
    func lists(at now: Instant, _ options: ShardOptions) -> [LeadershipUpdate.Unchanged] {
        siblings.keys.sorted().filter { runs($0, at: now, options) }.compactMap { shard in
            siblings[shard].map { LeadershipUpdate.Unchanged(shard: shard, version: $0.beat.version) }
        }
    }

    /// The peers whose support leaders of shards that run want.
    func wanted(at now: Instant, _ options: ShardOptions) -> Set<NodeNumber> {
        var wanted: Set<NodeNumber> = []
        for (shard, sibling) in siblings where runs(shard, at: now, options) {
            wanted.formUnion(sibling.beat.wanted)
        }
        return wanted
    }

    /// Whether all other shards run. (Support for a node is support for all of its shards: it would keep others from
    /// taking over what a shard leads whose event loop stands still.)
    func allRun(of shards: Int, at now: Instant, _ options: ShardOptions) -> Bool {
        (1..<max(shards, 1)).allSatisfy { runs(UInt16(truncatingIfNeeded: $0), at: now, options) }
    }

    /// Whether one of them attends to a peer.
    func attend(to node: NodeNumber) -> Bool { siblings.values.contains { $0.beat.attended.contains(node) } }

    /// One beat may be late by half of the time between two. A shard that has stopped must not seem to lead.
    private func runs(_ shard: UInt16, at now: Instant, _ options: ShardOptions) -> Bool {
        let limit = options.leaderHeartbeat.nanoseconds / 2 * 3
        return siblings[shard].map { (now - $0.heard).nanoseconds < limit } ?? false
    }
}
