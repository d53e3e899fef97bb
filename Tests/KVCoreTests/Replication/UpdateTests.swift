import KVCore
import XCTest

/// Tests updates at a settled leader.
final class UpdateTests: XCTestCase {
    private let store = ManualStore(["k": Record(Version(1, 2, 1), "7")])
    private lazy var node = ManualNode(1, store: store)
    private var ballot = Ballot.zero

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    private func version(_ sequence: UInt64) -> Version { Version(ballot: ballot, sequence: sequence) }

    private func deposed() { node.receive(.replica(node.header(Ballot(90, 3)), .prepare), from: 3) }

    // MARK: In memory

    func testChangesOfOneTickBuildOnEachOtherAndTravelAsOneRecord() {
        let adds = (0..<3).map { _ in node.ask(.add(1)) }
        node.tick()
        XCTAssertEqual(node.takeSent(to: 3, \.accept).map(\.record), [Record(version(3), "10")])
        XCTAssertEqual(node.answers, [:])
        node.choose()
        XCTAssertEqual(
            adds.map { node.answers[$0] },
            (1...3).map { .updated(version($0), .applied(.integer(Int64($0) + 7))) })
    }

    func testWhatChangesNothingWaitsForTheChoiceAndForAConfirmation() {
        let put = node.request(.put("text"))
        let add = node.request(.add(1))
        let append = node.request(.append(""))
        node.confirm()
        XCTAssertNil(node.answers[add], "what it met may yet come to nothing")
        node.choose()
        XCTAssertNotNil(node.answers[put])
        XCTAssertEqual(node.answers[add], .updated(nil, .misfit(.notAnInteger)))
        XCTAssertEqual(node.answers[append], .updated(nil, .applied(.integer(4))))

        node.forgetSent()
        let get = node.request(.update(.keep, returnsPrevious: true))
        XCTAssertNil(node.answers[get], "another may lead meanwhile")
        node.confirm()
        XCTAssertEqual(node.answers[get], .updated(nil, .applied(.bytes(Array("text".utf8)))))
        XCTAssertFalse(node.hasSent(\.accept))
    }

    func testNearAFullDiskWhatAddsAValueIsRefused() {
        store.acceptsWrites = false
        let add = node.request(.add(1))
        let remove = node.request(.update(.remove, returnsPrevious: true))
        node.choose()
        XCTAssertEqual(node.answers[add], .refused(.diskFull))
        XCTAssertEqual(node.answers[remove], .updated(version(1), .applied(.bytes(Array("7".utf8)))))
        XCTAssertNil(node.value())
    }

    func testAnUpdateThatWasCutOffIsUnknown() {
        let add = node.request(.add(1))
        deposed()
        XCTAssertEqual(node.answers[add], .unknown(.leaderLost))
        XCTAssertFalse(node.hasSent(\.forward), "and is never tried again")
    }

    func testKeysAreCounted() {
        _ = node.request(.put("w"), "other")
        _ = node.request(.put("x"), "third")
        _ = node.request(.update(.remove), "other")
        let count = node.request(.count)
        node.confirm()
        XCTAssertNil(node.answers[count], "what it counts is not chosen yet")
        node.choose()
        XCTAssertEqual(node.answers[count], .counted(2))
    }

    // MARK: A value on disk

    func testAnUpdateWaitsForItsValue() {
        store.readsFromDisk = true
        let add = node.request(.add(1))
        XCTAssertFalse(node.hasSent(\.accept))
        node.completeLoads()
        XCTAssertEqual(node.takeSent(to: 3, \.accept).map(\.record), [Record(version(1), "8")])
        node.choose()
        XCTAssertEqual(node.answers[add], .updated(version(1), .applied(.integer(8))))
    }

    func testWhatComesForTheKeyMeanwhileComesAfterIt() {
        store.readsFromDisk = true
        let first = node.request(.add(1))
        let second = node.request(.add(10))
        let put = node.request(.put("100"))
        let third = node.request(.add(1))
        let read = node.request(.get)
        let other = node.request(.put("free"), "other")
        node.choose()
        XCTAssertNotNil(node.answers[other]?.version, "other keys are free")
        XCTAssertEqual(node.answers.count, 1)

        node.completeLoads()
        node.choose()
        node.confirm()
        XCTAssertEqual([first, second, third].map { node.answers[$0]?.sum }, [8, 18, 101])
        XCTAssertNotNil(node.answers[put]?.version)
        XCTAssertEqual(node.answers[read]?.text, "101")
    }

    func testWhatNeedsNoValueDoesNotWaitForOne() {
        store.readsFromDisk = true
        let refused = node.request(.update(.set([1], contentType: ""), .absent))
        let remove = node.request(.update(.remove, .present))
        node.choose()
        node.confirm()
        XCTAssertEqual(node.answers[refused], .updated(nil, .notApplied(.none)))
        XCTAssertEqual(node.answers[remove], .updated(version(1), .applied(.none)))
    }

    func testAnUpdateIsEvaluatedOnWhatIsThereWhenItsValueHasCome() {
        store.readsFromDisk = true
        let expire = node.request(.update(.keep, lifetime: .set(.milliseconds(200))))
        node.completeLoads()
        node.choose()
        XCTAssertEqual(node.answers[expire], .updated(version(1), .applied(.none)))

        let add = node.request(.add(1))
        node.pass(300)
        node.sync()
        node.completeLoads()
        node.choose()
        XCTAssertEqual(node.answers[add]?.sum, 1, "what was read has expired")
    }

    func testAnUpdateThatWaitsIsRefusedAtItsDeadline() {
        store.readsFromDisk = true
        let add = node.request(.add(1), timeout: 100)
        let patient = node.request(.add(10))
        node.receive(
            .request(
                RequestHeader(RequestID(7), epoch: 1, partition: ManualNode.partition, key: "k"),
                .forward(timeout: .milliseconds(50), command: .add(100))), from: 2)
        node.pass(150)
        XCTAssertEqual(node.answers[add], .refused(.noLeader))
        XCTAssertEqual(node.takeSent(to: 2, \.forwardResult), [.outcome(.refused(.noLeader))])
        node.completeLoads()
        node.choose()
        XCTAssertEqual(node.answers[patient]?.sum, 17)
    }

    func testALoadThatNobodyWaitsForAnyMoreEvaluatesNothing() {
        store.readsFromDisk = true
        let add = node.request(.add(1), timeout: 100)
        node.pass(150)
        XCTAssertEqual(node.answers[add], .refused(.noLeader))
        let next = node.request(.add(1))
        node.completeLoads()
        node.choose()
        XCTAssertEqual(node.answers[next]?.sum, 8)
    }

    func testUpdatesThatWaitGoToTheNewLeader() {
        store.readsFromDisk = true
        let updates = [node.request(.add(1)), node.request(.append("0"))]
        deposed()
        XCTAssertEqual(node.takeSent(to: 3, \.forward).map(\.id), updates)
        node.completeLoads()
        node.sync()
        XCTAssertEqual(node.value(), "7", "nothing was changed here")
    }

    func testALeaderThatHandsOverPassesOnWhatWaits() {
        store.readsFromDisk = true
        let waiting = node.request(.add(1))
        node.give(.drain)
        node.pass(50)
        let late = node.request(.add(1))
        node.pass(50)
        XCTAssert(
            node.sent.contains { $0.to == NodeNumber(2) && $0.message.isTransfer }, "it need not wait for its disk")
        node.completeLoads()
        XCTAssertFalse(node.hasSent(\.accept))
        node.receive(.replica(node.header(Ballot(90, 2)), .prepare), from: 2)
        XCTAssertEqual(node.takeSent(to: 2, \.forward).map(\.id), [waiting, late])
    }

    func testWithoutAMajorityInTouchAnUpdateIsNotProposedWhenItsValueComes() {
        store.readsFromDisk = true
        let add = node.request(.add(1))
        node.down(2, 3)
        node.completeLoads()
        XCTAssertFalse(node.hasSent(\.accept))
        node.up(2)
        node.completeLoads()
        node.choose()
        XCTAssertEqual(node.answers[add]?.sum, 8)
    }
}
