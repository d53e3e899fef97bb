import Histogram
import KVCore

/// A result as numbers, for JSON, CSV and the table. Latencies are in milliseconds.
package struct BenchReport: Codable, Hashable, Sendable {
    package struct Latencies: Codable, Hashable, Sendable {
        /// The number of operations that were done. The times below also count those that were due and never begun,
        /// each with the time that it had waited at the end.
        package var count: Int
        /// Operations of this kind per second.
        package var throughput: Double
        package var mean: Double
        package var min: Double
        package var p50: Double
        package var p90: Double
        package var p95: Double
        package var p99: Double
        package var p999: Double
        package var p9999: Double
        package var max: Double

        enum CodingKeys: String, CodingKey, CaseIterable {
            case count, throughput, mean, min, p50, p90, p95, p99
            case p999 = "p99.9"
            case p9999 = "p99.99"
            case max
        }
    }

    package struct Errors: Codable, Hashable, Sendable {
        package var refused: Int
        package var unknown: Int
        package var other: Int
        /// The text of the first failure of each kind that occurred.
        package var examples: [String: String]
    }

    package var transport: String
    package var workload: String
    package var distribution: String
    package var keys: Int
    package var valueSize: Int
    package var clients: Int
    package var pipeline: Int
    package var threads: Int
    package var wait: Int
    /// The number of operations per second that were due; nil means a closed loop.
    package var rate: Double?
    /// Nil if keys were not loaded.
    package var loadSeconds: Double?
    /// The seconds in which operations were begun.
    package var seconds: Double
    package var operations: Int
    /// Operations of all kinds per second.
    package var throughput: Double
    package var errors: Errors
    /// The number of reads that found no key.
    package var missing: Int
    /// The number of operations of an open loop that were due and never begun: the store, or the generator, could not
    /// keep up with the rate. They count in `latencies`.
    package var behind: Int
    /// Latencies by kind of operation; `all` has all of them together.
    package var latencies: [String: Latencies]

    enum CodingKeys: String, CodingKey {
        case transport = "protocol"
        case workload, distribution, keys
        case valueSize = "value_size"
        case clients, pipeline, threads, wait, rate
        case loadSeconds = "load_seconds"
        case seconds, operations, throughput, errors, missing, behind
        case latencies = "latency_ms"
    }

    package init(_ result: BenchResult) {
        let (options, figures) = (result.options, result.figures ?? Figures())
        let recorder = figures.recorder
        transport = options.transport.rawValue
        workload = options.mix.name
        distribution = options.chosenDistribution.rawValue
        keys = options.keys
        valueSize = options.valueSize
        clients = options.clients
        pipeline = options.pipeline
        threads = options.threads
        wait = options.wait
        rate = options.rate
        loadSeconds = result.load?.seconds
        seconds = figures.seconds
        operations = recorder.done
        throughput = figures.throughput
        var examples: [String: String] = [:]
        for kind in FailureKind.allCases where recorder.count(of: kind) > 0 {
            examples[kind.name] = recorder.reason(of: kind)
        }
        errors = Errors(
            refused: recorder.count(of: .refused), unknown: recorder.count(of: .unknown),
            other: recorder.count(of: .other), examples: examples)
        missing = recorder.missing
        behind = recorder.neverBegun
        latencies = [:]
        guard recorder.done + recorder.neverBegun > 0 else { return }
        for kind in result.kinds {
            latencies[kind.name] = Latencies(
                recorder.latencies(of: kind), count: recorder.done(kind), of: recorder.done, throughput)
        }
        latencies["all"] = Latencies(recorder.allLatencies, count: recorder.done, of: recorder.done, throughput)
    }

    /// The report as CSV: a line of titles, a row for each kind, and one for all kinds.
    package var csv: String {
        let names = ["operation"] + Latencies.CodingKeys.allCases.map(\.rawValue)
        var lines = [(names + ["refused", "unknown", "other", "missing", "behind"]).joined(separator: ",")]
        for name in OperationKind.allCases.map(\.name) + ["all"] {
            guard let row = latencies[name] else { continue }
            // Counts that are not kept by kind are in the row of all kinds.
            let counts = [errors.refused, errors.unknown, errors.other, missing, behind]
            let rest = counts.map { name == "all" ? "\($0)" : "" }
            lines.append(([name] + row.cells + rest).joined(separator: ","))
        }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension BenchReport.Latencies {
    /// - Parameters:
    ///   - histogram: latencies in nanoseconds.
    ///   - count: the number of operations that were done.
    ///   - whole: the number of operations of all kinds, of which `throughput` were done per second.
    init(_ histogram: Histogram<UInt64>, count: Int, of whole: Int, _ throughput: Double) {
        func milliseconds(_ percentile: Double) -> Double {
            rounded(Double(histogram.valueAtPercentile(percentile)) / 1e6)
        }
        self.count = count
        self.throughput = whole > 0 ? throughput * Double(count) / Double(whole) : 0
        mean = rounded(histogram.mean / 1e6)
        min = rounded(Double(histogram.min) / 1e6)
        p50 = milliseconds(50)
        p90 = milliseconds(90)
        p95 = milliseconds(95)
        p99 = milliseconds(99)
        p999 = milliseconds(99.9)
        p9999 = milliseconds(99.99)
        max = rounded(Double(histogram.max) / 1e6)
    }

    /// The numbers in the order of `CodingKeys`.
    fileprivate var cells: [String] {
        ["\(count)"] + [throughput, mean, min, p50, p90, p95, p99, p999, p9999, max].map { "\($0)" }
    }
}

/// Rounds to whole microseconds; the histograms have no more precision.
private func rounded(_ milliseconds: Double) -> Double { (milliseconds * 1000).rounded() / 1000 }
