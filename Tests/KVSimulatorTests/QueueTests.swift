import KVCore
import XCTest

@testable import KVSimulator

/// Every window and limit of a shard is reached, and none exceeded, with thousands of keys and values of all sizes.
final class QueueTests: XCTestCase {
    func testEveryLimitIsReachedAndNoneExceeded() {
        var statistics = Statistics()
        for seed in 1...4 as ClosedRange<UInt64> {
            let report = Simulation.run(seed: seed, scenario: Scenario(cramped: seed))
            XCTAssertEqual(report.violations, [], "seed \(seed)")
            statistics.add(report.statistics)
        }
        for queue in ShardQueue.allCases { XCTAssertGreaterThan(statistics.reached[queue] ?? 0, 0, "\(queue)") }
    }
}
