import KVCore
import KVWire

/// Whom this node talks to. Both sides of a connection apply it to what the other says of itself.
public struct PeerPolicy: Sendable {
    /// What this node says of itself.
    public var introduction: Introduction
    /// The members of the topology.
    public var member: @Sendable (NodeNumber) -> Member?
    /// Why a member with this store is refused; nil where the store is the one it is known to have.
    public var storeObjection: @Sendable (NodeNumber, UUID128) -> String?

    public init(
        introduction: Introduction, member: @escaping @Sendable (NodeNumber) -> Member?,
        storeObjection: @escaping @Sendable (NodeNumber, UUID128) -> String?
    ) {
        self.introduction = introduction
        self.member = member
        self.storeObjection = storeObjection
    }

    /// Why `other` is refused: what is wrong, between whom, and what to do, for the logs of both. Nil: it is welcome.
    func objection(to other: Introduction) -> String? {
        let me = introduction.nodeID
        let them = printable(other.nodeID)
        guard other.clusterName == introduction.clusterName else {
            return """
                \(them) is of the cluster \(quoted(other.clusterName)), \(me) of \(quoted(introduction.clusterName)); \
                correct cluster.name, or the peer addresses, in the configuration of one of them
                """
        }
        if let difference = difference(from: other) {
            return """
                the configurations of \(me) and \(them) differ: \(difference); \
                give all nodes the same file and start them again
                """
        }
        guard other.clusterID == introduction.clusterID else {
            return """
                \(them) is of the cluster with the id \(other.clusterID), \(me) of \(introduction.clusterID), both named \
                \(quoted(introduction.clusterName)); start each with the data directory of the same cluster
                """
        }
        guard other.node != introduction.node else {
            return """
                \(them) has the number of \(me) itself (\(introduction.node)): two processes run as the same node, or a \
                peer address leads back; start each with its own --node and correct the peer addresses
                """
        }
        guard let member = member(other.node), member.id == other.nodeID else {
            return """
                \(them) (\(other.node)) is not a member known to \(me); \
                list it under nodes: in the configuration of every node, and start them again
                """
        }
        return storeObjection(other.node, other.store)
    }

    /// The first line on which the two configurations do not agree.
    private func difference(from other: Introduction) -> String? {
        let mine = introduction.agreement
        let theirs = other.agreement
        let (me, them) = (introduction.nodeID, printable(other.nodeID))
        let same = zip(mine, theirs).prefix { $0 == $1 }.count
        switch (mine.indices.contains(same) ? mine[same] : nil, theirs.indices.contains(same) ? theirs[same] : nil) {
        case (nil, nil):
            return nil
        case (let own?, let other?) where own.path == other.path:
            return "\(own.path) is \(quoted(own.value)) on \(me) and \(quoted(other.value)) on \(them)"
        case (let own?, let other):
            if let other, !mine.contains(where: { $0.path == other.path }) {
                return "\(printable(other.path)) is \(quoted(other.value)) on \(them) and not set on \(me)"
            }
            return "\(own.path) is \(quoted(own.value)) on \(me) and not set on \(them)"
        case (nil, let other?):
            return "\(printable(other.path)) is \(quoted(other.value)) on \(them) and not set on \(me)"
        }
    }
}

/// Text of strangers, fit for a line of a log: control characters replaced, and not too long.
func printable(_ text: String, limit: Int = 200) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(limit) {
        let isControl =
            scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            || scalar.value == 0x2028 || scalar.value == 0x2029
        result.unicodeScalars.append(isControl ? "\u{fffd}" : scalar)
    }
    return text.unicodeScalars.count > limit ? result + "..." : result
}

private func quoted(_ text: String) -> String { "\"\(printable(text))\"" }
