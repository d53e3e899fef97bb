import KVSimulator
import XCTest

/// While one node is sick, however it is sick, every key is readable within a second and writable within three.
final class SicknessTests: XCTestCase {
    func testASickNodeStopsNoKeyForLong() {
        for sickness in Sickness.allCases {
            var statistics = Statistics()
            // `make simulate` runs more.
            for seed in 1...12 as ClosedRange<UInt64> {
                let report = Simulation.run(seed: seed, scenario: Scenario(seed: seed, sickness: sickness))
                XCTAssertEqual(report.violations, [], "\(sickness.rawValue), seed \(seed)")
                statistics.add(report.statistics)
            }
            if sickness == .stalledDisk { XCTAssertGreaterThan(statistics[.noticedStalls], 8) }
        }
    }

    /// The same where heartbeats are rare between nodes that have nothing to do with each other.
    func testASickNodeOfALargeClusterStopsNoKeyForLong() {
        var statistics = Statistics()
        for sickness in Sickness.allCases {
            for seed in 1...2 as ClosedRange<UInt64> {
                let scenario = Scenario(seed: seed, sickness: sickness, isLarge: true)
                let report = Simulation.run(seed: seed, scenario: scenario)
                XCTAssertEqual(report.violations, [], "\(sickness.rawValue), seed \(seed)")
                statistics.add(report.statistics)
            }
        }
        XCTAssertGreaterThan(statistics[.doubts], 0)
    }
}
