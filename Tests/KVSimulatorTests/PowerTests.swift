import KVCore
import XCTest

@testable import KVSimulator

/// Under `sync: interval` and `never` a machine that loses power has forgotten writes that it had acknowledged.
final class PowerTests: XCTestCase {
    private func run(_ loss: PowerLoss, _ seeds: ClosedRange<UInt64>) -> Statistics {
        var statistics = Statistics()
        for seed in seeds {
            let report = Simulation.run(seed: seed, scenario: Scenario(seed: seed, losingPower: loss))
            XCTAssertEqual(report.violations, [], "seed \(seed)")
            statistics.add(report.statistics)
        }
        for counter in [.abstentions, .completions, .written] as [Statistics.Counter] {
            XCTAssertGreaterThan(statistics[counter], 0, "\(counter)")
        }
        return statistics
    }

    func testNothingIsMissedForOneMachineAfterAnother() {
        XCTAssertGreaterThan(run(.one, 1...15)[.outages], 0)
    }

    /// Records that all replicas have forgotten are lost. The rest is served again, and is equal on all replicas.
    func testWhatIsLeftIsServedWhereAllLosePowerAtOnce() {
        XCTAssertGreaterThan(run(.all, 1...15)[.blackouts], 0)
    }
}
