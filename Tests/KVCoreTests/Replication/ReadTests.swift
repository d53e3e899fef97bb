import KVCore
import XCTest

/// Tests reads at the leader.
final class ReadTests: XCTestCase {
    private let node = ManualNode(1, store: ManualStore(["k": Record(Version(1, 2, 1), "v")]))
    private var ballot = Ballot.zero

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    func testAReadWaitsForAConfirmationAskedForAfterItCame() {
        let first = node.request(.get)
        let second = node.request(.get)
        XCTAssertEqual(node.takeSent(to: 2, \.confirm).map(\.round), [1, 2])
        node.receive(.replica(node.header(ballot), .confirmed(round: 1)), from: 2)
        XCTAssertEqual(node.answers[first].flatMap(\.text), "v")
        XCTAssertNil(node.answers[second])
        node.receive(.replica(node.header(ballot), .confirmed(round: 2)), from: 3)
        XCTAssertEqual(node.answers[second].flatMap(\.text), "v")
    }

    func testReadsOfOneTickShareAConfirmation() {
        let reads = (0..<3).map { _ in node.ask(.get) }
        node.tick()
        XCTAssertEqual(node.takeSent(to: 2, \.confirm).map(\.round), [1])
        node.receive(.replica(node.header(ballot), .confirmed(round: 1)), from: 3)
        XCTAssertEqual(reads.compactMap { node.answers[$0]?.text }, ["v", "v", "v"])
    }

    func testAConfirmationOfWhatWasNotAskedForIsIgnored() {
        node.receive(.replica(node.header(ballot), .confirmed(round: 50)), from: 2)
        let read = node.request(.get)
        XCTAssertNil(node.answers[read])
        node.receive(.replica(node.header(Ballot(1, 2)), .confirmed(round: 1)), from: 2)
        node.receive(.replica(node.header(ballot), .confirmed(round: 1)), from: 4)
        XCTAssertNil(node.answers[read])
    }

    func testAReadOfAKeyInFlightWaitsForThatWriteOnly() {
        let first = node.request(.put("1"))
        let read = node.request(.get)
        let second = node.request(.put("2"))
        node.sync()
        node.confirm()
        XCTAssertNil(node.answers[read])
        node.receive(.replica(node.header(ballot), .accepted(version: Version(ballot: ballot, sequence: 1))), from: 2)
        XCTAssertNotNil(node.answers[first])
        XCTAssertEqual(node.answers[read].flatMap(\.text), "1")
        XCTAssertNil(node.answers[second])
    }

    func testAConfirmationIsAskedForAgain() {
        _ = node.request(.get)
        node.pass(100)
        node.forgetSent()
        node.pass(250)
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [1])
    }

    func testNoMoreAreAskedToConfirmThanAreNeeded() {
        let read = node.request(.get)
        XCTAssertEqual(node.takeSent(to: 2, \.confirm).map(\.round), [1])
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [])
        node.receive(.replica(node.header(ballot), .confirmed(round: 1)), from: 2)
        XCTAssertEqual(node.answers[read].flatMap(\.text), "v")
        node.pass(100)
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [])
    }

    func testWhoIsLateWithAConfirmationIsNotReliedOnForAWhile() {
        let read = node.request(.get)
        node.pass(10)
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [], "it may yet come")
        node.pass(20)
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [1])
        node.receive(.replica(node.header(ballot), .confirmed(round: 1)), from: 3)
        XCTAssertEqual(node.answers[read].flatMap(\.text), "v")
        node.forgetSent()
        let next = node.request(.get)
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [2], "asked at once")
        node.receive(.replica(node.header(ballot), .confirmed(round: 2)), from: 3)
        XCTAssertEqual(node.answers[next].flatMap(\.text), "v")
        node.pass(1000)
        node.forgetSent()
        _ = node.request(.get)
        XCTAssertEqual(node.takeSent(to: 2, \.confirm).map(\.round), [3], "it is tried again")
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [])
    }

    /// One of the two replicas that are asked confirms every round, and the other confirms none. Rounds wait for both.
    func testWhoConfirmsEveryRoundDoesNotHideWhoConfirmsNone() {
        let five = ManualNode(1, replicas: [1, 2, 3, 4, 5])
        let ballot = five.lead(with: [2, 3])
        five.up(4, 5)
        five.forgetSent()
        var first: RequestID?
        for _ in 0..<4 {
            let read = five.request(.get)
            first = first ?? read
            for confirm in five.takeSent(to: 2, \.confirm) {
                five.receive(.replica(five.header(ballot), .confirmed(round: confirm.round)), from: 2)
            }
            five.pass(10)
        }
        let asked = five.takeSent(to: 4, \.confirm).map(\.round)
        XCTAssertEqual(asked.isEmpty, false, "the others are asked within two or three timers")
        five.receive(.replica(five.header(ballot), .confirmed(round: asked.first ?? 0)), from: 4)
        XCTAssertEqual(first.flatMap { five.answers[$0] }, .absent)
        five.forgetSent()
        _ = five.request(.get)
        XCTAssertEqual(five.takeSent(to: 3, \.confirm).count, 0, "nothing rests on it for a while")
    }

    func testWhenThatReplicaGoesTheOthersAreAskedAtOnce() {
        _ = node.request(.get)
        node.forgetSent()
        node.down(2)
        XCTAssertEqual(node.takeSent(to: 3, \.confirm).map(\.round), [1])
    }

    func testAValueOnDiskIsLoaded() {
        node.store.readsFromDisk = true
        let read = node.request(.get)
        node.confirm()
        XCTAssertNil(node.answers[read])
        node.completeLoads()
        XCTAssertEqual(node.answers[read].flatMap(\.text), "v")
    }

    func testAListWaitsForTheChangesItShows() {
        let put = node.request(.put("w"), "new")
        let list = node.request(.list)
        node.confirm()
        XCTAssertNil(node.answers[list])
        node.choose()
        XCTAssertNotNil(node.answers[put])
        guard case .listed(let keys, let more)? = node.answers[list] else { return XCTFail("not listed") }
        XCTAssertEqual(Set(keys), ["k", "new"])
        XCTAssertFalse(more)
    }

    func testAListLeavesOutTombstonesAndTheExpired() {
        _ = node.request(.delete(.always))
        _ = node.request(.put("w", lifetime: .milliseconds(10)), "brief")
        node.choose()
        node.pass(20)
        let list = node.request(.list)
        node.choose()
        node.confirm()
        XCTAssertEqual(node.answers[list], .listed(keys: [], more: false))
    }
}

/// Tests reads at a leader that is the only replica, and so a majority by itself.
final class LoneReadTests: XCTestCase {
    private let version = Version(1, 1, 1)

    private func node(_ records: [Key: Record]) -> ManualNode {
        let node = ManualNode(1, replicas: [1], store: ManualStore(records))
        node.pass(500)
        node.sync()
        XCTAssertTrue(node.shard.isSettled(ManualNode.partition))
        return node
    }

    private func answerAtOnce(_ node: ManualNode, _ command: Command = .get) -> Outcome? {
        node.answer(atOnce: command)
    }

    func testAReadIsAnsweredBeforeTheTickEnds() {
        let node = node(["k": Record(version, "v")])
        let read = node.ask(.get)
        XCTAssertEqual(node.answers[read]?.text, "v")
        XCTAssertEqual(answerAtOnce(node)?.text, "v")
        XCTAssertNil(answerAtOnce(node, .put("w")), "a change is not answered at once")
    }

    func testAKeyInFlightIsWaitedFor() {
        let node = node(["k": Record(version, "v")])
        _ = node.request(.put("w"))
        XCTAssertNil(answerAtOnce(node))
        let read = node.request(.get)
        XCTAssertNil(node.answers[read])
        node.sync()
        XCTAssertEqual(node.answers[read].flatMap(\.text), "w")
        XCTAssertEqual(answerAtOnce(node)?.text, "w")
    }

    func testWhatIsOnDiskIsLoadedAsEver() {
        let node = node(["k": Record(version, "v")])
        node.store.readsFromDisk = true
        XCTAssertNil(answerAtOnce(node))
        let read = node.request(.get)
        XCTAssertNil(node.answers[read])
        node.completeLoads()
        XCTAssertEqual(node.answers[read].flatMap(\.text), "v")
    }

    func testNothingAndATombstoneAreAbsent() {
        XCTAssertEqual(answerAtOnce(node([:])), .absent)
        XCTAssertEqual(answerAtOnce(node(["k": Record(version: version, value: nil)])), .absent)
    }

    /// The expired record is an earlier leader's. The read is answered only when a tombstone is above it.
    func testWhatHasExpiredGetsATombstoneFirst() {
        let node = node(["k": Record(version: version, expiry: Expiry(milliseconds: 1), value: [1])])
        XCTAssertNil(answerAtOnce(node))
        let read = node.request(.get)
        XCTAssertNil(node.answers[read])
        node.sync()
        XCTAssertEqual(node.answers[read], .absent)
    }

    func testOneOfThreeAsksTheOthers() {
        let node = ManualNode(1, store: ManualStore(["k": Record(version, "v")]))
        _ = node.lead()
        XCTAssertNil(answerAtOnce(node))
    }
}
