import KVCore
import XCTest

/// Tests operations at a leader whose partition is not settled.
final class RecoveryTests: XCTestCase {
    private let own = Record(Version(1, 1, 5), "own")
    private let later = Record(Version(2, 3, 1), "later")

    private func unsettled(_ records: [Key: Record]) -> ManualNode {
        let node = ManualNode(1, store: ManualStore(records))
        node.lead(rootOfOther: Digest(high: 1, low: 1))
        node.forgetSent()
        return node
    }

    /// Has node 2 answer the leader's read with `record`.
    private func tell(_ record: Record?, to node: ManualNode) {
        let reads = node.takeSent(to: 2, \.read)
        XCTAssertEqual(reads.count, 1)
        for read in reads {
            node.receive(.replica(read.header, .readResult(id: read.id, key: read.key, record: record)), from: 2)
        }
    }

    func testWhatAMajorityHoldsIsChosenAndStaysAsItIs() {
        let node = unsettled(["k": own])
        let read = node.request(.get)
        XCTAssertFalse(node.hasSent(\.confirm))
        tell(own, to: node)
        XCTAssertFalse(node.hasSent(\.accept), "nothing is proposed again")
        node.confirm()
        XCTAssertEqual(node.answers[read], .found(own))
    }

    func testWhatIsNotOnAMajorityIsProposedAgain() {
        let node = unsettled(["k": own])
        let read = node.request(.get)
        tell(nil, to: node)
        node.confirm()
        XCTAssertNil(node.answers[read], "accepted is not chosen")
        node.choose()
        XCTAssertEqual(node.answers[read].flatMap(\.text), "own")
        XCTAssertEqual(node.store.records["k"]?.version, Version(ballot: node.promise, sequence: 1))
    }

    func testTheHighestVersionWins() {
        let node = unsettled(["k": own])
        let read = node.request(.get)
        tell(later, to: node)
        node.choose()
        node.confirm()
        XCTAssertEqual(node.answers[read].flatMap(\.text), "later")
        XCTAssertEqual(node.value(), "later")
    }

    func testWhatNobodyOfAMajorityHoldsIsAbsent() {
        let node = unsettled([:])
        let put = node.request(.put("v", .ifAbsent))
        XCTAssertFalse(node.hasSent(\.accept))
        tell(nil, to: node)
        node.choose()
        XCTAssertNotNil(node.answers[put]?.version)
    }

    func testAConditionIsHeldAgainstTheRecoveredRecord() {
        let node = unsettled(["k": own])
        let put = node.request(.put("v", .ifVersion(own.version)))
        tell(own, to: node)
        node.choose()
        XCTAssertEqual(node.answers[put]?.version, Version(ballot: node.promise, sequence: 1))
    }

    func testABlindPutNeedsNoRead() {
        let node = unsettled(["k": own])
        let put = node.request(.put("v"))
        XCTAssertFalse(node.hasSent(\.read))
        node.choose()
        XCTAssertNotNil(node.answers[put]?.version)
    }

    func testTheLeadersOwnCopyIsLoadedToBeProposedAgain() {
        let node = unsettled(["k": own])
        node.store.readsFromDisk = true
        let put = node.request(.put("v", .ifPresent))
        tell(nil, to: node)
        XCTAssertFalse(node.hasSent(\.accept))
        node.completeLoads()
        node.choose()
        XCTAssertNotNil(node.answers[put]?.version)
        XCTAssertEqual(node.value(), "v")
    }

    func testOperationsOfOneKeyShareItsRecovery() {
        let node = unsettled(["k": own])
        let read = node.request(.get)
        let failing = node.request(.put("v", .ifAbsent))
        tell(own, to: node)
        node.confirm()
        XCTAssertEqual(node.answers[read], .found(own))
        XCTAssertEqual(node.answers[failing], .conditionFailed(own.version))
    }

    func testAReadIsSentAgainAndForgottenWhenNobodyWaitsForIt() {
        let node = unsettled(["k": own])
        let put = node.request(.put("v", .ifPresent), timeout: 1000)
        node.forgetSent()
        node.pass(300)
        XCTAssertFalse(node.takeSent(to: 3, \.read).isEmpty)
        node.pass(800)
        XCTAssertEqual(node.answers[put], .refused(.noLeader))
        node.forgetSent()
        node.pass(1000)
        XCTAssertFalse(node.hasSent(\.read))
    }

    func testAnAnswerUnderAnotherBallotOrOfAnotherReadIsIgnored() {
        let node = unsettled(["k": own])
        let read = node.request(.get)
        let asked = node.takeSent(to: 2, \.read)[0]
        node.receive(.replica(node.header(Ballot(1, 1)), .readResult(id: asked.id, key: "k", record: own)), from: 2)
        node.receive(.replica(asked.header, .readResult(id: asked.id + 1, key: "k", record: own)), from: 2)
        node.receive(.replica(asked.header, .readResult(id: asked.id, key: "k", record: own)), from: 4)
        XCTAssertFalse(node.hasSent(\.confirm))
        XCTAssertNil(node.answers[read])
    }
}
