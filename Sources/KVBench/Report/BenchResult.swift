import Histogram

/// What a run came to.
public struct BenchResult: Sendable {
    public struct Load: Sendable {
        public var keys: Int
        public var seconds: Double
    }

    public var options: BenchOptions
    /// Nil where no keys were loaded.
    public var load: Load?
    /// Nil where only keys were loaded.
    var figures: Figures?

    init(_ options: BenchOptions) { self.options = options }

    /// Whether the workload was run.
    public var hasRun: Bool { figures != nil }

    /// Latencies of what was done, in nanoseconds.
    public func latencies(of kind: OperationKind) -> Histogram<UInt64> {
        figures?.recorder.latencies(of: kind) ?? Recorder.histogram()
    }

    /// Of all kinds together.
    public var allLatencies: Histogram<UInt64> { figures?.recorder.allLatencies ?? Recorder.histogram() }

    /// Kinds of which any were done.
    public var kinds: [OperationKind] {
        OperationKind.allCases.filter { (figures?.recorder.done($0) ?? 0) > 0 }
    }

    /// The first words that were met about failures of a kind.
    public func reason(of kind: FailureKind) -> String? { figures?.recorder.reason(of: kind) }
}
