extension Swim {
    /// Tells a few members the news, if there is any.
    mutating func gossip() {
        guard !rumors.isEmpty || epochTellings > 0 else { return }
        for node in draw(options.gossipFanOut, where: { $0.liveness != .dead }) {
            guard !rumors.isEmpty || epochTellings > 0 else { return }
            epochTellings = max(epochTellings - 1, 0)
            send(.gossip, to: node)
        }
    }

    /// Sends a member what it should know, out of turn, unless that was done a moment ago.
    mutating func tell(_ node: NodeNumber, first corrections: [NodeNumber] = []) {
        guard let index = index(of: node) else { return assertionFailure("only members are told of each other") }
        guard clock.time >= peers[index].tellAfter else { return }
        peers[index].tellAfter = clock.time + options.tellingInterval
        send(.gossip, to: node, first: corrections)
    }

    /// Sends a message with as much news as there is room for: what concerns the receiver itself, then `first`, then
    /// other news.
    mutating func send(_ kind: GossipMessage.Kind, to node: NodeNumber, first: [NodeNumber] = []) {
        var updates: [GossipUpdate] = []
        if let index = index(of: node), peers[index].liveness != .alive { updates = peers[index].updates }
        for other in first where other != node { updates += self.updates(about: other) }
        if !rumors.isEmpty {
            let before = Set(updates.map(\.node))
            let news = rumors.take(options.maximumUpdates - updates.count, transmissions: transmissions)
            for other in news where !before.contains(other) { updates += self.updates(about: other) }
        }
        effects.append(
            .send(node, GossipMessage(kind: kind, incarnation: incarnation, epoch: epoch, updates: updates)))
    }

    private func updates(about node: NodeNumber) -> [GossipUpdate] {
        guard node != me else {
            return [GossipUpdate(node: me, incarnation: incarnation, liveness: .alive, source: me)]
        }
        return index(of: node).map { peers[$0].updates } ?? []
    }

    /// Draws different members by lot, fewer than `count` where not so many fit.
    mutating func draw(_ count: Int, where fits: (SwimPeer) -> Bool) -> [NodeNumber] {
        var drawn: [NodeNumber] = []
        for place in shuffled.indices {
            guard drawn.count < count else { break }
            shuffled.swapAt(place, Int.random(in: place..<shuffled.count, using: &random))
            if let index = index(of: shuffled[place]), fits(peers[index]) { drawn.append(shuffled[place]) }
        }
        return drawn
    }
}
