/// A set of small numbers, of a size fixed when it is made.
struct BitSet: Hashable {
    private var words: [UInt64]

    init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

    func contains(_ index: Int) -> Bool { words[index >> 6] >> UInt64(index & 63) & 1 == 1 }

    mutating func insert(_ index: Int) { words[index >> 6] |= 1 << UInt64(index & 63) }

    mutating func formUnion(_ other: BitSet) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    /// Whether all of `other`, of the same size, is in here.
    func contains(_ other: BitSet) -> Bool {
        for index in words.indices where other.words[index] & ~words[index] != 0 { return false }
        return true
    }

    /// The lowest of `other`'s numbers that is not in here; past the end where there is none.
    func firstMissing(of other: BitSet) -> Int {
        for index in words.indices {
            let missing = other.words[index] & ~words[index]
            if missing != 0 { return (index << 6) + missing.trailingZeroBitCount }
        }
        return words.count << 6
    }
}
