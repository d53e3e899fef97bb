/// A digest of a set of records: 256 leaves under one root. Two replicas with equal roots hold the same records.
///
/// Dynamo compares replicas by Merkle trees. This tree is one that can be updated in place: a leaf is the exclusive or
/// of the hashes of its records, and the root is the exclusive or of the leaves. So a change costs two hashes, and the
/// order of changes does not matter.
///
/// Each leaf has two sums. The first covers keys and versions: it shows which replica lacks which record, and the
/// protocol rests on it. The second also covers the checksums of the values. If only the second differs, one version
/// names two values; that can happen only if a store has forgotten a ballot and used it again.
package struct HashTree: Sendable {
    package static let leafCount = 256

    package struct Leaf: Hashable, Sendable {
        /// The sum of the records' keys and versions.
        package var digest = Digest()
        /// The sum of the records' keys, versions and checksums.
        package var contents: UInt64 = 0

        static func ^= (a: inout Self, b: Self) {
            a.digest ^= b.digest
            a.contents ^= b.contents
        }
    }

    /// Always `leafCount` leaves.
    package private(set) var leaves: [Leaf]
    package private(set) var root = Leaf()

    package init() { leaves = Array(repeating: Leaf(), count: Self.leafCount) }

    /// The leaf that a key belongs to.
    @inlinable
    package static func leaf(of key: KeyHash) -> Int { Int(truncatingIfNeeded: key.low & UInt64(leafCount - 1)) }

    /// Adds a record, or removes one that was added: the operation is its own inverse.
    /// - Parameter checksum: The checksum of the record's contents. It is the same on all replicas, and 0 for a
    ///   tombstone.
    package mutating func toggle(_ key: KeyHash, _ version: Version, _ checksum: UInt32) {
        let digest = Digest(key, version)
        let contents = mix(digest.high ^ UInt64(checksum), digest.low ^ 0xa076_1d64_78bd_642f)
        let change = Leaf(digest: digest, contents: contents)
        leaves[Self.leaf(of: key)] ^= change
        root ^= change
    }

    package var digests: [Digest] { leaves.map(\.digest) }
    package var contents: [UInt64] { leaves.map(\.contents) }

    /// The leaves whose keys and versions differ from those of another tree. Nil if `others` does not have `leafCount`
    /// elements.
    package func differing(from others: [Digest]) -> [Int]? {
        guard others.count == leaves.count else { return nil }
        return leaves.indices.filter { leaves[$0].digest != others[$0] }
    }

    /// The leaves whose keys, versions or contents differ from those of another tree. Nil if `others` does not have
    /// `leafCount` elements.
    /// - Parameter contents: The other tree's contents. If there are not `leafCount` of them, because the peer does not
    ///   tell them, only keys and versions are compared.
    package func differing(from others: [Digest], _ contents: [UInt64]) -> [Int]? {
        guard contents.count == leaves.count else { return differing(from: others) }
        guard others.count == leaves.count else { return nil }
        return leaves.indices.filter { leaves[$0] != Leaf(digest: others[$0], contents: contents[$0]) }
    }
}

/// A hash of 128 bits.
package struct Digest: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    @inlinable
    package init(high: UInt64 = 0, low: UInt64 = 0) {
        self.high = high
        self.low = low
    }

    @inlinable
    package init(_ key: KeyHash, _ version: Version) {
        high = mix(mix(key.high, version.ballot.raw ^ 0x9e37_79b9_7f4a_7c15), version.sequence ^ 0xe703_7ed1_a0b4_28db)
        low = mix(mix(key.low, version.sequence ^ 0x8ebc_6af0_9c88_c6e3), version.ballot.raw ^ 0x5899_65cc_7537_4cc3)
    }

    @inlinable
    package static func ^= (a: inout Self, b: Self) {
        a.high ^= b.high
        a.low ^= b.low
    }
}

/// A hash of 128 bits of a key's bytes, for the hash tree and the store's index. It is the same on every node and in
/// every version of the program.
package struct KeyHash: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(_ key: Key) { self = key.bytes.withUnsafeBytes { KeyHash($0) } }

    /// Multiplies and folds in two independent lanes, after wyhash (Wang Yi). The last word is padded with zeros.
    package init(_ bytes: UnsafeRawBufferPointer) {
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

/// The two halves of the 128-bit product of `a` and `b`, each combined with a constant, folded into one.
@inlinable
func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ 0x2d35_8dcc_aa6c_78a5).multipliedFullWidth(by: b ^ 0x8bb8_4b93_962e_acc9)
    return product.high ^ product.low
}
