import KVCore
import KVWire

/// The reason for which a peer is refused.
package struct Objection: Hashable, Sendable, ExpressibleByStringInterpolation {
    package var code: HandshakeRefusal.Code
    /// Says what is wrong, between which nodes, and what to do; for the logs of both.
    package var text: String

    package init(_ code: HandshakeRefusal.Code, _ text: String) {
        self.code = code
        self.text = text
    }

    package init(stringLiteral text: String) { self.init(.unspecified, text) }
}

/// Decides which peers this node talks to, by its topology. Both sides of a connection apply their policy to the
/// other's introduction.
package struct PeerPolicy: Sendable {
    /// This node's introduction; its number is 0 while it waits to be admitted.
    package var introduction: Introduction
    /// Nil while this node waits to be admitted: it then accepts any node of a cluster with the same name.
    package var topology: Topology?
    /// Says why a member is refused whose store is not in the topology; nil when it has the store that it is known by.
    package var storeObjection: @Sendable (Member, UUID128) -> String?

    /// Says why a member is refused whose starts show that its store has forgotten something; nil when they do not.
    package var startObjection: @Sendable (Introduction) -> Objection?

    /// True when `startObjection` or `storeObjection` would block: the peer is new or has started again, which must be
    /// written to disk.
    var blocks: @Sendable (Introduction) -> Bool = { _ in false }

    /// True while this node is a first member that the others have not admitted yet.
    var isFounding: @Sendable () -> Bool = { false }

    /// The words of a refusal by which a peer with version 3 of the protocol ends itself, since that version has no
    /// codes.
    static let removal = "was removed from the cluster"

    package init(
        introduction: Introduction, topology: Topology?,
        storeObjection: @escaping @Sendable (Member, UUID128) -> String?,
        startObjection: @escaping @Sendable (Introduction) -> Objection? = { _ in nil }
    ) {
        self.introduction = introduction
        self.topology = topology
        self.storeObjection = storeObjection
        self.startObjection = startObjection
    }

    /// Says why `other` is refused; nil when it is accepted.
    func objection(to other: Introduction) -> Objection? {
        let me = introduction.nodeID
        let them = printable(other.nodeID)
        guard other.clusterName == introduction.clusterName || takesAny(introduction) || takesAny(other) else {
            return """
                \(them) is of the cluster \(quoted(other.clusterName)), \(me) of \(quoted(introduction.clusterName)); \
                correct cluster.name, or the peer addresses, in the configuration of one of them
                """
        }
        guard other.store != introduction.store || other.boot != introduction.boot else {
            return "\(them) is this node itself: the address leads back; name the peer addresses of other nodes"
        }
        if let difference = difference(from: other) {
            return """
                the configurations of \(me) and \(them) differ: \(difference); \
                give all nodes the same file and start them again
                """
        }
        if let objection = syncObjection(to: other) { return objection }
        let isStranger = other.node.isPending && other.clusterID == .unknown || introduction.node.isPending
        guard isStranger || other.clusterID == introduction.clusterID else {
            return """
                \(them) is of the cluster with the id \(other.clusterID), \(me) of \(introduction.clusterID), both \
                named \(quoted(introduction.clusterName)); start each with the data directory of the same cluster
                """
        }
        guard let topology else {
            guard other.node.isPending else { return nil }
            return "\(them) waits to be admitted itself, as \(me) does; give both the peer address of a member as seed"
        }
        if topology.assignments.count > topology.settings.partitions, other.version < Handshake.firstWithChanges {
            return """
                \(them) is of an earlier version, and the partitions of \(quoted(topology.settings.name)) have been split, \
                which that version does not know of; start it with the version of \(me)
                """
        }
        return membershipObjection(to: other, them, topology)
    }

    /// True for a node that waits to be admitted and was not given the cluster's name.
    private func takesAny(_ one: Introduction) -> Bool {
        one.node.isPending && one.clusterName == Introduction.anyCluster
    }

    private func membershipObjection(to other: Introduction, _ them: String, _ topology: Topology) -> Objection? {
        let me = introduction.nodeID
        let cluster = quoted(topology.settings.name)
        if topology.removed.contains(where: { $0.store == other.store }) {
            return Objection(
                .removed,
                """
                \(them) \(Self.removal) \(cluster), and its data with it; to let it join again as a new member, empty \
                its data directory, start it with --seed and run `kv join \(them)`
                """)
        }
        if other.node.isPending { return nil }
        guard other.node != introduction.node else {
            return """
                \(them) has the number of \(me) itself (\(introduction.node)): two processes run as the same node, or \
                a peer address leads back; start each with its own --node and correct the peer addresses
                """
        }
        guard let member = topology.member(other.node) else {
            guard other.node > topology.lastNumber || other.epoch > topology.epoch else {
                // Numbers are never reused: this node was a member once.
                return Objection(
                    .removed,
                    """
                    \(them) (\(other.node)) \(Self.removal) \(cluster), and its data with it; to let it join again as \
                    a new member, empty its data directory, start it with --seed and run `kv join \(them)`
                    """)
            }
            return """
                \(them) (\(other.node)) is not a member known to \(me) at epoch \(topology.epoch); if it has just been \
                admitted, \(me) will hear of it and let it in
                """
        }
        guard member.id == other.nodeID else {
            return """
                \(them) has the number of \(member.id) (\(other.node)): two processes run as the same node; start each \
                with its own --node and its own data directory
                """
        }
        let otherStore =
            if let known = member.store {
                known == other.store ? nil : Self.otherStore(of: them, other.store, known: known, to: me)
            } else {
                storeObjection(member, other.store)
            }
        if let otherStore { return Objection(.otherStore, otherStore) }
        return startObjection(other)
    }

    static func otherStore(of them: String, _ store: UUID128, known: UUID128, to me: String) -> String {
        """
        \(them) has another data directory than before (store \(store), known to \(me) is \(known)): with what it had \
        promised forgotten it cannot vote; start it with its own data directory or, where that is lost, with an empty \
        one and --seed, and run `kv join \(them) --replace \(them)`
        """
    }

    /// Like `objection(to:)`, for the node that answers at the address of `target`.
    func objection(to other: Introduction, at target: PeerTarget) -> Objection? {
        if let objection = objection(to: other) { return objection }
        guard let number = target.number else {
            // A seed may be any node, except one that waits to be admitted too.
            return nil
        }
        if other.node.isPending, let member = topology?.member(number) {
            // It has been admitted, and does not know yet.
            guard member.store != other.store else { return nil }
            return """
                the peer address of \(target.name), \(target.address), is answered by \(printable(other.nodeID)), \
                which waits to be admitted with another data directory; let it take the place of \(target.name) with \
                `kv join \(printable(other.nodeID)) --replace \(target.name)`
                """
        }
        guard other.node == number else {
            return """
                the peer address of \(target.name), \(target.address), is answered by \(printable(other.nodeID)); \
                correct the peer addresses under nodes: in the configuration of every node, and start them again
                """
        }
        return nil
    }

    // MARK: Configurations

    /// The first line in which the two configurations differ. First members compare all lines until the topology first
    /// changes, and later when that explains why they are in different clusters. Other nodes compare only the lines
    /// about the cluster.
    private func difference(from other: Introduction) -> String? {
        let (me, them) = (introduction.nodeID, printable(other.nodeID))
        let areFirst = introduction.epoch == 1 && other.epoch == 1 || introduction.clusterID != other.clusterID
        guard areFirst, introduction.listsNodes, other.listsNodes else {
            for line in introduction.agreement where line.path.hasPrefix("cluster.") {
                if let theirs = other.agreement.first(where: { $0.path == line.path }), theirs.value != line.value {
                    return "\(line.path) is \(quoted(line.value)) on \(me) and \(quoted(theirs.value)) on \(them)"
                }
            }
            return nil
        }
        let mine = introduction.agreement.filter { !$0.path.hasPrefix(Self.ownPaths) }
        let theirs = other.agreement.filter { !$0.path.hasPrefix(Self.ownPaths) }
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

extension Introduction {
    /// True for the introduction of a first member, or of a node that could be one.
    fileprivate var listsNodes: Bool { !node.isPending && agreement.contains { $0.path == "nodes" } }
}

extension NodeNumber {
    /// The number of a node that waits to be admitted.
    static let pendingNode = NodeNumber(0)
    var isPending: Bool { self == .pendingNode }
}

extension UUID128 {
    /// The cluster id of a node that has not been admitted.
    static let unknown = UUID128(high: 0, low: 0)
}

/// Makes a peer's text fit for a line of the log: control characters are replaced, and the length is limited.
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

func quoted(_ text: String) -> String { "\"\(printable(text))\"" }
