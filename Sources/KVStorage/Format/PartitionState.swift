import KVCore

/// What is remembered of a partition beside its records.
struct PartitionState: Hashable, Sendable {
    /// Only rises, and outlives wipes.
    var promise = Ballot.zero
    /// Records before here are gone: where the newest wipe was written. Later wipes lie further on in the log.
    var wiped = Location.zero
    /// Given by the newest wipe; 0 before the first.
    var membership: Epoch = 0
    /// Tombstones up to here are gone; only rises from one wipe to the next.
    var floor = Version.zero

    static let encodedSize = 32

    /// Of two states of a partition, found in either order, what holds after both.
    mutating func merge(_ other: Self) {
        promise = max(promise, other.promise)
        if other.wiped > wiped {
            wiped = other.wiped
            membership = other.membership
            floor = other.floor
        } else if other.wiped == wiped {
            floor = max(floor, other.floor)
        }
    }

    /// The value of a state record; the promise stands where other records have their ballot.
    func withEncoded<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: Self.encodedSize, alignment: 8) { buffer in
            guard let base = buffer.baseAddress else { return body(UnsafeRawBufferPointer(buffer)) }
            base.put(floor.ballot.raw, at: 0)
            base.put(floor.sequence, at: 8)
            base.put(wiped.segment, at: 16)
            base.put(wiped.offset, at: 20)
            base.put(membership, at: 24)
            return body(UnsafeRawBufferPointer(buffer))
        }
    }

    /// - Parameter value: `encodedSize` bytes.
    init(promise: Ballot, value: UnsafeRawBufferPointer) {
        self.promise = promise
        floor = Version(ballot: Ballot(raw: value.get(0)), sequence: value.get(8))
        wiped = Location(segment: value.get(16), offset: value.get(20))
        membership = value.get(24)
    }

    init() {}
}
