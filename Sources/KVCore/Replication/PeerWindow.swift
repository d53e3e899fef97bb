/// Counts the bytes of changes that the leaders of a shard have sent to one peer and that it has not answered.
///
/// Without a limit, the whole load would wait in this node's memory for a peer that is slow or has a slow link
/// (etcd-io/raft's `tracker/inflights.go` is the model). A change that does not fit is sent when there is room, or
/// counts as missed and is repaired. Meanwhile the other replicas are a majority.
final class PeerWindow {
    private(set) var bytes = 0
    /// The replicas with changes to send that found no room, in the order in which they tried.
    var blocked: [Replica] = []

    /// True if one more change may be sent. It may be larger than the room that is left, so that no change waits for
    /// ever beside small ones.
    func hasRoom(_ options: ShardOptions) -> Bool { bytes < options.peerWindow }

    func add(_ more: Int) { bytes += more }

    func remove(_ less: Int) {
        assert(bytes >= less, "a change leaves its window once")
        bytes -= less
    }

    /// How long to wait for answers before changes are sent again: `least`, and the time in which the changes under
    /// way, and `more` bytes, arrive over the slowest link that is reckoned with. On a connection that stands, sending
    /// them earlier would only send them twice.
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
        // Another partition's changes may fill the window, so this one has to be told when there is room.
        if leader.progress[index].skip(proposal.sequence) { windows[index].blocked.append(self) }
    }

    /// Sends the replica at `index` the changes that found no room, as far as they fit now.
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

    /// Takes a proposal out of a replica's window, because it is answered or not waited for any more.
    func leaveWindow(_ proposal: Proposal, _ index: Int) {
        guard proposal.leaveWindow(of: index) else { return }
        let window = windows[index]
        window.remove(proposal.bytes)
        guard !window.blocked.isEmpty, window.hasRoom(context.options) else { return }
        // They try again at the end of the tick.
        for replica in window.blocked { context.markDirty(replica) }
        window.blocked.removeAll(keepingCapacity: true)
    }

    func leaveWindows(_ proposal: Proposal) {
        guard proposal.underway != ReplicaMask() else { return }
        for index in quorum.members.indices { leaveWindow(proposal, index) }
    }

    /// Takes all proposals out of a replica's window, because its connection has ended. They are sent over the next
    /// one.
    func leaveWindows(of index: Int, _ leader: Leader) {
        for proposal in leader.log.proposals where proposal.isSent && !proposal.accepted.contains(index) {
            leaveWindow(proposal, index)
            _ = leader.progress[index].skip(proposal.sequence)
        }
    }
}
