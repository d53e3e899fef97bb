import KVBench

/// A report as a table for people.
enum BenchTable {
    static func lines(_ report: BenchReport) -> [String] {
        var lines: [String] = []
        if let seconds = report.loadSeconds {
            let rate = seconds > 0 ? Double(report.keys) / seconds : 0
            lines.append("\(report.keys) keys loaded in \(fixed(seconds, 1)) s, \(Int(rate.rounded()))/s")
        }
        guard report.seconds > 0 else { return lines }
        lines.append(
            "\(report.operations) operations in \(fixed(report.seconds, 1)) s, \(Int(report.throughput.rounded()))/s"
                + (report.rate.map { " of \(fixed($0, 0))/s wanted" } ?? ""))
        lines += notes(report)
        var table = TextTable(
            [("ms", .left), ("count", .right), ("/s", .right)]
                + ["mean", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"].map { ($0, .right) })
        let names = OperationKind.allCases.map(\.name).filter { report.latencies[$0] != nil }
        for name in names + (names.count > 1 ? ["all"] : []) {
            guard let row = report.latencies[name] else { continue }
            let times = [row.mean, row.p50, row.p90, row.p95, row.p99, row.p999, row.p9999, row.max]
            table.add([name, "\(row.count)", "\(Int(row.throughput.rounded()))"] + times.map { fixed($0, 3) })
        }
        return lines + [""] + table.lines
    }

    /// Lines about errors and the like, for those that occurred.
    private static func notes(_ report: BenchReport) -> [String] {
        var lines: [String] = []
        let counts = [
            ("refused", report.errors.refused), ("unknown", report.errors.unknown), ("other", report.errors.other),
        ]
        for (name, count) in counts where count > 0 {
            let example = report.errors.examples[name].map { ", such as: \($0)" } ?? ""
            lines.append("errors: \(count) \(name)\(example)")
        }
        if report.missing > 0 { lines.append("\(report.missing) reads found no such key") }
        if report.behind > 0 {
            lines.append(
                "\(report.behind) operations were due and never begun: this rate is too high (they count in the times "
                    + "below, with what they had waited)")
        }
        return lines
    }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        var factor = 1
        for _ in 0..<digits { factor *= 10 }
        let scaled = (value * Double(factor)).rounded()
        guard scaled.magnitude < 1e15 else { return "\(value)" }
        let (whole, rest) = Int(scaled).magnitude.quotientAndRemainder(dividingBy: UInt(factor))
        let text = digits == 0 ? "" : "." + String("\(UInt(factor) + rest)".dropFirst())
        return (scaled < 0 ? "-" : "") + "\(whole)" + text
    }
}
