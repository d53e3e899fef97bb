// How a replica hears that another node leads.

extension Replica {
    /// - Parameter heard: When the node was heard to say so.
    func receiveLeading(_ ballot: Ballot, from node: NodeNumber, heard: Instant) {
        listedHeard = max(listedHeard, heard)
        guard ballot.node == node, quorum.index(of: node) != nil else { return }
        highestSeen = max(highestSeen, ballot)
        if ballot >= promise {
            if let leader, leader.ballot < ballot { stepDown(hint: node) }
            sawLeader(node, heard: heard)
        } else {
            context.send(node, .replica(header(promise), .reject))
        }
    }

    /// Takes note of the last heartbeat of the node that lists this partition as led by it. This is put off until it
    /// matters, so that a heartbeat costs nothing for each partition.
    ///
    /// - Parameter time: A later heartbeat is left for later.
    func hearListed(until time: Instant? = nil) {
        guard let listed = context.listings[partition], listed.heard > listedHeard, listed.heard <= time ?? now else {
            return
        }
        // The node has prepared another ballot since, and will list the partition under that one.
        guard listed.ballot >= promise || promise.node != listed.node else { return }
        receiveLeading(listed.ballot, from: listed.node, heard: listed.heard)
    }

    /// Takes no note any more of heartbeats of `node` that have come so far.
    func forgetListed(by node: NodeNumber) {
        guard let listed = context.listings[partition], listed.node == node else { return }
        listedHeard = max(listedHeard, listed.heard)
    }
}
