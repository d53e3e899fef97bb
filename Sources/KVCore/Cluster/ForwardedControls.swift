/// Passes operators' requests on to the coordinator, while this node is not the coordinator itself.
///
/// A request that changes something is sent to one node, and to another only if the first says that it did nothing.
struct ForwardedControls {
    private struct Inquiry {
        var request: ControlRequest
        var deadline: Instant
        /// The node that was asked last, and when. Nil while there is nobody to ask.
        var asked: NodeNumber?
        var at: Instant
        /// The nodes that have said no, or nothing, in this round.
        var tried: Set<NodeNumber> = []
        /// A node was asked and has been given up without an answer.
        var isAstray = false

        var mayHaveRun: Bool { isAstray || asked != nil }
    }

    private let context: ClusterContext
    private var pending: [RequestID: Inquiry] = [:]
    /// The node that was the coordinator when last heard.
    private(set) var coordinator: NodeNumber?

    init(context: ClusterContext) { self.context = context }

    var count: Int { pending.count }

    mutating func begin(_ id: RequestID, _ request: ControlRequest, deadline: Instant) {
        assert(pending[id] == nil, "a number names one request")
        pending[id] = Inquiry(request: request, deadline: deadline, at: context.time)
        ask(id)
    }

    /// Takes back the requests that nobody else can have carried out, or that may run twice: this node has become the
    /// coordinator.
    mutating func withdraw() -> [PendingControl] {
        coordinator = context.me
        let ids = pending.filter { !$0.value.mayHaveRun || $0.value.request.mayRunTwice }.keys.sorted {
            $0.raw < $1.raw
        }
        return ids.compactMap { id in
            pending.removeValue(forKey: id).map {
                PendingControl(origin: .local(id), request: $0.request, deadline: $0.deadline)
            }
        }
    }

    mutating func forgetCoordinator() { coordinator = nil }

    mutating func receiveReply(_ id: RequestID, _ reply: ControlReply, by node: NodeNumber) {
        // Late: it has been answered, or its time was over.
        guard var inquiry = pending[id] else { return }
        guard case .notCoordinator(let hint) = reply else {
            coordinator = node
            return answer(id, reply)
        }
        // Late: another node has been asked since.
        guard inquiry.asked == node else { return }
        inquiry.asked = nil
        inquiry.tried.insert(node)
        pending[id] = inquiry
        if coordinator == node { coordinator = nil }
        if let hint, hint != node, hint != context.me { coordinator = hint }
        ask(id)
    }

    /// A node has died: it will not answer any more.
    mutating func died(_ node: NodeNumber) {
        if coordinator == node { coordinator = nil }
        for (id, inquiry) in pending.sorted(by: { $0.key.raw < $1.key.raw }) where inquiry.asked == node {
            giveUp(id)
        }
    }

    mutating func timer() {
        for (id, inquiry) in pending.sorted(by: { $0.key.raw < $1.key.raw }) {
            if context.time >= inquiry.deadline {
                expire(id, inquiry)
            } else if inquiry.asked == nil {
                guard context.time - inquiry.at >= context.options.retry else { continue }
                pending[id]?.tried = []
                ask(id)
            } else if inquiry.request.mayRunTwice, context.time - inquiry.at >= context.options.retry {
                giveUp(id)
            }
        }
    }

    /// Asks another node instead of the one that does not answer, where the request may run twice.
    private mutating func giveUp(_ id: RequestID) {
        guard var inquiry = pending[id], let node = inquiry.asked else {
            return assertionFailure("only a request that somebody was asked is given up")
        }
        guard inquiry.request.mayRunTwice else { return answer(id, .unknown) }
        inquiry.tried.insert(node)
        inquiry.asked = nil
        inquiry.isAstray = true
        pending[id] = inquiry
        ask(id)
    }

    private mutating func expire(_ id: RequestID, _ inquiry: Inquiry) {
        if inquiry.mayHaveRun, !inquiry.request.onlyLooks { return answer(id, .unknown) }
        let metadataQuorum = context.topology.metadataQuorum.members
        let names = context.topology.members.filter { metadataQuorum.contains($0.number) }.map(\.id).joined(
            separator: ", ")
        answer(
            id,
            .refused(
                .noCoordinator,
                "no coordinator answered in time, nothing was changed: see that a majority of the metadata quorum "
                    + "(\(names)) is up, then ask again; if their disks are lost for good, see 'kv recover --help'"))
    }

    private mutating func answer(_ id: RequestID, _ reply: ControlReply) {
        pending[id] = nil
        context.effects.append(.answer(id, reply))
    }

    /// Asks the next node: the last coordinator heard of, or else a member of the metadata quorum that has not been
    /// asked in this round.
    private mutating func ask(_ id: RequestID) {
        guard var inquiry = pending[id] else { return assertionFailure("only a pending request is asked about") }
        inquiry.at = context.time
        let metadataQuorum = context.topology.metadataQuorum.members
        let candidates = (coordinator.map { [$0] } ?? []) + metadataQuorum
        // A node that is likely to be dead is not asked: without an answer, nobody would know what it did.
        let next = candidates.first { node in
            node != context.me && !inquiry.tried.contains(node) && context.isAlive(node)
        }
        inquiry.asked = next
        pending[id] = inquiry
        if let next { context.send(next, .control(id, inquiry.request)) }
    }
}

extension ControlRequest {
    /// Whether carrying it out again does no harm.
    var mayRunTwice: Bool {
        switch self {
        case .change(_, let isDryRun), .split(_, let isDryRun): isDryRun
        case .cancel: false
        case .pause, .resume, .status: true
        }
    }

    /// Whether it changes nothing.
    var onlyLooks: Bool {
        switch self {
        case .change(_, let isDryRun), .split(_, let isDryRun): isDryRun
        case .status: true
        case .pause, .resume, .cancel: false
        }
    }
}
