/// The assignments of all partitions, by their places (`SlotMap`).
///
/// They are kept in chunks, and a copy shares the chunks that it does not change. So the next topology takes as much
/// memory and time as it changes of the present one, and what differs between the two is found without a look at the
/// rest.
package struct Assignments: Hashable, Sendable {
    /// All of `chunkSize` assignments but the last.
    private var chunks: [[Assignment]] = []
    package private(set) var count: Int

    private static let shift = 6
    private static var chunkSize: Int { 1 << shift }
    private static var mask: Int { chunkSize - 1 }

    package init(_ assignments: [Assignment]) {
        count = assignments.count
        chunks = stride(from: 0, to: count, by: Self.chunkSize).map {
            Array(assignments[$0..<Swift.min($0 + Self.chunkSize, count)])
        }
    }

    package mutating func append(_ assignment: Assignment) {
        if count & Self.mask == 0 { chunks.append([]) }
        chunks[chunks.count - 1].append(assignment)
        count += 1
    }

    /// The places whose assignments differ from those of others, which are as many or fewer, ascending.
    package func differences(from others: Assignments) -> [Int] {
        var found: [Int] = []
        for (number, chunk) in chunks.enumerated() {
            let other = number < others.chunks.count ? others.chunks[number] : []
            // Shared chunks are equal at once.
            guard chunk != other else { continue }
            for index in chunk.indices where index >= other.count || chunk[index] != other[index] {
                found.append(number << Self.shift + index)
            }
        }
        return found
    }
}

extension Assignments: RandomAccessCollection, MutableCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { count }

    package subscript(index: Int) -> Assignment {
        get { chunks[index >> Self.shift][index & Self.mask] }
        set { chunks[index >> Self.shift][index & Self.mask] = newValue }
    }
}

extension Topology {
    /// The partitions that live elsewhere than by another topology of the cluster, ascending, the metadata quorum's
    /// last.
    package func partitionsChanged(since other: Topology) -> [PartitionID] {
        var changed = assignments.differences(from: other.assignments).map(slots.partition(at:))
        if metadataQuorum != other.metadataQuorum { changed.append(metadataPartition) }
        return changed
    }
}
