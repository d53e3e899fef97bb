extension Swim {
    /// The reply to a message, beside what its kind asks for.
    struct Reply {
        /// The sender may not know of this process's incarnation, or holds a status that is out of date.
        var isNeeded = false
        /// Members of which this node knows better.
        var corrections: [NodeNumber] = []

        static let maximumCorrections = 8
    }

    /// A message shows that its sender has this incarnation.
    mutating func hear(_ sender: Int, incarnation: UInt64) {
        guard incarnation > peers[sender].incarnation else { return }
        raise(sender, to: incarnation)
        // This is news even where the sender counted as alive anyway. A node that knows an incarnation and does not
        // pass it on stops its rumor, and nodes that the rumor has not reached would suspect a former incarnation.
        adopt(sender, .alive, source: peers[sender].number)
    }

    /// Handles one update of a message.
    mutating func consider(_ update: GossipUpdate, from: NodeNumber, _ reply: inout Reply) {
        // It is forged.
        guard update.incarnation < Self.incarnationLimit else { return }
        if update.node == me {
            if update.liveness != .alive { refute(update, &reply) }
            return
        }
        // It is about a node that is no member here: no longer, or not yet.
        guard let index = index(of: update.node) else { return }
        if update.liveness != .alive, isVouched(update.node) {
            raise(index, to: update.incarnation)
        } else if peers[index].isOverruled(by: update) {
            raise(index, to: update.incarnation)
            adopt(index, update.liveness, source: update.source)
        } else if update.incarnation == peers[index].incarnation, update.liveness == .suspect,
            peers[index].liveness == .suspect
        {
            confirm(index, by: update.source)
        } else if update.source == from, update.liveness == .suspect,
            reply.corrections.count < Reply.maximumCorrections
        {
            // A node that has just begun, or was away, suspects a member that all others know to be dead, or have heard
            // refute the suspicion. Nobody else would confirm or deny that to it.
            reply.isNeeded = true
            reply.corrections.append(update.node)
        }
    }

    /// A member is heard, so it is neither suspect nor dead.
    mutating func clear(_ index: Int) {
        if peers[index].liveness != .alive { adopt(index, .alive, source: peers[index].number) }
    }

    private mutating func raise(_ index: Int, to incarnation: UInt64) {
        guard incarnation > peers[index].incarnation else { return }
        peers[index].incarnation = incarnation
        // A probe that an earlier incarnation did not answer does not count against this one.
        let number = peers[index].number
        probes.removeAll { $0.target == number }
    }

    /// Somebody holds this process for suspect or dead.
    private mutating func refute(_ update: GossipUpdate, _ reply: inout Reply) {
        reply.isNeeded = true
        if update.incarnation >= incarnation {
            // It is forged: no member has an incarnation that cannot be refuted.
            guard update.incarnation + 1 < Self.incarnationLimit else { return }
            incarnation = update.incarnation + 1
            worsenHealth(1)
            rumors.begin(me)
        } else if !rumors.contains(me) {
            // It was refuted before, or is about a former process. Not all have heard that.
            rumors.begin(me)
        }
    }

    /// A probe of this node's has failed.
    mutating func suspect(_ target: NodeNumber) {
        guard let index = index(of: target) else { return assertionFailure("only members are probed") }
        switch peers[index].liveness {
        case .alive:
            adopt(index, .suspect, source: me)
            tell(target)
        case .suspect: confirm(index, by: me)
        case .dead: break
        }
    }

    /// Counts one more member that suspects a suspect, unless it counts already, or enough do.
    private mutating func confirm(_ index: Int, by source: NodeNumber) {
        assert(peers[index].liveness == .suspect && !peers[index].suspecting.isEmpty, "somebody suspects a suspect")
        guard peers[index].suspecting.count <= options.confirmations, !peers[index].suspecting.contains(source),
            source == me || self.index(of: source) != nil
        else { return }
        peers[index].suspecting.append(source)
        rumors.begin(peers[index].number, size: peers[index].suspecting.count)
    }

    /// Suspicions that were not refuted in time become deaths.
    mutating func attendSuspects(_ time: Instant) {
        for number in suspects {
            guard let index = index(of: number) else {
                assertionFailure("only members are suspects")
                continue
            }
            let patience = options.suspicion(
                confirmations: peers[index].suspecting.count - 1, others: aliveCount, members: peers.count + 1)
            if time - peers[index].suspectSince >= patience { adopt(index, .dead, source: me) }
        }
    }

    /// Sets the status of a member at the incarnation noted. It is news.
    private mutating func adopt(_ index: Int, _ liveness: Liveness, source: NodeNumber) {
        let number = peers[index].number
        let former = peers[index].liveness
        if former != liveness {
            if former == .suspect { suspects.removeAll { $0 == number } }
            if former == .dead { dead.removeAll { $0 == number } }
            if liveness == .suspect { suspects.append(number) }
            if liveness == .dead { dead.append(number) }
            effects.append(.changed(number, liveness))
        }
        peers[index].liveness = liveness
        peers[index].source = source
        peers[index].suspectSince = clock.time
        peers[index].suspecting = liveness == .suspect ? [source] : []
        rumors.begin(number)
    }
}
