import KVCore
import XCTest

/// Tests changes of a key whose record in flight may have expired before it is chosen.
final class ExpiryInFlightTests: XCTestCase {
    private let store = ManualStore(["lasting": Record(Version(1, 2, 1), "7")])
    private lazy var node = ManualNode(1, store: store, options: withoutSweep)
    private var ballot = Ballot.zero

    /// Only requests have a reason to propose anything.
    private var withoutSweep: ShardOptions {
        var options = ShardOptions()
        options.maximumExpired = 0
        return options
    }

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    private func version(_ sequence: UInt64) -> Version { Version(ballot: ballot, sequence: sequence) }

    private func proposed() -> Int { node.takeSent(to: 3, \.accept).count }

    func testAConditionWaitsUntilTheRecordIsChosen() {
        _ = node.request(.put("v", lifetime: .milliseconds(1000)))
        XCTAssertEqual(proposed(), 1)
        let change = node.request(.put("w", .ifVersion(version(1))))
        let delete = node.request(.delete(.always))
        XCTAssertEqual(proposed(), 0)
        node.choose()
        node.choose()
        XCTAssertEqual(node.answers[change], .written(version(2)))
        XCTAssertEqual(node.answers[delete], .written(version(3)))
    }

    func testAConditionMeetsNothingWhereTheRecordExpiredBeforeItWasChosen() {
        _ = node.request(.put("v", lifetime: .milliseconds(100)))
        let change = node.request(.put("w", .ifPresent))
        let add = node.request(.add(1))
        node.pass(150)
        node.choose()
        node.choose()
        node.confirm()
        XCTAssertEqual(node.answers[change], .conditionFailed(nil))
        XCTAssertEqual(node.answers[add]?.sum, 1)
    }

    func testABlindPutAndAReadDoNotWait() {
        _ = node.request(.put("v", lifetime: .milliseconds(1000)))
        _ = node.request(.put("w"))
        XCTAssertEqual(proposed(), 2)
        let change = node.request(.put("x", .ifPresent))
        XCTAssertEqual(proposed(), 1, "the record in flight does not expire")
        let read = node.request(.get)
        node.confirm()
        node.choose()
        XCTAssertEqual(node.answers[change], .written(version(3)))
        XCTAssertEqual(node.answers[read]?.text, "x")
    }

    func testWhatWaitsIsEvaluatedOneByOneInOrder() {
        _ = node.request(.put("1", lifetime: .milliseconds(1000)))
        let adds = (0..<3).map { _ in node.request(.add(1)) }
        let read = node.request(.get)
        XCTAssertEqual(proposed(), 1)
        node.choose()
        node.choose()
        node.confirm()
        XCTAssertEqual(adds.map { node.answers[$0]?.sum }, [2, 3, 4])
        XCTAssertEqual(node.answers[read]?.text, "4")
    }

    func testACounterThatKeepsItsExpiryCountsWithoutWaiting() {
        _ = node.request(.put("1", lifetime: .milliseconds(1000)))
        node.choose()
        node.forgetSent()
        let adds = (0..<3).map { _ in node.request(.add(1)) }
        XCTAssertEqual(proposed(), 3, "nobody sees anything once what they replace has expired")
        let longer = node.request(.update(.keep, lifetime: .set(.milliseconds(5000))))
        let shorter = node.request(.update(.keep, lifetime: .set(.milliseconds(500))))
        let more = node.request(.add(1))
        XCTAssertEqual(proposed(), 2, "the last waits: it might have been evaluated on what has gone before its time")
        node.choose()
        node.choose()
        XCTAssertEqual((adds + [more]).map { node.answers[$0]?.sum }, [2, 3, 4, 5])
        XCTAssertEqual(node.answers[longer], .updated(version(5), .applied(.none)))
        XCTAssertEqual(node.answers[shorter], .updated(version(6), .applied(.none)))
    }

    func testAnExpiryPutOnALastingRecordIsWaitedForThoughALaterOneIsInFlight() {
        _ = node.request(.update(.keep, lifetime: .set(.milliseconds(500))), "lasting")
        _ = node.request(.put("1", lifetime: .milliseconds(2000)), "lasting")
        XCTAssertEqual(proposed(), 2)
        let add = node.request(.add(1), "lasting")
        XCTAssertEqual(proposed(), 0)
        node.choose()
        node.choose()
        XCTAssertEqual(node.answers[add]?.sum, 2)
    }

    func testAnExpiredRecordInFlightIsNothing() {
        _ = node.request(.put("v", lifetime: .milliseconds(100)))
        XCTAssertEqual(proposed(), 1)
        node.pass(150)
        node.forgetSent()
        let create = node.request(.put("w", .ifAbsent))
        XCTAssertEqual(proposed(), 1)
        node.receive(.replica(node.header(ballot), .accepted(version: version(2))), from: 2)
        node.sync()
        XCTAssertEqual(node.answers[create], .written(version(2)))
    }

    func testWhatWaitsIsRefusedOrPassedOn() {
        _ = node.request(.put("v", lifetime: .milliseconds(5000)))
        let late = node.request(.add(1), timeout: 100)
        let waiting = node.request(.add(1))
        node.pass(150)
        XCTAssertEqual(node.answers[late], .refused(.noLeader))
        node.receive(.replica(node.header(Ballot(90, 3)), .prepare), from: 3)
        XCTAssertEqual(node.takeSent(to: 3, \.forward).map(\.id), [waiting])
    }
}
