import KVCore

/// Numbers of keys, as a distribution has them, of those that there are.
struct KeyChooser: Sendable {
    private let distribution: Distribution
    private var zipfian: Zipfian
    /// An odd-ish step without a common divisor with the count of keys, near its golden section: ranks that follow each
    /// other go to keys far apart, each to one of its own.
    private let step: Int
    /// Keys that were there from the beginning.
    private let initial: Int

    /// - Parameter keys: those that there are in the beginning, at least 1.
    init(_ distribution: Distribution, keys: Int) {
        self.distribution = distribution
        initial = max(keys, 1)
        zipfian = Zipfian(count: distribution == .uniform ? 1 : initial)
        step = Self.step(for: initial)
    }

    /// A place in `0 ..< available`: those from the beginning, then what came since, in its order.
    mutating func place(of available: Int, using random: inout SplitMix) -> Int {
        switch distribution {
        case .uniform: return Int.random(in: 0..<max(available, 1), using: &random)
        case .zipfian:
            // What was inserted meanwhile is not among the popular: their ranks stay what they are.
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
    /// In `0 ..< 1`.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

/// `high * 2^64 + low` modulo `divisor`, of numbers that are not negative.
private func % (product: (high: Int, low: UInt), divisor: Int) -> Int {
    divisor.dividingFullWidth(product).remainder
}
