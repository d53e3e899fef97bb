/// What the router needs of this node's own replica of a partition.
protocol LocalReplica {
    /// It leads, or is about to, and so takes requests.
    var takesRequests: Bool { get }
    var leads: Bool { get }
    /// It is in the pre-vote, and may be told that another node leads, which this one does not reach.
    var isPreVoting: Bool { get }
    /// The other node that seems to lead.
    var leaderHint: NodeNumber? { get }
    func submit(_ request: Request)
    /// Takes a request back from the queue that it is in. Returns why it was not carried out; nil where it has been
    /// proposed.
    func withdraw(_ request: Request) -> Refusal?
    /// Reads this node's own copy; the answer comes through `Router.receiveQuorumReadReply`.
    func quorumReadForClient(_ request: Request)
}

/// Finds the leader of each key's partition, on this node or another, and sees every request to one answer.
///
/// Invariant 9: a change is proposed at most once. So a change that has been given to another node is never sent again,
/// unless that node has said that it does not lead; if the node is lost, the outcome is unknown. Reads are sent again.
struct Router<Local: LocalReplica> {
    let context: Environment
    var relays: Relays
    private var quorums: [Quorum] = []
    /// The configuration of each partition.
    private var changed: [Epoch] = []
    /// The node that was last heard to lead each partition that this node does not hold.
    private var hints: [NodeNumber?]

    init(context: Environment, topology: Topology, boot: UInt64, shard: Int) {
        self.context = context
        relays = Relays(boot: boot, shard: shard)
        let assignments = (0..<topology.slots.limit).compactMap {
            topology.assignment(of: PartitionID(UInt16(truncatingIfNeeded: $0)))
        }
        hints = Array(repeating: nil, count: assignments.count)
        quorums = assignments.map(Quorum.init)
        changed = assignments.map(\.changed)
    }

    /// Makes room for a partition that is split off another.
    mutating func add(_ split: SlotMap.Split) {
        let parent = Int(split.parent.raw)
        quorums.append(quorums[parent])
        changed.append(changed[parent])
        hints.append(hints[parent])
    }

    /// Goes by another assignment of a partition. Requests under way stay where they are: a node that leads no more
    /// says so.
    mutating func adopt(_ assignment: Assignment, of partition: PartitionID) {
        let index = Int(partition.raw)
        quorums[index] = Quorum(assignment)
        changed[index] = assignment.changed
        // Whoever has left a partition leads it no more.
        if let hint = hints[index], quorums[index].index(of: hint) == nil { hints[index] = nil }
    }

    /// The epoch of a partition's configuration; nil where there is no such partition.
    func configuration(of partition: PartitionID) -> Epoch? {
        Int(partition.raw) < changed.count ? changed[Int(partition.raw)] : nil
    }

    private var now: Instant { context.now.monotonic }

    func hint(for partition: PartitionID) -> NodeNumber? {
        Int(partition.raw) < hints.count ? hints[Int(partition.raw)] : nil
    }

    mutating func sawLeader(_ node: NodeNumber, of partition: PartitionID) {
        // There is no such partition: the peer's message is not to be relied on.
        guard Int(partition.raw) < hints.count else { return }
        hints[Int(partition.raw)] = node
    }

    // MARK: Beginning

    mutating func begin(_ request: Request, _ replica: Local?) {
        assert(Int(request.partition.raw) < quorums.count, "the shard has refused requests of other partitions")
        if request.isStaleRead {
            request.stage = .waiting
            startStaleRead(request, pursue(request), replica)
        } else {
            route(request, replica)
        }
    }

    /// Gives a request a number, by which other nodes and timers find it.
    private func pursue(_ request: Request) -> Pursuit {
        if let pursuit = request.pursuit { return pursuit }
        let pursuit = Pursuit(id: context.pursued.insert(request), began: request.began)
        request.pursuit = pursuit
        return pursuit
    }

    /// Hands a request to its leader if one is known; it waits otherwise.
    private func route(_ request: Request, _ replica: Local?) {
        // Invariant 9: neither another node nor this one's replica may still carry the change out.
        assert(request.command.isRead || request.stage == .begun || request.stage == .waiting, "a change is sent once")
        request.stage = .waiting
        request.pursuit?.isRelayed = false
        request.pursuit?.alsoAsked = nil
        if let replica, replica.takesRequests, !replica.isPreVoting || relayTarget(request) == nil {
            replica.submit(request)
            // A candidacy may come to nothing, again and again.
            if !replica.leads { startQuorumRead(request, replica) }
        } else if let destination = destination(request, replica) {
            send(request, to: destination)
        } else {
            _ = pursue(request)
            startQuorumRead(request, replica)
        }
    }

    /// The node that a request is given to.
    private enum Destination {
        /// It leads, as far as this node knows, or may lead.
        case leader(NodeNumber)
        /// It may reach the leader.
        case helper(NodeNumber)
    }

    private func send(_ request: Request, to destination: Destination) {
        // Invariant 9, as above.
        assert(request.command.isRead || request.stage == .waiting, "a change is sent once")
        let timeout = request.deadline - now
        let pursuit = pursue(request)
        pursuit.sent = now
        switch destination {
        case .leader(let node):
            request.stage = .forwarded(node)
            context.send(node, .request(header(request), .forward(timeout: timeout, command: request.command)))
        case .helper(let node):
            if case .forwarded(let leader) = request.stage { pursuit.alsoAsked = leader }
            request.stage = .forwarded(node)
            pursuit.isRelayed = true
            pursuit.relayed = now
            pursuit.relays += 1
            context.send(node, .request(header(request), .relay(timeout: timeout, command: request.command)))
        }
    }

    private func header(_ request: Request) -> RequestHeader {
        RequestHeader(
            pursue(request).id, epoch: changed[Int(request.partition.raw)], partition: request.partition,
            key: request.key)
    }

    /// A node in touch that may reach the leader where this one does not, and has not been asked a moment ago; nil
    /// while the leader may just be about to be known.
    private func relayTarget(_ request: Request) -> NodeNumber? {
        guard now - request.began >= context.options.leaderlessAfter else { return nil }
        let pursuit = pursue(request)
        guard pursuit.relayed.map({ now - $0 >= context.options.retry }) ?? true else { return nil }
        let able = quorums[Int(request.partition.raw)].members.filter {
            $0 != context.me && request.stage != .forwarded($0) && context.isUp($0) && context.relays($0)
        }
        guard !able.isEmpty else {
            pursuit.relayed = now
            return nil
        }
        return able[pursuit.relays % able.count]
    }

    private func destination(_ request: Request, _ replica: Local?) -> Destination? {
        if let replica {
            if let hint = replica.leaderHint, context.isUp(hint) { return .leader(hint) }
            return relayTarget(request).map(Destination.helper)
        }
        let partition = Int(request.partition.raw)
        // It may have led the partition itself until a moment ago.
        if let hint = hints[partition], hint != context.me {
            if context.isUp(hint) { return .leader(hint) }
            // The leader is known and out of touch: others may reach it.
            if let helper = relayTarget(request) { return .helper(helper) }
        }
        let up = quorums[partition].members.filter { context.isUp($0) && $0 != context.me }
        return up.isEmpty ? nil : .leader(up[(request.pursuit?.attempts ?? 0) % up.count])
    }

    // MARK: Answers

    /// Another node has answered, or does not lead.
    mutating func receiveForwarded(
        _ id: RequestID, _ result: ForwardResult, from node: NodeNumber, _ replicas: [Local?]
    ) {
        guard !relays.isRelay(id) else { return relayed(id, result, from: node) }
        // Late where there is none: others have answered the request, or its time was over.
        guard let request = context.pursued[id], let pursuit = request.pursuit,
            takesAnswer(of: node, request, pursuit, result)
        else { return }
        switch result {
        case .outcome(let outcome):
            let partition = Int(request.partition.raw)
            if !pursuit.isRelayed, hints[partition] != node { hints[partition] = node }
            context.finish(request, outcome, by: node)
        case .notLeader(let hint): turnedAway(request, hint: hint, by: node, replicas)
        }
    }

    /// Whether an answer ends the request. Where two nodes were asked for a read, one that knows of no leader leaves
    /// the read to the other.
    private func takesAnswer(
        of node: NodeNumber, _ request: Request, _ pursuit: Pursuit, _ result: ForwardResult
    ) -> Bool {
        guard let other = pursuit.alsoAsked else { return request.stage == .forwarded(node) }
        // Late: it is from a node that was asked earlier.
        guard node == other || request.stage == .forwarded(node) else { return false }
        if case .outcome = result { return true }
        if node != other { request.stage = .forwarded(other) }
        pursuit.alsoAsked = nil
        return false
    }

    /// `node`, which may be this one, does not lead the request's partition.
    mutating func turnedAway(_ request: Request, hint: NodeNumber?, by node: NodeNumber, _ replicas: [Local?]) {
        // Late: its time was over, or a quorum read has answered it.
        guard !request.isFinished else { return }
        let partition = Int(request.partition.raw)
        let pursuit = pursue(request)
        if !pursuit.isRelayed || hint != nil { hints[partition] = hint == node ? nil : hint }
        request.stage = .waiting
        pursuit.attempts += 1
        // At once where another node is named; otherwise at the next timer, so that nobody is asked in a tight loop.
        if let hint, hint != node, pursuit.attempts <= 3 { route(request, replicas[partition]) }
    }

    /// The requests that were sent to `node` are cut off: reads try elsewhere, and nobody can say what became of
    /// changes.
    mutating func peerWentDown(_ node: NodeNumber, _ replica: (PartitionID) -> Local?) {
        endRelays(with: node)
        for (index, hint) in hints.enumerated() where hint == node { hints[index] = nil }
        let cutOff = context.pursued.filter { request in
            if request.pursuit?.alsoAsked == node { request.pursuit?.alsoAsked = nil }
            return request.stage == .forwarded(node)
        }
        for request in cutOff {
            if request.command.isRead {
                route(request, replica(request.partition))
            } else {
                context.finish(request, .unknown(.leaderLost), by: node)
            }
        }
    }

    /// Tries the requests that wait again, and ends those that have waited too long.
    mutating func timer(_ replica: (PartitionID) -> Local?) {
        relays.forget(before: now)
        for request in context.deadlines.takeDue(at: now) { expire(request, replica(request.partition)) }
        let due = context.pursued.filter { request in
            request.stage == .waiting || wantsQuorumRead(request) || wantsRelay(request) || wantsResending(request)
        }
        for request in due where !request.isFinished {
            let replica = replica(request.partition)
            if request.isStaleRead {
                startStaleRead(request, pursue(request), replica)
            } else if wantsRelay(request), let helper = relayTarget(request) {
                send(request, to: .helper(helper))
            } else if request.stage == .waiting || wantsResending(request) {
                route(request, replica)
                // It may go from replica to replica, none of which knows who leads.
                if wantsQuorumRead(request) { startQuorumRead(request, replica) }
            } else {
                startQuorumRead(request, replica)
            }
        }
    }

    /// Ends a request whose time is over.
    private func expire(_ request: Request, _ replica: Local?) {
        if request.isStaleRead { return context.finish(request, .refused(.noReplica)) }
        let wasWaiting = request.stage == .waiting
        let refusal = request.isHere ? replica?.withdraw(request) : nil
        // (A change that another node has had proposed here is given up by that node itself.)
        if case .peer = request.origin, refusal == nil { return }
        if request.command.isRead || wasWaiting || refusal != nil {
            return context.finish(request, .refused(refusal ?? .noLeader))
        }
        context.finish(request, .unknown(.timedOut))
    }

    /// Whether to ask for a read through another node as well. That is done once, if its leader has not answered for a
    /// while: the link may be lost without that being known yet.
    private func wantsRelay(_ request: Request) -> Bool {
        guard case .forwarded = request.stage, request.command == .get, let pursuit = request.pursuit,
            pursuit.relays == 0
        else { return false }
        return now - pursuit.sent >= context.options.retry
    }

    private func wantsResending(_ request: Request) -> Bool {
        guard case .forwarded = request.stage, request.command.isRead, let pursuit = request.pursuit
        else { return false }
        return now - pursuit.sent >= context.options.readRetry
    }
}

// MARK: - Reads without the leader

extension Router {
    private func wantsQuorumRead(_ request: Request) -> Bool {
        guard case .forwarded = request.stage, request.command == .get, request.pursuit?.quorumRead == nil
        else { return false }
        return now - request.began >= context.options.leaderlessAfter
    }

    /// Asks all replicas for their copies. Invariants 6 and 8: a version that a majority reports is chosen, and none
    /// later was chosen when the read came, because a later one would be on a majority too.
    private func startQuorumRead(_ request: Request, _ replica: Local?) {
        guard request.command == .get, request.pursuit?.quorumRead == nil else { return }
        pursue(request).quorumRead = [:]
        for member in quorums[Int(request.partition.raw)].members where member != context.me {
            sendQuorumRead(request, to: member)
        }
        replica?.quorumReadForClient(request)
    }

    private func sendQuorumRead(_ request: Request, to node: NodeNumber) {
        context.send(node, .request(header(request), .quorumRead))
    }

    private func startStaleRead(_ request: Request, _ pursuit: Pursuit, _ replica: Local?) {
        if let replica, !pursuit.isUnreadableHere {
            guard !pursuit.isReadingHere else { return }
            pursuit.quorumRead = [:]
            pursuit.isReadingHere = true
            return replica.quorumReadForClient(request)
        }
        // A replica that does not answer is passed over for the next.
        let wait = Nanoseconds(nanoseconds: context.options.leaderlessAfter.nanoseconds * UInt64(pursuit.attempts))
        let members = quorums[Int(request.partition.raw)].members.filter { context.isUp($0) && $0 != context.me }
        guard !members.isEmpty, now - request.began >= wait else { return }
        pursuit.quorumRead = [:]
        pursuit.isReadingHere = false
        sendQuorumRead(request, to: members[pursuit.attempts % members.count])
        pursuit.attempts += 1
    }

    /// This node's own copy cannot be read. A stale read asks for another node's; any other read waits for the answers
    /// of the others.
    mutating func cannotQuorumReadHere(_ request: Request, _ replica: (PartitionID) -> Local?) {
        // It has been answered, or an earlier read of the copy has said so already.
        guard !request.isFinished, request.isStaleRead, let pursuit = request.pursuit, !pursuit.isUnreadableHere
        else { return }
        pursuit.isUnreadableHere = true
        startStaleRead(request, pursuit, replica(request.partition))
    }

    /// The copy of another node's replica.
    mutating func receiveQuorumReadReply(
        _ id: RequestID, _ record: Record?, from node: NodeNumber, _ replica: (PartitionID) -> Local?
    ) {
        // Late where there is none.
        guard let request = context.pursued[id] else { return }
        receiveQuorumReadReply(request, record, from: node, replica)
    }

    /// A replica's copy: this node's own, or that of `node`.
    mutating func receiveQuorumReadReply(
        _ request: Request, _ record: Record?, from node: NodeNumber, _ replica: (PartitionID) -> Local?
    ) {
        // Late: others have answered it, or its time was over.
        guard !request.isFinished else { return }
        // It may name a request that no quorum read was begun for: a peer's message is not to be relied on.
        guard let pursuit = request.pursuit, pursuit.quorumRead != nil else { return }
        if request.isStaleRead { return context.finish(request, outcome(record), by: node) }
        let quorum = quorums[Int(request.partition.raw)]
        pursuit.quorumRead?.updateValue(record, forKey: node)
        var same = ReplicaMask()
        for (other, held) in pursuit.quorumRead ?? [:] where held?.version == record?.version {
            if let index = quorum.index(of: other) { same.insert(index) }
        }
        // An expired record proves nothing: a change that its leader made in time may still be on its way.
        let hasExpired = record.map { $0.expiry.hasPassed(at: context.now.wall) } ?? false
        guard quorum.isMet(by: same), !hasExpired else { return }
        // A leader that this node becomes need not look it up any more.
        if request.isHere { _ = replica(request.partition)?.withdraw(request) }
        context.finish(request, outcome(record), by: node)
    }

    private func outcome(_ record: Record?) -> Outcome {
        guard let record, record.head.isPresent(at: context.now.wall) else { return .absent }
        return .found(record)
    }
}
