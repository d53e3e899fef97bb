import KVCore

/// The sentences in which clients of all protocols are told of the same failure: what happened, to what, and what to do
/// next. Each protocol puts its own code before them.
enum FailureText {
    /// - Parameter advice: what to do next, where the protocol can say more than the others.
    static func of(_ refusal: Refusal, advice: String? = nil) -> String {
        switch refusal {
        case .noLeader:
            "nothing was changed: no majority of the key's replicas could be reached in time; \(advice ?? "try again")"
        case .overloaded:
            """
            nothing was changed: the node has as many requests in flight as it may hold (limits.in_flight); \
            \(advice ?? "send fewer at once")
            """
        case .diskFull:
            """
            nothing was changed: the disk of a replica is nearly full; \
            \(advice ?? "free space there or delete keys (deletes and reads still work)")
            """
        case .stopping: "nothing was changed: the node is stopping; \(advice ?? "ask another node")"
        case .noReplica:
            """
            none of the key's replicas answered in time with a copy that its disk can read; \(advice ?? "try again")
            """
        case .notMember:
            """
            this node is not a member of a cluster: \
            \(advice ?? "if it waits to be admitted, run kv join; ask another node meanwhile")
            """
        }
    }

    static func of(_ uncertainty: Uncertainty) -> String {
        let cause =
            switch uncertainty {
            case .timedOut: "the replicas did not answer in time"
            case .leaderLost: "the node that was carrying it out was lost"
            }
        return "\(cause): the change may have taken effect, or may yet; read the key before you try again"
    }

    /// The replies of other clients take the room that this one's would need.
    static func noRoomForReplies(advice: String) -> String {
        """
        nothing was changed: the node holds as many bytes of replies for its clients as it may (limits.replies); \(advice)
        """
    }

    static let foreignCursor = "the cursor is not one that this cluster gave; begin again without one"

    static let unfitting =
        "the node got an answer that does not fit the request; this is a fault in kv, please report it"
}
