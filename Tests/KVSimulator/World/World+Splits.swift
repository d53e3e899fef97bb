import KVCore

// Splits of partitions. In runs that govern themselves an operator asks for them; in others the world makes them,
// without having anybody prepare them.

extension World {
    /// A run splits partitions until there are so many.
    static var maximumPartitions: Int { 32 }

    func startSplits() {
        guard let gap = scenario.splits else { return }
        scheduleSplit(gap.nanoseconds)
        if scenario.moves == nil, !scenario.isSelfGoverned { scheduleReminder() }
    }

    private func scheduleSplit(_ gap: UInt64) {
        after(gap / 4 + splitRandom.below(gap * 3 / 2)) { [self] in
            guard !isHealed else { return }
            if scenario.isSelfGoverned { askForSplits() } else { split() }
            scheduleSplit(gap)
        }
    }

    private func split() {
        let slots = topology.slots
        var next = topology
        next.epoch += 1
        let most = min(slots.endOfRound, World.maximumPartitions) - slots.count
        guard most > 0, next.takeSplits(1 + splitRandom.below(most), at: next.epoch) else { return }
        publish(next)
    }

    private func askForSplits() {
        let running = admitted.filter { $0.process.map { !$0.isLeaving } ?? false }
        guard !running.isEmpty else { return }
        let node = splitRandom.pick(running)
        guard let process = node.process, topology.slots.endOfRound <= World.maximumPartitions else { return }
        let request = ControlRequest.split(partitions: topology.slots.endOfRound, isDryRun: splitRandom.chance(0.1))
        ask(request, node, process)
    }

    /// The partitions that nodes hold, the metadata partition among them if the run has one.
    func partitions(of topology: Topology) -> [PartitionID] {
        topology.slots.partitions + (scenario.isSelfGoverned ? [topology.metadataPartition] : [])
    }
}

extension Topology {
    /// The assignment of a partition that has slots.
    subscript(partition: PartitionID) -> Assignment {
        get { assignments[slots.place(of: partition) ?? assignments.count] }
        set { assignments[slots.place(of: partition) ?? assignments.count] = newValue }
    }
}
