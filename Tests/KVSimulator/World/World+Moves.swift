import KVCore

// Changes of replica sets in runs that do not govern themselves: the world decides, as a coordinator that cannot fail.

extension World {
    func startMoves() {
        guard let gap = scenario.moves, !scenario.isSelfGoverned else { return }
        scheduleMove(gap.nanoseconds)
        scheduleReminder()
    }

    private func scheduleMove(_ gap: UInt64) {
        after(gap / 4 + moveRandom.below(gap * 3 / 2)) { [self] in
            guard !isHealed else { return }
            change()
            scheduleMove(gap)
        }
    }

    /// Tells the newest topology again and again, because the processes that were told of it may have died.
    func scheduleReminder() {
        after(300_000_000) { [self] in
            tellSomebody()
            scheduleReminder()
        }
    }

    private func change() {
        switch moveRandom.weighted(scenario.moveMix.weights) {
        case 0: admit()
        case 1: cancel()
        case 2: pauseOrResume()
        case 3: reorder()
        case let kind:
            let still = partitions { $0.next == nil }
            guard !still.isEmpty else { return }
            let count = 1 + moveRandom.below(still.count)
            let chosen = moveRandom.chance(0.5) ? [moveRandom.pick(still)] : Array(still.prefix(count))
            move(chosen.map { ($0, target(kind - 4, instead: topology[$0].replicas)) })
        }
    }

    private func partitions(where condition: (Assignment) -> Bool) -> [PartitionID] {
        topology.assignments.indices.filter { condition(topology.assignments[$0]) }.map(topology.slots.partition(at:))
    }

    private func succeeding() -> Topology {
        var next = topology
        next.epoch += 1
        return next
    }

    // MARK: - Changes

    private func admit() {
        guard let node = nodes.first(where: { $0.topology == nil }) else { return }
        var next = succeeding()
        next.members.append(Member.simulated(node.number))
        next.lastNumber = node.number
        node.topology = next
        statistics[.admissions] += 1
        start(node)
        publish(next)
    }

    /// The next replica set of a partition: with one node replaced, any nodes, fewer nodes, or more nodes.
    private func target(_ kind: Int, instead replicas: [NodeNumber]) -> [NodeNumber] {
        let members = shuffled(admitted.map(\.number))
        let others = members.filter { !replicas.contains($0) }
        var target = shuffled(replicas)
        switch kind {
        case 0:
            guard let joiningNode = others.first else { return target }
            target[moveRandom.below(target.count)] = joiningNode
        case 1: target = Array(members.prefix(1 + moveRandom.below(min(members.count, 5))))
        case 2: if target.count > 1 { target.removeLast(1 + moveRandom.below(target.count - 1)) }
        default: target = Array((target + others).prefix(max(target.count, 1 + moveRandom.below(5))))
        }
        return target
    }

    private func shuffled(_ numbers: [NodeNumber]) -> [NodeNumber] {
        var numbers = numbers
        for index in numbers.indices.reversed() { numbers.swapAt(index, moveRandom.below(index + 1)) }
        return numbers
    }

    private func move(_ targets: [(PartitionID, [NodeNumber])]) {
        var next = succeeding()
        for (partition, target) in targets {
            let assignment = next[partition]
            guard assignment.next == nil, assignment.replicas != target else { continue }
            // The same nodes in another order need no move.
            let isReorder = Set(assignment.replicas) == Set(target)
            statistics[isReorder ? .reorders : .moves] += 1
            next[partition] = assignment.changing(
                to: isReorder ? target : assignment.replicas, next: isReorder ? nil : target, at: next.epoch)
        }
        if next.assignments != topology.assignments { publish(next) }
    }

    private func reorder() {
        let still = partitions { $0.next == nil && $0.replicas.count > 1 }
        guard !still.isEmpty else { return }
        let partition = moveRandom.pick(still)
        move([(partition, shuffled(topology[partition].replicas))])
    }

    /// Cancels a move. The membership of its joining nodes lapses, and the same nodes may be chosen again soon.
    private func cancel() {
        let moving = partitions { $0.next != nil && !scenario.isCalm }
        guard !moving.isEmpty else { return }
        let partition = moveRandom.pick(moving)
        var next = succeeding()
        let assignment = next[partition]
        next[partition] = assignment.changing(
            to: assignment.replicas, next: nil, at: next.epoch)
        statistics[.cancels] += 1
        publish(next)
        if let target = assignment.next { moveLater(partition, to: target) }
    }

    private func pauseOrResume() {
        var next = succeeding()
        let isPaused = next.plan?.isPaused ?? false
        statistics[.pausedPlans] += isPaused ? 0 : 1
        next.plan = isPaused ? nil : ChangePlan.pausedBySimulation(next.epoch)
        publish(next)
    }

    /// Moves a partition after a while, in one of two cases, to nodes that have just lost their membership of it.
    private func moveLater(_ partition: PartitionID, to target: [NodeNumber]) {
        guard moveRandom.chance(0.5) else { return }
        after(moveRandom.below(moveRandom.pick([20_000_000, 300_000_000, 2_000_000_000]))) { [self] in
            guard !isHealed, topology[partition].next == nil else { return }
            statistics[.lapses] += 1
            move([(partition, target)])
        }
    }

    // MARK: - Switches to the next replica set

    /// Sends a leader's reports of its ready moves to the world, which get them late, or not at all.
    func reportMoves(_ node: Node, _ process: Process) {
        for report in process.runners.flatMap({ $0.shard.moveReports() }) where report.isReady {
            if !isHealed, moveRandom.chance(scenario.loss) { continue }
            var delay = scenario.delay.nanoseconds + moveRandom.below(scenario.jitter.nanoseconds)
            if !isHealed, moveRandom.chance(0.05) { delay += moveRandom.below(UInt64(1_000_000_000)) }
            after(delay) { [self] in heard(report) }
        }
    }

    private func heard(_ report: MoveReport) {
        let assignment = topology[report.partition]
        guard assignment.next != nil, assignment.changed == report.changed else { return }
        // A metadata quorum may be slow to switch, and a partition that was ready must stay ready.
        if ready.isEmpty { after(moveRandom.below(scenario.metadataDelay.nanoseconds)) { [self] in switchReady() } }
        ready[report.partition] = report.changed
    }

    private func switchReady() {
        var next = succeeding()
        for partition in ready.keys.sorted() {
            let assignment = next[partition]
            guard let target = assignment.next, assignment.changed == ready[partition] else { continue }
            next[partition] = assignment.changing(to: target, next: nil, at: next.epoch)
            statistics[.switches] += 1
            moveLater(partition, to: assignment.replicas)
        }
        ready = [:]
        if next.assignments != topology.assignments { publish(next) }
    }

    /// Resumes moves that are paused, so that all moves end.
    func endMoves() {
        guard topology.plan != nil, !scenario.isSelfGoverned else { return }
        var next = succeeding()
        next.plan = nil
        publish(next)
    }

    /// Adds up what a process has counted, when it ends.
    func count(_ process: Process) {
        for runner in process.runners {
            statistics[.reproposedChanges] += runner.shard.reproposedChanges
            statistics.rules.add(runner.shard.ruleCounts)
            statistics[.silences] += runner.links?.silences ?? 0
        }
    }

    func countWork() {
        for case let process? in nodes.map(\.process) { count(process) }
        statistics[.wipes] += ledger.wipes
        statistics[.purgedTombstones] += ledger.purgedTombstones
    }
}

extension ChangePlan {
    fileprivate static func pausedBySimulation(_ epoch: Epoch) -> ChangePlan {
        ChangePlan(id: epoch, reason: .operatorAsked, isPaused: true, targets: [], moves: 0, minimum: 0, bytes: 0)
    }
}
