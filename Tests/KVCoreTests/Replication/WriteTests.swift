import KVCore
import XCTest

final class WriteTests: XCTestCase {
    private let node = ManualNode(1)
    private var ballot = Ballot.zero

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    private func version(_ sequence: UInt64) -> Version { Version(ballot: ballot, sequence: sequence) }

    private func accept(_ sequence: UInt64, by peer: UInt16) {
        node.receive(.replica(node.header(ballot), .accepted(version: version(sequence))), from: peer)
    }

    func testAPutIsAcknowledgedWhenTheLeaderAndOneMoreHoldIt() {
        let put = node.request(.put("v"))
        XCTAssertEqual(node.takeSent(to: 3, \.accept).map(\.record), [Record(version(1), "v")])
        accept(1, by: 2)
        XCTAssertNil(node.answers[put], "the leader's own copy is not durable")
        node.sync()
        XCTAssertEqual(node.answers[put], .written(version(1)))
    }

    func testTheFollowersWithoutTheLeaderDoNotDo() {
        let put = node.request(.put("v"))
        accept(1, by: 2)
        accept(1, by: 3)
        XCTAssertNil(node.answers[put])
        node.sync()
        XCTAssertEqual(node.answers[put], .written(version(1)))
    }

    func testTheLeadersOwnCopyAloneDoesNotDo() {
        let put = node.request(.put("v"))
        node.sync()
        accept(1, by: 4)
        XCTAssertNil(node.answers[put])
        accept(1, by: 3)
        XCTAssertEqual(node.answers[put], .written(version(1)))
    }

    func testChangesOfOneKeyInOneTickTravelAsOneRecord() {
        let first = node.ask(.put("1"))
        let other = node.ask(.put("x"), "other")
        let second = node.ask(.put("2"))
        node.tick()
        XCTAssertEqual(
            node.takeSent(to: 2, \.accept).map(\.record), [Record(version(2), "x"), Record(version(3), "2")])
        node.sync()
        accept(3, by: 2)
        XCTAssertEqual(node.answers, [first: .written(version(1)), second: .written(version(3))])
        accept(2, by: 2)
        XCTAssertEqual(node.answers[other], .written(version(2)))
    }

    func testConditionsBuildOnTheNewestProposalWithoutWaiting() {
        let first = node.request(.put("1", .ifAbsent))
        let second = node.request(.put("2", .ifVersion(version(1))))
        let third = node.request(.delete(.ifVersion(version(2))))
        XCTAssertEqual(node.takeSent(to: 2, \.accept).map(\.record.version), [version(1), version(2), version(3)])
        node.sync()
        accept(3, by: 3)
        XCTAssertEqual(
            node.answers,
            [first: .written(version(1)), second: .written(version(2)), third: .written(version(3))],
            "the last is chosen, and so are those it was built on")
    }

    func testAFailedConditionWaitsUntilWhatItMetIsChosen() {
        _ = node.request(.put("1"))
        let failing = node.request(.put("2", .ifAbsent))
        node.confirm()
        XCTAssertNil(node.answers[failing], "what it met may yet come to nothing")
        node.choose()
        XCTAssertEqual(node.answers[failing], .conditionFailed(version(1)))
    }

    func testAFailedConditionWaitsUntilTheLeadIsConfirmed() {
        _ = node.request(.put("1"))
        let failing = node.request(.put("2", .ifAbsent))
        node.choose()
        XCTAssertNil(node.answers[failing], "another may lead meanwhile")
        node.confirm()
        XCTAssertEqual(node.answers[failing], .conditionFailed(version(1)))
    }

    func testADeleteLeavesATombstone() {
        _ = node.request(.put("v"))
        node.choose()
        let delete = node.request(.delete(.always))
        XCTAssertEqual(node.takeSent(to: 3, \.accept).last?.record, Record(version(2), nil))
        node.choose()
        XCTAssertEqual(node.answers[delete], .written(version(2)))

        let again = node.request(.delete(.always))
        let get = node.request(.get)
        node.confirm()
        XCTAssertEqual(node.answers[again], .absent)
        XCTAssertEqual(node.answers[get], .absent)
        XCTAssertEqual(node.store.records["k"], Record(version(2), nil))
    }

    func testAnExpiredRecordIsAbsentAtOnce() {
        _ = node.request(.put("v", lifetime: .milliseconds(1000)))
        node.choose()
        node.pass(990)
        node.forgetSent()
        let before = node.request(.get)
        node.confirm()
        XCTAssertEqual(node.answers[before].flatMap(\.text), "v")
        node.pass(10)
        let after = node.request(.get)
        node.confirm()
        node.choose()
        XCTAssertEqual(node.answers[after], .absent)
        let fresh = node.request(.put("w", .ifAbsent))
        node.choose()
        XCTAssertEqual(node.answers[fresh], .written(version(3)), "above the tombstone")
    }

    func testNearAFullDiskValuesAreRefusedAndDeletesAreNot() {
        _ = node.request(.put("v"))
        node.choose()
        node.store.acceptsWrites = false
        let put = node.request(.put("w"))
        XCTAssertEqual(node.answers[put], .refused(.diskFull))
        let get = node.request(.get)
        node.confirm()
        XCTAssertEqual(node.answers[get].flatMap(\.text), "v")
        let delete = node.request(.delete(.always))
        node.choose()
        XCTAssertEqual(node.answers[delete], .written(version(2)))
    }

    func testProposalsAreSentAgainToThoseWhoLackThem() {
        _ = node.request(.put("v"))
        accept(1, by: 2)
        node.forgetSent()
        node.pass(250)
        XCTAssertEqual(node.sent.filter { $0.message.accept != nil }.map(\.to), [NodeNumber(3)])
    }

    func testWithoutAMajorityInTouchNothingIsProposed() {
        node.down(2, 3)
        let put = node.request(.put("v"))
        XCTAssertFalse(node.hasSent(\.accept))
        node.pass(4900)
        XCTAssertNil(node.answers[put])
        node.pass(200)
        XCTAssertEqual(node.answers[put], .refused(.noLeader))
        node.sync()
        XCTAssertNil(node.value(), "nothing was changed")
    }

    func testWhatWasHeldGoesOnWhenAMajorityIsBack() {
        node.down(2, 3)
        let put = node.request(.put("v"))
        node.up(3)
        XCTAssert(node.hasSent(\.accept))
        node.sync()
        accept(1, by: 3)
        XCTAssertEqual(node.answers[put], .written(version(1)))
    }
}

final class ProposalLimitTests: XCTestCase {
    func testWritesAreRefusedWhenTooMuchIsProposedAndNotTaken() {
        var options = ShardOptions()
        options.maximumProposedBytes = 1000
        let node = ManualNode(1, options: options)
        node.lead()
        let written = (0..<4).map { node.request(.put("v"), Key("k\($0)")) }
        let refused = node.request(.put("v"), "one more")
        XCTAssertEqual(node.answers, [refused: .refused(.overloaded)])
        XCTAssertNil(node.value("one more"))

        node.choose()
        XCTAssertEqual(written.compactMap { node.answers[$0]?.version }.count, 4)
        let next = node.request(.put("v"), "one more")
        node.choose()
        XCTAssertNotNil(node.answers[next]?.version, "there is room again")
    }
}
