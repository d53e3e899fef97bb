import KVWire

// The agreement on `storage.sync`. An acknowledged write is as safe as the modes of the nodes that hold it.
//
// First members with different modes refuse each other while one of them has not been admitted by the others: a new
// cluster begins with one mode. Later a difference is only logged, since a mode is changed on one node after another,
// and since clusters of earlier versions may differ already. The mode does not decide who may vote: each node knows by
// itself whether it has lost anything.

extension PeerPolicy {
    /// The path of the line in an introduction that has the mode. Lines that begin with `ownPaths` are not compared one
    /// by one, because earlier versions do not send them.
    static let syncPath = "storage.sync"
    static let ownPaths = "storage."

    private func modes(with other: Introduction) -> (mine: String, theirs: String)? {
        func mode(_ introduction: Introduction) -> String? {
            introduction.agreement.first { $0.path == Self.syncPath }?.value
        }
        guard let mine = mode(introduction), let theirs = mode(other), mine != theirs else { return nil }
        return (mine, theirs)
    }

    /// Says why two first members may not found a cluster together; nil if they may.
    func syncObjection(to other: Introduction) -> Objection? {
        guard isFounding(), let modes = modes(with: other) else { return nil }
        let (me, them) = (introduction.nodeID, printable(other.nodeID))
        return """
            the configurations of \(me) and \(them) differ: \(Self.syncPath) is \(quoted(modes.mine)) on \(me) and \
            \(quoted(modes.theirs)) on \(them), and a new cluster begins with the same on all; give all nodes the same \
            file and start them again
            """
    }

    /// Returns a warning for the operator about a member that is accepted all the same.
    func syncWarning(about other: Introduction) -> String? {
        guard let modes = modes(with: other) else { return nil }
        let (me, them) = (introduction.nodeID, printable(other.nodeID))
        return """
            \(Self.syncPath) is \(quoted(modes.mine)) on \(me) and \(quoted(modes.theirs)) on \(them): a write is as \
            safe from power loss as the weakest mode among those that hold it; give all nodes the same, one after \
            another
            """
    }
}
