// Splits partitions in two, as the topology says.
//
// For each key the acceptors stay what they are: the same replicas on the same nodes, with the same promise and the
// same records. Only what they are called changes. So a split is as safe as any change of configuration: requests of
// the old one are refused from then on, and a leader prepares anew, here once for each of the two partitions.

extension RequestMessage {
    /// The command that it asks for.
    var command: Command {
        switch self {
        case .forward(_, let command), .relay(_, let command): command
        case .quorumRead: .get
        }
    }
}

extension Shard {
    /// Has a request name the partition that it is about, by this shard's topology.
    @inline(__always)
    package func locate(_ request: Request) {
        guard isCut, request.locatedAmong != context.slots.count else { return }
        request.locatedAmong = context.slots.count
        request.partition = partition(request.partition, of: request.key, for: request.command)
    }

    /// The partition that a request is about, by this shard's topology. The sender may go by another one.
    func partition(_ named: PartitionID, of key: Key, for command: Command) -> PartitionID {
        guard isCut || named > topology.metadataPartition, named != topology.metadataPartition, !command.isOfPartition
        else { return named }
        let own = context.slots.partition(of: key.slot)
        guard own != named else { return named }
        context.decide(.followSplits)
        return context.breaks(.followSplits) ? named : own
    }

    /// Whether the asker and this node mean the same keys by a partition. Otherwise a list could lack the keys that the
    /// asker does not look for elsewhere, and a count could count keys twice.
    func isCutAlike(_ command: Command, _ header: RequestHeader, _ replica: Replica, from node: NodeNumber) -> Bool {
        guard command.isOfPartition, header.epoch != replica.changed else { return true }
        context.decide(.compareCuts)
        if header.epoch < replica.changed {
            context.send(node, .shards(.outdated(epoch: context.epoch)))
        }
        return context.breaks(.compareCuts)
    }

    // MARK: Ahead of time

    /// Prepares the splits of a topology that waits for them, or else those that the plan makes next. The store moves a
    /// few records at each timer, so that clients are not held up.
    func prepareSplits() {
        let wanted = awaited?.slots.count ?? plannedPartitions
        guard wanted > preparedPartitions else { return }
        var work = context.options.splitSlice
        guard store.prepareSplits(to: wanted, work: &work) else { return }
        preparedPartitions = wanted
        if let awaited { adopt(awaited, now: context.now) }
    }

    /// Up to how many partitions splits are to be prepared for the plan.
    private var plannedPartitions: Int {
        guard let plan = topology.plan, plan.reason == .split, !plan.isPaused, plan.targets.isEmpty else { return 0 }
        return min(plan.splitTo, topology.slots.count + context.options.maximumPreparedSplits)
    }

    /// Whether the store need not move any record to go by a topology.
    func isDivided(for topology: Topology) -> Bool {
        let count = topology.slots.count
        guard count > max(store.slots.count, preparedPartitions), !context.breaks(.awaitDivision) else { return true }
        var work = 0
        guard !store.prepareSplits(to: count, work: &work) else { return true }
        context.decide(.awaitDivision)
        return false
    }

    // MARK: Splitting

    /// Splits the store's partitions, and makes room for the new ones. What changes the configurations comes next.
    ///
    /// - Returns: What the leaders and candidates of partitions that are split leave to the next, by partition.
    func takeApart(_ splits: [SlotMap.Split], by topology: Topology) -> [PartitionID: Unfinished] {
        guard !splits.isEmpty else { return [:] }
        wakeAll()
        var left: [PartitionID: Unfinished] = [:]
        for split in splits where left[split.parent] == nil {
            left[split.parent] = restingReplica(split.parent)?.endLeadership()
        }
        while store.slots.count < topology.slots.count { store.split() }
        preparedPartitions = max(preparedPartitions, topology.slots.count)
        context.slots = topology.slots
        isCut = true
        for split in splits {
            assert(Int(split.child.raw) == replicas.count, "partitions are numbered without gaps")
            replicas.append(nil)
            isOwn.append(isOwn[Int(split.parent.raw)])
            if isOwn[Int(split.parent.raw)] { partitions.append(split.child) }
            router.add(split)
            // What it has given away is not its own any more.
            if let replica = restingReplica(split.parent) {
                context.noteResized(replica)
            } else if isOwn[Int(split.parent.raw)] {
                context.resized.append(split.parent)
            }
        }
        figures.grow(to: topology.slots)
        context.deadlines.forEach(locate)
        context.effects.append(.notice(.split(topology.slots)))
        return divide(left, splits, topology.slots)
    }

    /// The new partitions of which this node's copies lack nothing, because those that they come of do not.
    func completeChildren(of splits: [SlotMap.Split]) -> Set<PartitionID> {
        var complete: Set<PartitionID> = []
        for split in splits {
            let parent = restingReplica(split.parent).map { !$0.isIncomplete } ?? complete.contains(split.parent)
            if parent { complete.insert(split.child) }
        }
        return complete
    }

    private func divide(
        _ left: [PartitionID: Unfinished], _ splits: [SlotMap.Split], _ slots: SlotMap
    ) -> [PartitionID: Unfinished] {
        var shares = left.mapValues { _ in Unfinished() }
        for split in splits where shares[split.parent] != nil { shares[split.child] = Unfinished() }
        for (parent, unfinished) in left {
            var unfinished = unfinished
            for request in unfinished.requests.takeAll() {
                // The asker may go by the topology before, and would not look for the keys of the new partition.
                if request.command.isOfPartition, case .peer = request.origin, !context.breaks(.compareCuts) {
                    context.decide(.compareCuts)
                    context.turnAway(request, hint: nil)
                    continue
                }
                let owner = shares[request.partition] == nil ? parent : request.partition
                shares[owner]?.requests.append(request, as: .electing)
            }
            for proposal in unfinished.proposals {
                // (The key of a mark is in no partition that comes of this one.)
                var owner = slots.partition(of: proposal.key.slot)
                if shares[owner] == nil { owner = parent }
                if owner != parent { context.decide(.divideUnfinished) }
                shares[context.breaks(.divideUnfinished) ? parent : owner]?.proposals.append(proposal)
            }
        }
        return shares
    }

    /// Prepares anew where this node led what was split, so that nobody waits for an election.
    func goOn(_ unfinished: [PartitionID: Unfinished]) {
        for (partition, var left) in unfinished.sorted(by: { $0.key < $1.key }) {
            if let replica = replica(partition) {
                replica.prepare(left)
                continue
            }
            // It has left this node in the same change.
            for request in left.requests.takeAll() { context.turnAway(request, hint: nil) }
            for case let request? in left.proposals.map(\.request) {
                context.finish(request, .unknown(.leaderLost))
            }
        }
    }
}

extension Replica {
    /// Takes over what the replica of the partition that this one comes of has known.
    ///
    /// - Parameter isComplete: Whether the copy that was split lacked nothing. (The parent may be complete by now
    ///   because it has begun anew.)
    func inherit(from parent: Replica?, isComplete: Bool) {
        // Invariant 7: nobody is told of records before they, and the state that makes them this partition's, are
        // durable.
        appendedState()
        if isComplete { becomeComplete() }
        guard let parent else { return }
        highestSeen = max(highestSeen, parent.highestSeen)
        leaderHint = parent.leaderHint.flatMap { quorum.index(of: $0) == nil ? nil : $0 }
        hasHeardLeader = parent.hasHeardLeader
        leaderHeard = parent.leaderHeard
    }
}
