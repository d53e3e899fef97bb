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
            if let lost = context.topology.members.first(where: { $0.standing == .lost }) {
                throw ControlFailure(
                    .impossible,
                    "the plan removes \(lost.id), which was given up for dead and cannot come back: let it finish "
                        + "(a newcomer that has died as well can be removed with kv leave --force)")
            }
            draft.cancel(ledger: context.ledger)
        case .change(let change, _):
            if let numbers = try ChangeReview.givenUp(by: change, context) {
                draft.giveUp(numbers, ledger: context.ledger)
            } else {
                let review = try ChangeReview(change, context)
                draft.begin(
                    review.members, lastNumber: review.lastNumber, reason: .operatorAsked, ledger: context.ledger)
            }
        }
        return draft
    }

    private func plan(to verb: String) throws(ControlFailure) -> ChangePlan {
        guard let plan = context.topology.plan else {
            throw ControlFailure(.noPlan, "there is no change of membership under way to \(verb)")
        }
        return plan
    }

    /// Begins a plan for the applicants that ask for it themselves, once no other has come for a while.
    func admitApplicants(_ draft: inout TopologyDraft) {
        let topology = context.topology
        let applicants = context.applicants.all
        let willing = applicants.filter { applicant in
            applicant.admitsItself && topology.member(named: applicant.id) == nil
                && topology.removed.allSatisfy { $0.store != applicant.store }
                && applicants.count { $0.id == applicant.id } == 1
        }
        guard let latest = context.applicants.latestArrival(of: willing.map(\.store)),
            context.time - latest >= context.options.gather,
            let review = try? ChangeReview(MembershipChange(joins: willing.map { .init(id: $0.id) }), context)
        else { return }
        begin(review.members, lastNumber: review.lastNumber, reason: .operatorAsked, &draft)
    }

    /// Begins a plan without those who have been dead for too long.
    func evict(_ numbers: [NodeNumber], _ draft: inout TopologyDraft) {
        var members = context.topology.members
        for index in members.indices where numbers.contains(members[index].number) {
            members[index].standing = .lost
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
        draft.begin(members, lastNumber: lastNumber, reason: reason, ledger: context.ledger)
    }
}
