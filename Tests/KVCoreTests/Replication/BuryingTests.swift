import KVCore
import XCTest

/// Records that expire under another leader than the one that wrote them.
final class BuryingTests: XCTestCase {
    private static let record = Record(
        version: Version(1, 2, 1), expiry: Expiry(milliseconds: ManualNode.start.wall + 500), value: [7])
    private let node = ManualNode(1, store: ManualStore(["k": record, "l": record]))
    private var ballot = Ballot.zero

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    private func proposed() -> [String] {
        node.takeSent(to: 3, \.accepted).map { "\($0.key) \($0.record.value == nil ? "buried" : "written")" }
    }

    private func answer(_ id: RequestID) -> Outcome? { node.answers[id] }

    func testNobodyIsToldOfTheExpiryBeforeATombstoneIsChosen() {
        let early = node.request(.get)
        node.confirm()
        XCTAssertEqual(answer(early)?.text, "\u{7}")
        node.pass(600)
        node.forgetSent()
        let read = node.request(.get)
        XCTAssertEqual(proposed(), ["k buried"])
        node.confirm()
        XCTAssertNil(answer(read))
        node.choose()
        XCTAssertEqual(answer(read), .absent)
        let next = node.request(.get)
        node.confirm()
        XCTAssertEqual(answer(next), .absent)
        XCTAssertEqual(proposed(), [], "once is enough")
    }

    func testNorIsItThroughACondition() {
        node.pass(600)
        node.forgetSent()
        let change = node.request(.put("w", .ifVersion(Version(1, 2, 1))))
        let second = node.request(.put("w", .ifPresent))
        XCTAssertEqual(proposed(), ["k buried"])
        node.confirm()
        XCTAssertNil(answer(change))
        node.choose()
        XCTAssertEqual(answer(change), .conditionFailed(nil))
        XCTAssertEqual(answer(second), .conditionFailed(nil))
    }

    func testNorThroughACountOrAListing() {
        node.pass(600)
        node.forgetSent()
        let count = node.request(.count)
        XCTAssertEqual(proposed(), ["k buried", "l buried"])
        node.confirm()
        XCTAssertNil(answer(count))
        let list = node.request(.list(ListQuery(prefix: [], after: nil, limit: 10)))
        node.choose()
        node.confirm()
        XCTAssertEqual(answer(count), .counted(0))
        XCTAssertEqual(answer(list), .listed(keys: [], more: false))
    }

    func testAChangeNeedsNoTombstone() {
        node.pass(600)
        node.forgetSent()
        let put = node.request(.put("w", .ifAbsent))
        XCTAssertEqual(proposed(), ["k written"])
        node.choose()
        XCTAssertNotNil(answer(put))
    }

    func testALeadersOwnRecordExpiresWithoutOne() {
        let put = node.request(.put("w", lifetime: .milliseconds(100)))
        node.choose()
        XCTAssertNotNil(answer(put))
        node.pass(150)
        node.forgetSent()
        let read = node.request(.get)
        XCTAssertEqual(proposed(), [])
        node.confirm()
        XCTAssertEqual(answer(read), .absent)
    }
}
