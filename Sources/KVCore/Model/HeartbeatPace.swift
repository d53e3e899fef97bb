/// How often two nodes that have nothing to do with each other exchange heartbeats.
///
/// If every node told every other one several times a second that it runs, an idle cluster's packets would grow with
/// the square of its members. So where neither node waits for the other, heartbeats come the more rarely the more
/// members there are, and a node sends about as many whatever the number. As soon as a node waits for another one, or
/// anybody doubts that it runs, the two *attend* to each other: then a heartbeat comes in every turn, that is, every
/// `ShardOptions.leaderHeartbeat`. Up to four members always do.
package struct HeartbeatPace: Hashable, Sendable {
    /// The number of peers that a node sends heartbeats to in a turn.
    static let peersPerTurn = 3

    /// The number of turns from one heartbeat to the next, to a peer that is not attended to.
    package let turns: Int

    package init(members: Int) {
        turns = max(1, (max(members - 1, 0) + Self.peersPerTurn - 1) / Self.peersPerTurn)
    }

    /// Whether attention makes a difference.
    package var isReduced: Bool { turns > 1 }

    /// A time limit that is `limit` where a heartbeat comes in every turn.
    package func stretched(_ limit: Nanoseconds) -> Nanoseconds {
        Nanoseconds(nanoseconds: limit.nanoseconds * UInt64(turns))
    }

    /// Whether a peer that is not attended to is sent a heartbeat in a turn. Peers take turns.
    func isDue(_ node: NodeNumber, turn: Int) -> Bool { (turn + Int(node.raw)) % turns == 0 }
}
