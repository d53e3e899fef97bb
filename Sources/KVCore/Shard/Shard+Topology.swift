// Takes a shard from one topology to the next.

/// Messages of configurations that this node has yet to hear of. They wait here, within limits, so that they need not
/// be sent again.
struct EarlyMessages {
    var messages: [(from: NodeNumber, message: PeerMessage)] = []
    var bytes = 0
}

extension Shard {
    /// Goes by another topology from now on. Everything that was proposed is sent under the old configuration first, so
    /// that nobody need guess what was.
    func adopt(_ topology: Topology, now: Now) {
        // Invariant 10: a node never falls back to an earlier configuration. (It may be given the present one again.)
        guard topology.epoch > max(self.topology.epoch, awaited?.epoch ?? 0) || topology == awaited else { return }
        guard topology.settings.partitions == self.topology.settings.partitions else {
            return assertionFailure("the number of partitions at the beginning is settled when a cluster is founded")
        }
        guard topology.slots.count >= self.topology.slots.count else {
            return assertionFailure("partitions are never joined")
        }
        guard isDivided(for: topology) else { return awaited = topology }
        awaited = nil
        endTick()
        let before = self.topology
        let splits = before.slots.splits(to: topology.slots.count)
        let complete = completeChildren(of: splits)
        let unfinished = takeApart(splits, by: topology)
        let changed = topology.partitionsChanged(since: before)
        let parents = Dictionary(uniqueKeysWithValues: splits.map { ($0.child, $0.parent) })
        let hasOthers = changed.contains {
            isOwn[Int($0.raw)] && holds($0) != (topology.assignment(of: $0)?.since(me) != nil)
        }
        // Replicas rest by their places, which change.
        if hasOthers { wakeAll() }
        self.topology = topology
        context.epoch = topology.epoch
        context.isMovingPaused = topology.plan?.isPaused ?? false
        for partition in changed {
            guard let assignment = topology.assignment(of: partition) else {
                assertionFailure("what has changed is a partition of the topology")
                continue
            }
            // Invariant 10: a configuration is named by the epoch that made it, so another one has a later name.
            assert(
                before.assignment(of: partition).map { $0.changed < assignment.changed } ?? !splits.isEmpty,
                "partition \(partition.raw) has another assignment of the same configuration")
            router.adopt(assignment, of: partition)
            if isOwn[Int(partition.raw)] {
                change(partition, to: assignment, comingOf: parents[partition], complete.contains(partition))
            }
            // The replica that has gone may have known the leader, which says only once that it leads.
            if !holds(partition), let listed = context.listings[partition], assignment.since(listed.node) != nil {
                router.sawLeader(listed.node, of: partition)
            }
        }
        if hasOthers || !splits.isEmpty {
            owned = replicas.compactMap { $0 }
            context.rests.restart(owned)
        }
        goOn(unfinished)
        context.pace = HeartbeatPace(members: topology.members.count)
        context.listings.lookAgain()
        attending = attending.filter { topology.member($0.key) != nil }
        context.listings.keep { topology.member($0) != nil }
        context.leases.keep({ topology.member($0) != nil }, at: now.monotonic)
        supportAnswers = supportAnswers.filter { topology.member($0.key) != nil }
        if topology.metadataQuorum.members != before.metadataQuorum.members { reportAllSizes() }
        routeTurnedAway()
        replayEarly()
    }

    /// Whether this node holds a replica of a partition in this shard.
    package func holds(_ partition: PartitionID) -> Bool { restingReplica(partition) != nil }

    /// - Parameters:
    ///   - parent: The partition that it has just been split off; nil if it was there before.
    ///   - isComplete: Whether the copy that was split lacked nothing.
    private func change(
        _ partition: PartitionID, to assignment: Assignment, comingOf parent: PartitionID?, _ isComplete: Bool
    ) {
        let index = Int(partition.raw)
        noteMove(of: partition, assignment)
        context.leadEdits &+= 1
        if assignment.since(me) != nil {
            departed.remove(partition)
            if let replica = replica(partition) {
                replica.reconfigure(assignment)
            } else {
                let fresh = Replica(partition: partition, assignment: assignment, context: context)
                if let parent { fresh?.inherit(from: restingReplica(parent), isComplete: isComplete) }
                replicas[index] = fresh
            }
        } else if let replica = replica(partition) {
            replica.resign()
            replicas[index] = nil
            departed.insert(partition)
        } else if store.membership(partition) != 0 {
            // It comes of one that has left this node.
            departed.insert(partition)
        }
    }

    // MARK: Messages of later configurations

    /// Whether a message is of a later configuration than this node's. It must not be acted on yet (invariant 10).
    func isEarly(_ header: PartitionHeader) -> Bool {
        // There is no such partition: the peer's message is not to be relied on.
        guard let configuration = router.configuration(of: header.partition) else {
            // A split may have made it since.
            return header.epoch > topology.epoch && header.partition.raw <= Slot.count
        }
        return header.epoch > configuration && !context.breaks(.compareEpochs)
    }

    func keep(_ message: ReplicaMessage, _ header: PartitionHeader, from node: NodeNumber) {
        tellBehind(header.epoch, at: node)
        context.decide(.awaitTopology)
        let bytes = message.heldBytes
        // Where there is no room the message is lost, as any message may be: its sender sends it again.
        guard early.messages.count < context.options.maximumEarly,
            early.bytes + bytes <= context.options.maximumEarlyBytes
        else { return }
        early.messages.append((node, .replica(header, message)))
        early.bytes += bytes
    }

    private func replayEarly() {
        let waiting = early.messages
        early = EarlyMessages()
        for (node, message) in waiting { receive(message, from: node) }
    }

    /// Tells a sender that goes by an earlier configuration that the partition has left this node. It would wait for
    /// answers in vain.
    func tellDeparted(_ header: PartitionHeader, to node: NodeNumber) {
        guard let assignment = topology.assignment(of: header.partition), header.epoch < assignment.changed else {
            return
        }
        context.send(node, .shards(.outdated(epoch: context.epoch)))
    }

    /// Notes that a peer goes by a later topology than this node, where it does.
    func tellBehind(_ epoch: Epoch, at node: NodeNumber) {
        guard epoch > context.epoch else { return }
        context.effects.append(.notice(.behind(epoch, at: node)))
    }

    // MARK: Copies that are not needed any more

    /// Asks the members of partitions that have left this node whether its copies may go.
    func dropReplica() {
        for partition in departed.sorted().prefix(context.options.maximumDropped) {
            guard let assignment = topology.assignment(of: partition) else {
                assertionFailure("only partitions of this shard leave it")
                continue
            }
            let header = PartitionHeader(partition: partition, epoch: assignment.changed, ballot: .zero)
            for member in assignment.members where context.isUp(member) {
                context.send(member, .replica(header, .dropReplica))
            }
        }
    }

    /// The leader does not need this node's copy any more.
    func receiveReplicaDropped(_ header: PartitionHeader) {
        // Late: the copy is deleted already, the partition has come back, or its configuration has changed since.
        guard departed.contains(header.partition), replica(header.partition) == nil,
            topology.assignment(of: header.partition)?.changed == header.epoch
        else { return }
        departed.remove(header.partition)
        store.wipe(header.partition, membership: 0)
        context.resized.append(header.partition)
        context.effects.append(.notice(.replicaDropped(header.partition)))
    }

    // MARK: Figures

    /// How many changes this node re-proposed that were in flight under an earlier leadership of its own.
    package var reproposedChanges: Int { context.reproposedChanges }

    /// How often each rule of the protocol has decided something here.
    package var ruleCounts: RuleCounts { context.decided }
}

extension Replica {
    /// The partition has left this node.
    func resign() {
        stepDown(hint: nil)
        abandonCandidacy(hint: nil)
        becomeComplete()
    }
}
