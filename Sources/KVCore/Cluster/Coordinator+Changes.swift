// The changes that begin, stop and undo plans.

extension Coordinator {
    /// The topology that a request asks for; nil where it asks for none.
    func draft(for request: ControlRequest) throws(ControlFailure) -> TopologyDraft? {
        var draft = TopologyDraft(after: context.topology)
        switch request {
        case .status: return nil
        case .pause, .resume:
            let isPaused = request == .pause
            guard try plan(to: isPaused ? "pause" : "resume").isPaused != isPaused else { return nil }
            draft.setPaused(isPaused)
        case .cancel:
            guard try !plan(to: "cancel").isCancelling else { return nil }
            if let lost = context.topology.members.first(where: { $0.status == .lost }) {
                throw ControlFailure(
                    .impossible,
                    "the plan removes \(lost.id), which was given up for dead and cannot come back: "
                        + whatItWaitsFor)
            }
            draft.cancel(ledger: context.ledger, isDead: context.isDead)
        case .split(let partitions, _):
            try reviewSplit(to: partitions)
            guard partitions > context.topology.assignments.count else { return nil }
            draft.beginSplitting(to: partitions)
        case .change(let change, _):
            if let numbers = try ChangeReview.givenUp(by: change, context) {
                draft.giveUp(numbers, ledger: context.ledger, isDead: context.isDead)
            } else {
                let review = try ChangeReview(change, context)
                draft.begin(
                    review.members, lastNumber: review.lastNumber, reason: .operatorAsked, ledger: context.ledger,
                    isDead: context.isDead)
            }
        }
        return draft
    }

    private func reviewSplit(to partitions: Int) throws(ControlFailure) {
        let present = context.topology.assignments.count
        guard context.topology.plan == nil else { throw ControlFailure.planUnderWay }
        guard SlotMap.dividesEqually(into: partitions) else {
            throw ControlFailure(
                .impossible,
                "\(partitions) is no number of partitions: it must be a power of two, at most \(Slot.count)")
        }
        guard partitions >= present else {
            throw ControlFailure(
                .impossible,
                "there are \(present) partitions, and they can only become more: ask for \(present) or more")
        }
        if let refusal = context.refusalToSplit { throw refusal }
    }

    /// Says what would let a plan end that cannot be undone.
    private var whatItWaitsFor: String {
        let topology = context.topology
        let stuck = topology.assignments.indices.filter { index in
            !topology.assignments[index].replicas.hasMajority { !context.isDead($0) }
        }
        if let first = stuck.first {
            let more = stuck.count > 1 ? " (and \(stuck.count - 1) more)" : ""
            let dead = topology.assignments[first].replicas.filter(context.isDead).compactMap {
                topology.member($0)?.id
            }
            let partition = topology.slots.partition(at: first)
            return "it waits for partition \(partition)\(more), a majority of whose replicas is dead: start "
                + "\(dead.joined(separator: " or ")) again, with its data directory; if the "
                + "disks are lost for good, 'kv recover' goes on with what is left"
        }
        if let dead = topology.members.first(where: { $0.stays && context.isDead($0.number) }) {
            return
                "let it finish, and if it waits for \(dead.id), which is dead as well, start that again or give it up "
                + "too (kv leave \(dead.id) --force)"
        }
        return "let it finish"
    }

    private func plan(to verb: String) throws(ControlFailure) -> ChangePlan {
        guard let plan = context.topology.plan else {
            throw ControlFailure(.noPlan, "there is no plan under way to \(verb)")
        }
        return plan
    }

    /// Begins a plan for the pending nodes that ask for it themselves, once no other has come for a while.
    func admitPendingNodes(_ draft: inout TopologyDraft) {
        let topology = context.topology
        let pendingNodes = context.pendingNodes.all
        let willing = pendingNodes.filter { pendingNode in
            pendingNode.admitsItself && topology.member(named: pendingNode.id) == nil
                && topology.removed.allSatisfy { $0.store != pendingNode.store }
                && pendingNodes.count { $0.id == pendingNode.id } == 1
        }
        // (A review that refuses them now may not do so later: nobody asked, so nobody is told.)
        guard let latest = context.pendingNodes.latestArrival(of: willing.map(\.store)),
            context.time - latest >= context.options.gather,
            let review = try? ChangeReview(MembershipChange(joins: willing.map { .init(id: $0.id) }), context)
        else { return }
        begin(review.members, lastNumber: review.lastNumber, reason: .operatorAsked, &draft)
    }

    /// Begins a plan without the members that have been dead for too long. A plan under way goes on without them.
    func evict(_ numbers: [NodeNumber], _ draft: inout TopologyDraft) {
        guard draft.topology.plan == nil else {
            return draft.giveUp(Set(numbers), ledger: context.ledger, isDead: context.isDead)
        }
        var members = context.topology.members
        for index in members.indices where numbers.contains(members[index].number) {
            members[index].status = .lost
        }
        begin(members, lastNumber: context.topology.lastNumber, reason: .eviction, &draft)
    }

    /// The draft may have recorded stores meanwhile: they are kept.
    private func begin(
        _ members: [Member], lastNumber: NodeNumber, reason: ChangePlan.Reason, _ draft: inout TopologyDraft
    ) {
        var members = members
        for index in members.indices where members[index].store == nil {
            members[index].store = draft.topology.member(members[index].number)?.store
        }
        draft.begin(
            members, lastNumber: lastNumber, reason: reason, ledger: context.ledger, isDead: context.isDead)
    }
}

extension ClusterContext {
    /// Why partitions cannot be split now: a member may be of an earlier version, which does not know of splits.
    var refusalToSplit: ControlFailure? {
        guard let old = topology.members.first(where: { !takesChanges($0.number) }) else { return nil }
        return ControlFailure(
            .impossible,
            "\(old.id) is of an earlier version, which cannot split partitions, or was not met yet: start or upgrade it, "
                + "then ask again")
    }
}
