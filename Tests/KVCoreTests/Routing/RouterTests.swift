import KVCore
import XCTest

/// Tests how a node without a replica of the partition serves its clients.
final class RouterTests: XCTestCase {
    private let node = ManualNode(4)

    override func setUp() { node.up(1, 2, 3) }

    private func tell(_ id: RequestID, _ result: ForwardResult, from peer: UInt16) {
        node.receive(.reply(id, .forwarded(result)), from: peer)
    }

    func testARequestGoesToAReplicaAndItsAnswerComesBack() {
        let put = node.request(.put("v"), timeout: 2000)
        let sent = node.takeSent(to: 1, \.forward)
        XCTAssertEqual(sent.map(\.id), [put])
        XCTAssertEqual(sent.map(\.timeout), [.milliseconds(2000)])
        tell(put, .outcome(.written(Version(1, 1, 1))), from: 1)
        XCTAssertEqual(node.answers[put], .written(Version(1, 1, 1)))
        XCTAssertEqual(node.answeredBy[put], NodeNumber(1))
    }

    func testTheLeaderIsRemembered() {
        let first = node.request(.put("v"))
        tell(first, .notLeader(hint: NodeNumber(3)), from: 1)
        XCTAssertEqual(node.takeSent(to: 3, \.forward).map(\.id), [first])
        tell(first, .outcome(.written(Version(1, 3, 1))), from: 3)
        let second = node.request(.put("w"))
        XCTAssertEqual(node.takeSent(to: 3, \.forward).map(\.id), [second])
    }

    func testWithoutAHintTheNextReplicaIsAskedAtTheNextTimer() {
        let put = node.request(.put("v"))
        tell(put, .notLeader(hint: nil), from: 1)
        XCTAssertFalse(node.sent.contains { $0.to != NodeNumber(1) })
        node.pass(10)
        XCTAssertEqual(node.takeSent(to: 2, \.forward).map(\.id), [put])
    }

    func testHintsThatLeadInACircleAreNotFollowedForEver() {
        let put = node.request(.put("v"))
        for _ in 0..<20 {
            tell(put, .notLeader(hint: NodeNumber(2)), from: 1)
            tell(put, .notLeader(hint: NodeNumber(1)), from: 2)
        }
        XCTAssertLessThan(node.sent.count { $0.message.forward != nil }, 6)
    }

    func testOfAPeerThatWentDownNobodyKnowsWhatBecameOfAWrite() {
        let put = node.request(.put("v"))
        node.down(1)
        XCTAssertEqual(node.answers[put], .unknown(.leaderLost))
        XCTAssertTrue(node.takeSent(to: 2, \.forward).isEmpty)
    }

    func testAReadIsTriedElsewhere() {
        let read = node.request(.get)
        node.down(1)
        XCTAssertNil(node.answers[read])
        XCTAssertEqual(node.takeSent(to: 2, \.forward).map(\.id), [read])
    }

    func testAPeerThatIsAnotherProcessNowHasLostWhatItWasSent() {
        let put = node.request(.put("v"))
        node.up(1, boot: 2)
        XCTAssertEqual(node.answers[put], .unknown(.leaderLost))
    }

    func testDeadlines() {
        let write = node.request(.put("v"), timeout: 1000)
        let list = node.request(.list, timeout: 1000)
        node.pass(1000)
        XCTAssertEqual(node.answers[write], .unknown(.timedOut))
        XCTAssertEqual(node.answers[list], .refused(.noLeader))
    }

    func testAWriteThatWasNeverSentIsRefused() {
        node.down(1, 2, 3)
        let write = node.request(.put("v"), timeout: 1000)
        node.pass(1000)
        XCTAssertEqual(node.answers[write], .refused(.noLeader))
    }

    func testALateOrRepeatedAnswerIsIgnored() {
        let put = node.request(.put("v"), timeout: 1000)
        node.pass(1000)
        tell(put, .outcome(.written(Version(1, 1, 1))), from: 1)
        XCTAssertEqual(node.answers[put], .unknown(.timedOut))
        XCTAssertEqual(node.shard.pendingRequests, 0)
    }

    func testAnAnswerFromAnotherThanTheOneAskedIsIgnored() {
        let put = node.request(.put("v"))
        tell(put, .outcome(.written(Version(1, 1, 1))), from: 2)
        XCTAssertNil(node.answers[put])
    }

    func testMoreRequestsThanTheLimitAreRefused() {
        var options = ShardOptions()
        options.maximumRequests = 2
        let node = ManualNode(4, options: options)
        _ = [node.request(.get), node.request(.get)]
        let third = node.request(.get)
        XCTAssertEqual(node.answers, [third: .refused(.overloaded)])
    }
}

final class LeaderlessReadTests: XCTestCase {
    private let node = ManualNode(4)
    private let old = Record(Version(1, 1, 1), "old")
    private let new = Record(Version(1, 1, 2), "new")

    /// Each of the replicas says at once that it does not lead, and so keeps the read from waiting for anybody.
    func testAReadThatNoReplicaLeadsIsReadFromAllOfThem() {
        let read = node.request(.get, timeout: 2000)
        for _ in 0..<8 {
            for peer in 1...3 as ClosedRange<UInt16> {
                for request in node.takeSent(to: peer, \.forward) {
                    node.receive(.reply(request.id, .forwarded(.notLeader(hint: nil))), from: peer)
                }
            }
            node.pass(10)
        }
        XCTAssertEqual(Set(node.sent.filter { $0.message.quorumRead == read }.map(\.to.raw)), [1, 2, 3])
    }

    private func quorumReadAt() -> RequestID {
        node.up(1, 2, 3)
        let read = node.request(.get)
        XCTAssertFalse(node.hasSent(\.quorumRead), "the leader is given a moment")
        node.pass(60)
        XCTAssertEqual(Set(node.sent.filter { $0.message.quorumRead == read }.map(\.to.raw)), [1, 2, 3])
        return read
    }

    func testAMajorityOfOneVersionIsTheAnswer() {
        let read = quorumReadAt()
        node.receive(.reply(read, .quorumReadReply(new)), from: 2)
        XCTAssertNil(node.answers[read])
        node.receive(.reply(read, .quorumReadReply(new)), from: 3)
        XCTAssertEqual(node.answers[read], .found(new))
    }

    func testDifferentVersionsWaitForTheLeader() {
        let read = quorumReadAt()
        node.receive(.reply(read, .quorumReadReply(new)), from: 2)
        node.receive(.reply(read, .quorumReadReply(old)), from: 3)
        XCTAssertNil(node.answers[read])
        node.receive(.reply(read, .forwarded(.outcome(.found(new)))), from: 1)
        XCTAssertEqual(node.answers[read], .found(new))
    }

    func testOneReplicaTwiceIsNoMajority() {
        let read = quorumReadAt()
        node.receive(.reply(read, .quorumReadReply(new)), from: 2)
        node.receive(.reply(read, .quorumReadReply(new)), from: 2)
        node.receive(.reply(read, .quorumReadReply(new)), from: 9)
        XCTAssertNil(node.answers[read])
    }

    func testAMajorityWithoutTheKeyIsAnAnswerToo() {
        let read = quorumReadAt()
        node.receive(.reply(read, .quorumReadReply(nil)), from: 1)
        node.receive(.reply(read, .quorumReadReply(nil)), from: 3)
        XCTAssertEqual(node.answers[read], .absent)
    }

    func testAMajorityOfOneTombstoneMeansAbsent() {
        let read = quorumReadAt()
        let tombstone = Record(version: new.version, value: nil)
        node.receive(.reply(read, .quorumReadReply(tombstone)), from: 1)
        node.receive(.reply(read, .quorumReadReply(tombstone)), from: 3)
        XCTAssertEqual(node.answers[read], .absent)
    }

    /// The leader may have made a change while the record was there, which is still on its way.
    func testTheExpiredIsLeftToTheLeader() {
        let read = quorumReadAt()
        let expired = Record(version: new.version, expiry: Expiry(milliseconds: node.now.wall), value: [1])
        node.receive(.reply(read, .quorumReadReply(expired)), from: 1)
        node.receive(.reply(read, .quorumReadReply(expired)), from: 3)
        XCTAssertNil(node.answers[read])
        node.receive(.reply(read, .forwarded(.outcome(.absent))), from: 1)
        XCTAssertEqual(node.answers[read], .absent)
    }

    func testACandidateReadsWithoutTheLeaderAsWell() {
        let node = ManualNode(2, store: ManualStore(["k": new]))
        node.up(1, 3)
        node.pass(600)
        XCTAssert(node.hasSent(\.preVote))
        let read = node.request(.get)
        node.receive(.reply(read, .quorumReadReply(new)), from: 3)
        XCTAssertEqual(node.answers[read], .found(new), "its own copy counts")
    }
}

final class StaleReadTests: XCTestCase {
    private let record = Record(Version(1, 1, 1), "v")

    func testAReplicaReadsItsOwnCopyInTheSameTick() {
        let node = ManualNode(2, store: ManualStore(["k": record]))
        let read = node.request(.get, consistency: .stale)
        XCTAssertEqual(node.answers[read], .found(record))
        XCTAssertEqual(node.answeredBy[read], NodeNumber(2))
    }

    func testWhatIsNotDurableIsNotShown() {
        let node = ManualNode(2)
        node.receive(.replica(node.header(Ballot(1, 1)), .accept(key: "k", record: record)), from: 1)
        let read = node.request(.get, consistency: .stale)
        XCTAssertNil(node.answers[read])
        node.sync()
        XCTAssertEqual(node.answers[read], .found(record))
    }

    func testElsewhereOneReplicaIsAskedAndThenTheNext() {
        let node = ManualNode(4)
        node.up(1, 2, 3)
        let read = node.request(.get, consistency: .stale)
        XCTAssertEqual(node.sent.filter { $0.message.quorumRead == read }.map(\.to.raw), [1])
        node.pass(60)
        XCTAssertEqual(node.sent.filter { $0.message.quorumRead == read }.map(\.to.raw), [1, 2])
        node.receive(.reply(read, .quorumReadReply(record)), from: 2)
        XCTAssertEqual(node.answers[read], .found(record))
    }

    func testNobodyToAskIsRefusedAtTheDeadline() {
        let node = ManualNode(4)
        let read = node.request(.get, consistency: .stale, timeout: 100)
        node.pass(100)
        XCTAssertEqual(node.answers[read], .refused(.noReplica))
    }

    func testWhatCannotBeStaleGoesToTheLeader() {
        let node = ManualNode(4)
        node.up(1, 2, 3)
        let list = node.request(.list, consistency: .stale, timeout: 500)
        let put = node.request(.put("v"), consistency: .stale, timeout: 500)
        XCTAssertEqual(node.takeSent(to: 1, \.forward).map(\.id), [list, put])
        node.pass(500)
        XCTAssertFalse(node.hasSent(\.quorumRead))
        XCTAssertEqual(node.answers[list], .refused(.noLeader))
        XCTAssertEqual(node.answers[put], .unknown(.timedOut), "it may have been carried out")
    }
}
