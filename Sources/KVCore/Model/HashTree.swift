/// A digest of a set of records: 256 leaves under one root. Two replicas with equal roots hold the same records.
///
/// Dynamo compares replicas by Merkle trees. This tree is one that can be updated in place: a leaf is the exclusive or
/// of the hashes of its records, and the root is the exclusive or of the leaves. So a change costs two hashes, and the
/// order of changes does not matter.
///
/// Each leaf has two sums. The first covers keys and versions: it shows which replica lacks which record, and the
/// protocol rests on it. The second also covers the checksums of the values. If only the second differs, one version
/// names two values; that can happen only if a store has forgotten a ballot and used it again.
///
/// A tree takes memory for the leaves that have held a record, so that one of a few records is small.
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

    /// The leaves that have held a record, in their order. The others are zero.
    private var held: [Leaf] = []
    /// A bit for each leaf that is held.
    private var isHeld: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    package private(set) var root = Leaf()

    package init() {}

    /// Always `leafCount` leaves.
    package var leaves: [Leaf] {
        if held.count == Self.leafCount { return held }
        var (all, next) = (Array(repeating: Leaf(), count: Self.leafCount), 0)
        for leaf in all.indices where holds(leaf) {
            all[leaf] = held[next]
            next += 1
        }
        return all
    }

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
        let leaf = Self.leaf(of: key)
        if held.count == Self.leafCount {
            held[leaf] ^= change
        } else {
            held[place(of: leaf)] ^= change
        }
        root ^= change
    }

    /// The tree of the records of this one and another, which have none in common.
    package func joined(with other: Self) -> Self {
        var joined = self
        for (leaf, sum) in other.leaves.enumerated() where sum != Leaf() { joined.held[joined.place(of: leaf)] ^= sum }
        joined.root ^= other.root
        return joined
    }

    /// Gives back the memory of leaves that hold nothing any more, once they are most of them.
    package mutating func shrink() {
        let needed = held.count { $0 != Leaf() }
        guard held.capacity > 2 * needed + 8 else { return }
        var fewer = Self()
        fewer.held.reserveCapacity(needed)
        for (leaf, sum) in leaves.enumerated() where sum != Leaf() { fewer.held[fewer.place(of: leaf)] = sum }
        fewer.root = root
        self = fewer
    }

    /// The memory of the tree's leaves, in leaves.
    package var capacity: Int { held.capacity }

    /// Calls `body` with the address of a key's leaf, to prefetch it, where the tree is large enough for that.
    /// (Mutating, because the compiler copies the tree of an object otherwise, which counts a reference.)
    @inline(__always)
    package mutating func withAddress(of key: KeyHash, _ body: (UnsafeRawPointer) -> Void) {
        guard held.count == Self.leafCount else { return }
        held.withUnsafeBufferPointer { held in
            if let base = held.baseAddress { body(base + Self.leaf(of: key)) }
        }
    }

    private func holds(_ leaf: Int) -> Bool {
        let word =
            switch leaf >> 6 {
            case 0: isHeld.0
            case 1: isHeld.1
            case 2: isHeld.2
            default: isHeld.3
            }
        return word >> UInt64(leaf & 63) & 1 != 0
    }

    /// The place of a leaf among those that are held; it is held from now on.
    private mutating func place(of leaf: Int) -> Int {
        let bit = UInt64(1) << UInt64(leaf & 63)
        let below = bit - 1
        var place = 0
        if leaf >= 64 { place += isHeld.0.nonzeroBitCount }
        if leaf >= 128 { place += isHeld.1.nonzeroBitCount }
        if leaf >= 192 { place += isHeld.2.nonzeroBitCount }
        let wasHeld = holds(leaf)
        switch leaf >> 6 {
        case 0:
            place += (isHeld.0 & below).nonzeroBitCount
            isHeld.0 |= bit
        case 1:
            place += (isHeld.1 & below).nonzeroBitCount
            isHeld.1 |= bit
        case 2:
            place += (isHeld.2 & below).nonzeroBitCount
            isHeld.2 |= bit
        default:
            place += (isHeld.3 & below).nonzeroBitCount
            isHeld.3 |= bit
        }
        if !wasHeld { held.insert(Leaf(), at: place) }
        return place
    }

    package var digests: [Digest] { leaves.map(\.digest) }
    package var contents: [UInt64] { leaves.map(\.contents) }

    /// The leaves whose keys and versions differ from those of another tree. Nil if `others` does not have `leafCount`
    /// elements.
    package func differing(from others: [Digest]) -> [Int]? {
        guard others.count == Self.leafCount else { return nil }
        let leaves = leaves
        return leaves.indices.filter { leaves[$0].digest != others[$0] }
    }

    /// The leaves whose keys, versions or contents differ from those of another tree. Nil if `others` does not have
    /// `leafCount` elements.
    /// - Parameter contents: The other tree's contents. If there are not `leafCount` of them, because the peer does not
    ///   tell them, only keys and versions are compared.
    package func differing(from others: [Digest], _ contents: [UInt64]) -> [Int]? {
        guard contents.count == Self.leafCount else { return differing(from: others) }
        guard others.count == Self.leafCount else { return nil }
        let leaves = leaves
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
