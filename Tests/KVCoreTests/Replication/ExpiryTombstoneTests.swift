import KVCore
import XCTest

/// Tests that a record is not reported as expired before a tombstone above it is chosen.
final class ExpiryTombstoneTests: XCTestCase {
    private static let record = Record(
        version: Version(1, 2, 1), expiry: Expiry(milliseconds: ManualNode.start.wall + 500), value: [7])
    private let node = ManualNode(1, store: ManualStore(["k": record, "l": record]), options: withoutSweep)
    private var ballot = Ballot.zero

    /// Only answers have a reason to put tombstones.
    private static var withoutSweep: ShardOptions {
        var options = ShardOptions()
        options.maximumExpired = 0
        return options
    }

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    private func proposed() -> [String] {
        node.takeSent(to: 3, \.accept).map { "\($0.key) \($0.record.value == nil ? "tombstoned" : "written")" }
    }

    private func answer(_ id: RequestID) -> Outcome? { node.answers[id] }

    func testNobodyIsToldOfTheExpiryBeforeATombstoneIsChosen() {
        let early = node.request(.get)
        node.confirm()
        XCTAssertEqual(answer(early)?.text, "\u{7}")
        node.pass(600)
        node.forgetSent()
        let read = node.request(.get)
        XCTAssertEqual(proposed(), ["k tombstoned"])
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
        XCTAssertEqual(proposed(), ["k tombstoned"])
        node.confirm()
        XCTAssertNil(answer(change))
        node.choose()
        XCTAssertEqual(answer(change), .conditionFailed(nil))
        XCTAssertEqual(answer(second), .conditionFailed(nil))
    }

    func testNorIsItThroughAListing() {
        node.pass(600)
        node.forgetSent()
        let list = node.request(.list(ListQuery(prefix: [], after: nil, limit: 10)))
        XCTAssertEqual(proposed(), ["k tombstoned", "l tombstoned"])
        node.confirm()
        XCTAssertNil(answer(list))
        node.choose()
        XCTAssertEqual(answer(list), .listed(keys: [], more: false))
    }

    func testACountCountsARecordUntilThereIsATombstone() {
        node.pass(600)
        node.forgetSent()
        let early = node.request(.count)
        XCTAssertEqual(proposed(), [])
        node.confirm()
        XCTAssertEqual(answer(early), .counted(2))
        let read = node.request(.get)
        let count = node.request(.count)
        node.confirm()
        XCTAssertNil(answer(count), "it waits for the tombstone")
        node.choose()
        XCTAssertEqual(answer(read), .absent)
        XCTAssertEqual(answer(count), .counted(1))
    }

    func testAChangeNeedsNoTombstone() {
        node.pass(600)
        node.forgetSent()
        let put = node.request(.put("w", .ifAbsent))
        XCTAssertEqual(proposed(), ["k written"])
        node.choose()
        XCTAssertNotNil(answer(put))
    }

    func testALeadersOwnRecordNeedsOneAsWell() {
        let put = node.request(.put("w", lifetime: .milliseconds(100)))
        node.choose()
        XCTAssertNotNil(answer(put))
        node.pass(150)
        node.forgetSent()
        let read = node.request(.get)
        let change = node.request(.update(.keep, lifetime: .set(.unlimited)))
        XCTAssertEqual(proposed(), ["k tombstoned"])
        node.confirm()
        XCTAssertNil(answer(read))
        node.choose()
        XCTAssertEqual(answer(read), .absent)
        XCTAssertEqual(answer(change), .updated(nil, .notApplied(.none)))
    }

    func testSoDoesOneThatExpiresBeforeItIsChosen() {
        let put = node.request(.put("w", lifetime: .milliseconds(100)))
        XCTAssertEqual(proposed(), ["k written"])
        node.pass(150)
        node.forgetSent()
        let read = node.request(.get)
        XCTAssertEqual(proposed(), ["k tombstoned"])
        let count = node.request(.count)
        let list = node.request(.list(ListQuery(prefix: [], after: nil, limit: 10)))
        node.choose()
        node.confirm()
        XCTAssertNotNil(answer(put)?.version)
        XCTAssertEqual(answer(read), .absent)
        XCTAssertEqual(answer(count), .counted(1))
        XCTAssertEqual(answer(list), .listed(keys: ["l"], more: false))
    }

    func testAListingTombstonesWhatIsInFlight() {
        _ = node.request(.put("w", lifetime: .milliseconds(100)))
        node.pass(110)
        node.forgetSent()
        let list = node.request(.list(ListQuery(prefix: Key("k").bytes, after: nil, limit: 9)))
        XCTAssertEqual(proposed(), ["k tombstoned"])
        node.confirm()
        XCTAssertNil(answer(list))
        node.choose()
        XCTAssertEqual(answer(list), .listed(keys: [], more: false))
    }

    func testAListingTombstonesOnlySoMuchBetweenTwoTimers() {
        var options = Self.withoutSweep
        options.expirySlice = 1
        let node = ManualNode(1, store: ManualStore(["k": Self.record, "l": Self.record]), options: options)
        node.lead()
        node.setClock(ahead: 1000)
        node.forgetSent()
        let list = node.request(.list(ListQuery(prefix: [], after: nil, limit: 9)))
        XCTAssertEqual(node.takeSent(to: 3, \.accept).map(\.key), ["k"])
        node.choose()
        XCTAssertNil(node.answers[list])
        node.pass(50)
        XCTAssertEqual(node.takeSent(to: 3, \.accept).map(\.key), ["l"])
        node.choose()
        node.confirm()
        XCTAssertEqual(node.answers[list], .listed(keys: [], more: false))
    }
}

/// Tests that a record that was reported as expired stays absent, whatever the clocks of later leaders show.
final class ExpiryAcrossLeadersTests: XCTestCase {
    private let cluster = ManualCluster()

    override func setUp() {
        cluster.pass(100)
        XCTAssertEqual(cluster.leaders, [1])
    }

    private func ask(_ command: Command, at node: UInt16 = 1) -> Outcome? {
        let id = cluster[node].request(command)
        cluster.run()
        return cluster[node].answers[id]
    }

    /// Has a leader whose clock is a minute ahead tell its client that the key has expired.
    private func expireEarly() {
        XCTAssertNotNil(ask(.put("v", lifetime: .milliseconds(30_000)))?.version)
        XCTAssertEqual(ask(.get)?.text, "v")
        cluster[1].setClock(ahead: 60_000)
        XCTAssertEqual(ask(.get), .absent)
    }

    func testTheSameLeadersClockIsSetBack() {
        expireEarly()
        cluster[1].setClock(ahead: 0)
        XCTAssertEqual(ask(.get), .absent)
        XCTAssertNotNil(ask(.put("w", .ifAbsent))?.version)
    }

    func testTheNextLeadersClockIsRight() {
        expireEarly()
        cluster.isolate(1)
        cluster.pass(2000)
        XCTAssertEqual(cluster.leaders.filter { $0 != 1 }, [2])
        XCTAssertEqual(ask(.get, at: 2), .absent)
        XCTAssertEqual(ask(.count, at: 2), .counted(0))
    }

    func testTheProcessIsRestartedWithTheRightClock() {
        expireEarly()
        cluster[1].setClock(ahead: 0)
        cluster.isolate(1)
        cluster.rejoin(1, boot: 2)
        cluster.pass(3000)
        XCTAssertEqual(cluster.leaders, [1])
        XCTAssertEqual(ask(.get), .absent)
    }

    func testTheOnlyReplicaIsRestarted() {
        let store = ManualStore()
        var node = ManualNode(1, replicas: [1], store: store)
        func settle() {
            for _ in 0..<20 {
                node.pass(20)
                node.sync()
            }
        }
        func ask(_ command: Command) -> Outcome? {
            let id = node.request(command)
            node.sync()
            return node.answers[id]
        }
        settle()
        XCTAssertNotNil(ask(.put("v", lifetime: .milliseconds(30_000)))?.version)
        node.setClock(ahead: 60_000)
        XCTAssertEqual(ask(.get), .absent)
        node.setClock(ahead: 0)
        XCTAssertEqual(ask(.get), .absent)
        node = ManualNode(1, replicas: [1], store: store, boot: 2, now: node.now)
        settle()
        XCTAssertEqual(ask(.get), .absent)
    }
}
