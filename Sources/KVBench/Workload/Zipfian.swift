import Glibc

/// Ranks in `0 ..< count`, the k-th with a probability proportional to `1 / (k + 1)^theta`.
///
/// By the method of Gray et al., "Quickly generating billion-record synthetic databases" (1994): the first two ranks
/// are exact, the others come from a power function that approximates the sums between them. It takes one `pow` a rank.
struct Zipfian: Sendable {
    /// YCSB's.
    static let theta = 0.99

    private(set) var count: Int
    private var zeta: Double
    private var eta: Double

    private static let alpha = 1 / (1 - theta)
    /// The weight of the second rank.
    private static let second = pow(0.5, theta)

    /// - Parameter count: at least 1.
    init(count: Int) {
        self.count = max(count, 1)
        zeta = 1
        eta = 1
        prepare()
    }

    /// From now on there are as many ranks.
    mutating func grow(to count: Int) {
        self.count = max(count, self.count)
        prepare()
    }

    private mutating func prepare() {
        zeta = Self.zeta(count)
        eta = (1 - pow(2 / Double(count), 1 - Self.theta)) / (1 - (1 + Self.second) / zeta)
    }

    /// - Parameter point: `0 ..< 1`, uniformly chosen.
    func rank(at point: Double) -> Int {
        let sum = point * zeta
        if sum < 1 || count == 1 { return 0 }
        if sum < 1 + Self.second || count == 2 { return 1 }
        let rank = Double(count) * pow(eta * point - eta + 1, Self.alpha)
        return min(max(Int(rank), 0), count - 1)
    }

    /// `1/1^theta + 1/2^theta + ... + 1/count^theta`: the first terms one by one, the rest by the formula of Euler and
    /// Maclaurin, whose error is below 1e-8 from there on.
    static func zeta(_ count: Int) -> Double {
        let first = 64
        guard count > first else { return partialSum(count) }
        let (a, n) = (Double(first), Double(count))
        let integral = (pow(n, 1 - theta) - pow(a, 1 - theta)) / (1 - theta)
        let ends = (pow(n, -theta) - pow(a, -theta)) / 2
        let slopes = theta * (pow(a, -theta - 1) - pow(n, -theta - 1)) / 12
        return head + integral + ends + slopes
    }

    private static let head = partialSum(64)

    private static func partialSum(_ count: Int) -> Double {
        (1...max(count, 1)).reduce(0) { $0 + pow(Double($1), -theta) }
    }
}
