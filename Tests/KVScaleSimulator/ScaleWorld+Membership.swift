import KVCore

// Topologies, the coordinator, and nodes that wait to be admitted.

extension ScaleWorld {
    /// The timeout of the coordinator's commands on the topology's register.
    private static let registerTimeout = Nanoseconds.milliseconds(3000)
    /// Milliseconds between two announcements of a node that waits, and how many members it has as seeds.
    private static let announcements: UInt64 = 1000
    private static let seeds = 3

    func give(_ input: ClusterInput, _ node: ScaleNode, _ process: ScaleProcess) {
        let now = now
        measure(.membership, node) { process.cluster.handle(input, now: now) }
        while !process.cluster.effects.isEmpty {
            let effects = process.cluster.effects
            process.cluster.effects = []
            for effect in effects { perform(effect, node, process) }
        }
    }

    private func perform(_ effect: ClusterEffect, _ node: ScaleNode, _ process: ScaleProcess) {
        switch effect {
        case .send(let peer, let message): send(node, process, to: peer, .node(.cluster(message)))
        case .request(let id, let command):
            let request = Request(
                command, key: Topology.key, partition: process.topology.metadataPartition,
                limit: .within(Self.registerTimeout), token: id)
            measure(.shard, node) { process.shard.submit(request, now: now) }
            if request.isFinished { process.shard.finished.append(request) }
            touch(node, process)
        case .persist(let topology, _):
            process.persisting = topology
            schedule(.persisted(boot: process.boot), to: node.index, after: Self.delay)
        case .adopt(let topology): adopt(topology, node, process)
        case .answer(let id, let reply): replies[id] = reply
        case .notice: break
        }
    }

    private func adopt(_ topology: Topology, _ node: ScaleNode, _ process: ScaleProcess) {
        let before = process.topology
        let members = topology.members.map(\.number)
        let now = now
        process.topology = topology
        process.reachability.pace = HeartbeatPace(members: members.count)
        process.wall.setOthers(members.filter { $0 != node.number })
        measure(.shard, node) { process.shard.handle(.topology(topology), now: now) }
        for member in before.members where topology.member(member.number) == nil { part(from: member, process) }
        performReachability(node, process)
        measure(.detector, node) { process.swim.setMembers(members, now: now.monotonic) }
        process.swim.epoch = topology.epoch
        for member in topology.members where before.member(member.number) == nil {
            find(member)
            connect(node, to: member.number)
        }
        touch(node, process)
    }

    private func part(from member: Member, _ process: ScaleProcess) {
        process.isLinked[Int(member.number.raw)] = false
        process.reachability.forget(member.number)
        process.news.forget(member.number)
        process.progress.forget(member.number)
    }

    /// Finds the machine on which a new member runs.
    private func find(_ member: Member) {
        guard machines[Int(member.number.raw)] == nil else { return }
        machines[Int(member.number.raw)] = nodes.firstIndex { $0.store == member.store }
    }

    // MARK: - Joining

    /// Starts a node that waits to be admitted.
    func apply(_ node: ScaleNode) {
        node.isPending = true
        announce(node)
    }

    private func announce(_ node: ScaleNode) {
        guard node.isPending else { return }
        for index in 0..<min(Self.seeds, scenario.nodes) {
            let message = PeerMessage.node(.cluster(.announce(node.description)))
            traffic.count(
                .membership, bytes: sizes.bytes(message), from: node.index, to: index, isPacket: true)
            schedule(.message(message, from: NodeNumber(0)), to: index, after: Self.delay)
        }
        after(Self.announcements) { [self] in announce(node) }
    }

    /// Gives a node that waits a topology. If that names the node's store, the node is a member, and starts.
    func admit(_ node: ScaleNode, by topology: Topology) {
        guard let member = topology.members.first(where: { $0.store == node.store }) else { return }
        node.isPending = false
        node.number = member.number
        node.topology = topology
        find(member)
        // Its connections end with the listener of the waiting room.
        for other in nodes where other.process?.isLinked[Int(member.number.raw)] == true {
            other.process?.isLinked[Int(member.number.raw)] = false
        }
        after(Self.linkDelay) { [self] in start(node) }
    }

    /// Has an operator ask at a node.
    func ask(_ request: ControlRequest, at node: ScaleNode) -> RequestID? {
        guard let process = node.process else { return nil }
        lastRequest += 1
        let id = RequestID(boot: process.boot, count: lastRequest, shard: 0)
        give(.control(id, request, deadline: now.monotonic + .milliseconds(10_000)), node, process)
        return id
    }
}
