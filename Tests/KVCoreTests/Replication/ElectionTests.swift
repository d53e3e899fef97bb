import KVCore
import XCTest

final class ElectionTests: XCTestCase {
    func testAsksForPreVotesThenPreparesWhenItsOwnPromiseIsDurable() {
        let node = ManualNode(1)
        node.up(2, 3)
        node.pass(50)
        let preVote = node.takeSent(to: 2, \.preVote)
        XCTAssertEqual(preVote.count, 1)
        XCTAssertEqual(node.promise, .zero, "a pre-vote promises nothing")

        node.receive(.replica(preVote[0], .preVoteResult(granted: true, promised: Ballot(7, 3))), from: 2)
        XCTAssertEqual(node.promise, Ballot(8, 1), "above all it has heard of")
        XCTAssertFalse(node.hasSent(\.prepare), "its own promise is not durable")

        node.sync()
        let prepares = node.takeSent(to: 2, \.prepare)
        XCTAssertEqual(prepares.map(\.ballot), [Ballot(8, 1)])
        XCTAssertFalse(node.leads)

        node.receive(.replica(prepares[0], .promise(root: Digest(), contents: 0, floor: .zero)), from: 2)
        XCTAssert(node.leads)
        XCTAssert(node.isSettled, "a majority has its root")
    }

    func testIsUnsettledWhereTheRootsDiffer() {
        let node = ManualNode(1)
        node.lead(rootOfOther: Digest(high: 1, low: 1))
        XCTAssertEqual(node.takeSent(to: 3, \.isLeavesRequest).filter { $0 }.count, 1)
    }

    func testGivesUpWhereAMajoritySeesALeader() {
        let node = ManualNode(1)
        node.up(2, 3)
        node.pass(50)
        let header = node.takeSent(to: 2, \.preVote)[0]
        node.receive(.replica(header, .preVoteResult(granted: false, promised: Ballot(3, 2))), from: 2)
        node.receive(.replica(header, .preVoteResult(granted: false, promised: Ballot(3, 2))), from: 3)
        node.sync()
        XCTAssertFalse(node.hasSent(\.prepare))
        XCTAssertEqual(node.promise, .zero)
    }

    func testGivesUpAPreVoteWhenALeaderShowsItself() {
        let node = ManualNode(1)
        node.up(2, 3)
        node.pass(50)
        let header = node.takeSent(to: 3, \.preVote)[0]
        node.receive(
            .shards(.leaderHeartbeat(epoch: 1, [Leadership(partition: ManualNode.partition, ballot: Ballot(3, 2))])),
            from: 2)
        node.receive(.replica(header, .preVoteResult(granted: true, promised: .zero)), from: 3)
        node.sync()
        XCTAssertFalse(node.hasSent(\.prepare))
    }

    func testALeaderIsNotGivenUpWhileSomethingLongOfItArrives() {
        let node = ManualNode(3)
        node.up(1, 2)
        let led = [Leadership(partition: ManualNode.partition, ballot: Ballot(3, 1))]
        node.receive(
            .shards(.leaderships(epoch: 1, LeadershipUpdate(shard: 0, base: 0, version: 7, begun: led))), from: 1)
        node.forgetSent()
        for _ in 0..<50 {
            node.pass(100)
            node.give(.reading(from: NodeNumber(1)))
            node.give(.reading(from: NodeNumber(2)))
        }
        XCTAssertFalse(node.hasSent(\.preVote))
        for _ in 0..<30 {
            node.pass(100)
            node.give(.reading(from: NodeNumber(2)))
        }
        XCTAssertTrue(node.hasSent(\.preVote), "another's says nothing of the leader")
    }

    func testANewBallotIsAboveThePromiseOfAnEarlierProcess() {
        let node = ManualNode(1, store: ManualStore(promise: Ballot(41, 1)), boot: 2)
        XCTAssertEqual(node.lead(), Ballot(43, 1), "one round for the pre-vote, one to lead under")
    }

    func testTheNextInLineWaitsForTheFirstInTouch() {
        let node = ManualNode(2)
        node.up(1, 3)
        node.pass(400)
        XCTAssertFalse(node.hasSent(\.preVote))
        node.pass(200)
        XCTAssert(node.hasSent(\.preVote), "the first has had its turn")
    }

    func testTheNextInLineDoesNotWaitForAFirstThatIsDown() {
        let node = ManualNode(2)
        node.up(1, 3)
        node.pass(100)
        node.down(1)
        node.pass(50)
        XCTAssert(node.hasSent(\.preVote))
    }

    func testNobodyIsAskedForPreVotesWithoutAMajority() {
        let node = ManualNode(1)
        node.pass(3000)
        XCTAssertFalse(node.hasSent(\.preVote))
    }

    func testASingleReplicaLeadsWhenItsPromiseIsDurable() {
        let node = ManualNode(1, replicas: [1])
        node.pass(50)
        XCTAssertFalse(node.leads)
        node.sync()
        XCTAssert(node.leads)
        XCTAssert(node.isSettled)
    }

    func testNoBallotIsMadeWhenTheRoundsAreUsedUp() {
        let node = ManualNode(1)
        let last = Ballot(Ballot.maximumRound, 3)
        node.receive(.replica(node.header(last), .prepare), from: 3)
        node.up(2, 3)
        node.pass(5000)
        XCTAssertEqual(node.promise, last, "the promise never goes down")
        XCTAssertFalse(node.hasSent(\.preVote))
    }

    func testALateRefusalOfThePreVoteIsNoDeclinedTransfer() {
        let node = ManualNode(2)
        node.up(1, 3)
        node.pass(600)
        let preVote = node.takeSent(to: 3, \.preVote)[0]
        node.receive(.replica(preVote, .preVoteResult(granted: true, promised: .zero)), from: 3)
        node.sync()
        node.receive(
            .replica(node.takeSent(to: 3, \.prepare)[0], .promise(root: Digest(), contents: 0, floor: .zero)), from: 3)
        node.receive(.replica(preVote, .preVoteResult(granted: false, promised: .zero)), from: 1)
        XCTAssert(node.leads)

        // Node 1 is preferred. Once it is level, the lead is offered to it.
        node.pass(1100)
        for case .replica(let header, .leaves) in node.sent.map(\.message) {
            node.receive(
                .replica(header, .leavesResult(floor: .zero, leaves: HashTree().digests, contents: [])), from: 1)
        }
        node.pass(1100)
        XCTAssert(
            node.sent.contains {
                $0.to == NodeNumber(1) && $0.message == .replica(node.header(node.promise), .transfer)
            })
    }

    func testALeaderWithoutAMajorityInTouchSendsNoHeartbeats() {
        let node = ManualNode(1)
        node.lead()
        node.pass(400)
        XCTAssertEqual(node.takeSent(to: 3) { $0.isLeaderHeartbeat ? true : nil }.isEmpty, false)
        node.down(2, 3)
        node.forgetSent()
        node.pass(2000)
        XCTAssertTrue(node.hasSent { $0.isLeaderHeartbeat ? true : nil }, "it tells them that it runs")
        XCTAssertFalse(
            node.hasSent { $0.listed?.contains { $0.partition == ManualNode.partition } == true ? true : nil })
    }
}
