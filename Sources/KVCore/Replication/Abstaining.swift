// A copy that may lack records which this node has acknowledged: the machine lost power under `sync: interval` or
// `never`.
//
// Promises, wipes and purge floors are synced in every mode, so they are all there. And what such a copy holds, it
// holds. So it goes on to promise, to confirm, to accept and to acknowledge. What it cannot do is to prove that there
// is *no* record: a majority that shows nothing of a key must consist of copies that would show it. Therefore an
// incomplete replica abstains: its promise does not count for an election, and it does not tell what it holds, until
// the leader has compared it with its own copy, which is the truth, and found nothing missing.
//
// Where all replicas have promised, what is left anywhere is heard by hearing all of them. So when a majority has lost
// power at once the partition goes on with that, once every replica is there.

extension Replica {
    /// Answers a request that asks what this copy holds by abstaining.
    /// - Returns: false where this copy may be told of.
    func abstains(from header: PartitionHeader, asked node: NodeNumber) -> Bool {
        // Invariant 14: who may have forgotten does not vote.
        guard isIncomplete, toldBallot != header.ballot else { return false }
        context.decide(.abstain)
        if context.relays(node) { answerWhenDurable(node, .replica(header, .abstain)) }
        return true
    }

    func receiveConsult(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        toldBallot = header.ballot
    }

    func receiveComplete(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        becomeComplete()
        answerWhenDurable(node, .replica(header, .completed))
    }

    func becomeComplete() {
        toldBallot = .zero
        guard isIncomplete else { return }
        isIncomplete = false
        context.incompletePartitions -= 1
        context.effects.append(.notice(.complete(partition)))
    }
}

// MARK: - The candidate and the leader

extension Replica {
    /// A replica has promised the ballot, or been asked under it what it holds, and abstains.
    func receiveAbstain(_ header: PartitionHeader, from node: NodeNumber) {
        guard let index = quorum.index(of: node) else { return }
        if let candidate, candidate.phase == .preparing, candidate.ballot == header.ballot {
            candidate.abstainers.insert(index)
            electIfPromised(candidate)
        } else if let leader, leader.ballot == header.ballot {
            noteAbstention(of: index, leader)
        }
    }

    func noteAbstention(of index: Int, _ leader: Leader) {
        leader.progress[index].noteAbstention()
        // Of a leader that is not settled yet, and has a majority of whole copies, it is not to be counted.
        guard leader.isSettled || leader.hearsAll else { return }
        context.send(quorum.members[index], .replica(header(leader.ballot), .consult))
    }

    /// Tells a replica whose copy has been found level that it is complete, until it has heard it. It lacks nothing but
    /// what was on its way then; once that has arrived it may be told.
    func considerComplete(_ index: Int, _ leader: Leader) {
        guard let level = leader.progress[index].completeThrough(at: now, retry: context.options.retry) else { return }
        let isHere = leader.log.proposals.allSatisfy { proposal in
            proposal.sequence > level || !proposal.isSent || proposal.accepted.contains(index)
        }
        guard isHere else { return }
        leader.progress[index].noteToldComplete(at: now)
        context.send(quorum.members[index], .replica(header(leader.ballot), .complete))
    }

    func receiveCompleted(_ header: PartitionHeader, from node: NodeNumber) {
        guard let (leader, index) = leader(answered: header, by: node) else { return }
        leader.progress[index].noteComplete()
    }
}
