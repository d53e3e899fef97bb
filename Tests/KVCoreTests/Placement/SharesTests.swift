import XCTest

@testable import KVCore

final class SharesTests: XCTestCase {
    func testWholeSharesAreExact() {
        let spread = ZoneSpread(names: ["", "", ""], replicas: 2)
        let shares = Shares(weights: [1, 2, 3], spread: spread, partitions: 9, replicas: 2).compute()
        XCTAssertEqual(shares, [3, 6, 9].map { Share(floor: $0, isWhole: true) })
    }

    func testEnormousAndMeaninglessWeights() {
        let spread = ZoneSpread(names: ["a", "b", "c"], replicas: 2)
        let shares = Shares(
            weights: [.max, .max, .min], spread: spread, partitions: 16384, replicas: 2
        ).compute()
        XCTAssertEqual(shares.map(\.floor), [16383, 16383, 0])
        XCTAssertEqual(shares.map(\.isWhole), [false, false, false])
    }

    /// Against bisection of the level in floating point.
    func testAgainstNaive() {
        for seed in 1...500 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed)
            let task = PlannerCase.random(using: &random, partitions: 1...64, nodes: 1...8)
            let naive = NaivePlanner(task)
            let width = min(task.replicas, task.members.count)
            let shares = Shares(
                weights: task.members.map(\.weight),
                spread: ZoneSpread(names: task.members.map(\.zone), replicas: width),
                partitions: task.partitions, replicas: width
            ).compute()
            for (share, naive) in zip(shares, naive.shares) {
                XCTAssertGreaterThan(naive, Double(share.floor) - 1e-6, "seed \(seed): \(task)")
                XCTAssertLessThan(naive, Double(share.ceiling) + 1e-6, "seed \(seed): \(task)")
                if share.isWhole { XCTAssertEqual(naive, Double(share.floor), accuracy: 1e-6, "seed \(seed)") }
            }
        }
    }

    func testZoneSpread() {
        // One zone is no constraint.
        var spread = ZoneSpread(names: ["", "", "", ""], replicas: 3)
        XCTAssertEqual([spread.lower, spread.upper], [[2], [3]])
        // As many zones as replicas, or more: at most one in each.
        spread = ZoneSpread(names: ["b", "a", "c", "c"], replicas: 3)
        XCTAssertEqual(spread.zones, [1, 0, 2, 2])
        XCTAssertEqual([spread.lower, spread.upper], [[0, 0, 0], [1, 1, 1]])
        // Small zones are filled, the rest is even.
        spread = ZoneSpread(names: ["a", "b", "b", "b", "c", "c", "c"], replicas: 4)
        XCTAssertEqual([spread.lower, spread.upper], [[1, 1, 1], [1, 2, 2]])
    }
}
