import KVCore
import XCTest

/// Tests that expired records are replaced by tombstones though nobody asks for them, and that this takes turns.
final class ExpirySweepTests: XCTestCase {
    private static let expiry = Expiry(milliseconds: ManualNode.start.wall + 500)

    private static func store(_ keys: Int) -> ManualStore {
        let records = (0..<keys).map { number in
            (Key("k\(number)"), Record(version: Version(1, 2, UInt64(number + 1)), expiry: expiry, value: [7]))
        }
        return ManualStore(Dictionary(uniqueKeysWithValues: records))
    }

    private func leader(_ keys: Int, _ change: (inout ShardOptions) -> Void = { _ in }) -> ManualNode {
        var options = ShardOptions()
        change(&options)
        let node = ManualNode(1, store: Self.store(keys), options: options)
        node.lead()
        node.forgetSent()
        return node
    }

    private func tombstones(_ node: ManualNode) -> Int {
        node.takeSent(to: 3, \.accept).count { $0.record.value == nil }
    }

    func testTheFirstTimerAfterTheExpiryReplacesARecord() {
        let node = leader(3)
        node.pass(400)
        XCTAssertEqual(tombstones(node), 0)
        node.pass(100)
        XCTAssertEqual(tombstones(node), 3)
        node.choose()
        let count = node.request(.count)
        node.confirm()
        XCTAssertEqual(node.answers[count], .counted(0))
    }

    func testARecordThatIsWrittenLaterIsWatchedToo() {
        let node = leader(0)
        _ = node.request(.put("w", lifetime: .milliseconds(100)))
        node.choose()
        node.pass(90)
        XCTAssertEqual(tombstones(node), 0)
        node.pass(30)
        XCTAssertEqual(tombstones(node), 1)
    }

    func testALeaderThatHasOverwrittenTheExpiryLeavesTheRecordAlone() {
        let node = leader(0)
        _ = node.request(.put("w", lifetime: .milliseconds(100)))
        node.choose()
        _ = node.request(.put("x"))
        node.choose()
        node.forgetSent()
        node.pass(300)
        XCTAssertEqual(tombstones(node), 0)
    }

    func testATurnReplacesOnlySoMany() {
        let node = leader(10) { $0.maximumExpired = 4 }
        node.pass(500)
        XCTAssertEqual(tombstones(node), 4)
        node.pass(100)
        XCTAssertEqual(tombstones(node), 0, "what was proposed in the last turn is to be chosen first")
        var counts: [Int] = []
        for _ in 0..<3 {
            // (Those of the turn before were taken out above, so they are chosen by the accepts sent again.)
            node.choose()
            node.pass(10)
            counts.append(tombstones(node))
        }
        XCTAssertEqual(node.store.records.values.count { $0.value == nil }, 10, "\(counts)")
    }

    func testOneTimerReplacesOnlySoManyInAllPartitions() {
        let node = leader(10) { $0.expirySlice = 3 }
        node.pass(500)
        XCTAssertEqual(tombstones(node), 3)
    }
}
