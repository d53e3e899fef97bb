// How the members hear what this shard leads: a list once, then its changes, and heartbeats.

extension Shard {
    /// Notes that `node` has come in touch or is out of touch: it is told anew what this shard leads, and other leaders
    /// may have a majority.
    func leadershipsConcern(_ node: NodeNumber) {
        leaderships.setTold(node, false)
        hasUntold = true
        for replica in owned where replica.leader != nil { context.noteLead(of: replica) }
        if topology.metadataQuorum.members.contains(node) { reportAllSizes() }
    }

    /// Tells the members at once what has changed of what this shard leads, and periodically that nothing has.
    func tellLeaderships() {
        siblingsVersion = leaderships.version
        for partition in context.takeLeadsNoted() { leaderships.note(partition, leadershipToList(partition)) }
        let change = leaderships.advance()
        for leadership in change?.begun ?? [] { figures.unreported.insert(leadership.partition) }
        let isDue = context.now.monotonic - lastHeartbeat >= context.options.leaderHeartbeat
        guard isDue || change != nil || hasUntold else { return }
        if isDue {
            lastHeartbeat = context.now.monotonic
            heartbeats += 1
            tellSiblings()
        }
        hasUntold = false
        for node in others { tellLeaderships(node, change, isDue: isDue) }
    }

    private func tellLeaderships(_ node: NodeNumber, _ change: LeadershipUpdate?, isDue: Bool) {
        guard context.isUp(node) else {
            // All are told, in touch or not: two nodes that do not hear each other must begin somewhere. One shard is
            // enough.
            if isDue, isFirst { context.send(node, .shards(.leaderHeartbeat(epoch: context.epoch, []))) }
            return
        }
        guard context.relays(node) else { return tellPreviousVersion(node, change, isDue: isDue) }
        guard leaderships.isTold(node) else {
            leaderships.setTold(node, true)
            return send(leaderships.whole, to: node)
        }
        if let change {
            send(change, to: node)
        } else if isDue, !isSpokenFor(to: node), isInTurn(node),
            isFirst || context.isAttended(node) || !leaderships.ballots.isEmpty
        {
            send(leaderships.heartbeat, to: node)
        }
    }

    /// Whether the first shard's heartbeat says in this turn that this shard runs.
    private func isSpokenFor(to node: NodeNumber) -> Bool {
        !isFirst && !heartbeats.isMultiple(of: Siblings.ownTurns)
            && siblings.firstSpeaks(to: node, at: context.now.monotonic, context.options)
    }

    /// Tells the node's other shards that this one runs, and which list it stands by: that before what the peers are
    /// being told in this turn. This goes over connections of the shard's own, and may arrive after the first shard's
    /// next heartbeat, which must not name what peers have yet to hear of.
    func tellSiblings() {
        let beat = SiblingBeat(
            shard: leaderships.shard, version: siblingsVersion, attended: isFirst ? [] : context.attendedPeers,
            wanted: isFirst ? [] : wantedSupport, reached: isFirst ? Set(context.up.keys) : [])
        toldWanted = beat.wanted
        context.effects.append(.siblings(.beat(beat)))
    }

    func receive(_ message: SiblingMessage) {
        switch message {
        case .beat(let beat): siblings.heard(beat, at: context.now.monotonic)
        case .support(let support): gather(support)
        }
    }

    /// Whether this shard attends to a peer, or another one that it speaks for.
    private func isAttended(_ node: NodeNumber) -> Bool {
        context.isAttended(node) || isFirst && siblings.attend(to: node)
    }

    /// Whether a peer is sent a heartbeat in this turn.
    private func isInTurn(_ node: NodeNumber) -> Bool {
        guard context.pace.isReduced, !isAttended(node) else { return true }
        if let until = attending[node] {
            if context.now.monotonic < until { return true }
            attending[node] = nil
        }
        // Nodes that started together do not all turn to the same peer.
        return context.pace.isDue(node, turn: heartbeats + Int(me.raw))
    }

    private func send(_ update: LeadershipUpdate, to node: NodeNumber) {
        var update = update
        update.isAttending = isAttended(node)
        if isFirst { update.others = siblings.lists(at: context.now.monotonic, context.options) }
        context.send(node, .shards(.leaderships(epoch: context.epoch, update)))
    }

    /// Begins to attend to a peer, or ceases to.
    func attend(_ node: NodeNumber, _ isAttended: Bool) {
        guard context.isAttended(node) != isAttended else { return }
        context.setAttended(node, isAttended)
        // Its leaders are overdue sooner, or later, from now on.
        context.listings.lookAgain()
        // The peer is to send heartbeats in every turn as soon as it can.
        if isAttended { sendHeartbeatNow(to: node) }
    }

    /// Sends a heartbeat out of turn, to a peer that would be sent one in its turn.
    private func sendHeartbeatNow(to node: NodeNumber) {
        guard context.isUp(node), context.relays(node), leaderships.isTold(node) else { return }
        send(leaderships.heartbeat, to: node)
    }

    /// Peers of version 3 of the peer protocol go by whole lists.
    private func tellPreviousVersion(_ node: NodeNumber, _ change: LeadershipUpdate?, isDue: Bool) {
        let led = isDue ? leaderships.whole.begun : change?.begun ?? []
        guard !led.isEmpty || isDue && isFirst else { return }
        context.send(node, .shards(.leaderHeartbeat(epoch: context.epoch, led)))
    }

    /// The ballot under which this node leads a partition, if others are to hear of it. A leader that hears no majority
    /// must not keep those who still hear it from electing another.
    private func leadershipToList(_ partition: PartitionID) -> Ballot? {
        guard let replica = restingReplica(partition), let leader = replica.leader, replica.majorityIsUp else {
            return nil
        }
        return leader.ballot
    }

    /// Whether this is the first of the node's shards.
    var isFirst: Bool { leaderships.shard == 0 }

    // MARK: What others lead

    /// A long message of `node` is arriving. The leaders there count as heard meanwhile, because their heartbeats wait
    /// behind the message.
    func reading(from node: NodeNumber) {
        context.listings.noteReading(from: node, now: context.now.monotonic)
        // Peers of version 3 of the peer protocol have no lists.
        guard !context.relays(node) else { return }
        for replica in owned { replica.noteHeard(node, at: context.now.monotonic) }
    }

    func receive(_ update: LeadershipUpdate, from node: NodeNumber) {
        // Whoever is not a member leads nothing. (The lists that are kept are so limited in number.)
        guard topology.member(node) != nil, update.shard < LeadershipUpdate.maximumShards else { return }
        noteAttending(node, update.isAttending)
        take(update, from: node)
        for other in update.others where other.shard < LeadershipUpdate.maximumShards {
            let wants = context.listings.confirm(
                other, from: node, now: context.now.monotonic, patience: context.options.leaderHeartbeat)
            guard wants else { continue }
            context.decide(.noticeGaps)
            context.send(node, .shards(.leadershipsWanted(shard: other.shard)))
        }
    }

    private func take(_ update: LeadershipUpdate, from node: NodeNumber) {
        let result = context.listings.take(
            update, from: node, skipsGaps: context.breaks(.noticeGaps), now: context.now.monotonic)
        switch result {
        case .known: return
        case .gap:
            context.decide(.noticeGaps)
            return context.send(node, .shards(.leadershipsWanted(shard: update.shard)))
        case .taken(let ended, let heard):
            for partition in ended { replica(partition)?.noteHeard(node, at: heard) }
        }
        for leadership in update.begun { receive(leadership, from: node) }
    }

    /// Notes whether a peer attends to this node. It is then sent a heartbeat in every turn, the first at once.
    private func noteAttending(_ node: NodeNumber, _ isAttending: Bool) {
        guard isAttending, context.pace.isReduced else { return }
        let isNew = attending[node].map { $0 <= context.now.monotonic } ?? true
        attending[node] = context.now.monotonic + context.options.leaderTimeout
        if isNew, !isSpokenFor(to: node), isFirst || !leaderships.ballots.isEmpty { sendHeartbeatNow(to: node) }
    }

    func receive(_ leadership: Leadership, from node: NodeNumber) {
        guard let replica = restingReplica(leadership.partition) else {
            return router.sawLeader(node, of: leadership.partition)
        }
        // A follower that hears its leader rests on.
        if replica.leader != nil || replica.candidate != nil || replica.leaderHint != node { replica.wake() }
        replica.receiveLeading(leadership.ballot, from: node, heard: context.now.monotonic)
    }

    func receiveLeadershipsWanted(shard: UInt16, from node: NodeNumber) {
        guard shard == leaderships.shard, context.isUp(node), context.relays(node) else { return }
        leaderships.setTold(node, true)
        send(leaderships.whole, to: node)
    }
}
