// What the partitions of a shard serve. Each replica counts what passes through it. Rates are made of two looks at the
// counts, when somebody asks: nothing is summed, or kept, while nobody does.

/// What the partitions of a shard had served at some time.
package struct ServedSample: Sendable {
    let time: Instant
    /// In the order of the shard's partitions. Those that had served nothing are left out.
    let counts: [(partition: PartitionID, served: ServedCounts)]
}

extension Shard {
    /// Looks at all partitions that this node holds in this shard. So does `load(since:)`, a second or so later.
    package func sampleServed(at now: Instant) -> ServedSample {
        ServedSample(
            time: now,
            counts: partitions.compactMap { partition in
                guard let served = restingReplica(partition)?.served, served != ServedCounts() else { return nil }
                return (partition, served)
            })
    }

    /// What this shard has served since a sample of it was taken.
    ///
    /// - Parameter limit: The number of partitions that are named at most.
    package func load(since sample: ServedSample, at now: Instant, busiest limit: Int) -> ShardLoad {
        var load = ShardLoad(elapsed: now - sample.time)
        load.usage = usage
        var earlier = sample.counts[...]
        for partition in partitions {
            // The order of the partitions does not change: those that splits make are added at the end.
            let before = earlier.first?.partition == partition ? earlier.removeFirst().served : ServedCounts()
            guard partition != topology.metadataPartition, let replica = restingReplica(partition) else { continue }
            let served = replica.served.since(before)
            load.partitions += 1
            if replica.leader != nil { load.leaders += 1 }
            load.served += served
            load.noteBusy(partition, served, limit) { (leader(of: partition), store.usage(partition)) }
        }
        return load
    }
}

extension ShardLoad {
    /// Puts a partition among the busiest, if it is one of them.
    fileprivate mutating func noteBusy(
        _ partition: PartitionID, _ served: ServedCounts, _ limit: Int,
        _ details: () -> (leader: NodeNumber?, usage: PartitionUsage)
    ) {
        guard served.requests > 0, busiest.count < limit || served.requests > (busiest.last?.served.requests ?? .max)
        else { return }
        let place = busiest.firstIndex { $0.served.requests < served.requests } ?? busiest.count
        let (leader, usage) = details()
        busiest.insert(PartitionLoad(partition: partition, leader: leader, served: served, usage: usage), at: place)
        if busiest.count > limit { busiest.removeLast() }
    }
}
