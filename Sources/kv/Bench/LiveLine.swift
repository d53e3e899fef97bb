import Glibc
import KVBench
import Synchronization

/// How a run goes, on one line of standard error that is drawn over; nothing where that is no terminal.
final class LiveLine: Sendable {
    private let isDrawn = Mutex(false)
    private let isWanted = isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb"

    /// Nil where nobody looks.
    var listener: (@Sendable (LoadGenerator.Progress) -> Void)? {
        guard isWanted else { return nil }
        return { [self] progress in show(progress) }
    }

    private func show(_ progress: LoadGenerator.Progress) {
        isDrawn.withLock { $0 = true }
        Output.prompt("\r\u{1B}[K" + Self.text(progress))
    }

    /// Leaves the line to others.
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
