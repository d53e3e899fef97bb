import KVCore
import XCTest

@testable import KVSimulator

extension Simulation {
    fileprivate static func run(seed: UInt64, breaking rules: BrokenRules) -> RunReport {
        var scenario = Scenario(seed: seed)
        scenario.broken = rules
        return run(seed: seed, scenario: scenario)
    }
}

final class SimulationTests: XCTestCase {
    /// A replica that is a majority by itself recovers keys at once. Its leader began to settle again after it had
    /// settled: an assertion in the replica ends this run then.
    func testALeaderThatIsAMajorityByItselfSettlesOnce() {
        XCTAssertEqual(Simulation.run(seed: 1154).violations, [])
    }

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

    /// A replica rests only while its timer would do nothing, so a run is the same where none rests.
    func testRestingChangesNothing() {
        var areWoken: [Bool] = []
        for seed in 1...12 as ClosedRange<UInt64> {
            let digest = Simulation.run(seed: seed).digest
            XCTAssertEqual(Simulation.run(seed: seed, breaking: .rest).digest, digest, "seed \(seed)")
            areWoken.append(Simulation.run(seed: seed, breaking: .wake).digest == digest)
        }
        XCTAssertTrue(areWoken.contains(false), "a replica that is not woken shows")
    }
}
