/// A set of the numbers below a count that is fixed when the set is made.
struct BitSet: Hashable {
    private var words: [UInt64]

    init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

    func contains(_ index: Int) -> Bool { words[index >> 6] >> UInt64(index & 63) & 1 == 1 }

    mutating func insert(_ index: Int) { words[index >> 6] |= 1 << UInt64(index & 63) }

    mutating func formUnion(_ other: BitSet) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    /// True if the set contains all numbers of `other`, which has the same size.
    func contains(_ other: BitSet) -> Bool {
        for index in words.indices where other.words[index] & ~words[index] != 0 { return false }
        return true
    }

    /// The lowest number of `other` that the set does not contain. Past the end if there is none.
    func firstMissing(of other: BitSet) -> Int {
        for index in words.indices {
            let missing = other.words[index] & ~words[index]
            if missing != 0 { return (index << 6) + missing.trailingZeroBitCount }
        }
        return words.count << 6
    }
}
