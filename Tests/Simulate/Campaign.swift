import KVSimulator

/// The results of many runs.
struct Campaign {
    let total: UInt64
    private(set) var runs: UInt64 = 0
    private(set) var statistics = Statistics()
    private(set) var seconds = 0.0
    private(set) var failed: [UInt64] = []
    private(set) var stores: [StoreKind: Int] = [:]
    private let clock = ContinuousClock()
    private let began: ContinuousClock.Instant

    init(total: UInt64) {
        self.total = total
        began = clock.now
    }

    var elapsed: Duration { clock.now - began }

    mutating func add(_ report: RunReport) {
        runs += 1
        statistics.add(report.statistics)
        seconds += Double(report.time.nanoseconds) / 1e9
        stores[report.scenario.store, default: 0] += 1
        if !report.violations.isEmpty { failed.append(report.seed) }
        if runs % max(total / 10, 100) == 0 { Printer.printProgress(self) }
    }
}
