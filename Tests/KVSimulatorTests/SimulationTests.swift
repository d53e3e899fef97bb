import KVCore
import XCTest

@testable import KVSimulator

final class SimulationTests: XCTestCase {
    func testTheProtocolHoldsUnderRandomFaults() {
        var statistics = Statistics()
        for seed in 1...50 as ClosedRange<UInt64> {
            let report = Simulation.run(seed: seed)
            XCTAssertEqual(report.violations, [], "seed \(seed)")
            statistics.add(report.statistics)
        }
        // All kinds of outcomes and of trouble came up, but for those that `RotTests` and `PowerTests` look for.
        let elsewhere: Set<Statistics.Counter> = [
            .rots, .repairedRecords, .outages, .blackouts, .abstentions, .completions, .silences,
        ]
        for counter in Statistics.Counter.allCases where !elsewhere.contains(counter) {
            XCTAssertGreaterThan(statistics[counter], 0, "\(counter)")
        }
    }

    func testARunFollowsFromItsSeed() {
        for seed in [3, 11] as [UInt64] {
            let first = Simulation.run(seed: seed)
            var lines = 0
            let second = Simulation.run(seed: seed) { _ in lines += 1 }
            XCTAssertEqual(first.digest, second.digest, "seed \(seed)")
            XCTAssertEqual(first.statistics, second.statistics, "seed \(seed)")
            XCTAssertGreaterThan(lines, first.statistics[.messages])
        }
        XCTAssertNotEqual(Simulation.run(seed: 3).digest, Simulation.run(seed: 11).digest)
    }
}
