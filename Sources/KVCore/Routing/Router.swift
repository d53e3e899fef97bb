/// What the router needs of this node's own replica of a partition.
protocol LocalReplica {
    /// It leads, or is about to: operations are for it.
    var takesOperations: Bool { get }
    var leads: Bool { get }
    /// It asks whether it may lead, and may be told that another does whom it does not reach.
    var isCanvassing: Bool { get }
    /// Who else seems to lead.
    var leaderHint: NodeNumber? { get }
    func submit(_ operation: Operation)
    /// Takes back an operation submitted for a client of this node: why it was not carried out; nil where it has been
    /// proposed, or is not there.
    func withdraw(_ id: RequestID) -> Refusal?
    /// Reads this node's own copy; the answer comes through `Router.receivePeeked`.
    func peekForClient(_ id: RequestID, key: Key)
}

/// What a node does for its clients: it finds the leader of each key's partition, there or here, and sees every request
/// to one answer. It never sends a change a second time once it may have been proposed.
struct Router<Local: LocalReplica> {
    /// (A class: every answer looks at it, and a copy would count the parts of the request anew.)
    final class Pending {
        enum Place: Equatable {
            /// For a leader to be known.
            case waiting
            /// With this node's own replica.
            case here
            case remote(NodeNumber)
        }

        let request: ClientRequest
        var place = Place.waiting
        let began: Instant
        /// When it was last sent to a leader.
        var sent: Instant
        /// How often it was sent to a node that turned out not to lead.
        var attempts = 0
        var peek: Peek?
        /// It was given to a node that reaches the leader, or may; when last, and how often.
        var isRelayed = false
        var relayed: Instant?
        var relays = 0
        /// The leader that a read was given to before it went to another as well: whoever answers first does.
        var alsoAsked: NodeNumber?
        /// A stale read waits for this node's own copy, which it asked last.
        var isReadingHere = false
        /// This node's own copy cannot be read.
        var isUnreadableHere = false

        init(_ request: ClientRequest, now: Instant) {
            self.request = request
            began = now
            sent = now
        }

        /// Only `get` can be answered from any copy; everything else goes to the leader whatever was asked for.
        var isStaleRead: Bool { request.consistency == .stale && request.command == .get }
    }

    /// A read of several replicas' own copies: enough of the same version prove it chosen.
    struct Peek {
        var answers: [NodeNumber: Record?] = [:]
    }

    let context: Environment
    var relays: Relays
    private var quorums: [Quorum] = []
    /// The configuration of each partition.
    private var changed: [Epoch] = []
    /// Whom this node last heard to lead a partition that it does not hold.
    private var hints: [NodeNumber?]
    private(set) var pending: [RequestID: Pending] = [:]

    init(context: Environment, topology: Topology, boot: UInt64, shard: Int) {
        self.context = context
        relays = Relays(boot: boot, shard: shard)
        hints = Array(repeating: nil, count: topology.assignments.count + 1)
        adopt(topology)
    }

    /// Requests under way stay where they are: who leads no more says so.
    mutating func adopt(_ topology: Topology) {
        let assignments = topology.assignments + [topology.council]
        quorums = assignments.map(Quorum.init)
        changed = assignments.map(\.changed)
        // Who has left a partition leads it no more.
        for (index, hint) in hints.enumerated() {
            if let hint, quorums[index].index(of: hint) == nil { hints[index] = nil }
        }
    }

    private var now: Instant { context.now.monotonic }

    func hint(for partition: PartitionID) -> NodeNumber? {
        Int(partition.raw) < hints.count ? hints[Int(partition.raw)] : nil
    }

    mutating func sawLeader(_ node: NodeNumber, of partition: PartitionID) {
        guard Int(partition.raw) < hints.count else { return }
        hints[Int(partition.raw)] = node
    }

    // MARK: Beginning

    mutating func begin(_ id: RequestID, _ request: ClientRequest, _ replica: Local?) {
        guard Int(request.partition.raw) < quorums.count, pending[id] == nil else {
            return answer(id, .refused(.noReplica), by: context.me)
        }
        guard pending.count < context.options.maximumRequests else {
            return answer(id, .refused(.overloaded), by: context.me)
        }
        let entry = Pending(request, now: now)
        pending[id] = entry
        if entry.isStaleRead {
            startStaleRead(id, entry, replica)
        } else {
            route(id, entry, replica)
        }
    }

    /// Hands a request to its leader if one is known; it waits otherwise.
    private func route(_ id: RequestID, _ entry: Pending, _ replica: Local?) {
        let request = entry.request
        entry.place = .waiting
        entry.isRelayed = false
        entry.alsoAsked = nil
        if let replica, replica.takesOperations, !replica.isCanvassing || relayTarget(entry) == nil {
            entry.place = .here
            replica.submit(
                Operation(
                    origin: .local(id), key: request.key, command: request.command, deadline: request.deadline))
            // A candidacy may come to nothing, again and again.
            if !replica.leads { startPeek(id, entry, replica) }
        } else if let destination = destination(entry, replica) {
            send(id, entry, to: destination)
        } else {
            startPeek(id, entry, replica)
        }
    }

    /// Whom a request is given to.
    private enum Destination {
        /// It leads, as far as is known, or may.
        case leader(NodeNumber)
        /// It may reach the leader.
        case helper(NodeNumber)
    }

    private func send(_ id: RequestID, _ entry: Pending, to destination: Destination) {
        let request = entry.request
        let timeout = request.deadline - now
        entry.sent = now
        switch destination {
        case .leader(let node):
            entry.place = .remote(node)
            context.send(node, .request(header(id, request), .forward(timeout: timeout, command: request.command)))
        case .helper(let node):
            if case .remote(let leader) = entry.place { entry.alsoAsked = leader }
            entry.place = .remote(node)
            entry.isRelayed = true
            entry.relayed = now
            entry.relays += 1
            context.send(node, .request(header(id, request), .relay(timeout: timeout, command: request.command)))
        }
    }

    private func header(_ id: RequestID, _ request: ClientRequest) -> RequestHeader {
        RequestHeader(
            id, epoch: changed[Int(request.partition.raw)], partition: request.partition, key: request.key)
    }

    /// A node in touch that may reach the leader where this one does not, and has not been asked a moment ago; nil
    /// while the leader may just be about to be known.
    private func relayTarget(_ entry: Pending) -> NodeNumber? {
        guard now - entry.began >= context.options.leaderlessAfter,
            entry.relayed.map({ now - $0 >= context.options.retry }) ?? true
        else { return nil }
        let able = quorums[Int(entry.request.partition.raw)].members.filter {
            $0 != context.me && entry.place != .remote($0) && context.isUp($0) && context.relays($0)
        }
        guard !able.isEmpty else {
            entry.relayed = now
            return nil
        }
        return able[entry.relays % able.count]
    }

    private func destination(_ entry: Pending, _ replica: Local?) -> Destination? {
        if let replica {
            if let hint = replica.leaderHint, context.isUp(hint) { return .leader(hint) }
            return relayTarget(entry).map(Destination.helper)
        }
        let partition = Int(entry.request.partition.raw)
        // It may have led the partition itself until a moment ago.
        if let hint = hints[partition], hint != context.me {
            if context.isUp(hint) { return .leader(hint) }
            // Who leads is known and out of touch: others may reach it.
            if let helper = relayTarget(entry) { return .helper(helper) }
        }
        let up = quorums[partition].members.filter { context.isUp($0) && $0 != context.me }
        return up.isEmpty ? nil : .leader(up[entry.attempts % up.count])
    }

    // MARK: Answers

    private mutating func answer(_ id: RequestID, _ outcome: Outcome, by node: NodeNumber) {
        pending[id] = nil
        context.effects.append(.answer(id, outcome, by: node))
    }

    /// This node's replica has ended, or turned away, a request.
    ///
    /// - Parameter replicas: this node's, by partition.
    mutating func localResult(_ id: RequestID, _ result: ForwardResult, _ replicas: [Local?]) {
        guard let entry = pending[id], entry.place == .here else { return }
        finish(id, entry, result, from: context.me, replicas)
    }

    mutating func receiveForwarded(
        _ id: RequestID, _ result: ForwardResult, from node: NodeNumber, _ replicas: [Local?]
    ) {
        guard !relays.isRelay(id) else { return relayed(id, result, from: node) }
        guard let entry = pending[id], takesAnswer(of: node, entry, result) else { return }
        finish(id, entry, result, from: node, replicas)
    }

    /// Of a read that two were asked for, one that knows of no leader leaves it to the other.
    private func takesAnswer(of node: NodeNumber, _ entry: Pending, _ result: ForwardResult) -> Bool {
        guard let other = entry.alsoAsked else { return entry.place == .remote(node) }
        guard node == other || entry.place == .remote(node) else { return false }
        if case .outcome = result { return true }
        if node != other { entry.place = .remote(other) }
        entry.alsoAsked = nil
        return false
    }

    private mutating func finish(
        _ id: RequestID, _ entry: Pending, _ result: ForwardResult, from node: NodeNumber, _ replicas: [Local?]
    ) {
        let partition = Int(entry.request.partition.raw)
        switch result {
        case .outcome(let outcome):
            if !entry.isRelayed, hints[partition] != node { hints[partition] = node }
            answer(id, outcome, by: node)
        case .notLeader(let hint):
            if !entry.isRelayed || hint != nil { hints[partition] = hint == node ? nil : hint }
            entry.place = .waiting
            entry.attempts += 1
            // Straight on where somebody else is named; else at the next timer, so that nobody is asked in a tight
            // loop.
            if let hint, hint != node, entry.attempts <= 3 { route(id, entry, replicas[partition]) }
        }
    }

    /// What was sent to `node` is cut off: reads try elsewhere, and nobody can say what became of the changes.
    mutating func peerWentDown(_ node: NodeNumber, _ replica: (PartitionID) -> Local?) {
        endRelays(with: node)
        for (index, hint) in hints.enumerated() where hint == node { hints[index] = nil }
        for entry in pending.values where entry.alsoAsked == node { entry.alsoAsked = nil }
        let cutOff = pending.filter { $0.value.place == .remote(node) }
        for id in cutOff.keys.sorted(by: { $0.raw < $1.raw }) {
            guard let entry = pending[id] else { continue }
            if entry.request.command.isRead {
                route(id, entry, replica(entry.request.partition))
            } else {
                answer(id, .unknown(.leaderLost), by: node)
            }
        }
    }

    /// Tries what waits, and ends what has waited too long.
    mutating func timer(_ replica: (PartitionID) -> Local?) {
        relays.forget(before: now)
        let due = pending.filter { id, entry in
            entry.place == .waiting || entry.request.deadline <= now || wantsPeek(entry) || wantsRelay(entry)
                || wantsResending(entry)
        }
        for id in due.keys.sorted(by: { $0.raw < $1.raw }) {
            guard let entry = pending[id] else { continue }
            if entry.request.deadline <= now {
                expire(id, entry, replica(entry.request.partition))
            } else if entry.isStaleRead {
                startStaleRead(id, entry, replica(entry.request.partition))
            } else if wantsRelay(entry), let helper = relayTarget(entry) {
                send(id, entry, to: .helper(helper))
            } else if entry.place == .waiting || wantsResending(entry) {
                route(id, entry, replica(entry.request.partition))
            } else {
                startPeek(id, entry, replica(entry.request.partition))
            }
        }
    }

    private mutating func expire(_ id: RequestID, _ entry: Pending, _ replica: Local?) {
        if entry.isStaleRead { return answer(id, .refused(.noReplica), by: context.me) }
        let refusal = entry.place == .here ? replica?.withdraw(id) : nil
        if entry.request.command.isRead || entry.place == .waiting || refusal != nil {
            return answer(id, .refused(refusal ?? .noLeader), by: context.me)
        }
        answer(id, .unknown(.timedOut), by: context.me)
    }

    /// A read that its leader has not answered for a while is asked for through another node as well, once: the link
    /// may be lost, and not known to be yet.
    private func wantsRelay(_ entry: Pending) -> Bool {
        guard case .remote = entry.place, entry.request.command == .get, entry.relays == 0 else { return false }
        return now - entry.sent >= context.options.retry
    }

    private func wantsResending(_ entry: Pending) -> Bool {
        guard case .remote = entry.place, entry.request.command.isRead else { return false }
        return now - entry.sent >= context.options.readRetry
    }
}

// MARK: - Reads without the leader

extension Router {
    private func wantsPeek(_ entry: Pending) -> Bool {
        guard entry.request.command == .get, entry.peek == nil, case .remote = entry.place else { return false }
        return now - entry.began >= context.options.leaderlessAfter
    }

    /// Asks all replicas for their copies: a majority that reports one version proves it chosen, and the latest when
    /// the read came, for any later one would be on a majority too.
    private func startPeek(_ id: RequestID, _ entry: Pending, _ replica: Local?) {
        let request = entry.request
        guard request.command == .get, entry.peek == nil else { return }
        entry.peek = Peek()
        for member in quorums[Int(request.partition.raw)].members where member != context.me {
            sendPeek(id, request, to: member)
        }
        replica?.peekForClient(id, key: request.key)
    }

    private func sendPeek(_ id: RequestID, _ request: ClientRequest, to node: NodeNumber) {
        context.send(node, .request(header(id, request), .peek))
    }

    private func startStaleRead(_ id: RequestID, _ entry: Pending, _ replica: Local?) {
        let request = entry.request
        if let replica, !entry.isUnreadableHere {
            guard !entry.isReadingHere else { return }
            entry.peek = Peek()
            entry.isReadingHere = true
            return replica.peekForClient(id, key: request.key)
        }
        // A replica that does not answer is passed over for the next.
        let wait = Span(nanoseconds: context.options.leaderlessAfter.nanoseconds * UInt64(entry.attempts))
        let members = quorums[Int(request.partition.raw)].members.filter { context.isUp($0) && $0 != context.me }
        guard !members.isEmpty, now - entry.began >= wait else { return }
        entry.peek = Peek()
        entry.isReadingHere = false
        sendPeek(id, request, to: members[entry.attempts % members.count])
        entry.attempts += 1
    }

    /// This node's own copy cannot be read: a stale read asks another's, any other waits for the others' answers.
    mutating func cannotPeekHere(_ id: RequestID, _ replica: (PartitionID) -> Local?) {
        guard let entry = pending[id], entry.isStaleRead, !entry.isUnreadableHere else { return }
        entry.isUnreadableHere = true
        startStaleRead(id, entry, replica(entry.request.partition))
    }

    /// A replica's copy: this node's own, or that of `node`.
    mutating func receivePeeked(_ id: RequestID, _ record: Record?, from node: NodeNumber) {
        guard let entry = pending[id], entry.peek != nil else { return }
        if entry.isStaleRead { return answer(id, outcome(record), by: node) }
        let quorum = quorums[Int(entry.request.partition.raw)]
        var answers = entry.peek?.answers ?? [:]
        answers.updateValue(record, forKey: node)
        entry.peek?.answers = answers
        var same = ReplicaMask()
        for (other, held) in answers where held?.version == record?.version {
            if let index = quorum.index(of: other) { same.insert(index) }
        }
        // One that has expired proves nothing: a change that its leader made in time may still be on its way.
        let hasExpired = record.map { $0.expiry.hasPassed(at: context.now.wall) } ?? false
        if quorum.isMet(by: same), !hasExpired { answer(id, outcome(record), by: node) }
    }

    private func outcome(_ record: Record?) -> Outcome {
        guard let record, record.head.isPresent(at: context.now.wall) else { return .absent }
        return .found(record)
    }
}
