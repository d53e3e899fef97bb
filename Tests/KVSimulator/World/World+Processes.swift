import KVCore

// The start, the ticks and the end of processes. This does what the shell does in the product.

extension World {
    typealias Node = SimulatedNode<Driver>
    typealias Process = SimulatedProcess<Driver.Store>

    func start(_ node: Node) {
        guard node.process == nil, failure == nil, !node.isGone, let topology = node.topology else { return }
        do {
            node.boot += 1
            node.clock.origin = 1 + loopRandom.below(UInt64(1) << 50)
            let base = try node.driver.start(topology.slots)
            let store = WatchedStore(base, ledger: ledger, mutant: mutant)
            store.isFull = node.fullness > 0 && !isHealed
            let partitions = partitions(of: topology)
            let wall = WallClock(
                others: others(than: node, in: topology), limit: scenario.clockLimit, now: node.clock.now(time))
            let shard = Shard(
                me: node.number, boot: node.boot, topology: topology, partitions: partitions, store: store,
                mayLackRecords: node.mayLackRecords, options: options, seed: loopRandom.next(),
                now: node.clock.now(time))
            shard.handle(.reads(node.reads), now: node.clock.now(time))
            let process = Process(
                boot: node.boot, store: store, topology: topology, shard: shard, wall: wall,
                detector: Detector(count: nodes.count, now: time))
            startWatch(node, process)
            startCluster(node, process)
            node.process = process
            trace.line(time, "\(node.number) starts, boot \(node.boot)")
            queue.push(.timer(node.index, boot: node.boot), at: time)
            wake(node, process)
        } catch {
            fail(error, on: node)
        }
    }

    /// Ends a node's process.
    /// - Parameters:
    ///   - noticed: The probability that a peer notices at once, by its broken connection.
    ///   - outage: True if the machine loses power.
    func stop(_ node: Node, noticed: Double = 0.7, outage: Bool = false) {
        guard let process = node.process else { return }
        trace.line(time, "\(node.number) dies")
        trace.fold(time, UInt64(node.index), 1)
        node.process = nil
        count(process)
        if let persisting = process.persisting, faultRandom.chance(0.5) { write(persisting, process.changes, to: node) }
        node.driver.crash(outage: outage)
        if outage { node.mayLackRecords = true }
        for other in nodes where other.index != node.index { network.reset(node.index, other.index) }
        let orphans = history.lose(node.number)
        statistics[.lost] += orphans.count
        for (id, call) in orphans { waiting.removeValue(forKey: id)?(call, nil) }
        // Most peers notice that their connections have broken. The others notice the silence.
        for other in nodes where other.process != nil && other.index != node.index && faultRandom.chance(noticed) {
            after(scenario.delay.nanoseconds) { [self] in suspect(node.index, at: other, for: 0, boot: process.boot) }
        }
    }

    /// Makes `observer` hold `peer` for down, unless a later process of `peer` runs.
    func suspect(_ peer: Int, at observer: Node, for span: UInt64, boot: UInt64) {
        guard observer.process != nil, nodes[peer].boot == boot else { return }
        give(.suspicion(peer, until: time + span), to: observer.index)
    }

    func pause(_ node: Node, for span: UInt64) {
        node.pauses += 1
        trace.line(time, "\(node.number) pauses")
        after(span) { [self] in
            if node.pauses > 0 { node.pauses -= 1 }
            resume(node)
        }
    }

    func resume(_ node: Node) {
        guard node.pauses == 0 else { return }
        node.resumed = time
        trace.line(time, "\(node.number) runs")
        if let process = node.process { wake(node, process) }
    }

    func timer(_ node: Node, _ boot: UInt64) {
        guard let process = node.process, process.boot == boot else { return }
        queue.push(.timer(node.index, boot: boot), at: time + options.timer.nanoseconds)
        guard node.pauses == 0, !process.isFrozen else { return }
        process.timers += 1
        if process.timers % Detector.pingInterval == 1 { ping(node, process) }
        if process.timers % scenario.reportInterval == 0 {
            if process.cluster == nil { reportMoves(node, process) } else { report(node, process) }
        }
        if process.cluster != nil, process.timers % scenario.clusterTimer == 0 {
            process.inbox.append(.cluster(.timer))
        }
        if process.timers % Self.repairInterval == 0 { repair(node, process) }
        process.inbox.append(.input(.timer))
        wake(node, process)
    }

    /// Timers between two attempts to repair damaged records.
    private static var repairInterval: Int { 20 }

    private func repair(_ node: Node, _ process: Process) {
        let damaged = node.driver.damagedRecords().sorted { ($0.partition, $0.key) < ($1.partition, $1.key) }
        for record in damaged.prefix(options.maximumRepairs) {
            process.inbox.append(.input(.repair(record)))
        }
    }

    private func ping(_ node: Node, _ process: Process) {
        if process.cluster != nil { greetJoiningNodes(node, process) }
        for peer in nodes.indices where peer != node.index && nodes[peer].process != nil {
            for delivery in network.send(from: node.index, to: peer, atMostOnce: true, now: time) {
                queue.push(
                    .ping(
                        from: node.index, to: peer, generation: delivery.generation, boot: process.boot,
                        epoch: process.topology.epoch, wall: node.clock.now(time).wall),
                    at: delivery.time)
            }
        }
    }

    func tick(_ node: Node, _ boot: UInt64) {
        guard let process = node.process, process.boot == boot else { return }
        process.tickIsScheduled = false
        guard node.pauses == 0, !process.isFrozen else { return }
        let now = presentTime(node, process)
        // What comes meanwhile is taken in with the time from before.
        mayFreeze(node, process) { [self] in
            var inbox: [Process.Item] = []
            swap(&inbox, &process.inbox)
            for item in inbox { take(item, node, process, now) }
            mayFreeze(node, process) { [self] in
                look(node, process, since: now)
                mayFreeze(node, process) { [self] in endTick(node, process) }
            }
        }
    }

    /// Has the shard look at the clock, after all that has come in the tick.
    private func look(_ node: Node, _ process: Process, since began: Now) {
        process.shard.flush(now: mutant == .lookEarly ? began : presentTime(node, process))
        while process.shard.wantsLook { process.shard.flush(now: presentTime(node, process)) }
        checkQueues(node, process)
        checkInvariants(node, process)
    }

    private func endTick(_ node: Node, _ process: Process) {
        var effects: [ShardEffect] = []
        swap(&effects, &process.shard.effects)
        for effect in effects { perform(effect, node, process) }
        var finished: [KVCore.Request] = []
        swap(&finished, &process.shard.finished)
        for request in finished { ended(request, node, process) }
        performCluster(node, process, presentTime(node, process))
        beginCommit(node, process)
    }

    /// The present time of a process, by both clocks.
    func presentTime(_ node: Node, _ process: Process) -> Now {
        let machine = node.clock.now(time)
        guard mutant != .followClock else { return machine }
        process.wall.adjust(machine)
        return Now(monotonic: machine.monotonic, wall: process.wall.wall(at: machine.monotonic))
    }

    private func others(than node: Node, in topology: Topology) -> [NodeNumber] {
        topology.members.map(\.number).filter { $0 != node.number }
    }

    private func take(_ item: Process.Item, _ node: Node, _ process: Process, _ now: Now) {
        if case .input(.message(let peer, let message)) = item, process.watch != nil {
            process.watch?.reachability.heard(peer, now: now.monotonic)
            if message.isAboutPartitions { process.watch?.attend(peer, now: now.monotonic) }
            if case .node(.doubt(let doubted)) = message, doubted != node.number {
                process.watch?.attend(doubted, isDoubted: true, now: now.monotonic)
            }
            performWatch(node, process, now)
        }
        switch item {
        case .input(.timer):
            checkPeers(of: node, process, now)
            process.shard.handle(.timer, now: now)
        case .input(.message(let peer, .node(.cluster(let message)))):
            if process.cluster == nil {
                receive(message, from: peer, node, process)
            } else {
                process.cluster?.handle(.message(from: peer, message), now: now)
            }
        case .input(.message(_, .node(.doubt))): break
        case .input(.message(let peer, _)) where !mayLink(process, to: peer): break
        case .input(.topology(let topology)):
            // A node adopts topologies in the order of their epochs (`TopologyStore`), even if one is persisted late.
            guard topology.epoch > process.topology.epoch else { break }
            disconnectRemoved(from: process.topology, to: topology, node)
            expectJoiningNodes(from: process.topology, to: topology, process)
            process.topology = topology
            process.wall.setOthers(others(than: node, in: topology))
            process.watch?.follow(topology, now: now.monotonic)
            process.shard.handle(.topology(topology), now: now)
        case .input(let input): process.shard.handle(input, now: now)
        case .request(let request):
            process.shard.submit(request, now: now)
            if request.isFinished { process.shard.finished.append(request) }
        case .cluster(let input): process.cluster?.handle(input, now: now)
        case .ping(let peer, let boot, let epoch, let wall):
            _ = process.wall.heard(nodes[peer].number, wall: wall, now: now.monotonic)
            greet(peer, boot, epoch, node, process, now)
        case .suspicion(let peer, let until): suspectPeer(peer, until, node, process, now)
        case .gossip(let peer, let message):
            process.watch?.swim.receive(message, from: nodes[peer].number, now: now.monotonic)
            performWatch(node, process, now)
        }
    }

    /// True if the process has connections to the peer: it is a member, or was removed. Connections to removed nodes
    /// stay for a while, so that requests of theirs can end.
    private func mayLink(_ process: Process, to peer: NodeNumber) -> Bool {
        !scenario.isSelfGoverned || process.topology.member(peer) != nil
            || process.topology.removed.contains { $0.number == peer }
    }

    private func ended(_ request: KVCore.Request, _ node: Node, _ process: Process) {
        guard let asker = request.caller as? RequestCaller, let outcome = request.outcome else {
            preconditionFailure("a shard ends what it was given, with an outcome")
        }
        trace.line(time, "\(node.number) answers \(request.token & 0xffff_ffff) \(outcome) by \(request.executor)")
        switch asker.kind {
        case .client: answered(RequestID(request.token), outcome, node)
        case .cluster(let id):
            process.inbox.append(.cluster(.outcome(id, outcome)))
            wake(node, process)
        }
    }

    private func perform(_ effect: ShardEffect, _ node: Node, _ process: Process) {
        switch effect {
        case .send(let peer, let message):
            trace.line(time, "\(node.number) -> \(peer) \(message)")
            if case .replica(_, .abstain) = message { statistics[.abstentions] += 1 }
            if message.isAboutPartitions {
                process.watch?.attend(peer, now: node.clock.now(time).monotonic)
                performWatch(node, process, presentTime(node, process))
            }
            send(from: node.index, to: peer, message)
            if case .replica(_, .transfer) = message { handedOver(to: peer, node, process) }
        case .siblings: break  // Each node has one shard.
        case .load(let ticket), .loadLater(let ticket):
            statistics[.loads] += 1
            let delay = diskDelay(node)
            queue.push(.loaded(node.index, boot: process.boot, ticket), at: time + delay)
        case .notice(let notice):
            trace.line(time, "\(node.number) \(notice)")
            trace.fold(time, UInt64(node.index), 2)
            note(notice, node, process)
        }
    }

    private func note(_ notice: ShardNotice, _ node: Node, _ process: Process) {
        if let (partition, isSettled) = notice.leadership, partition == process.topology.metadataPartition {
            process.metadataNews.append(isSettled)
        }
        switch notice {
        case .elected(let partition, _, let settled):
            statistics[.elections] += 1
            if settled { statistics[.settledAtOnce] += 1 }
            process.leaderships[partition] = settled
        case .settled(let partition):
            statistics[.settledLater] += 1
            process.leaderships[partition] = true
        case .steppedDown(let partition):
            statistics[.stepDowns] += 1
            process.leaderships[partition] = nil
        case .drained: process.isDrained = true
        case .behind(let epoch, let peer):
            if isHealed || moveRandom.chance(scenario.heed) { pull(epoch, from: peer, node, process) }
        case .disk(let isStalled): if isStalled { statistics[.noticedStalls] += 1 }
        case .repaired: statistics[.repairedRecords] += 1
        case .replicaDropped: statistics[.replicaDropped] += 1
        case .split(let slots):
            statistics[.splits] += slots.count - process.slots.count
            process.slots = slots
        case .conflict(_, let key, let peer):
            // Versions are never used twice, because no store of a run forgets what it has promised.
            history.add(
                Violation(.versions, "\(key): nodes \(node.number) and \(peer) hold two values under one version"))
        case .complete:
            statistics[.completions] += 1
            if process.shard.incompletePartitions == 0 { node.mayLackRecords = false }
        case .ready: break  // The next report of moves says so.
        case .unsupported: break
        }
    }

    // MARK: - The disk

    func diskDelay(_ node: Node) -> UInt64 {
        let span = scenario.sync.nanoseconds / 2 + loopRandom.below(scenario.sync.nanoseconds)
        return node.slowness > 0 ? span * 100 : span
    }

    private func beginCommit(_ node: Node, _ process: Process) {
        if node.driver.beginCommit() {
            statistics[.commits] += 1
            queue.push(.synced(node.index, boot: process.boot), at: time + diskDelay(node))
        }
        announce(node, process)
    }

    func synced(_ node: Node, _ boot: UInt64) {
        guard let process = node.process, process.boot == boot else { return }
        guard node.stalls == 0 else {
            return queue.push(.synced(node.index, boot: boot), at: time + 10_000_000)
        }
        do {
            try node.driver.finishCommit()
            announce(node, process)
            if node.pauses == 0 { beginCommit(node, process) }
        } catch {
            fail(error, on: node)
        }
    }

    private func announce(_ node: Node, _ process: Process) {
        let reached = (durable: process.store.durable, synced: process.store.synced)
        guard reached != process.announced else { return }
        process.announced = reached
        process.inbox.append(.input(.durable))
        wake(node, process)
    }

    func loaded(_ node: Node, _ boot: UInt64, _ ticket: ReadTicket) {
        guard let process = node.process, process.boot == boot else { return }
        do {
            give(.input(.loaded(ticket, try node.driver.read(ticket))), to: node.index)
        } catch {
            fail(error, on: node)
        }
    }
}
