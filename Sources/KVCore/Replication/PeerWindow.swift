/// Counts the bytes of changes that the leaders of a shard have sent to one peer and that it has not answered.
///
/// Without a bound, a peer that is slow, or whose link is, would have the whole load of the others wait in this node's
/// memory (etcd-io/raft's `tracker/inflights.go` is the model). What does not fit is sent when there is room, or is
/// missed and found by the repair; the other replicas are a majority meanwhile.
final class PeerWindow {
    private(set) var bytes = 0
    /// Partitions with something to send that found no room, in that order.
    var blocked: [Replica] = []

    /// Whether more may be sent: one change, which may be larger than the room there is, so that none waits for ever
    /// beside small ones.
    func hasRoom(_ options: ShardOptions) -> Bool { bytes < options.peerWindow }

    func add(_ more: Int) { bytes += more }

    func remove(_ less: Int) {
        assert(bytes >= less, "a change was answered for twice")
        bytes -= less
    }

    /// `least`, and as long as what is under way, and `more`, may take to arrive on a link that is as slow as one may
    /// be. Until then nothing is sent again: on a connection that stands it would only be sent twice.
    func patience(_ least: Nanoseconds, more: Int = 0, _ options: ShardOptions) -> Nanoseconds {
        let milliseconds = UInt64(max(bytes + more, 0)) * 1000 / UInt64(max(options.slowestLink, 1))
        return Nanoseconds(nanoseconds: least.nanoseconds + milliseconds * 1_000_000)
    }
}

extension Replica {
    func makeWindows() -> [PeerWindow] { quorum.members.map(context.window) }

    func accept(_ proposal: Proposal, _ leader: Leader) -> PeerMessage {
        .replica(header(leader.ballot), .accept(key: proposal.key, record: proposal.record))
    }

    /// Sends a proposal to the replica at `index`, or leaves it for when there is room.
    func send(_ proposal: Proposal, _ accept: PeerMessage, to index: Int, _ leader: Leader) {
        guard leader.progress[index].firstSkipped == .max, windows[index].hasRoom(context.options) else {
            skip(proposal, index, leader)
            return
        }
        windows[index].add(proposal.bytes)
        proposal.enterWindow(of: index)
        context.send(quorum.members[index], accept)
    }

    private func skip(_ proposal: Proposal, _ index: Int, _ leader: Leader) {
        context.decide(.awaitWindow)
        // The room may be another partition's to free.
        if leader.progress[index].skip(proposal.sequence) { windows[index].blocked.append(self) }
    }

    /// Sends the replica at `index` what did not fit, as far as it does now.
    func sendSkipped(to index: Int, _ leader: Leader) {
        guard leader.progress[index].firstSkipped != .max, context.isUp(quorum.members[index]) else { return }
        var sequence = max(leader.progress[index].takeSkipped(), leader.log.first)
        while leader.progress[index].firstSkipped == .max, let proposal = leader.log[sequence] {
            sequence += 1
            guard proposal.isSent, !proposal.accepted.contains(index), !proposal.underway.contains(index) else {
                continue
            }
            let message = accept(proposal, leader)
            send(proposal, message, to: index, leader)
        }
    }

    func sendSkipped(_ leader: Leader) {
        for index in quorum.members.indices { sendSkipped(to: index, leader) }
    }

    /// It is answered, or is not waited for any more.
    func leaveWindow(_ proposal: Proposal, _ index: Int) {
        guard proposal.leaveWindow(of: index) else { return }
        let window = windows[index]
        window.remove(proposal.bytes)
        guard !window.blocked.isEmpty, window.hasRoom(context.options) else { return }
        // At the end of the tick they try.
        for replica in window.blocked { context.markDirty(replica) }
        window.blocked.removeAll(keepingCapacity: true)
    }

    func leaveWindows(_ proposal: Proposal) {
        guard proposal.underway != ReplicaMask() else { return }
        for index in quorum.members.indices { leaveWindow(proposal, index) }
    }

    /// The connection that carried them is no more: they are sent over the next one.
    func leaveWindows(of index: Int, _ leader: Leader) {
        for proposal in leader.log.proposals where proposal.isSent && !proposal.accepted.contains(index) {
            leaveWindow(proposal, index)
            _ = leader.progress[index].skip(proposal.sequence)
        }
    }
}
