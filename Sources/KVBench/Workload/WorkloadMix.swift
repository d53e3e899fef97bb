/// The share of each kind of operation: one of the six workloads of YCSB (Cooper et al., "Benchmarking cloud serving
/// systems with YCSB", 2010), or any ratio of reads to updates.
package struct WorkloadMix: Hashable, Sendable {
    /// The name in reports.
    package let name: String
    /// The share of each kind, by `OperationKind.rawValue`. The shares add up to 1.
    private let shares: [Double]
    /// The distribution of keys, unless the user chooses another.
    package let distribution: Distribution

    /// The number of keys that a scan asks for is 1 to this, at random.
    package static let longestScan = 100

    private init(_ name: String, _ distribution: Distribution, _ shares: [OperationKind: Double]) {
        self.name = name
        self.distribution = distribution
        self.shares = OperationKind.allCases.map { shares[$0] ?? 0 }
    }

    /// - Parameter letter: `a` to `f`. For another letter the result is nil.
    package init?(ycsb letter: String) {
        switch letter {
        case "a": self.init("a", .zipfian, [.read: 0.5, .update: 0.5])
        case "b": self.init("b", .zipfian, [.read: 0.95, .update: 0.05])
        case "c": self.init("c", .zipfian, [.read: 1])
        case "d": self.init("d", .latest, [.read: 0.95, .insert: 0.05])
        case "e": self.init("e", .zipfian, [.scan: 0.95, .insert: 0.05])
        case "f": self.init("f", .zipfian, [.read: 0.5, .readModifyWrite: 0.5])
        default: return nil
        }
    }

    /// Makes a mix of reads and updates.
    /// - Parameter readRatio: the share of reads, in `0 ... 1`; the rest are updates.
    package init(readRatio: Double) {
        let ratio = min(max(readRatio, 0), 1)
        self.init("read-ratio \(ratio)", .uniform, [.read: ratio, .update: 1 - ratio])
    }

    package func share(of kind: OperationKind) -> Double { shares[kind.rawValue] }

    package var kinds: [OperationKind] { OperationKind.allCases.filter { share(of: $0) > 0 } }

    /// - Parameter point: a number in `0 ..< 1`, chosen uniformly.
    func kind(at point: Double) -> OperationKind {
        var end = 0.0
        for kind in OperationKind.allCases {
            end += shares[kind.rawValue]
            if point < end { return kind }
        }
        // By rounding, the sum of the shares may be slightly below 1.
        return kinds.last ?? .read
    }
}

/// How often each key is used.
package enum Distribution: String, CaseIterable, Sendable {
    /// All keys equally often.
    case uniform
    /// A few keys very often and most seldom: the k-th most popular has a weight of 1/k^0.99. Popular keys are anywhere
    /// among the others.
    case zipfian
    /// As `zipfian`, and the newest key is the most popular.
    case latest
}
