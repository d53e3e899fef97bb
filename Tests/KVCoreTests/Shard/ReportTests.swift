import KVCore
import XCTest

/// Reports hold what has changed, and now and then again what has not.
final class ReportTests: XCTestCase {
    private func leader() -> ManualNode {
        let node = ManualNode(1)
        node.lead()
        node.pass(50)
        return node
    }

    func testASizeIsReportedWhenItChanges() {
        let node = leader()
        XCTAssertEqual(node.shard.takeSizes(again: 0).map(\.partition), [ManualNode.partition], "it leads now")
        XCTAssertEqual(node.shard.takeSizes(again: 0), [])
        _ = node.request(.put("value"))
        node.sync()
        XCTAssertEqual(node.shard.takeSizes(again: 0).map(\.partition), [ManualNode.partition])
        XCTAssertEqual(node.shard.takeSizes(again: 0), [])
    }

    func testSizesAreReportedAgainInTurns() {
        let node = leader()
        _ = node.shard.takeSizes(again: 0)
        XCTAssertEqual(node.shard.takeSizes(again: 1).map(\.partition), [ManualNode.partition])
        XCTAssertEqual(node.shard.takeSizes(again: 100).count, 1, "each at most once")
    }

    func testAMemberOfTheMetadataQuorumThatComesInTouchIsToldAllSizes() {
        let node = leader()
        _ = node.shard.takeSizes(again: 0)
        node.down(3)
        node.up(3)
        node.pass(50)
        XCTAssertEqual(node.shard.takeSizes(again: 0), [], "node 3 does not keep the topology")
        node.down(2)
        node.up(2)
        XCTAssertEqual(node.shard.takeSizes(again: 0).map(\.partition), [ManualNode.partition])
    }

    func testUsageIsTheSumOverCopies() {
        let node = leader()
        XCTAssertEqual(node.shard.usage, node.store.usage(ManualNode.partition))
        _ = node.request(.put("value"))
        node.sync()
        XCTAssertEqual(node.shard.usage, node.store.usage(ManualNode.partition))
    }

    func testLeaderlessPartitionsAreCountedAnewWhenALeaderIsLost() {
        let node = leader()
        XCTAssertEqual(node.shard.leaderlessPartitions, 0)
        node.down(2, 3)
        node.pass(2000)
        XCTAssertEqual(node.shard.leaderlessPartitions, 1, "without a majority it gives up the lead")
        node.up(2, 3)
        node.receive(
            .shards(.leaderHeartbeat(epoch: 1, [Leadership(partition: ManualNode.partition, ballot: Ballot(9, 2))])),
            from: 2)
        XCTAssertEqual(node.shard.leaderlessPartitions, 0)
    }
}
