import KVCore

/// Chooses numbers of existing keys, by a distribution.
struct KeyChooser: Sendable {
    private let distribution: Distribution
    private var zipfian: Zipfian
    /// Multiplied by a rank, modulo the number of keys, this gives the key of the rank. It has no divisor in common
    /// with the number of keys, so each rank has a key of its own; it is near the golden section of that number, so
    /// neighbouring ranks have keys far apart.
    private let step: Int
    /// The number of keys at the beginning.
    private let initial: Int

    /// - Parameter keys: the number of keys at the beginning, at least 1.
    init(_ distribution: Distribution, keys: Int) {
        self.distribution = distribution
        initial = max(keys, 1)
        zipfian = Zipfian(count: distribution == .uniform ? 1 : initial)
        step = Self.step(for: initial)
    }

    /// Returns a place in `0 ..< available`: first the keys from the beginning, then those that were inserted, in
    /// order.
    mutating func place(of available: Int, using random: inout SplitMix) -> Int {
        switch distribution {
        case .uniform: return Int.random(in: 0..<max(available, 1), using: &random)
        case .zipfian:
            // Inserted keys are not among the popular ones: the ranks stay as they are.
            let rank = zipfian.rank(at: random.unit())
            return Int(rank.multipliedFullWidth(by: step) % initial)
        case .latest:
            if available > zipfian.count { zipfian.grow(to: available) }
            return max(available - 1 - zipfian.rank(at: random.unit()), 0)
        }
    }

    private static func step(for count: Int) -> Int {
        var step = max(Int(Double(count) * 0.618_033_988_749_895), 1)
        while greatestCommonDivisor(step, count) != 1 { step += 1 }
        return step
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}

extension SplitMix {
    /// Returns a number in `0 ..< 1`.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

/// `high * 2^64 + low` modulo `divisor`, for numbers that are not negative.
private func % (product: (high: Int, low: UInt), divisor: Int) -> Int {
    divisor.dividingFullWidth(product).remainder
}
