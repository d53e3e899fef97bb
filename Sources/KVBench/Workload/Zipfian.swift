import Glibc

/// Chooses ranks in `0 ..< count`. The probability of rank k is proportional to `1 / (k + 1)^theta`.
///
/// The method is that of Gray et al., "Quickly generating billion-record synthetic databases" (1994). The first two
/// ranks are exact; the others come from a power function that approximates the sums of weights. A rank takes one
/// `pow`.
struct Zipfian: Sendable {
    /// The value that YCSB uses.
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

    /// Chooses among `count` ranks from now on. The number never shrinks.
    mutating func grow(to count: Int) {
        self.count = max(count, self.count)
        prepare()
    }

    private mutating func prepare() {
        zeta = Self.zeta(count)
        eta = (1 - pow(2 / Double(count), 1 - Self.theta)) / (1 - (1 + Self.second) / zeta)
    }

    /// - Parameter point: a number in `0 ..< 1`, chosen uniformly.
    func rank(at point: Double) -> Int {
        let sum = point * zeta
        if sum < 1 || count == 1 { return 0 }
        if sum < 1 + Self.second || count == 2 { return 1 }
        let rank = Double(count) * pow(eta * point - eta + 1, Self.alpha)
        return min(max(Int(rank), 0), count - 1)
    }

    /// `1/1^theta + 1/2^theta + ... + 1/count^theta`: the first terms one by one, and the rest by the formula of Euler
    /// and Maclaurin, whose error is below 1e-8 there.
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
