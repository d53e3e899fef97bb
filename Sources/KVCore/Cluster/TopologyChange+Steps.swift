// Finds what changes between two topologies, and makes the later one of the earlier one and the change.

extension TopologyChange {
    /// Nil where `next` is no later topology of the same cluster.
    package init?(from base: Topology, to next: Topology) {
        let splits = next.assignments.count - base.assignments.count
        guard base.clusterID == next.clusterID, base.settings == next.settings, base.epoch < next.epoch, splits >= 0
        else { return nil }
        var base = base
        if splits > 0 {
            // What splits do not give a topology like this is told as a whole.
            guard base.epoch + 1 == next.epoch, let plan = next.plan, base.plan?.splitTo == plan.splitTo,
                !plan.isPaused,
                base.takeSplits(splits, at: next.epoch)
            else { return nil }
        }
        let membership = Membership(of: next)
        let changed = next.assignments.differences(from: base.assignments)
        self.init(
            base: base.epoch, epoch: next.epoch, membership: membership == Membership(of: base) ? nil : membership,
            splits: splits, metadataQuorum: next.metadataQuorum == base.metadataQuorum ? nil : next.metadataQuorum)
        if let before = base.plan, let plan = next.plan, setSteps(changed, before, plan, base, next) { return }
        guard splits == 0 else { return nil }
        steps = [:]
        replaced = changed.map {
            Replacement(partition: next.slots.partition(at: $0), assignment: next.assignments[$0])
        }
        plan = next.plan.map { .replaced($0) } ?? .none
    }

    /// Expresses the change by steps of a plan that is kept. False where the plan is another one.
    private mutating func setSteps(
        _ changed: [Int], _ before: ChangePlan, _ after: ChangePlan, _ base: Topology, _ next: Topology
    ) -> Bool {
        for index in changed {
            let partition = base.slots.partition(at: index)
            let (old, new) = (base.assignments[index], next.assignments[index])
            let step = Step.allCases.first { old.taking($0, to: before.target(of: partition), at: epoch) == new }
            if let step {
                steps[step, default: []].append(partition)
            } else {
                replaced.append(Replacement(partition: partition, assignment: new))
            }
        }
        plan = .kept(isPaused: after.isPaused)
        return before.kept(isPaused: after.isPaused, without: reached) == after
    }

    /// The partitions that reach their targets, ascending.
    fileprivate var reached: [PartitionID] {
        let lists = steps.filter { $0.key.reachesTarget }.values
        return lists.count == 1 ? lists.first ?? [] : lists.joined().sorted()
    }
}

// MARK: - Applying

/// Says why a change does not give a topology that may be used.
package struct TopologyFlaw: Error, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

extension Topology {
    /// The topology that a change of this one gives. It is sound if this one is; what is checked is in proportion to
    /// what changes.
    package func applying(_ change: TopologyChange) throws(TopologyFlaw) -> Topology {
        guard change.base == epoch else {
            throw TopologyFlaw("it changes epoch \(change.base), and this is epoch \(epoch)")
        }
        guard change.epoch > epoch, change.epoch < .max else { throw TopologyFlaw("its epoch is out of range") }
        var next = self
        next.epoch = change.epoch
        try next.takeSplits(of: change)
        try next.takeSteps(of: change)
        try next.replaceAssignments(of: change)
        if let membership = change.membership {
            next.members = membership.members
            next.lastNumber = membership.lastNumber
            next.removed = membership.removed
        }
        if let metadataQuorum = change.metadataQuorum { next.metadataQuorum = metadataQuorum }
        if let flaw = next.flaw(after: change, of: self) { throw TopologyFlaw(flaw) }
        assert(next.flaw == nil || flaw != nil, "a change of a sound topology gives a sound one: \(next.flaw ?? "")")
        return next
    }

    private mutating func takeSplits(of change: TopologyChange) throws(TopologyFlaw) {
        guard change.splits > 0 else { return }
        guard case .kept(isPaused: false) = change.plan, let plan, change.splits <= plan.splitTo - assignments.count,
            takeSplits(change.splits, at: change.epoch)
        else { throw TopologyFlaw("its \(change.splits) splits cannot be made") }
    }

    /// Splits partitions in two, in the order of `SlotMap`: the new ones have the replicas of those that they come of,
    /// and have had them for as long, because each node divides its copy.
    ///
    /// - Returns: False, and leaves the topology half changed, if that cannot be done: there are not so many partitions
    ///   to split, or one of them moves or would be split twice.
    package mutating func takeSplits(_ count: Int, at epoch: Epoch) -> Bool {
        let slots = slots
        let splits = slots.splits(to: slots.count + count)
        guard splits.count == count else { return false }
        for split in splits {
            guard let place = slots.place(of: split.parent), assignments[place].next == nil,
                assignments[place].changed < epoch
            else { return false }
            let parent = assignments[place].changing(to: assignments[place].replicas, next: nil, at: epoch)
            assignments[place] = parent
            assignments.append(parent)
        }
        return true
    }

    /// Takes the plan's steps, and goes on with the plan that is left.
    private mutating func takeSteps(of change: TopologyChange) throws(TopologyFlaw) {
        guard case .kept(let isPaused) = change.plan else {
            guard change.steps.isEmpty else { throw TopologyFlaw("it takes steps of a plan that it ends") }
            if case .replaced(let other) = change.plan { plan = other } else { plan = nil }
            return
        }
        guard let present = plan else { throw TopologyFlaw("it goes on with a plan where there is none") }
        let slots = slots
        for step in TopologyChange.Step.allCases {
            var last = -1
            for partition in change.steps[step] ?? [] {
                guard let index = slots.place(of: partition), index > last else {
                    throw TopologyFlaw("its steps are out of order")
                }
                last = index
                let (old, target) = (assignments[index], present.target(of: partition))
                guard old.changed < epoch, let new = old.taking(step, to: target, at: epoch) else {
                    throw TopologyFlaw("partition \(partition) cannot take the step \(step)")
                }
                assignments[index] = new
            }
        }
        plan = present.kept(isPaused: isPaused, without: change.reached)
    }

    private mutating func replaceAssignments(of change: TopologyChange) throws(TopologyFlaw) {
        var last = -1
        for replacement in change.replaced {
            let changed = replacement.assignment.changed
            // A node that reads the register may go by several epochs at once.
            guard let index = slots.place(of: replacement.partition), index > last, changed > change.base,
                changed <= epoch, assignments[index].changed < changed
            else { throw TopologyFlaw("partition \(replacement.partition) is replaced out of order") }
            last = index
            assignments[index] = replacement.assignment
        }
    }

    /// Says what is wrong with this topology, which a change of a sound one has given. Steps of a plan that is kept are
    /// right if they could be taken. Everything else is rare, and looked at as a whole.
    private func flaw(after change: TopologyChange, of base: Topology) -> String? {
        guard lastNumber >= base.lastNumber else { return "its last number is lower than before" }
        guard change.membership == nil, change.replaced.isEmpty, case .kept = change.plan else { return flaw }
        return change.metadataQuorum == nil ? nil : flawOfMetadataQuorum
    }
}

extension Assignment {
    /// The assignment after a step of a plan; nil where the step cannot be taken.
    fileprivate func taking(_ step: TopologyChange.Step, to target: [NodeNumber]?, at epoch: Epoch) -> Assignment? {
        switch step {
        case .begin:
            guard let target, next == nil else { return nil }
            return changing(to: replicas, next: target, at: epoch)
        case .complete:
            guard let next, target == next else { return nil }
            return changing(to: next, next: nil, at: epoch)
        case .takeBack: return next == nil ? nil : changing(to: replicas, next: nil, at: epoch)
        case .reorder:
            guard let target, next == nil, replicas.isPermutation(of: target) else { return nil }
            return changing(to: target, next: nil, at: epoch)
        }
    }
}

extension ChangePlan {
    /// The target of a partition; nil where it has none.
    func target(of partition: PartitionID) -> [NodeNumber]? {
        var (low, high) = (0, targets.count)
        while low < high {
            let middle = (low + high) / 2
            if targets[middle].partition < partition { low = middle + 1 } else { high = middle }
        }
        return low < targets.count && targets[low].partition == partition ? targets[low].replicas : nil
    }

    /// The plan when these partitions, ascending, have reached their targets.
    fileprivate func kept(isPaused: Bool, without reached: [PartitionID]) -> ChangePlan {
        var plan = self
        plan.isPaused = isPaused
        guard !reached.isEmpty else { return plan }
        var next = 0
        plan.targets.removeAll { target in
            while next < reached.count, reached[next] < target.partition { next += 1 }
            return next < reached.count && reached[next] == target.partition
        }
        return plan
    }
}
