/// How often each kind of operation comes. The six of YCSB (Cooper et al., "Benchmarking cloud serving systems with
/// YCSB", 2010), and any ratio of reads to updates.
package struct WorkloadMix: Hashable, Sendable {
    /// As reports name it.
    package let name: String
    /// By `OperationKind.rawValue`; adds up to 1.
    private let shares: [Double]
    /// What keys are asked for unless the user says otherwise.
    package let distribution: Distribution

    /// A scan asks for 1 to as many keys.
    package static let longestScan = 100

    private init(_ name: String, _ distribution: Distribution, _ shares: [OperationKind: Double]) {
        self.name = name
        self.distribution = distribution
        self.shares = OperationKind.allCases.map { shares[$0] ?? 0 }
    }

    /// - Parameter letter: `a` to `f`; nil of any other.
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

    /// Reads, the rest updates.
    /// - Parameter readRatio: 0...1
    package init(readRatio: Double) {
        let ratio = min(max(readRatio, 0), 1)
        self.init("read-ratio \(ratio)", .uniform, [.read: ratio, .update: 1 - ratio])
    }

    package func share(of kind: OperationKind) -> Double { shares[kind.rawValue] }

    package var kinds: [OperationKind] { OperationKind.allCases.filter { share(of: $0) > 0 } }

    /// - Parameter point: `0 ..< 1`, uniformly chosen.
    func kind(at point: Double) -> OperationKind {
        var end = 0.0
        for kind in OperationKind.allCases {
            end += shares[kind.rawValue]
            if point < end { return kind }
        }
        // The shares' sum may be a rounding error below 1.
        return kinds.last ?? .read
    }
}

/// Which keys are asked for.
package enum Distribution: String, CaseIterable, Sendable {
    /// All alike.
    case uniform
    /// A few very often, most of them seldom, whatever their place: the k-th most popular with a weight of 1/k^0.99.
    case zipfian
    /// As zipfian, the newest key being the most popular.
    case latest
}
