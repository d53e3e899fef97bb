import KVCore

/// The index entry of one key: 48 bytes.
struct IndexEntry {
    var ballot: UInt64
    var sequence: UInt64
    var expiry: UInt64
    var segment: UInt32
    var offset: UInt32
    /// The record's length, below 2^30. The top bit marks a tombstone, the next one an entry in use.
    private var lengthAndFlags: UInt32
    /// The value's slot in the cache, from 1; 0 if it has none.
    var cacheSlot: UInt32
    /// The key's address in the arena: 40 bits.
    private var addressLow: UInt32
    private var addressHigh: UInt8
    let keyLength: UInt16

    private static let tombstone: UInt32 = 1 << 31
    private static let used: UInt32 = 1 << 30

    init(keyLength: UInt16, address: UInt64) {
        assert(address < 1 << 40, "an address has 40 bits")
        ballot = 0
        sequence = 0
        expiry = 0
        segment = 0
        offset = 0
        lengthAndFlags = Self.used
        cacheSlot = 0
        addressLow = UInt32(truncatingIfNeeded: address)
        addressHigh = UInt8(truncatingIfNeeded: address >> 32)
        self.keyLength = keyLength
    }

    @inline(__always) var isUsed: Bool { lengthAndFlags & Self.used != 0 }
    @inline(__always) var isTombstone: Bool { lengthAndFlags & Self.tombstone != 0 }
    @inline(__always) var length: Int { Int(lengthAndFlags & (Self.used - 1)) }
    @inline(__always) var version: Version { Version(ballot: Ballot(raw: ballot), sequence: sequence) }
    @inline(__always) var location: Location { Location(segment: segment, offset: offset) }
    @inline(__always) var head: RecordHead {
        RecordHead(version: version, expiry: Expiry(milliseconds: expiry), isTombstone: isTombstone)
    }

    /// When the value expires, in milliseconds since 1970; 0 for never, and for a tombstone.
    @inline(__always) var end: UInt64 { isTombstone ? 0 : expiry }

    var address: UInt64 {
        get { UInt64(addressHigh) << 32 | UInt64(addressLow) }
        set {
            addressLow = UInt32(truncatingIfNeeded: newValue)
            addressHigh = UInt8(truncatingIfNeeded: newValue >> 32)
        }
    }

    @inline(__always)
    mutating func set(_ version: Version, _ expiry: Expiry, _ location: Location, length: Int, isTombstone: Bool) {
        assert(length > 0 && length < Self.used, "a length has 30 bits")
        ballot = version.ballot.raw
        sequence = version.sequence
        self.expiry = expiry.milliseconds
        self.location(location)
        lengthAndFlags = UInt32(truncatingIfNeeded: length) | Self.used | (isTombstone ? Self.tombstone : 0)
    }

    @inline(__always)
    mutating func location(_ location: Location) {
        segment = location.segment
        offset = location.offset
    }

    mutating func free() { lengthAndFlags = 0 }
}
