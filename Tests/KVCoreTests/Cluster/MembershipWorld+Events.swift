import KVCore
import XCTest

extension MembershipWorld {
    func after(_ span: Nanoseconds, _ event: Event) { events.append((now.monotonic + span, event)) }

    private func chance(_ part: Double) -> Bool { part > 0 && Double.random(in: 0..<1, using: &random) < part }

    private var lag: Nanoseconds { .milliseconds(10 * UInt64.random(in: delay, using: &random)) }

    func give(_ number: NodeNumber, _ input: ClusterInput) {
        guard var node = nodes[number] else { return }
        node.machine.handle(input, now: now)
        let effects = node.machine.effects
        node.machine.effects = []
        nodes[number] = node
        for effect in effects { perform(effect, at: number, boot: node.boot) }
    }

    private func perform(_ effect: ClusterEffect, at number: NodeNumber, boot: UInt64) {
        switch effect {
        case .send(let to, let message):
            XCTAssertNotEqual(to, number)
            if !chance(loss) { after(lag, .message(from: number, to: to, message)) }
            // All messages but requests and their replies may come twice.
            switch message {
            case .control, .controlReply: break
            default: if chance(loss) { after(lag, .message(from: number, to: to, message)) }
            }
        case .request(let id, let command): after(lag, .execute(number, boot: boot, id, command))
        case .persist(let topology, let changes):
            check(changes, give: topology, at: number)
            after(lag, .persisted(number, boot: boot, topology))
        case .adopt(let topology):
            XCTAssertEqual(nodes[number]?.disk, topology, "adopted before it is on disk")
            XCTAssertTrue(history.contains(topology), "adopted, never chosen")
            if topology.member(number) == nil {
                nodes[number] = nil
                if leader == number { leader = nil }
            }
        case .answer(let id, let reply):
            XCTAssertNil(answers.updateValue(reply, forKey: id), "answered twice")
        case .notice(let notice): notices.append((number, notice))
        }
    }

    /// What is written to a disk must make the topology of the one that is there.
    private func check(_ changes: [TopologyChange]?, give topology: Topology, at number: NodeNumber) {
        guard let changes, var written = nodes[number]?.disk else { return wholes += 1 }
        for change in changes { written = (try? written.applying(change)) ?? written }
        XCTAssertEqual(written, topology, history.note())
        changed += 1
    }

    func perform(_ event: Event) {
        switch event {
        case .message(let from, let to, let message): give(to, .message(from: from, message))
        case .epoch(let epoch, let from, let to): give(to, .epochSeen(epoch, at: from))
        case .persisted(let number, let boot, let topology):
            guard nodes[number]?.boot == boot else { return }
            nodes[number]?.disk = topology
            give(number, .persisted(topology.epoch))
        case .execute(let number, let boot, let id, let command):
            after(lag, .outcome(number, boot: boot, id, outcome(of: command, at: number)))
        case .outcome(let number, let boot, let id, let outcome):
            guard nodes[number]?.boot == boot else { return }
            give(number, .outcome(id, outcome))
        case .late(let put): _ = execute(.put(put))
        case .liveness(let number, let liveness, let since):
            // The news counts only if nothing has changed since.
            if let state = down[number] {
                guard liveness != .alive, state.since == since else { return }
            } else {
                guard liveness == .alive else { return }
            }
            for other in nodes.keys.sorted() where other != number { give(other, .liveness(number, liveness)) }
        case .leading(let number, let boot, let isLeading):
            guard nodes[number]?.boot == boot, isLeading == (leader == number) else { return }
            setLeading(number, isLeading)
        }
    }

    private func outcome(of command: Command, at number: NodeNumber) -> Outcome {
        // A node with a topology from before a recovery asks a metadata quorum that has lost its majority.
        let generation = nodes[number]?.machine.topology.epoch.generation
        guard leader == number, generation == history.last.epoch.generation else {
            return command.isRead || chance(0.5) ? .refused(.noLeader) : .unknown(.leaderLost)
        }
        guard chance(doubt) else { return execute(command) }
        guard case .put(let put) = command else { return .refused(.noLeader) }
        switch Int.random(in: 0..<4, using: &random) {
        case 0: _ = execute(command)
        case 1: after(.milliseconds(random.next(upperBound: 2000)), .late(put))
        case 2: return .refused(.noLeader)
        default: break
        }
        return .unknown(.timedOut)
    }

    // MARK: - What the rest of a node does

    func gossip() {
        for number in nodes.keys.sorted() {
            guard let node = nodes[number], let to = nodes.keys.sorted().randomElement(using: &random), to != number
            else { continue }
            let epoch = node.machine.topology.epoch
            if !chance(loss) { after(lag, .epoch(epoch, from: number, to: to)) }
            // Some are of a version that takes no changes.
            give(to, .storeSeen(number, node.store, takesChanges: !isEarlier(number)))
        }
    }

    /// Sends the joining nodes' announcements to random members. A node that was admitted hears of it from a member.
    func announce() {
        for store in joiningNodes.keys.sorted(by: { $0.low < $1.low }) {
            guard let joiningNode = joiningNodes[store], now.monotonic >= joiningNode.nextAnnouncement,
                let seed = nodes.keys.sorted().randomElement(using: &random)
            else { continue }
            joiningNodes[store]?.nextAnnouncement = now.monotonic + .milliseconds(1000)
            let known = nodes.values.map(\.machine.topology).max { $0.epoch < $1.epoch }
            if let known, let member = known.member(withStore: store) {
                joiningNodes[store] = nil
                boot(member.number, store: store, disk: known, boot: 1)
            } else if !chance(loss) {
                give(seed, .message(from: NodeNumber(0), .announce(joiningNode.pendingNode)))
            }
        }
    }

    /// A node's report. Each of its moves advances by one step with each report, if all nodes of the move run.
    func report(of number: NodeNumber, _ node: Node) -> NodeReport {
        let topology = node.machine.topology
        var report = NodeReport(epoch: topology.epoch, store: node.store, partitions: [], moves: [])
        let places = topology.assignments.enumerated().map { (PartitionID(UInt16($0.offset)), $0.element) }
        for (partition, assignment) in places + [(topology.metadataPartition, topology.metadataQuorum)] {
            if assignment.replicas.first(where: { nodes[$0] != nil }) == number, partition != topology.metadataPartition
            {
                report.partitions.append(PartitionSize(partition: partition, bytes: 1000))
            }
            guard let next = assignment.next, next.first(where: { nodes[$0] != nil }) == number else { continue }
            report.moves.append(move(partition, assignment, next))
        }
        return report
    }

    private func move(_ partition: PartitionID, _ assignment: Assignment, _ next: [NodeNumber]) -> MoveReport {
        let key = TopologyHistory.Move(partition: partition, changed: assignment.changed)
        func isIn(_ node: NodeNumber) -> Bool { (nodes[node]?.machine.topology.epoch ?? 0) >= assignment.changed }
        // A move waits for all joining nodes, and for a majority of the others.
        let absent = next.first { !isIn($0) && !assignment.replicas.contains($0) }
        let haveMajorities = [assignment.replicas, next].allSatisfy { set in set.count(where: isIn) > set.count / 2 }
        if absent == nil, haveMajorities, !movesStandStill { progress[key, default: 0] += 1 }
        let done = min(progress[key] ?? 0, movePace)
        if done == movePace { history.ready.insert(key) }
        return MoveReport(
            partition: partition, changed: assignment.changed, sent: UInt64(1000 * done / movePace), total: 1000,
            isReady: done == movePace, obstacle: absent.map { .unreachable($0) })
    }

    // MARK: - Checks

    var state: String {
        let topology = history.last
        let members = topology.members.map {
            "\($0.id)\($0.number) \($0.status) \(nodes[$0.number] == nil ? "down" : "up")"
        }
        return
            "epoch \(topology.epoch), leader \(leader.map(\.description) ?? "none"), metadata quorum \(topology.metadataQuorum), "
            + "targets \(topology.plan?.targets.count ?? -1), \(members), adopted "
            + "\(nodes.mapValues(\.machine.topology.epoch).sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" })"
    }

    var ids: [String] { history.last.members.map(\.id) }

    /// True if nothing is under way and all nodes have the same topology.
    var isAtRest: Bool {
        let topology = history.last
        guard topology.plan == nil, topology.metadataQuorum.next == nil else { return false }
        return nodes.values.allSatisfy { $0.machine.topology.epoch == topology.epoch }
    }

    /// Checks that partitions and metadata quorum are where the planner wants them.
    func checkPlaced(file: StaticString = #filePath, line: UInt = #line) {
        let topology = history.last
        let plan = Planner.plan(
            members: topology.members, partitions: topology.settings.partitions,
            replicas: topology.settings.replicas, current: topology.assignments.map(\.replicas))
        XCTAssertEqual(plan.target, topology.assignments.map(\.replicas), file: file, line: line)
        let metadataQuorum = Planner.metadataQuorum(of: topology.members, current: topology.metadataQuorum.replicas)
        XCTAssertEqual(Set(metadataQuorum), Set(topology.metadataQuorum.replicas), file: file, line: line)
    }

    func rest(limit: Nanoseconds = .milliseconds(120_000), file: StaticString = #filePath, line: UInt = #line) {
        run(until: { isAtRest }, limit: limit, file: file, line: line)
    }

    func isMember(_ id: String) -> Bool { history.last.member(named: id) != nil }
}
