import KVCore
import KVSimulator

// What the product's `ShardRunner` and `ClusterRunner` do: they give the machines their inputs, and perform their
// effects.

extension ScaleWorld {
    /// Milliseconds between two timers of a shard.
    private static let timer = Int(ShardOptions().timer.milliseconds)
    private static let swimTimer = Int(SwimOptions().timer.milliseconds)
    private static let clusterTimer = Int(ClusterOptions().timer.milliseconds)
    /// As in the product: how often the metadata quorum gets a report although nothing has changed, and how many
    /// partitions' sizes are in it.
    private static let idleReportInterval: UInt64 = 5000
    private static let sizesReportedAgain = 256

    // MARK: - Timers

    /// Runs the timers that are due. Each node's have their own phase.
    func runTimers() {
        for index in stride(from: Int(time) % Self.timer, to: nodes.count, by: Self.timer) {
            guard let process = nodes[index].process else { continue }
            shardTimer(nodes[index], process)
        }
        for index in stride(from: Int(time) % Self.swimTimer, to: nodes.count, by: Self.swimTimer) {
            guard let process = nodes[index].process else { continue }
            clusterTimer(nodes[index], process)
        }
    }

    private func shardTimer(_ node: ScaleNode, _ process: ScaleProcess) {
        let now = now
        measure(.timer, node) { process.shard.handle(.timer, now: now) }
        process.timers += 1
        if process.timers % 10 == 0 {
            process.wall.adjust(now)
            reviewPeers(node, process)
            tellProgress(node, process)
        }
        if process.timers % 50 == 0 { vouch(process) }
        touch(node, process)
    }

    private func reviewPeers(_ node: ScaleNode, _ process: ScaleProcess) {
        measure(.reachability, node) {
            for peer in process.used.sorted() { process.reachability.attend(peer, now: now.monotonic) }
            process.used.removeAll(keepingCapacity: true)
            process.reachability.tick(now: now.monotonic)
        }
        performReachability(node, process)
    }

    private func tellProgress(_ node: ScaleNode, _ process: ScaleProcess) {
        let batch = UInt64(process.shard.store.synced)
        let told = process.progress.next(batch) {
            process.topology.members.map(\.number).filter { process.isLinked[Int($0.raw)] }
        }
        for peer in told { send(node, process, to: peer, .node(.progress(shard: 0, batch: batch))) }
    }

    private func vouch(_ process: ScaleProcess) {
        for member in process.topology.members where process.isLinked[Int(member.number.raw)] {
            guard process.reachability.isUp(member.number),
                process.reachability.isHeard(member.number, within: Reachability.lately)
            else { continue }
            process.swim.vouch(for: member.number, now: now.monotonic)
        }
    }

    private func clusterTimer(_ node: ScaleNode, _ process: ScaleProcess) {
        measure(.detector, node) { process.swim.tick(now: now.monotonic) }
        performSwim(node, process)
        if time % UInt64(Self.clusterTimer) < UInt64(Self.swimTimer) { give(.timer, node, process) }
        guard time >= process.nextReport else { return }
        process.nextReport = time + scenario.clusterOptions.reportInterval.milliseconds
        report(node, process)
    }

    private func report(_ node: ScaleNode, _ process: ScaleProcess) {
        let isDue = time >= process.nextFullReport
        if isDue { process.nextFullReport = time + Self.idleReportInterval }
        let sizes = process.shard.takeSizes(again: isDue ? Self.sizesReportedAgain : 0)
        let moves = process.shard.moveReports()
        guard isDue || !sizes.isEmpty || !moves.isEmpty else { return }
        give(
            .report(
                NodeReport(
                    epoch: process.cluster.topology.epoch, store: node.store, partitions: sizes, moves: moves)),
            node, process)
    }

    // MARK: - Arrivals

    func arrive(_ arrival: Arrival, at node: ScaleNode) {
        if node.isPending, case .message(.node(.cluster(.topology(let topology))), _) = arrival {
            return admit(node, by: topology)
        }
        guard let process = node.process else { return }
        switch arrival {
        case .message(let message, let from): receive(message, from: from, node, process)
        case .datagram(let message, let from):
            measure(.detector, node) { process.swim.receive(message, from: from, now: now.monotonic) }
            performSwim(node, process)
        case .linked(let peer): linked(to: peer, node, process)
        case .unlinked(let peer):
            process.isLinked[Int(peer.raw)] = false
            process.reachability.linkDown(peer)
            performReachability(node, process)
        case .synced(let boot):
            guard boot == process.boot else { return }
            node.driver.finishCommit()
            measure(.shard, node) { process.shard.handle(.durable, now: now) }
        case .persisted(let boot):
            guard boot == process.boot, let topology = process.persisting else { return }
            node.topology = topology
            process.persisting = nil
            give(.persisted(topology.epoch), node, process)
        }
        touch(node, process)
    }

    private func linked(to peer: NodeNumber, _ node: ScaleNode, _ process: ScaleProcess) {
        guard process.topology.member(peer) != nil, let index = machines[Int(peer.raw)] else { return }
        let other = nodes[index]
        if other.isPending {
            process.isLinked[Int(peer.raw)] = true
            return give(.linked(peer, 0), node, process)
        }
        guard let remote = other.process else { return }
        process.isLinked[Int(peer.raw)] = true
        give(.storeSeen(peer, other.store, takesChanges: true), node, process)
        give(.epochSeen(remote.topology.epoch, at: peer), node, process)
        give(.linked(peer, remote.topology.epoch), node, process)
        _ = process.wall.heard(peer, wall: now.wall, now: now.monotonic)
        process.reachability.linkUp(peer, boot: remote.boot, beats: true, now: now.monotonic)
        process.news.forget(peer)
        process.progress.forget(peer)
        performReachability(node, process)
    }

    private func receive(_ message: PeerMessage, from peer: NodeNumber, _ node: ScaleNode, _ process: ScaleProcess) {
        process.reachability.heard(peer, now: now.monotonic)
        performReachability(node, process)
        if message.isAboutPartitions { process.used.insert(peer) }
        switch message {
        case .node(.cluster(let message)): give(.message(from: peer, message), node, process)
        case .node(.clock(let wall)): _ = process.wall.heard(peer, wall: wall, now: now.monotonic)
        case .node(.doubt(let doubted)): attend(doubted, isDoubted: true, node, process)
        case .node(.usageReport), .node(.progress): break
        case .replica, .request, .reply, .shards:
            measure(.shard, node) { process.shard.handle(.message(from: peer, message), now: now) }
        }
    }

    // MARK: - The end of a tick

    func endTick(_ node: ScaleNode, _ process: ScaleProcess) {
        // What it decides may be news to itself: the coordinator's requests, topologies.
        while true {
            measure(.flush, node) { process.shard.flush(now: now) }
            let effects = process.shard.effects
            process.shard.effects = []
            for effect in effects { perform(effect, node, process) }
            let finished = process.shard.finished
            process.shard.finished = []
            for request in finished {
                if let outcome = request.outcome { give(.outcome(request.token, outcome), node, process) }
            }
            if effects.isEmpty, finished.isEmpty { break }
        }
        if node.driver.beginCommit() { schedule(.synced(boot: process.boot), to: node.index, after: Self.delay) }
    }

    private func perform(_ effect: ShardEffect, _ node: ScaleNode, _ process: ScaleProcess) {
        switch effect {
        case .send(let peer, let message):
            if message.isAboutPartitions {
                process.used.insert(peer)
            } else if case .shards = message, process.isLinked[Int(peer.raw)] {
                let news = process.news.next(
                    for: peer, wall: now.wall, usage: process.shard.usage, now: now.monotonic)
                for message in news { send(node, process, to: peer, .node(message)) }
            }
            send(node, process, to: peer, message)
        case .siblings: break  // Each node has one shard.
        case .load, .loadLater: assertionFailure("the store has everything in memory")
        case .notice(let notice): note(notice, node, process)
        }
    }

    private func note(_ notice: ShardNotice, _ node: ScaleNode, _ process: ScaleProcess) {
        if let (partition, isSettled) = notice.leadership, partition == process.topology.metadataPartition {
            give(.leading(isSettled), node, process)
        }
        switch notice {
        case .ready: process.nextReport = time
        case .behind(let epoch, let peer): give(.epochSeen(epoch, at: peer), node, process)
        case .drained: process.isDrained = true
        case .elected, .settled, .steppedDown, .repaired, .conflict, .disk, .complete, .unsupported, .replicaDropped,
            .split:
            break
        }
    }

    // MARK: - Failure detection

    private func attend(_ peer: NodeNumber, isDoubted: Bool, _ node: ScaleNode, _ process: ScaleProcess) {
        guard peer != node.number else { return }
        process.reachability.attend(peer, isDoubted: isDoubted, now: now.monotonic)
        performReachability(node, process)
    }

    func performReachability(_ node: ScaleNode, _ process: ScaleProcess) {
        while !process.reachability.effects.isEmpty {
            let effects = process.reachability.effects
            process.reachability.effects = []
            for effect in effects { perform(effect, node, process) }
            touch(node, process)
        }
    }

    private func perform(_ effect: ReachabilityEffect, _ node: ScaleNode, _ process: ScaleProcess) {
        let now = now
        switch effect {
        case .up(let peer, let boot):
            measure(.shard, node) { process.shard.handle(.peer(peer, .up(boot: boot)), now: now) }
        case .down(let peer):
            measure(.shard, node) { process.shard.handle(.peer(peer, .down), now: now) }
            if !process.reachability.isHeard(peer, within: Reachability.silence) { renew(peer, node, process) }
        case .attention(let peer, let isAttended):
            measure(.shard, node) { process.shard.handle(.attention(peer, isAttended), now: now) }
        case .doubt(let peer):
            for member in process.topology.members where member.number != node.number {
                send(node, process, to: member.number, .node(.doubt(peer)))
            }
            attend(peer, isDoubted: true, node, process)
        }
    }

    /// Makes the connection to a peer anew that does not answer.
    private func renew(_ peer: NodeNumber, _ node: ScaleNode, _ process: ScaleProcess) {
        guard process.isLinked[Int(peer.raw)], !process.reachability.holdsAlive(peer) else { return }
        process.isLinked[Int(peer.raw)] = false
        process.reachability.linkDown(peer)
        connect(node, to: peer)
    }

    func performSwim(_ node: ScaleNode, _ process: ScaleProcess) {
        while !process.swim.effects.isEmpty {
            let effects = process.swim.effects
            process.swim.effects = []
            for effect in effects {
                switch effect {
                case .send(let peer, let message): send(node, to: peer, message)
                case .changed(let peer, let liveness): changed(peer, liveness, node, process)
                case .unanswered(let peer): attend(peer, isDoubted: false, node, process)
                case .epochSeen(let epoch, let peer): give(.epochSeen(epoch, at: peer), node, process)
                }
            }
        }
    }

    private func changed(_ peer: NodeNumber, _ liveness: Liveness, _ node: ScaleNode, _ process: ScaleProcess) {
        process.reachability.liveness(peer, liveness)
        if liveness != .alive { process.reachability.attend(peer, now: now.monotonic) }
        performReachability(node, process)
        switch liveness {
        case .alive: connect(node, to: peer)
        case .suspect, .dead: if process.reachability.isSilent(peer) { renew(peer, node, process) }
        }
        give(.liveness(peer, liveness), node, process)
    }

    // MARK: - Work

    func measure(_ part: Work.Part, _ node: ScaleNode, _ step: () -> Void) {
        let began = Work.processorTime
        step()
        work.add(part, node: node.index, since: began)
    }
}
