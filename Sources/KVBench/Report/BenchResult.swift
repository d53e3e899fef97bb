import Histogram

/// The results of a run.
package struct BenchResult: Sendable {
    package struct Load: Sendable {
        package var keys: Int
        package var seconds: Double
    }

    package var options: BenchOptions
    /// Nil if no keys were loaded.
    package var load: Load?
    /// Nil if keys were only loaded.
    var figures: Figures?

    init(_ options: BenchOptions) { self.options = options }

    /// Whether the workload was run.
    package var hasRun: Bool { figures != nil }

    /// Latencies of the operations that were done, and the waits of those that were never begun, in nanoseconds.
    package func latencies(of kind: OperationKind) -> Histogram<UInt64> {
        figures?.recorder.latencies(of: kind) ?? Recorder.histogram()
    }

    /// The same of all kinds together, in nanoseconds.
    package var allLatencies: Histogram<UInt64> { figures?.recorder.allLatencies ?? Recorder.histogram() }

    /// The kinds of which any operation was done, or due and never begun.
    package var kinds: [OperationKind] {
        OperationKind.allCases.filter { latencies(of: $0).totalCount > 0 }
    }

    /// The text of the first failure of a kind.
    package func reason(of kind: FailureKind) -> String? { figures?.recorder.reason(of: kind) }
}
