import XCTest

@testable import KVCore

/// What stays known of nodes that are not members any more.
final class ListedLeadershipsTests: XCTestCase {
    private let partition = PartitionID(0)

    private func update(_ base: UInt64, _ version: UInt64, _ ballot: Ballot?) -> LeadershipUpdate {
        LeadershipUpdate(
            shard: 0, base: base, version: version,
            begun: ballot.map { [Leadership(partition: partition, ballot: $0)] } ?? [])
    }

    /// Seed 98363: a node leads, another is elected in its place and leaves the cluster. What the first has listed
    /// before, and may still believe, is not believed again.
    func testALeaderThatHasLeftIsForgottenAndNotItsBallot() {
        var lists = ListedLeaderships(SlotMap(founding: 1))
        let now = Instant(nanoseconds: 1)
        let (first, second) = (NodeNumber(1), NodeNumber(4))
        _ = lists.take(update(0, 5, Ballot(11, 1)), from: first, skipsGaps: false, now: now)
        _ = lists.take(update(0, 9, Ballot(31, 4)), from: second, skipsGaps: false, now: now)
        XCTAssertEqual(lists[partition]?.node, second)
        lists.keep { $0 == first }
        XCTAssertNil(lists[partition]?.node)
        XCTAssertNil(lists.list(of: second, shard: 0)?.version)
        XCTAssertEqual(lists.highest(partition), Ballot(31, 4))
        _ = lists.take(update(0, 6, Ballot(11, 1)), from: first, skipsGaps: false, now: now)
        XCTAssertNil(lists[partition]?.node, "it led before")
        _ = lists.take(update(6, 7, Ballot(32, 1)), from: first, skipsGaps: false, now: now)
        XCTAssertEqual(lists[partition]?.node, first)
    }
}
