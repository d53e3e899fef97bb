extension Swim {
    /// What the sender of a message is to be told.
    struct Reply {
        /// It may not know of this process's incarnation, or has formed a status that is out of date.
        var isNeeded = false
        /// Members of whom this node knows better.
        var corrections: [NodeNumber] = []

        static let maximumCorrections = 8
    }

    /// A message bore witness of an incarnation of its sender.
    mutating func hear(_ sender: Int, incarnation: UInt64) {
        guard incarnation > peers[sender].incarnation else { return }
        raise(sender, to: incarnation)
        // News even where it was thought alive anyway: who knows an incarnation and does not tell stops its rumor, and
        // those it has not reached would accuse a former one.
        adopt(sender, .alive, source: peers[sender].number)
    }

    mutating func consider(_ update: GossipUpdate, from: NodeNumber, _ reply: inout Reply) {
        guard update.incarnation < Self.incarnationLimit else { return }
        if update.node == me {
            if update.liveness != .alive { refute(update, &reply) }
            return
        }
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
            // Who has just begun, or was away, suspects whom all others know to be dead, or have heard refute it.
            // Nobody would confirm or deny that.
            reply.isNeeded = true
            reply.corrections.append(update.node)
        }
    }

    /// It is heard, so it is neither suspect nor dead.
    mutating func clear(_ index: Int) {
        if peers[index].liveness != .alive { adopt(index, .alive, source: peers[index].number) }
    }

    private mutating func raise(_ index: Int, to incarnation: UInt64) {
        guard incarnation > peers[index].incarnation else { return }
        peers[index].incarnation = incarnation
        // What an earlier incarnation did not answer is not held against this one.
        let number = peers[index].number
        probes.removeAll { $0.target == number }
    }

    /// Somebody thinks ill of this process.
    private mutating func refute(_ update: GossipUpdate, _ reply: inout Reply) {
        reply.isNeeded = true
        if update.incarnation >= incarnation {
            guard update.incarnation + 1 < Self.incarnationLimit else { return }
            incarnation = update.incarnation + 1
            worsenHealth(1)
            rumors.begin(me)
        } else if !rumors.contains(me) {
            // Refuted before, or said of a former process: not all have heard.
            rumors.begin(me)
        }
    }

    /// A probe of this node's has failed.
    mutating func suspect(_ target: NodeNumber) {
        guard let index = index(of: target) else { return }
        switch peers[index].liveness {
        case .alive:
            adopt(index, .suspect, source: me)
            tell(target)
        case .suspect: confirm(index, by: me)
        case .dead: break
        }
    }

    private mutating func confirm(_ index: Int, by source: NodeNumber) {
        guard peers[index].suspecting.count <= options.confirmations, !peers[index].suspecting.contains(source),
            source == me || self.index(of: source) != nil
        else { return }
        peers[index].suspecting.append(source)
        rumors.begin(peers[index].number, size: peers[index].suspecting.count)
    }

    /// Suspicions that were not refuted in time become deaths.
    mutating func attendSuspects(_ time: Instant) {
        for number in suspects {
            guard let index = index(of: number) else { continue }
            let patience = options.suspicion(
                confirmations: peers[index].suspecting.count - 1, others: aliveCount, members: peers.count + 1)
            if time - peers[index].suspectSince >= patience { adopt(index, .dead, source: me) }
        }
    }

    /// From now on this is the status of a member, and news, at the incarnation noted.
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
