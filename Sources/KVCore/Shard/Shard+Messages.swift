// Hands each message of a peer to the part of the shard that it is for. No switch here has a default: a new message
// does not compile until it has found its place.

extension Shard {
    func receive(_ message: PeerMessage, from node: NodeNumber) {
        switch message {
        case .replica(let header, let message): receive(message, header, from: node)
        case .request(var header, let message):
            header.partition = partition(header.partition, of: header.key, for: message.command)
            receive(message, header, from: node)
        case .reply(let id, let message): receive(message, to: id, from: node)
        case .shards(let message): receive(message, from: node)
        // These are about the whole node: the runner keeps them.
        case .node: break
        }
    }

    private func receive(_ message: ReplicaMessage, _ header: PartitionHeader, from node: NodeNumber) {
        if message.isBoundToEpoch {
            if isEarly(header) { return keep(message, header, from: node) }
            if replica(header.partition) == nil { return tellDeparted(header, to: node) }
        }
        // Whoever is told this has no replica any more.
        if case .replicaDropped = message { return receiveReplicaDropped(header) }
        if case .dropReplica = message, isEarly(header) { tellBehind(header.epoch, at: node) }
        replica(header.partition)?.receive(message, header, from: node)
    }

    private func receive(_ message: RequestMessage, _ header: RequestHeader, from node: NodeNumber) {
        switch message {
        case .forward(let timeout, let command): execute(command, header, within: timeout, for: node)
        case .relay(let timeout, let command):
            let replica = replica(header.partition)
            if replica?.leads == true { return execute(command, header, within: timeout, for: node) }
            router.relay(RelayedRequest(requester: node, header: header, timeout: timeout, command: command), replica)
        case .quorumRead:
            tellBehind(header.epoch, at: node)
            replica(header.partition)?.receiveQuorumRead(header, from: node)
        }
    }

    private func execute(
        _ command: Command, _ header: RequestHeader, within timeout: Nanoseconds, for node: NodeNumber
    ) {
        guard let replica = replica(header.partition), isCutAlike(command, header, replica, from: node) else {
            let hint = router.hint(for: header.partition)
            return context.send(node, .reply(header.id, .forwarded(.notLeader(hint: hint))))
        }
        // Whoever leads may execute it, by whatever topology the asker goes. The asker is told of the newer one.
        if header.epoch < replica.changed { context.send(node, .shards(.outdated(epoch: context.epoch))) }
        // A little less than the asker waits, so that it hears of a refusal instead of giving up without one.
        let deadline = context.now.monotonic + Nanoseconds(nanoseconds: timeout.nanoseconds - timeout.nanoseconds / 10)
        let request = Request(
            command, key: header.key, partition: header.partition, limit: .until(deadline),
            origin: .peer(node, header.id))
        begin(request)
        replica.submit(request)
    }

    private func receive(_ message: ReplyMessage, to id: RequestID, from node: NodeNumber) {
        switch message {
        case .forwarded(let result): router.receiveForwarded(id, result, from: node, replicas)
        case .quorumReadReply(let record):
            if !receiveRepair(id, record) { router.receiveQuorumReadReply(id, record, from: node, replica) }
        }
    }

    private func receive(_ message: ShardsMessage, from node: NodeNumber) {
        switch message {
        case .leaderHeartbeat(let epoch, let led):
            tellBehind(epoch, at: node)
            for leadership in led { receive(leadership, from: node) }
        case .leaderships(let epoch, let update):
            tellBehind(epoch, at: node)
            receive(update, from: node)
        case .leadershipsWanted(let shard): receiveLeadershipsWanted(shard: shard, from: node)
        case .supportWanted(let question): receive(question, from: node)
        case .support(let answer): receive(answer, from: node)
        case .outdated(let epoch): tellBehind(epoch, at: node)
        }
    }
}

extension Replica {
    fileprivate func receive(_ message: ReplicaMessage, _ header: PartitionHeader, from node: NodeNumber) {
        switch message {
        case .preVote: receivePreVote(header, from: node)
        case .preVoteResult(let granted, let promised):
            receivePreVoteResult(header, granted: granted, promised: promised, from: node)
        case .prepare: receivePrepare(header, after: .zero, from: node)
        case .prepareAfter(let released): receivePrepare(header, after: released, from: node)
        case .promise(let root, let contents, let floor):
            let root = Candidate.Root(digest: root, contents: contents, floor: floor)
            receivePromise(header, root: root, from: node)
        case .reject: receiveReject(header)
        case .transfer: receiveTransfer(header, from: node)
        case .accept(let key, let record): receiveAccept(header, key: key, record: record, from: node)
        case .accepted(let version): receiveAccepted(header, version: version, from: node)
        case .confirm(let round): receiveConfirm(header, round: round, from: node)
        case .confirmed(let round, let mark): receiveConfirmed(header, round: round, mark: mark, from: node)
        case .read(let id, let key): receiveRead(header, id: id, key: key, from: node)
        case .readResult(let id, let key, let record):
            receiveReadResult(header, id: id, record: record, key: key, from: node)
        case .leaves(let floor): receiveLeaves(header, floor: floor, from: node)
        case .leavesResult(let floor, let leaves, let contents):
            receiveLeavesResult(header, floor: floor, leaves: leaves, contents: contents, from: node)
        case .entries(let leaf): receiveEntries(header, leaf: leaf, from: node)
        case .entriesResult(let leaf, let entries):
            receiveEntriesResult(header, leaf: Int(leaf), entries: entries, from: node)
        case .purge(let floor): receivePurge(header, floor: floor, from: node)
        case .abstain: receiveAbstain(header, from: node)
        case .consult: receiveConsult(header, from: node)
        case .complete: receiveComplete(header, from: node)
        case .completed: receiveCompleted(header, from: node)
        case .dropReplica: receiveDropReplica(header, from: node)
        // The shard takes it, because the replica it is about is gone.
        case .replicaDropped: break
        }
    }
}
