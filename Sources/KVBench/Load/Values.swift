import KVCore

/// Values of one size. Each is a piece of the same random text, so that they differ and cost nothing to make.
struct Values: Sendable {
    let size: Int
    private let block: [UInt8]
    private var random: SplitMix

    private static let spread = 4096

    init(size: Int, seed: UInt64) {
        self.size = size
        random = SplitMix(seed: seed)
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(size + Self.spread)
        for _ in 0..<size + Self.spread { text.append(letters[Int(truncatingIfNeeded: random.next() >> 58)]) }
        block = text
    }

    /// Returns values from the same text, cut in other places.
    func reseeded(_ random: SplitMix) -> Self {
        var values = self
        values.random = random
        return values
    }

    /// Calls `body` with the bytes of the next value, which are valid until it returns.
    mutating func withNext(_ body: (UnsafeRawBufferPointer) -> Void) {
        let start = nextStart()
        block.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start..<start + size])) }
    }

    mutating func next() -> [UInt8] {
        let start = nextStart()
        return Array(block[start..<start + size])
    }

    private mutating func nextStart() -> Int { Int(truncatingIfNeeded: random.next() % UInt64(Self.spread)) }
}
