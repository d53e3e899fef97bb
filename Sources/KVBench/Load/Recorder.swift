import Histogram

/// Counts and latencies of the operations of one thread, or of all.
package struct Recorder: Sendable {
    /// Latencies of the operations that were done, and the waits of those that were never begun, in nanoseconds, by
    /// `OperationKind.rawValue`.
    private var latencies: [Histogram<UInt64>]
    /// The number of waits among `latencies`, by `OperationKind.rawValue`.
    private var unbegun = [Int](repeating: 0, count: OperationKind.allCases.count)
    /// By `FailureKind.rawValue`.
    private var failures = [Int](repeating: 0, count: FailureKind.allCases.count)
    /// The text of the first failure of each kind, by `FailureKind.rawValue`.
    private var reasons = [String?](repeating: nil, count: FailureKind.allCases.count)
    /// The number of reads that were done and found no key.
    package private(set) var missing = 0

    /// An hour. A longer latency counts as that.
    static let longest: UInt64 = 3_600_000_000_000

    package init() { latencies = OperationKind.allCases.map { _ in Self.histogram() } }

    /// Returns an empty histogram. It has three significant digits from 128 ns on.
    static func histogram() -> Histogram<UInt64> {
        Histogram(lowestDiscernibleValue: 64, highestTrackableValue: longest, numberOfSignificantValueDigits: .three)
    }

    mutating func done(_ kind: OperationKind, nanoseconds: UInt64, isMissing: Bool = false) {
        latencies[kind.rawValue].record(min(nanoseconds, Self.longest))
        if isMissing { missing += 1 }
    }

    /// Records operations of an open loop that were due and have not begun: each has waited for so long at least.
    mutating func neverBegun(_ kind: OperationKind, waited nanoseconds: UInt64, count: Int) {
        latencies[kind.rawValue].record(min(nanoseconds, Self.longest), count: UInt64(max(count, 0)))
        unbegun[kind.rawValue] += max(count, 0)
    }

    mutating func failed(_ kind: FailureKind, _ reason: @autoclosure () -> String) {
        failures[kind.rawValue] += 1
        if reasons[kind.rawValue] == nil { reasons[kind.rawValue] = reason() }
    }

    mutating func add(_ other: Self) {
        for kind in OperationKind.allCases {
            latencies[kind.rawValue].add(other.latencies[kind.rawValue])
            unbegun[kind.rawValue] += other.unbegun[kind.rawValue]
        }
        for kind in FailureKind.allCases {
            failures[kind.rawValue] += other.failures[kind.rawValue]
            reasons[kind.rawValue] = reasons[kind.rawValue] ?? other.reasons[kind.rawValue]
        }
        missing += other.missing
    }

    mutating func reset() {
        for index in latencies.indices where latencies[index].totalCount > 0 { latencies[index].reset() }
        for index in unbegun.indices { unbegun[index] = 0 }
        for index in failures.indices { failures[index] = 0 }
        missing = 0
    }

    // MARK: Results

    /// Latencies of the operations that were done, with the waits of those that were never begun, in nanoseconds.
    package func latencies(of kind: OperationKind) -> Histogram<UInt64> { latencies[kind.rawValue] }

    package func count(of kind: FailureKind) -> Int { failures[kind.rawValue] }

    package func reason(of kind: FailureKind) -> String? { reasons[kind.rawValue] }

    package func done(_ kind: OperationKind) -> Int {
        Int(clamping: latencies[kind.rawValue].totalCount) - unbegun[kind.rawValue]
    }

    /// The number of operations of all kinds that were done.
    package var done: Int { OperationKind.allCases.reduce(0) { $0 + done($1) } }

    /// The number of operations of all kinds that were due and never begun.
    package var neverBegun: Int { unbegun.reduce(0, +) }

    package var failed: Int { failures.reduce(0, +) }

    /// Latencies of all kinds together, with the waits of operations that were never begun.
    package var allLatencies: Histogram<UInt64> {
        var all = Self.histogram()
        for histogram in latencies where histogram.totalCount > 0 { all.add(histogram) }
        return all
    }
}
