import KVCore

/// The state of a partition that the log keeps beside its records.
struct PartitionState: Hashable, Sendable {
    /// The highest ballot promised. It only rises, and outlives wipes.
    var promise = Ballot.zero
    /// The location of the newest wipe; older records are gone. Later wipes lie further on in the log.
    var wiped = Location.zero
    /// The epoch of membership that the newest wipe began; 0 before the first.
    var membership: Epoch = 0
    /// The purge floor: tombstones up to this version are gone. It only rises between two wipes.
    var floor = Version.zero

    static let encodedSize = 32

    /// Combines two states of a partition, found in either order, into the state that holds after both.
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

    /// Encodes the value of a state record. The promise is stored where other records have their ballot.
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
