import CLinux
import KVCore

extension LogStore {
    /// The number of keys that are looked up together: enough to keep the processor's line fill buffers busy.
    static let lookupBatch = 16

    private struct Lookup {
        var partition: Unmanaged<Partition>?
        var hash: KeyHash
        var entry: UnsafeMutablePointer<IndexEntry>?
    }

    /// Prefetches the memory that reading or writing the keys with these hashes will touch. An index in memory mostly
    /// waits for memory: about six cache lines a key, each found by the one before. Lookups made together wait
    /// together. (After Chen, Ailamaki, Gibbons and Mowry, "Improving Hash Join Performance through Prefetching".)
    /// - Parameter isIndexOnly: neither keys nor values are touched.
    package func prefetch(_ keys: [(partition: PartitionID, hash: KeyHash)], isIndexOnly: Bool = false) {
        withUnsafeTemporaryAllocation(of: Lookup.self, capacity: Self.lookupBatch) { lookups in
            guard let base = lookups.baseAddress else { return }
            var next = 0
            while next < keys.count {
                let count = min(keys.count - next, Self.lookupBatch)
                for index in 0..<count {
                    let (id, hash) = keys[next + index]
                    let partition = catalog.unretained(id)
                    if let partition { kv_prefetch(partition.toOpaque()) }
                    (base + index).initialize(to: Lookup(partition: partition, hash: hash, entry: nil))
                }
                prefetch(UnsafeMutableBufferPointer(start: base, count: count), isIndexOnly)
                next += count
            }
        }
    }

    private func prefetch(_ lookups: UnsafeMutableBufferPointer<Lookup>, _ isIndexOnly: Bool) {
        for lookup in lookups {
            lookup.partition?._withUnsafeGuaranteedRef { $0.prefetchSlot(lookup.hash) }
        }
        for index in lookups.indices {
            let hash = lookups[index].hash
            lookups[index].entry =
                lookups[index].partition?._withUnsafeGuaranteedRef { $0.index.prefetchEntry(hash) } ?? nil
        }
        if isIndexOnly { return }
        catalog.cache.prefetch { cache in
            for lookup in lookups {
                guard let entry = lookup.entry else { continue }
                lookup.partition?._withUnsafeGuaranteedRef { $0.index.prefetchKey(entry) }
                cache.slot(entry.pointee.cacheSlot)
            }
            for lookup in lookups {
                if let entry = lookup.entry { cache.value(entry.pointee.cacheSlot) }
            }
        }
    }
}
