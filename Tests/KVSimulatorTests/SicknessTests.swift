import KVSimulator
import XCTest

/// While one node is sick, however it is sick, every key is readable within a second and writable within three.
final class SicknessTests: XCTestCase {
    func testASickNodeStopsNoKeyForLong() {
        for sickness in Sickness.allCases {
            var statistics = Statistics()
            for seed in 1...30 as ClosedRange<UInt64> {
                let report = Simulation.run(seed: seed, scenario: Scenario(seed: seed, sickness: sickness))
                XCTAssertEqual(report.violations, [], "\(sickness.rawValue), seed \(seed)")
                statistics.add(report.statistics)
            }
            if sickness == .stalledDisk { XCTAssertGreaterThan(statistics[.noticedStalls], 20) }
        }
    }
}
