/// A digest of a set of records: 256 leaves under one root. Two replicas with equal roots hold the same records.
///
/// Merkle's tree as Dynamo compares replicas with it, but incremental: a leaf is the exclusive or of its records'
/// hashes, so a change costs two hashes, and no order of changes matters. The root is the exclusive or of the leaves.
///
/// Each leaf is two sums. The first is of keys and versions: it tells which replica lacks what, and the protocol rests
/// on it. The second is of what is held under these versions. Where only the second differs, one version names two
/// values, which can only be where a store has forgotten a ballot and used it again.
public struct HashTree: Sendable {
    public static let leafCount = 256

    public struct Leaf: Hashable, Sendable {
        /// Of keys and versions.
        public var digest = Digest()
        /// Of the records' checksums as well.
        public var contents: UInt64 = 0

        static func ^= (a: inout Self, b: Self) {
            a.digest ^= b.digest
            a.contents ^= b.contents
        }
    }

    /// `leafCount` of them.
    public private(set) var leaves: [Leaf]
    public private(set) var root = Leaf()

    public init() { leaves = Array(repeating: Leaf(), count: Self.leafCount) }

    /// The leaf that a key belongs to.
    @inlinable
    public static func leaf(of key: KeyHash) -> Int { Int(truncatingIfNeeded: key.low & UInt64(leafCount - 1)) }

    /// Takes a record in, or out again: the operation is its own inverse.
    /// - Parameter checksum: of what is held under the version; the same on all replicas, and 0 of a tombstone.
    public mutating func toggle(_ key: KeyHash, _ version: Version, _ checksum: UInt32) {
        let digest = Digest(key, version)
        let contents = mix(digest.high ^ UInt64(checksum), digest.low ^ 0xa076_1d64_78bd_642f)
        let change = Leaf(digest: digest, contents: contents)
        leaves[Self.leaf(of: key)] ^= change
        root ^= change
    }

    public var digests: [Digest] { leaves.map(\.digest) }
    public var contents: [UInt64] { leaves.map(\.contents) }

    /// The leaves whose keys and versions differ from those of another tree; nil unless `others` has `leafCount` of
    /// them.
    public func differing(from others: [Digest]) -> [Int]? {
        guard others.count == leaves.count else { return nil }
        return leaves.indices.filter { leaves[$0].digest != others[$0] }
    }

    /// The same, and those whose contents differ.
    /// - Parameter contents: empty where they are not known.
    public func differing(from others: [Digest], _ contents: [UInt64]) -> [Int]? {
        guard contents.count == leaves.count else { return differing(from: others) }
        guard others.count == leaves.count else { return nil }
        return leaves.indices.filter { leaves[$0] != Leaf(digest: others[$0], contents: contents[$0]) }
    }
}

/// 128 bits of hash.
public struct Digest: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    @inlinable
    public init(high: UInt64 = 0, low: UInt64 = 0) {
        self.high = high
        self.low = low
    }

    @inlinable
    public init(_ key: KeyHash, _ version: Version) {
        high = mix(mix(key.high, version.ballot.raw ^ 0x9e37_79b9_7f4a_7c15), version.sequence ^ 0xe703_7ed1_a0b4_28db)
        low = mix(mix(key.low, version.sequence ^ 0x8ebc_6af0_9c88_c6e3), version.ballot.raw ^ 0x5899_65cc_7537_4cc3)
    }

    @inlinable
    public static func ^= (a: inout Self, b: Self) {
        a.high ^= b.high
        a.low ^= b.low
    }
}

/// A 128-bit hash of a key's bytes: the same on every node and forever, for the hash tree and the store's index.
public struct KeyHash: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public init(_ key: Key) { self = key.bytes.withUnsafeBytes { KeyHash($0) } }

    /// Multiply-and-fold in two independent lanes, after wyhash (Wang Yi). The last word is padded with zeros.
    public init(_ bytes: UnsafeRawBufferPointer) {
        var a: UInt64 = 0xa076_1d64_78bd_642f ^ UInt64(bytes.count)
        var b: UInt64 = 0x1d8e_4e27_c47d_124f &+ UInt64(bytes.count)
        var index = 0
        while index < bytes.count {
            var word: UInt64 = 0
            let end = min(index + 8, bytes.count)
            if end - index == 8 {
                word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            } else {
                for i in stride(from: end - 1, through: index, by: -1) { word = word << 8 | UInt64(bytes[i]) }
            }
            a = mix(a ^ word, 0xe703_7ed1_a0b4_28db)
            b = mix(b &+ word, 0x8ebc_6af0_9c88_c6e3) ^ word
            index = end
        }
        (high, low) = (mix(a, 0x5899_65cc_7537_4cc3 ^ b), mix(b, 0x9e37_79b9_7f4a_7c15 ^ a))
    }
}

@inlinable
func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ 0x2d35_8dcc_aa6c_78a5).multipliedFullWidth(by: b ^ 0x8bb8_4b93_962e_acc9)
    return product.high ^ product.low
}
