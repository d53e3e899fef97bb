/// Operators' requests that came to this node while it was not the coordinator: they are passed on to whoever is.
///
/// A request that changes something is sent to one node; only if that says it did nothing, to another.
struct ForwardedControls {
    private struct Inquiry {
        var request: ControlRequest
        var deadline: Instant
        /// Who was asked last, and when. Nil while there is nobody to ask.
        var asked: NodeNumber?
        var at: Instant
        /// Who has said no, or nothing, in this round.
        var tried: Set<NodeNumber> = []
        /// Somebody was asked and has not answered.
        var isAstray = false

        var mayHaveRun: Bool { isAstray || asked != nil }
    }

    private let context: ClusterContext
    private var pending: [RequestID: Inquiry] = [:]
    /// Who was the coordinator when last heard.
    private(set) var coordinator: NodeNumber?

    init(context: ClusterContext) { self.context = context }

    var count: Int { pending.count }

    mutating func begin(_ id: RequestID, _ request: ControlRequest, deadline: Instant) {
        pending[id] = Inquiry(request: request, deadline: deadline, at: context.time)
        ask(id)
    }

    /// Takes back what nobody else can have carried out: this node has become the coordinator.
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
        guard var inquiry = pending[id] else { return }
        guard case .notCoordinator(let hint) = reply else {
            coordinator = node
            return answer(id, reply)
        }
        guard inquiry.asked == node else { return }
        inquiry.asked = nil
        inquiry.tried.insert(node)
        pending[id] = inquiry
        if coordinator == node { coordinator = nil }
        if let hint, hint != node, hint != context.me { coordinator = hint }
        ask(id)
    }

    /// Whoever was asked will not answer any more.
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

    private mutating func giveUp(_ id: RequestID) {
        guard var inquiry = pending[id], let node = inquiry.asked else { return }
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
                "no coordinator answered in time, nothing was changed: see that a majority of the council (\(names)) is "
                    + "up, then ask again; if their disks are lost for good, see 'kv recover --help'"))
    }

    private mutating func answer(_ id: RequestID, _ reply: ControlReply) {
        pending[id] = nil
        context.effects.append(.answer(id, reply))
    }

    /// Asks the next one: who was the coordinator last, else of the metadata quorum whoever has not been asked in this
    /// round.
    private mutating func ask(_ id: RequestID) {
        guard var inquiry = pending[id] else { return }
        inquiry.at = context.time
        let metadataQuorum = context.topology.metadataQuorum.members
        let candidates = (coordinator.map { [$0] } ?? []) + metadataQuorum
        // What must not run twice is sent to nobody who is likely to be dead: no answer would say nothing.
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
        case .change(_, let isDryRun): isDryRun
        case .cancel: false
        case .pause, .resume, .status: true
        }
    }

    var onlyLooks: Bool {
        switch self {
        case .change(_, let isDryRun): isDryRun
        case .status: true
        case .pause, .resume, .cancel: false
        }
    }
}
