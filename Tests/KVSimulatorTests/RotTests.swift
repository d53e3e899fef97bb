import KVCore
import KVSimulator
import XCTest

/// A disk that spoils what it holds, under a cluster: no record is lost or told to be absent, and all are whole again
/// in the end.
final class RotTests: XCTestCase {
    func testWhatADiskSpoilsIsHadFromOtherReplicas() {
        var statistics = Statistics()
        for seed in 1...40 as ClosedRange<UInt64> {
            let report = Simulation.run(seed: seed, scenario: Scenario(seed: seed, hunting: .forgetDamaged))
            XCTAssertEqual(report.violations, [], "seed \(seed)")
            statistics.add(report.statistics)
        }
        XCTAssertGreaterThan(statistics[.rots], 1000)
        XCTAssertGreaterThan(statistics[.repairedRecords], 100)
    }
}
