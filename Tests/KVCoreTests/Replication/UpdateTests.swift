import KVCore
import XCTest

/// Updates at a settled leader.
final class UpdateTests: XCTestCase {
    private let store = ManualStore(["k": Record(Version(1, 2, 1), "7")])
    private lazy var node = ManualNode(1, store: store)
    private var ballot = Ballot.zero

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    private func version(_ sequence: UInt64) -> Version { Version(ballot: ballot, sequence: sequence) }

    private func deposed() { node.receive(.prepare(node.header(Ballot(90, 3))), from: 3) }

    // MARK: In memory

    func testChangesOfOneTickBuildOnEachOtherAndTravelAsOneRecord() {
        let adds = (0..<3).map { _ in node.ask(.add(1)) }
        node.tick()
        XCTAssertEqual(node.takeSent(to: 3, \.accepted).map(\.record), [Record(version(3), "10")])
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
        XCTAssertFalse(node.hasSent(\.accepted))
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
        XCTAssertFalse(node.hasSent(\.forwarded), "and is never tried again")
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
        XCTAssertFalse(node.hasSent(\.accepted))
        node.completeLoads()
        XCTAssertEqual(node.takeSent(to: 3, \.accepted).map(\.record), [Record(version(1), "8")])
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

    func testAnUpdateIsJudgedOnWhatIsThereWhenItsValueHasCome() {
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
            .forward(
                RequestID(7), epoch: 1, timeout: .milliseconds(50), key: "k", partition: ManualNode.partition,
                command: .add(100)), from: 2)
        node.pass(150)
        XCTAssertEqual(node.answers[add], .refused(.noLeader))
        XCTAssertEqual(node.takeSent(to: 2, \.result), [.outcome(.refused(.noLeader))])
        node.completeLoads()
        node.choose()
        XCTAssertEqual(node.answers[patient]?.sum, 17)
    }

    func testALoadThatNobodyWaitsForAnyMoreJudgesNothing() {
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
        XCTAssertEqual(node.takeSent(to: 3, \.forwarded).map(\.id), updates)
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
        XCTAssertFalse(node.hasSent(\.accepted))
        node.receive(.prepare(node.header(Ballot(90, 2))), from: 2)
        XCTAssertEqual(node.takeSent(to: 2, \.forwarded).map(\.id), [waiting, late])
    }

    func testWithoutAMajorityInTouchAnUpdateIsNotProposedWhenItsValueComes() {
        store.readsFromDisk = true
        let add = node.request(.add(1))
        node.down(2, 3)
        node.completeLoads()
        XCTAssertFalse(node.hasSent(\.accepted))
        node.up(2)
        node.completeLoads()
        node.choose()
        XCTAssertEqual(node.answers[add]?.sum, 8)
    }
}

/// Updates at a leader that has to find out what there is, or goes on under another configuration.
final class UpdateRecoveryTests: XCTestCase {
    func testAKeyIsRecoveredBeforeItsValueIsReadFromDisk() {
        let own = Record(Version(1, 1, 5), "7")
        let store = ManualStore(["k": own])
        let node = ManualNode(1, store: store)
        node.lead(rootOfOther: Digest(high: 1, low: 1))
        node.forgetSent()
        store.readsFromDisk = true
        let adds = [node.request(.add(1)), node.request(.add(1))]
        for read in node.takeSent(to: 2, \.asked) {
            node.receive(.readResult(read.header, id: read.id, key: read.key, record: own), from: 2)
        }
        XCTAssertFalse(node.hasSent(\.accepted))
        node.forgetSent()
        node.completeLoads()
        XCTAssertFalse(node.hasSent(\.asked), "a majority need not be asked again")
        node.choose()
        XCTAssertEqual(adds.map { node.answers[$0]?.sum }, [8, 9])
    }

    func testAnUpdateCarriedOnAnswersWhatItCameTo() {
        let cluster = ManualCluster(nodes: 4)
        cluster.pass(200)
        _ = cluster[1].request(.put("7"))
        cluster.run()
        // Proposed and sent, and nobody has answered yet.
        let adds = [cluster[1].request(.add(1)), cluster[1].request(.add(1))]
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.run()
        XCTAssertEqual(adds.map { cluster[1].answers[$0]?.sum }, [8, 9])
        let version = cluster[1].store.records["k"]?.version
        XCTAssertEqual(cluster[1].answers[adds[1]], .updated(version, .applied(.integer(9))))
    }

    func testAnUpdateThatWaitsForItsValueIsCarriedOnToo() {
        let cluster = ManualCluster(nodes: 4)
        cluster.pass(200)
        _ = cluster[1].request(.put("7"))
        cluster.run()
        cluster[1].store.readsFromDisk = true
        let add = cluster[1].request(.add(1))
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.run()
        XCTAssertEqual(cluster[1].answers[add]?.sum, 8)
    }
}

/// Changes of a key whose record in flight may have expired before it is chosen.
final class ExpiryInFlightTests: XCTestCase {
    private let store = ManualStore(["lasting": Record(Version(1, 2, 1), "7")])
    private lazy var node = ManualNode(1, store: store)
    private var ballot = Ballot.zero

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    private func version(_ sequence: UInt64) -> Version { Version(ballot: ballot, sequence: sequence) }

    private func proposed() -> Int { node.takeSent(to: 3, \.accepted).count }

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

    func testWhatWaitsIsJudgedOneByOneInOrder() {
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
        XCTAssertEqual(proposed(), 2, "the last waits: it might have been judged on what has gone before its time")
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
        node.receive(.accepted(node.header(ballot), version: version(2)), from: 2)
        node.sync()
        XCTAssertEqual(node.answers[create], .written(version(2)))
    }

    func testWhatWaitsIsRefusedOrPassedOn() {
        _ = node.request(.put("v", lifetime: .milliseconds(5000)))
        let late = node.request(.add(1), timeout: 100)
        let waiting = node.request(.add(1))
        node.pass(150)
        XCTAssertEqual(node.answers[late], .refused(.noLeader))
        node.receive(.prepare(node.header(Ballot(90, 3))), from: 3)
        XCTAssertEqual(node.takeSent(to: 3, \.forwarded).map(\.id), [waiting])
    }
}
