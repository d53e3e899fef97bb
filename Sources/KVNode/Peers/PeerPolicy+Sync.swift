import KVWire

// How nodes agree on `storage.sync`: an acknowledged write is as safe as the mode of those who hold it.
//
// First members refuse each other where they differ, as long as one of them has not been let in: a new cluster begins
// with one mode. Later a difference is no more than said in the log, since a mode is changed on one node after another;
// and clusters of versions before may differ already. What it changes nothing for is who may vote: each node knows by
// itself whether it has lost anything.

extension PeerPolicy {
    /// Of the line in which an introduction says it. Lines of this kind are not among those that are compared one by
    /// one, as versions before do not have them.
    static let syncPath = "storage.sync"
    static let ownPaths = "storage."

    private func modes(with other: Introduction) -> (mine: String, theirs: String)? {
        func mode(_ introduction: Introduction) -> String? {
            introduction.agreement.first { $0.path == Self.syncPath }?.value
        }
        guard let mine = mode(introduction), let theirs = mode(other), mine != theirs else { return nil }
        return (mine, theirs)
    }

    /// Why two first members do not found a cluster together.
    func syncObjection(to other: Introduction) -> Objection? {
        guard isFounding(), let modes = modes(with: other) else { return nil }
        let (me, them) = (introduction.nodeID, printable(other.nodeID))
        return """
            the configurations of \(me) and \(them) differ: \(Self.syncPath) is \(quoted(modes.mine)) on \(me) and \
            \(quoted(modes.theirs)) on \(them), and a new cluster begins with the same on all; give all nodes the same \
            file and start them again
            """
    }

    /// What an operator is to know of a member that is welcome all the same.
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
