extension Swim {
    /// Pings the member whose turn it is. Dead members are passed over, and so are those that are being probed already.
    mutating func probeNext() {
        for _ in 0..<probeOrder.count {
            if nextInOrder >= probeOrder.count { nextInOrder = 0 }
            let target = probeOrder[nextInOrder]
            nextInOrder += 1
            guard let index = index(of: target), peers[index].liveness != .dead,
                !probes.contains(where: { $0.target == target })
            else { continue }
            let leniency = UInt64(healthScore) + 1
            let probe = SwimProbe(
                target: target, sequence: nextSequence(), wasAlive: peers[index].liveness == .alive,
                escalation: clock.time + options.directTimeout.scaled(leniency, over: 1),
                deadline: clock.time + options.probeTimeout.scaled(leniency, over: 1))
            probes.append(probe)
            send(.ping(sequence: probe.sequence), to: target)
            return
        }
    }

    /// Ends the probes whose time is over, and has helpers ping where there is no answer yet.
    mutating func attendProbes(_ time: Instant) {
        guard !probes.isEmpty else { return }
        var failed: [SwimProbe] = []
        probes.removeAll { probe in
            guard time >= probe.deadline else { return false }
            failed.append(probe)
            return true
        }
        for probe in failed { fail(probe) }
        for index in probes.indices {
            guard let escalation = probes[index].escalation, time >= escalation else { continue }
            probes[index].escalation = nil
            let probe = probes[index]
            let helpers = draw(options.helpers) { $0.liveness == .alive && $0.number != probe.target }
            probes[index].helpers = helpers
            probes[index].silent = helpers
            let request = GossipMessage.Kind.pingRequest(sequence: probe.sequence, target: probe.target)
            // The helper's ping is to tell a suspect that it is one.
            let accusation = liveness(of: probe.target) == .suspect ? [probe.target] : []
            for helper in helpers { send(request, to: helper, first: accusation) }
            // The first ping may have been lost, and there may be no helper.
            send(.ping(sequence: probe.sequence), to: probe.target)
        }
    }

    private mutating func fail(_ probe: SwimProbe) {
        guard !isVouched(probe.target) else { return effects.append(.unanswered(probe.target)) }
        if probe.helpers.isEmpty {
            // Nobody can tell whether it is the other's fault or this node's own.
            if probe.wasAlive { worsenHealth(1) }
        } else {
            worsenHealth(probe.silent.count)
        }
        suspect(probe.target)
    }

    /// Handles an answer to a ping of this node. A late one is to no probe and no relay.
    mutating func acknowledged(_ sequence: UInt32, by node: NodeNumber) {
        if let index = probes.firstIndex(where: { $0.sequence == sequence }) {
            // Only the target and the helpers were asked.
            guard probes[index].target == node || probes[index].helpers.contains(node) else { return }
            probes.remove(at: index)
            healthScore = max(healthScore - 1, 0)
        } else if let index = relays.firstIndex(where: { $0.sequence == sequence && $0.target == node }) {
            let relay = relays.remove(at: index)
            send(.ack(sequence: relay.requested), to: relay.requester)
        }
    }

    /// A helper has no answer of a target yet, but is well itself.
    mutating func declined(_ sequence: UInt32, by node: NodeNumber) {
        // Late: the probe has ended.
        guard let index = probes.firstIndex(where: { $0.sequence == sequence }) else { return }
        probes[index].silent.removeAll { $0 == node }
    }

    /// Pings on another's behalf.
    mutating func relay(to target: NodeNumber, requester: NodeNumber, requested: UInt32) {
        if target == me { return send(.ack(sequence: requested), to: requester) }
        // It is no member, or too much is asked for: others will help.
        guard index(of: target) != nil, relays.count < options.maximumRelays else { return }
        let relay = SwimRelay(
            target: target, sequence: nextSequence(), requester: requester, requested: requested,
            nackAt: clock.time + options.relayTimeout, expires: clock.time + options.probeInterval)
        relays.append(relay)
        send(.ping(sequence: relay.sequence), to: target)
    }

    /// Tells those who asked for help that there is no answer yet, and forgets relays whose time is over.
    mutating func attendRelays(_ time: Instant) {
        guard !relays.isEmpty else { return }
        relays.removeAll { time >= $0.expires }
        for index in relays.indices {
            guard let nackAt = relays[index].nackAt, time >= nackAt else { continue }
            relays[index].nackAt = nil
            let relay = relays[index]
            guard isVouched(relay.target) else {
                send(.nack(sequence: relay.requested), to: relay.requester)
                continue
            }
            effects.append(.unanswered(relay.target))
            send(.ack(sequence: relay.requested), to: relay.requester)
        }
    }

    /// Pings a dead member, which may be well: once it is told that it counts as dead, it refutes that. So both sides
    /// of a healed network find each other again. It is drawn by lot, so that each dead member is pinged no more often
    /// than a living one.
    mutating func probeOneDead() {
        guard !dead.isEmpty,
            Int.random(in: 0...aliveCount, using: &random) < options.probesPerInterval * dead.count
        else { return }
        deadProbe = (deadProbe + 1) % dead.count
        send(.ping(sequence: nextSequence()), to: dead[deadProbe])
    }

    private mutating func nextSequence() -> UInt32 {
        sequence &+= 1
        return sequence
    }
}
