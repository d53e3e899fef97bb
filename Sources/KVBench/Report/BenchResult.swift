import Histogram

/// What a run came to.
package struct BenchResult: Sendable {
    package struct Load: Sendable {
        package var keys: Int
        package var seconds: Double
    }

    package var options: BenchOptions
    /// Nil where no keys were loaded.
    package var load: Load?
    /// Nil where only keys were loaded.
    var figures: Figures?

    init(_ options: BenchOptions) { self.options = options }

    /// Whether the workload was run.
    package var hasRun: Bool { figures != nil }

    /// Latencies of what was done, in nanoseconds.
    package func latencies(of kind: OperationKind) -> Histogram<UInt64> {
        figures?.recorder.latencies(of: kind) ?? Recorder.histogram()
    }

    /// Of all kinds together.
    package var allLatencies: Histogram<UInt64> { figures?.recorder.allLatencies ?? Recorder.histogram() }

    /// Kinds of which any were done.
    package var kinds: [OperationKind] {
        OperationKind.allCases.filter { (figures?.recorder.done($0) ?? 0) > 0 }
    }

    /// The first words that were met about failures of a kind.
    package func reason(of kind: FailureKind) -> String? { figures?.recorder.reason(of: kind) }
}
