// How a copy takes part that may lack records which this node has acknowledged, because the machine lost power under
// `sync: interval` or `never`.
//
// Promises, wipes and purge floors are synced in every mode, so none of them is missing, and the records that the copy
// holds are good. So it goes on to promise, confirm, accept and acknowledge. But it cannot prove that there is *no*
// record: a majority that reports no record of a key must consist of copies that would hold one. Therefore an
// incomplete replica abstains. Its promise does not count towards a majority, and it does not say what it holds. It
// abstains until the leader has compared it with the leader's copy, which is the truth, and has found nothing missing.
//
// If all replicas have promised, they report whatever any of them still has. So if a majority has lost power at once,
// the partition goes on with that once every replica is there.

extension Replica {
    /// Answers a request for what this copy holds with `abstain`, if the copy must not answer it.
    ///
    /// - Returns: False if the copy may answer.
    func abstains(from header: PartitionHeader, asked node: NodeNumber) -> Bool {
        // Invariant 14: who has forgotten does not vote.
        guard isIncomplete, consultBallot != header.ballot else { return false }
        context.decide(.abstain)
        if context.relays(node) { answerWhenDurable(node, .replica(header, .abstain)) }
        return true
    }

    func receiveConsult(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        consultBallot = header.ballot
    }

    func receiveComplete(_ header: PartitionHeader, from node: NodeNumber) {
        guard admits(header, from: node), obeys(header, from: node) else { return }
        becomeComplete()
        answerWhenDurable(node, .replica(header, .completed))
    }

    func becomeComplete() {
        consultBallot = .zero
        guard isIncomplete else { return }
        isIncomplete = false
        context.incompletePartitions -= 1
        context.effects.append(.notice(.complete(partition)))
    }
}

// MARK: - The candidate and the leader

extension Replica {
    /// Handles an `abstain`: the replica has promised the ballot, or was asked under it what it holds.
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
        // A leader that is not settled, and has a majority of whole copies, must not count this copy's answers.
        guard leader.isSettled || leader.hearsAll else { return }
        context.send(quorum.members[index], .replica(header(leader.ballot), .consult))
    }

    /// Tells a replica that its copy is complete, again and again until it answers. The copy must have been found
    /// level, and the replica must have accepted everything that was on its way to it then.
    func considerComplete(_ index: Int, _ leader: Leader) {
        guard let level = leader.progress[index].completeThrough(at: now, retry: context.options.retry) else { return }
        let hasArrived = leader.log.proposals.allSatisfy { proposal in
            proposal.sequence > level || !proposal.isSent || proposal.accepted.contains(index)
        }
        guard hasArrived else { return }
        leader.progress[index].noteCompleteSent(at: now)
        context.send(quorum.members[index], .replica(header(leader.ballot), .complete))
    }

    func receiveCompleted(_ header: PartitionHeader, from node: NodeNumber) {
        guard let (leader, index) = leader(answered: header, by: node) else { return }
        leader.progress[index].noteComplete()
    }
}
