import Glibc
import KVBench
import Synchronization

/// Shows the progress of a run on one line of standard error, which is overwritten. Shows nothing if that is not a
/// terminal.
final class LiveLine: Sendable {
    private let isDrawn = Mutex(false)
    private let isWanted = isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"

    /// Shows the progress that it is called with; nil if there is no terminal.
    var listener: (@Sendable (LoadGenerator.Progress) -> Void)? {
        guard isWanted else { return nil }
        return { [self] progress in show(progress) }
    }

    private func show(_ progress: LoadGenerator.Progress) {
        isDrawn.withLock { $0 = true }
        Output.prompt("\r\u{1B}[K" + Self.text(progress))
    }

    /// Clears the line, so that others can use it.
    func clear() {
        let wasDrawn = isDrawn.withLock { isDrawn in
            defer { isDrawn = false }
            return isDrawn
        }
        if wasDrawn { Output.prompt("\r\u{1B}[K") }
    }

    static func text(_ progress: LoadGenerator.Progress) -> String {
        let latencies = progress.interval.latencies
        let rate = progress.intervalSeconds > 0 ? Double(latencies.totalCount) / progress.intervalSeconds : 0
        func shown(_ percentile: Double) -> String {
            BenchTable.fixed(Double(latencies.valueAtPercentile(percentile)) / 1e6, 2)
        }
        let failed = progress.interval.failed > 0 ? ", \(progress.interval.failed) failed" : ""
        return "\(progress.stage) \(Int(progress.seconds.rounded())) s: \(Int(rate.rounded()))/s, p50 \(shown(50)) ms,"
            + " p99 \(shown(99)) ms, p99.9 \(shown(99.9)) ms\(failed)"
    }
}
