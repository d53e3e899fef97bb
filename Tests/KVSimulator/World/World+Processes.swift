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
            let stores = try node.driver.start(topology.slots)
            let map = shardMap(topology, count: stores.count)
            let wall = WallClock(
                others: others(than: node, in: topology), limit: scenario.clockLimit, now: node.clock.now(time))
            let runners = stores.enumerated().map { runner($0, $1, map, node, topology) }
            let process = Process(boot: node.boot, runners: runners, map: map, topology: topology, wall: wall)
            if runners.count > 1 { statistics[.severalShards] += 1 }
            startWatch(node, process)
            startCluster(node, process)
            node.process = process
            trace.line(time, "\(node.number) starts, boot \(node.boot)")
            for runner in runners {
                let lag = runner.isFirst ? 0 : loopRandom.below(options.timer.nanoseconds)
                queue.push(.timer(node.index, shard: runner.index, boot: node.boot), at: time + lag)
                wake(node, process, runner)
            }
        } catch {
            fail(error, on: node)
        }
    }

    private func runner(
        _ index: Int, _ base: Driver.Store, _ map: ShardMap, _ node: Node, _ topology: Topology
    ) -> Runner {
        let store = WatchedStore(base, ledger: ledger, mutant: mutant)
        store.isFull = node.fullness > 0 && !isHealed
        let shard = Shard(
            me: node.number, boot: node.boot, topology: topology,
            partitions: partitions(of: topology).filter { map.shard(of: $0) == index }, index: index,
            shards: map.count, store: store,
            mayLackRecords: node.mayLackRecords, options: options, seed: loopRandom.next(),
            now: node.clock.now(time))
        shard.handle(.reads(node.reads), now: node.clock.now(time))
        return Runner(
            index: index, store: store, topology: topology, shard: shard,
            detector: Detector(count: nodes.count, now: time))
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
        for other in nodes where other.index != node.index {
            for runner in other.process?.runners ?? [] where faultRandom.chance(noticed) {
                after(scenario.delay.nanoseconds) { [self] in
                    suspect(node.index, at: other, runner.index, for: 0, boot: process.boot)
                }
            }
        }
    }

    /// Makes a shard of `observer` hold `peer` for down, unless a later process of `peer` runs.
    /// - Parameter shard: Nil for all of them.
    func suspect(_ peer: Int, at observer: Node, _ shard: Int?, for span: UInt64, boot: UInt64) {
        guard observer.process != nil, nodes[peer].boot == boot else { return }
        let item = Runner.Item.suspicion(peer, until: time + span)
        if let shard { give(item, to: observer.index, shard: shard) } else { giveAll(item, to: observer.index) }
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
        guard let process = node.process else { return }
        for runner in process.runners { wake(node, process, runner) }
    }

    /// Holds up one event loop of a process, while the others run on.
    func pause(_ runner: Runner, of node: Node, _ process: Process, for span: UInt64) {
        runner.pauses += 1
        trace.line(time, "\(name(node, runner)) pauses")
        after(span) { [self] in
            if runner.pauses > 0 { runner.pauses -= 1 }
            guard node.process === process else { return }
            resume(node)
        }
    }

    func timer(_ node: Node, _ shard: Int, _ boot: UInt64) {
        guard let process = node.process, process.boot == boot else { return }
        let runner = process.runners[shard]
        queue.push(.timer(node.index, shard: shard, boot: boot), at: time + options.timer.nanoseconds)
        guard node.pauses == 0, runner.pauses == 0, !runner.isFrozen else { return }
        runner.timers += 1
        if runner.timers % Detector.pingInterval == 1 { ping(node, process, runner) }
        if runner.isFirst {
            if runner.timers % scenario.reportInterval == 0 {
                if process.cluster == nil { reportMoves(node, process) } else { report(node, process) }
            }
            if mutant == .speakForStopped { repeatBeats(process) }
            if process.cluster != nil, runner.timers % scenario.clusterTimer == 0 {
                runner.inbox.append(.cluster(.timer))
            }
        }
        if runner.timers % Self.repairInterval == 0 { repair(node, runner) }
        runner.inbox.append(.input(.timer))
        wake(node, process, runner)
    }

    /// Has the shards that do not run seem to say to the first one that they do.
    private func repeatBeats(_ process: Process) {
        for case let (runner, beat?) in process.runners.map({ ($0, $0.lastBeat) }) where runner.pauses > 0 {
            process.first.inbox.append(.input(.sibling(beat)))
        }
    }

    /// Timers between two attempts to repair damaged records.
    private static var repairInterval: Int { 20 }

    private func repair(_ node: Node, _ runner: Runner) {
        let damaged = node.driver.damagedRecords(shard: runner.index)
            .sorted { ($0.partition, $0.key) < ($1.partition, $1.key) }
        for record in damaged.prefix(options.maximumRepairs) {
            runner.inbox.append(.input(.repair(record)))
        }
    }

    private func ping(_ node: Node, _ process: Process, _ runner: Runner) {
        if runner.isFirst, process.cluster != nil { greetJoiningNodes(node, process) }
        for peer in nodes.indices where peer != node.index && nodes[peer].process != nil {
            let ping = Ping(
                boot: process.boot, epoch: process.topology.epoch, wall: node.clock.now(time).wall,
                accepts: mayLink(runner, to: nodes[peer].number))
            for delivery in network.send(
                from: node.index, to: peer, shard: runner.index, atMostOnce: true, now: time)
            {
                queue.push(
                    .ping(
                        from: node.index, shard: runner.index, to: peer, generation: delivery.generation, ping),
                    at: delivery.time)
            }
        }
    }

    func tick(_ node: Node, _ shard: Int, _ boot: UInt64) {
        guard let process = node.process, process.boot == boot else { return }
        let runner = process.runners[shard]
        runner.tickIsScheduled = false
        guard node.pauses == 0, runner.pauses == 0, !runner.isFrozen else { return }
        let began = presentTime(node, process)
        mayFreeze(node, process, runner) { [self] in
            var inbox: [Runner.Item] = []
            swap(&inbox, &runner.inbox)
            let now = mutant == .takeEarly ? began : presentTime(node, process)
            for item in inbox { take(item, node, process, runner, now) }
            mayFreeze(node, process, runner) { [self] in
                look(node, process, runner, since: began)
                mayFreeze(node, process, runner) { [self] in endTick(node, process, runner) }
            }
        }
    }

    /// Has the shard look at the clock, after all that has come in the tick.
    private func look(_ node: Node, _ process: Process, _ runner: Runner, since began: Now) {
        runner.shard.flush(now: mutant == .lookEarly ? began : presentTime(node, process))
        while runner.shard.wantsLook { runner.shard.flush(now: presentTime(node, process)) }
        checkQueues(node, runner)
        checkInvariants(node, runner)
    }

    private func endTick(_ node: Node, _ process: Process, _ runner: Runner) {
        var effects: [ShardEffect] = []
        swap(&effects, &runner.shard.effects)
        for effect in effects { perform(effect, node, process, runner) }
        var finished: [KVCore.Request] = []
        swap(&finished, &runner.shard.finished)
        for request in finished { ended(request, node, process, runner) }
        if runner.isFirst { performCluster(node, process, presentTime(node, process)) }
        beginCommit(node, process, runner)
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

    private func take(_ item: Runner.Item, _ node: Node, _ process: Process, _ runner: Runner, _ now: Now) {
        if case .input(.message(let peer, let message)) = item, runner.links != nil {
            runner.links?.reachability.heard(peer, now: now.monotonic)
            if message.isAboutPartitions { runner.links?.attend(peer, now: now.monotonic) }
            if case .node(.doubt(let doubted)) = message, doubted != node.number {
                runner.links?.attend(doubted, isDoubted: true, now: now.monotonic)
                tellOthers(than: runner, .doubt(doubted), node, process)
            }
            performWatch(node, process, runner, now)
        }
        switch item {
        case .input(.timer):
            checkPeers(of: node, process, runner, now)
            runner.shard.handle(.timer, now: now)
        case .input(.message(let peer, .node(.cluster(let message)))):
            if process.cluster == nil {
                receive(message, from: peer, node, process)
            } else {
                process.cluster?.handle(.message(from: peer, message), now: now)
            }
        case .input(.message(_, .node(.doubt))): break
        case .input(.message(let peer, _)) where !mayLink(runner, to: peer): break
        case .input(.topology(let topology)): adopt(topology, node, process, runner, now)
        case .input(let input): runner.shard.handle(input, now: now)
        case .request(let request):
            runner.shard.submit(request, now: now)
            if request.isFinished { runner.shard.finished.append(request) }
        case .cluster(let input): process.cluster?.handle(input, now: now)
        case .ping(let peer, let ping):
            _ = process.wall.heard(nodes[peer].number, wall: ping.wall, now: now.monotonic)
            greet(peer, ping, node, process, runner, now)
        case .suspicion(let peer, let until): suspectPeer(peer, until, node, process, runner, now)
        case .liveness(let peer, let liveness):
            learn(liveness, of: peer, runner, now)
            performWatch(node, process, runner, now)
        case .doubt(let peer):
            runner.links?.attend(peer, isDoubted: true, now: now.monotonic)
            performWatch(node, process, runner, now)
        case .gossip(let peer, let message):
            process.watch?.swim.receive(message, from: nodes[peer].number, now: now.monotonic)
            performWatch(node, process, runner, now)
        }
    }

    private func adopt(_ topology: Topology, _ node: Node, _ process: Process, _ runner: Runner, _ now: Now) {
        // A node adopts topologies in the order of their epochs (`TopologyStore`), even if one is persisted late.
        guard topology.epoch > runner.topology.epoch else { return }
        disconnectRemoved(from: runner.topology, to: topology, node, runner)
        expectJoiningNodes(from: runner.topology, to: topology, runner)
        runner.topology = topology
        if runner.isFirst {
            process.topology = topology
            process.wall.setOthers(others(than: node, in: topology))
            process.watch?.follow(topology, now: now.monotonic)
        }
        runner.links?.follow(topology)
        runner.shard.handle(.topology(topology), now: now)
    }

    /// True if the shard has connections to the peer: it is a member, or was removed. Connections to removed nodes stay
    /// for a while, so that requests of theirs can end.
    private func mayLink(_ runner: Runner, to peer: NodeNumber) -> Bool {
        !scenario.isSelfGoverned || runner.topology.member(peer) != nil
            || runner.topology.removed.contains { $0.number == peer }
    }

    private func ended(_ request: KVCore.Request, _ node: Node, _ process: Process, _ runner: Runner) {
        guard let asker = request.caller as? RequestCaller, let outcome = request.outcome else {
            preconditionFailure("a shard ends what it was given, with an outcome")
        }
        trace.line(time, "\(node.number) answers \(request.token & 0xffff_ffff) \(outcome) by \(request.executor)")
        switch asker.kind {
        case .client: answered(RequestID(request.token), outcome, node, by: runner.slots)
        case .cluster(let id): give(.cluster(.outcome(id, outcome)), to: node.index)
        }
    }

    private func perform(_ effect: ShardEffect, _ node: Node, _ process: Process, _ runner: Runner) {
        switch effect {
        case .send(let peer, let message):
            trace.line(time, "\(name(node, runner)) -> \(peer) \(message)")
            if case .replica(_, .abstain) = message { statistics[.abstentions] += 1 }
            if message.isAboutPartitions {
                runner.links?.attend(peer, now: node.clock.now(time).monotonic)
                performWatch(node, process, runner, presentTime(node, process))
            }
            send(from: node, runner, to: peer, message)
            if case .replica(_, .transfer) = message { handedOver(to: peer, node, process) }
        case .siblings(let message):
            if runner.isFirst {
                tellOthers(than: runner, .input(.sibling(message)), node, process)
            } else {
                if case .beat = message { runner.lastBeat = message }
                give(.input(.sibling(message)), to: node.index)
            }
        case .load(let ticket), .loadLater(let ticket):
            statistics[.loads] += 1
            let delay = diskDelay(node)
            queue.push(
                .loaded(node.index, shard: runner.index, boot: process.boot, ticket), at: time + delay)
        case .notice(let notice):
            trace.line(time, "\(name(node, runner)) \(notice)")
            trace.fold(time, UInt64(node.index | runner.index << 32), 2)
            note(notice, node, process, runner)
        }
    }

    private func note(_ notice: ShardNotice, _ node: Node, _ process: Process, _ runner: Runner) {
        if let (partition, isSettled) = notice.leadership, partition == process.topology.metadataPartition {
            process.metadataNews.append(isSettled)
            if !runner.isFirst { wake(node, process, process.first) }
        }
        switch notice {
        case .elected(let partition, _, let settled):
            statistics[.elections] += 1
            if settled { statistics[.settledAtOnce] += 1 }
            runner.leaderships[partition] = settled
        case .settled(let partition):
            statistics[.settledLater] += 1
            runner.leaderships[partition] = true
        case .steppedDown(let partition):
            statistics[.stepDowns] += 1
            runner.leaderships[partition] = nil
        case .drained: runner.isDrained = true
        case .behind(let epoch, let peer):
            if isHealed || moveRandom.chance(scenario.heed) { pull(epoch, from: peer, node, process) }
        case .disk(let isStalled): if isStalled { statistics[.noticedStalls] += 1 }
        case .repaired: statistics[.repairedRecords] += 1
        case .replicaDropped: statistics[.replicaDropped] += 1
        case .split(let slots):
            statistics[.splits] += slots.count - runner.slots.count
            runner.slots = slots
        case .conflict(_, let key, let peer):
            // Versions are never used twice, because no store of a run forgets what it has promised.
            history.add(
                Violation(.versions, "\(key): nodes \(node.number) and \(peer) hold two values under one version"))
        case .complete:
            statistics[.completions] += 1
            // The disk says of the machine that copies may lack records, not of a shard.
            if process.runners.allSatisfy({ $0.shard.incompletePartitions == 0 }) { node.mayLackRecords = false }
        case .ready: break  // The next report of moves says so.
        case .unsupported: break
        }
    }

    // MARK: - The disk

    func diskDelay(_ node: Node) -> UInt64 {
        let span = scenario.sync.nanoseconds / 2 + loopRandom.below(scenario.sync.nanoseconds)
        return node.slowness > 0 ? span * 100 : span
    }

    private func beginCommit(_ node: Node, _ process: Process, _ runner: Runner) {
        if node.driver.beginCommit(shard: runner.index) {
            statistics[.commits] += 1
            queue.push(
                .synced(node.index, shard: runner.index, boot: process.boot), at: time + diskDelay(node))
        }
        announce(node, process, runner)
    }

    func synced(_ node: Node, _ shard: Int, _ boot: UInt64) {
        guard let process = node.process, process.boot == boot else { return }
        guard node.stalls == 0 else {
            return queue.push(.synced(node.index, shard: shard, boot: boot), at: time + 10_000_000)
        }
        let runner = process.runners[shard]
        do {
            try node.driver.finishCommit(shard: shard)
            announce(node, process, runner)
            if node.pauses == 0, runner.pauses == 0 { beginCommit(node, process, runner) }
        } catch {
            fail(error, on: node)
        }
    }

    private func announce(_ node: Node, _ process: Process, _ runner: Runner) {
        let reached = (durable: runner.store.durable, synced: runner.store.synced)
        guard reached != runner.announced else { return }
        runner.announced = reached
        runner.inbox.append(.input(.durable))
        wake(node, process, runner)
    }

    func loaded(_ node: Node, _ shard: Int, _ boot: UInt64, _ ticket: ReadTicket) {
        guard let process = node.process, process.boot == boot else { return }
        do {
            give(.input(.loaded(ticket, try node.driver.read(ticket, shard: shard))), to: node.index, shard: shard)
        } catch {
            fail(error, on: node)
        }
    }
}
