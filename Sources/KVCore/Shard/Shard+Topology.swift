// How a shard goes from one topology to the next.

/// Messages of configurations that this node has yet to hear of: they wait, within limits, rather than be sent again.
struct EarlyMessages {
    var messages: [(from: NodeNumber, message: PeerMessage)] = []
    var bytes = 0
}

extension Shard {
    /// Everything it has proposed is sent under the old configuration first, so that nobody need guess what was.
    func adopt(_ topology: Topology, now: Now) {
        guard topology.epoch > self.topology.epoch, topology.settings.partitions == self.topology.settings.partitions
        else { return }
        flush(now: now)
        let before = self.topology
        self.topology = topology
        context.epoch = topology.epoch
        context.isMovingPaused = topology.plan?.isPaused ?? false
        router.adopt(topology)
        for partition in partitions {
            guard let assignment = topology.assignment(of: partition), assignment != before.assignment(of: partition)
            else { continue }
            change(partition, to: assignment)
        }
        owned = replicas.compactMap { $0 }
        context.rests.restart(owned)
        routeTurnedAway()
        replayEarly()
    }

    private func change(_ partition: PartitionID, to assignment: Assignment) {
        let index = Int(partition.raw)
        if assignment.since(me) != nil {
            departed.remove(partition)
            if let replica = replicas[index] {
                replica.reconfigure(assignment)
            } else {
                replicas[index] = Replica(partition: partition, assignment: assignment, context: context)
            }
        } else if let replica = replicas[index] {
            replica.resign()
            replicas[index] = nil
            departed.insert(partition)
        }
    }

    // MARK: Messages from the future

    func isEarly(_ header: PartitionHeader) -> Bool {
        guard let assignment = topology.assignment(of: header.partition) else { return false }
        return header.epoch > assignment.changed && !context.breaks(.compareEpochs)
    }

    func keep(_ message: ReplicaMessage, _ header: PartitionHeader, from node: NodeNumber) {
        tellBehind(header.epoch, at: node)
        context.decide(.awaitTopology)
        let bytes = message.heldBytes
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

    /// The partition has left this node, and the sender does not know: it would wait for answers in vain.
    func tellDeparted(_ header: PartitionHeader, to node: NodeNumber) {
        guard let assignment = topology.assignment(of: header.partition), header.epoch < assignment.changed else {
            return
        }
        context.send(node, .shards(.outdated(epoch: context.epoch)))
    }

    func tellBehind(_ epoch: Epoch, at node: NodeNumber) {
        guard epoch > context.epoch else { return }
        context.effects.append(.notice(.behind(epoch, at: node)))
    }

    // MARK: Copies that are not needed any more

    func dropReplica() {
        for partition in departed.sorted().prefix(context.options.maximumDropped) {
            guard let assignment = topology.assignment(of: partition) else { continue }
            let header = PartitionHeader(partition: partition, epoch: assignment.changed, ballot: .zero)
            for member in assignment.members where context.isUp(member) {
                context.send(member, .replica(header, .dropReplica))
            }
        }
    }

    func receiveReplicaDropped(_ header: PartitionHeader) {
        guard departed.contains(header.partition), replica(header.partition) == nil,
            topology.assignment(of: header.partition)?.changed == header.epoch
        else { return }
        departed.remove(header.partition)
        store.wipe(header.partition, membership: 0)
        context.effects.append(.notice(.replicaDropped(header.partition)))
    }

    // MARK: How things stand

    /// Of the partitions that move and are led here.
    package func moveReports() -> [MoveReport] { owned.compactMap(\.moveReport) }

    /// Of the partitions with slots that are led here.
    package func ledSizes() -> [PartitionSize] {
        owned.compactMap { replica in
            guard replica.leader != nil, replica.partition != topology.metadataPartition else { return nil }
            let usage = store.usage(replica.partition)
            return PartitionSize(partition: replica.partition, bytes: UInt64(max(usage.bytes, 0)))
        }
    }

    /// How many changes this node carried from one of its leaderships to the next.
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
