import KVCore

/// What is remembered of a partition beside its records. Every part only grows, so that of two states the larger of
/// each part is right, in whatever order they are found.
struct PartitionState: Hashable, Sendable {
    var promise = Ballot.zero
    /// Tombstones up to here are gone.
    var floor = Version.zero
    /// Records before here are gone.
    var wiped = Location.zero

    static let encodedSize = 24

    mutating func merge(_ other: Self) {
        promise = max(promise, other.promise)
        floor = max(floor, other.floor)
        wiped = max(wiped, other.wiped)
    }

    /// The value of a state record; the promise stands where other records have their ballot.
    func withEncoded<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: Self.encodedSize, alignment: 8) { buffer in
            guard let base = buffer.baseAddress else { return body(UnsafeRawBufferPointer(buffer)) }
            base.put(floor.ballot.raw, at: 0)
            base.put(floor.sequence, at: 8)
            base.put(wiped.segment, at: 16)
            base.put(wiped.offset, at: 20)
            return body(UnsafeRawBufferPointer(buffer))
        }
    }
}
