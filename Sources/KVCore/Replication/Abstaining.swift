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
    /// Numbers of rounds in which no read is confirmed. They go to replicas that have abstained under the same ballot,
    /// which those of versions before never do.
    enum SpecialRound {
        /// The leader knows that the copy may lack records, and counts with it: tell what is there.
        static let tell: UInt64 = 0
        /// The copy holds everything that it may have acknowledged.
        static let complete: UInt64 = .max
    }

    /// In the place of a configuration, in a `reject` that names the very ballot that was asked under: it has been
    /// promised, and the sender abstains. (Versions before pass over it, as the ballot is no higher. No configuration
    /// is 0, and the ballot is of one configuration only.)
    static var abstention: Epoch { 0 }

    /// Answers a request that asks what this copy holds by abstaining.
    /// - Returns: false where this copy may be told of.
    func abstains(from header: PartitionHeader, asked node: NodeNumber) -> Bool {
        guard isIncomplete, toldBallot != header.ballot else { return false }
        context.decide(.abstain)
        answerWhenDurable(
            node, .reject(PartitionHeader(partition: partition, epoch: Self.abstention, ballot: header.ballot)))
        return true
    }

    /// Where a leader says how it counts with this copy.
    func receiveSpecialRound(_ round: UInt64, _ header: PartitionHeader, from node: NodeNumber) {
        switch round {
        case SpecialRound.complete:
            becomeComplete()
            answerWhenDurable(node, .confirmed(header, round: round))
        default: toldBallot = header.ballot
        }
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
    func receiveAbstention(_ ballot: Ballot, from node: NodeNumber) {
        guard let index = quorum.index(of: node) else { return }
        if let candidate, candidate.phase == .preparing, candidate.ballot == ballot {
            candidate.abstainers.insert(index)
            electIfPromised(candidate)
        } else if let leader, leader.ballot == ballot {
            noteAbstention(of: index, leader)
        }
    }

    func noteAbstention(of index: Int, _ leader: Leader) {
        if !leader.progress[index].abstains {
            leader.progress[index].abstains = true
            leader.progress[index].isVerified = false
            leader.progress[index].levelAt = nil
            if leader.progress[index].comparison == nil { leader.progress[index].isCompared = false }
        }
        // Of a leader that is not settled yet, and has a majority of whole copies, it is not to be counted.
        guard leader.isSettled || leader.hearsAll else { return }
        context.send(quorum.members[index], .confirm(header(leader.ballot), round: SpecialRound.tell))
    }

    /// A comparison has found nothing that the replica misses: it lacks nothing but what is on its way. Once that has
    /// arrived it may be told that it is complete.
    func comparedIncomplete(_ index: Int, _ leader: Leader) {
        guard leader.progress[index].abstains else { return }
        leader.progress[index].levelAt = leader.progress[index].isVerified ? leader.sequence : nil
        leader.progress[index].toldComplete = nil
    }

    /// Tells a replica whose copy has been found level that it is complete, until it has heard it.
    func considerComplete(_ index: Int, _ leader: Leader) {
        let progress = leader.progress[index]
        guard progress.abstains, let level = progress.levelAt, progress.isLevel,
            progress.toldComplete.map({ now - $0 >= context.options.retry }) ?? true
        else { return }
        let isHere = leader.proposals.allSatisfy { proposal in
            proposal.record.version.sequence > level || !proposal.isSent || proposal.accepted.contains(index)
        }
        guard isHere else { return }
        leader.progress[index].toldComplete = now
        context.send(quorum.members[index], .confirm(header(leader.ballot), round: SpecialRound.complete))
    }

    func receiveKnowsComplete(_ index: Int, _ leader: Leader) {
        leader.progress[index].abstains = false
        leader.progress[index].levelAt = nil
    }

    /// Whether the copies of these replicas show what has been chosen of a key.
    func suffice(_ answered: ReplicaMask, _ leader: Leader) -> Bool {
        leader.hearsAll && !leader.isSettled ? answered == quorum.all : quorum.currentIsMet(by: answered)
    }
}
