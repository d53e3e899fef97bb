import Foundation
import KVCore
import KVSimulator

/// Prints the output of the command.
enum Printer {
    static var processors: Int { ProcessInfo.processInfo.activeProcessorCount }

    static func printProgress(_ campaign: Campaign) {
        print("\(campaign.runs) of \(campaign.total) runs, \(rate(campaign)) a second, \(campaign.failed.count) failed")
        fflush(nil)
    }

    private static func rate(_ campaign: Campaign) -> String {
        let seconds =
            Double(campaign.elapsed.components.seconds) + Double(campaign.elapsed.components.attoseconds) / 1e18
        return String(format: "%.0f", Double(campaign.runs) / max(seconds, 0.001))
    }

    static func printSummary(_ campaign: Campaign) {
        let runs = Double(max(campaign.runs, 1))
        print("\(campaign.runs) runs, \(rate(campaign)) a second; in a run, on average:")
        print(String(format: "  %.1f s of virtual time", campaign.seconds / runs))
        print(String(format: "  %.1f completed operations", Double(campaign.statistics.completed) / runs))
        for counter in Statistics.Counter.allCases {
            print(String(format: "  %.2f ", Double(campaign.statistics[counter]) / runs) + name("\(counter)"))
        }
        print("each rule of the protocol decided something, in a run, on average:")
        for rule in ProtocolRule.allCases {
            print(String(format: "  %.2f ", Double(campaign.statistics.rules[rule]) / runs) + name("\(rule)"))
        }
        let idle = ProtocolRule.allCases.filter { campaign.statistics.rules[$0] == 0 }.map { name("\($0)") }
        if !idle.isEmpty { print("never: \(idle.joined(separator: ", "))") }
        let stores = StoreKind.allCases.map { "\($0.rawValue) \(campaign.stores[$0] ?? 0)" }
        print("stores: \(stores.joined(separator: ", "))")
        print("assertions: \(Assertions.areOn ? "on" : "off (`make simulate` builds with them)")")
        print(campaign.failed.isEmpty ? "no check failed" : "failed seeds: \(campaign.failed.sorted())")
    }

    static func printRun(_ report: RunReport) {
        print("seed \(report.seed): \(report.scenario.summary)")
        let counts = Statistics.Counter.allCases.filter { report.statistics[$0] > 0 }
            .map { "\(name("\($0)")) \(report.statistics[$0])" }
        print("  \(counts.joined(separator: ", "))")
        print("  digest \(String(report.digest, radix: 16)), \(report.time.milliseconds) ms of virtual time")
        if report.violations.isEmpty { print("  all checks held") }
    }

    static func printFailure(_ report: RunReport, command: String) {
        print("FAILED: seed \(report.seed): \(report.scenario.summary)")
        for violation in report.violations.prefix(6) {
            print("  \(violation.check.rawValue): \(violation.detail)")
            for line in violation.history { print("    \(line)") }
        }
        if report.violations.count > 6 { print("  and \(report.violations.count - 6) more") }
        print("  replay with: \(command)")
        fflush(nil)
    }

    /// `settledAtOnce` as "settled at once".
    private static func name(_ counter: String) -> String {
        counter.map { $0.isUppercase ? " \($0.lowercased())" : "\($0)" }.joined()
    }
}
