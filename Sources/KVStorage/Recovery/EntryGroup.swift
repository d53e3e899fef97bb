import KVCore

/// Entries of one segment on their way into the catalog, grouped by partition.
///
/// In the order of the log, each entry would belong to another partition's index and wait for memory at every step.
/// Grouped, an index stays in the processor's cache for hundreds of entries. Most of a start with many keys is spent
/// here.
struct EntryGroup {
    /// Bytes of entries after which the group is full.
    private static let limit = 16 << 20

    private var bytes: [UInt8] = []
    private var places: [UInt32] = []
    private var partitions: [UInt16] = []

    var isFull: Bool { bytes.count >= Self.limit }

    /// - Parameter owner: The partition that has the record.
    mutating func add(_ view: RecordView, of owner: PartitionID, at offset: UInt32) {
        note(owner)
        SidecarEntry.append(view, at: offset, to: &bytes)
    }

    mutating func add(_ entry: SidecarEntry, of owner: PartitionID) {
        note(owner)
        bytes.append(contentsOf: entry.bytes)
    }

    /// Calls `body` with every entry and its owner, and empties the group.
    mutating func drain(_ body: (SidecarEntry, PartitionID) -> Void) {
        bytes.withUnsafeBytes { bytes in
            for number in sorted() {
                // (A partition's state of another length, which no store writes, is passed over.)
                guard let entry = SidecarEntry(bytes, at: Int(places[Int(number)])) else { continue }
                body(entry, PartitionID(partitions[Int(number)]))
            }
        }
        bytes.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        partitions.removeAll(keepingCapacity: true)
    }

    private mutating func note(_ partition: PartitionID) {
        places.append(UInt32(truncatingIfNeeded: bytes.count))
        partitions.append(partition.raw)
    }

    /// The entries' numbers in order of their partitions, stable within each: a counting sort.
    private func sorted() -> [UInt32] {
        guard let last = partitions.max() else { return [] }
        var starts = [Int](repeating: 0, count: Int(last) + 2)
        for partition in partitions { starts[Int(partition) + 1] += 1 }
        for partition in starts.indices.dropFirst() { starts[partition] += starts[partition - 1] }
        var order = [UInt32](repeating: 0, count: partitions.count)
        for (number, partition) in partitions.enumerated() {
            order[starts[Int(partition)]] = UInt32(truncatingIfNeeded: number)
            starts[Int(partition)] += 1
        }
        return order
    }
}
