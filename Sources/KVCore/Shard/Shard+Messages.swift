// What peers say, handed to the part of the shard that it is for.

extension Shard {
    mutating func receive(_ message: PeerMessage, from node: NodeNumber) {
        if let header = message.requestHeader {
            if isEarly(header) { return keep(message, header, from: node) }
            if replica(header.partition) == nil { return tellDeparted(header, to: node) }
        }
        switch message {
        case .canvass(let header): replica(header.partition)?.receiveCanvass(header, from: node)
        case .canvassed(let header, let granted, let promised):
            replica(header.partition)?.receiveCanvassed(header, granted: granted, promised: promised, from: node)
        case .prepare(let header): replica(header.partition)?.receivePrepare(header, from: node)
        case .promise(let header, let root, let contents, let floor):
            let root = Candidate.Root(digest: root, contents: contents, floor: floor)
            replica(header.partition)?.receivePromise(header, root: root, from: node)
        case .reject(let header): replica(header.partition)?.receiveReject(header, from: node)
        case .accept(let header, let key, let record):
            replica(header.partition)?.receiveAccept(header, key: key, record: record, from: node)
        case .accepted(let header, let version):
            replica(header.partition)?.receiveAccepted(header, version: version, from: node)
        case .confirm(let header, let round):
            replica(header.partition)?.receiveConfirm(header, round: round, from: node)
        case .confirmed(let header, let round):
            replica(header.partition)?.receiveConfirmed(header, round: round, from: node)
        case .read(let header, let id, let key):
            replica(header.partition)?.receiveRead(header, id: id, key: key, from: node)
        case .readResult(let header, let id, let key, let record):
            replica(header.partition)?.receiveReadResult(header, id: id, record: record, key: key, from: node)
        case .leaves, .leavesResult, .entries, .entriesResult: receiveComparison(message, from: node)
        case .leading, .transfer: receiveLeadership(message, from: node)
        case .forward, .forwarded, .relay, .peek, .peeked: receiveRouting(message, from: node)
        case .purge(let header, let floor): replica(header.partition)?.receivePurge(header, floor: floor, from: node)
        case .relinquish(let header):
            if isEarly(header) { tellBehind(header.epoch, at: node) }
            replica(header.partition)?.receiveRelinquish(header, from: node)
        case .relinquished(let header): receiveRelinquished(header)
        case .outdated(let epoch): tellBehind(epoch, at: node)
        case .heartbeat, .progress, .cluster: break
        }
    }

    private func receiveComparison(_ message: PeerMessage, from node: NodeNumber) {
        switch message {
        case .leaves(let header, let floor):
            replica(header.partition)?.receiveLeaves(header, floor: floor, from: node)
        case .leavesResult(let header, let floor, let leaves, let contents):
            replica(header.partition)?
                .receiveLeavesResult(header, floor: floor, leaves: leaves, contents: contents, from: node)
        case .entries(let header, let leaf):
            replica(header.partition)?.receiveEntries(header, leaf: leaf, from: node)
        case .entriesResult(let header, let leaf, let entries):
            replica(header.partition)?
                .receiveEntriesResult(header, leaf: Int(leaf), entries: entries, from: node)
        default: break
        }
    }

    private mutating func receiveLeadership(_ message: PeerMessage, from node: NodeNumber) {
        switch message {
        case .leading(let epoch, let led):
            tellBehind(epoch, at: node)
            for leadership in led {
                if let replica = replica(leadership.partition) {
                    replica.receiveLeading(leadership.ballot, from: node)
                } else {
                    router.sawLeader(node, of: leadership.partition)
                }
            }
        case .transfer(let header): replica(header.partition)?.receiveTransfer(header, from: node)
        default: break
        }
    }

    private mutating func receiveRouting(_ message: PeerMessage, from node: NodeNumber) {
        switch message {
        case .forward(let id, let epoch, let timeout, let key, let partition, let command):
            guard let replica = replica(partition) else {
                return context.send(node, .forwarded(id, .notLeader(hint: router.hint(for: partition))))
            }
            // Who leads may execute it, whatever the asker knows; but let it know more.
            if epoch < replica.changed { context.send(node, .outdated(epoch: context.epoch)) }
            // A little less than the asker waits, so that it hears of a refusal rather than wonders.
            let deadline = context.now.monotonic + Span(nanoseconds: timeout.nanoseconds - timeout.nanoseconds / 10)
            replica.submit(
                Operation(origin: .remote(node, id), key: key, command: command, deadline: deadline))
        case .relay(let id, let epoch, let timeout, let key, let partition, let command):
            guard replica(partition)?.leads == true else {
                let request = RelayedRequest(
                    requester: node, id: id, epoch: epoch, timeout: timeout, key: key, partition: partition,
                    command: command)
                return router.relay(request, replica(partition))
            }
            receiveRouting(
                .forward(id, epoch: epoch, timeout: timeout, key: key, partition: partition, command: command),
                from: node)
        case .forwarded(let id, let result):
            router.receiveForwarded(id, result, from: node, replicas)
        case .peek(let id, let epoch, let partition, let key):
            tellBehind(epoch, at: node)
            replica(partition)?.receivePeek(id, epoch: epoch, key: key, from: node)
        case .peeked(let id, let record):
            if !receiveRepair(id, record) { router.receivePeeked(id, record, from: node) }
        default: break
        }
    }
}
