import KVCore
import XCTest

/// A leader answers reads from memory while a majority supports it.
final class LeaseTests: XCTestCase {
    // MARK: The leader

    /// Node 1, which leads. Its promise mark of node 2 is known.
    private func leader() -> (node: ManualNode, ballot: Ballot) {
        let node = ManualNode(1, store: ManualStore(["k": Record(Version(1, 1, 1), "v")]), lease: .milliseconds(500))
        node.give(.reads(.lease))
        let ballot = node.lead()
        node.forgetSent()
        return (node, ballot)
    }

    private func confirm(
        _ node: ManualNode, _ ballot: Ballot, round: UInt64, mark: PromiseMark? = PromiseMark(boot: 1, taken: 0)
    ) {
        node.receive(.replica(node.header(ballot), .confirmed(round: round, mark: mark)), from: 2)
    }

    private func questions(_ node: ManualNode, to peer: UInt16 = 2) -> [SupportQuestion] {
        node.takeSent(to: peer) { if case .shards(.supportWanted(let question)) = $0 { question } else { nil } }
    }

    private func support(_ node: ManualNode, _ question: SupportQuestion?, boot: UInt64 = 1, taken: [UInt64] = [0]) {
        guard let question else { return XCTFail("support is asked for") }
        node.receive(.shards(.support(SupportAnswer(question: question, boot: boot, taken: taken))), from: 2)
    }

    private func isTransfer(_ message: PeerMessage) -> Bool? {
        if case .replica(_, .transfer) = message { true } else { nil }
    }

    /// Whether a read is answered without a message to a peer.
    private func isAnsweredAtOnce(_ node: ManualNode) -> Bool {
        node.forgetSent()
        let read = node.request(.get)
        return node.answers[read]?.text == "v" && !node.hasSent(\.confirm)
    }

    /// A leader whose support by node 2 counts from the time that is returned.
    private func supported(taken: [UInt64] = [0], boot: UInt64 = 1) -> (node: ManualNode, ballot: Ballot) {
        let (node, ballot) = leader()
        _ = node.request(.get)
        confirm(node, ballot, round: 1)
        node.pass(10)
        support(node, questions(node).last, boot: boot, taken: taken)
        return (node, ballot)
    }

    func testReadsAreAnsweredAtOnceForAsLongAsAMajoritySupportsTheLeader() {
        let (node, _) = supported()
        XCTAssertTrue(isAnsweredAtOnce(node))
        node.pass(440)
        XCTAssertTrue(isAnsweredAtOnce(node), "450 ms count of the 500 ms")
        node.pass(10)
        XCTAssertFalse(isAnsweredAtOnce(node))
    }

    func testSupportIsAskedForFourTimesInItsTimeWhileThereAreReads() {
        let (node, _) = leader()
        node.pass(1000)
        XCTAssertEqual(questions(node), [], "nothing is read")
        _ = node.request(.get)
        node.pass(1000)
        XCTAssertEqual(questions(node).count, 8, "every 130 ms")
        XCTAssertEqual(questions(node, to: 3).count, 8)
        node.pass(1000)
        node.forgetSent()
        node.pass(1000)
        XCTAssertEqual(questions(node), [], "the last read is long ago")
    }

    func testSupportCountsFromWhenItWasAskedFor() {
        let (node, ballot) = leader()
        _ = node.request(.get)
        confirm(node, ballot, round: 1)
        node.pass(10)
        let first = questions(node).first
        node.pass(300)
        support(node, first)
        node.pass(140)
        XCTAssertTrue(isAnsweredAtOnce(node))
        node.pass(10)
        XCTAssertFalse(isAnsweredAtOnce(node))
    }

    func testAnEarlierAnswerDoesNotShortenSupport() {
        let (node, ballot) = leader()
        _ = node.request(.get)
        confirm(node, ballot, round: 1)
        node.pass(140)
        let asked = questions(node)
        support(node, asked.last)
        support(node, asked.first, taken: [7])
        XCTAssertTrue(isAnsweredAtOnce(node))
    }

    func testSupportCoversOnlyWhatWasConfirmedByTheSameProcessWithoutALossSince() {
        XCTAssertFalse(isAnsweredAtOnce(supported(taken: [1]).node), "a promise has been taken away")
        XCTAssertFalse(isAnsweredAtOnce(supported(boot: 2).node), "another process")
        XCTAssertTrue(isAnsweredAtOnce(supported(taken: [0, 9]).node), "the partition is in the first of two shards")
        XCTAssertFalse(isAnsweredAtOnce(supported(taken: [9, 0]).node))
        let (node, ballot) = supported(taken: [1])
        let read = node.request(.get)
        confirm(
            node, ballot, round: node.takeSent(to: 2, \.confirm).last?.round ?? 0, mark: PromiseMark(boot: 1, taken: 1))
        XCTAssertEqual(node.answers[read]?.text, "v")
        XCTAssertTrue(isAnsweredAtOnce(node), "it was confirmed anew")
    }

    func testAPromiseThatACrashCouldUndoIsNotCovered() {
        let (node, ballot) = leader()
        _ = node.request(.get)
        confirm(node, ballot, round: 1, mark: nil)
        node.pass(10)
        support(node, questions(node).last)
        XCTAssertFalse(isAnsweredAtOnce(node))
    }

    func testAnswersToOtherQuestionsThanThisProcesssCountForNothing() {
        for foreign in [
            SupportQuestion(asked: ManualNode.start.monotonic + .milliseconds(60), boot: 7),
            SupportQuestion(asked: ManualNode.start.monotonic + .milliseconds(3_600_000), boot: 1),
        ] {
            let (node, ballot) = leader()
            _ = node.request(.get)
            confirm(node, ballot, round: 1)
            support(node, foreign)
            XCTAssertFalse(isAnsweredAtOnce(node))
        }
    }

    func testWithConfirmNothingIsAskedForAndSupportIsNotUsed() {
        let (node, _) = supported()
        node.give(.reads(.confirm))
        XCTAssertFalse(isAnsweredAtOnce(node))
        node.pass(500)
        XCTAssertEqual(questions(node), [])
        node.give(.reads(.lease))
        _ = node.request(.get)
        node.pass(20)
        XCTAssertFalse(questions(node).isEmpty)
    }

    func testALeaderThatHasAskedASuccessorDoesNotUseSupport() {
        // Node 2 is preferred to node 1.
        let node = ManualNode(
            1, replicas: [2, 1, 3], store: ManualStore(["k": Record(Version(1, 1, 1), "v")]),
            lease: .milliseconds(500))
        node.give(.reads(.lease))
        node.up(2, 3)
        node.pass(600)
        let ballot = node.lead()
        _ = node.request(.get)
        confirm(node, ballot, round: 1)
        node.pass(10)
        support(node, questions(node).last)
        XCTAssertTrue(isAnsweredAtOnce(node))
        while !node.hasSent(isTransfer), node.now.monotonic < ManualNode.start.monotonic + .milliseconds(5000) {
            support(node, SupportQuestion(asked: node.now.monotonic, boot: 1))
            node.pass(10)
        }
        XCTAssertTrue(node.hasSent(isTransfer))
        // It takes the lead back.
        node.receive(.replica(node.header(ballot), .preVoteResult(granted: false, promised: ballot)), from: 2)
        support(node, SupportQuestion(asked: node.now.monotonic, boot: 1))
        XCTAssertFalse(isAnsweredAtOnce(node))
        XCTAssertGreaterThan(node.promise, ballot, "it goes on under a ballot that it has not offered to anybody")
    }

    /// What is looked up after the clock was looked at waits for another look.
    func testALookAtTheClockComesLast() {
        let (node, _) = supported()
        node.forgetSent()
        _ = node.request(.put("w", lifetime: .milliseconds(100_000)), "x")
        // It waits until the record before it is chosen.
        let change = node.request(.put("w", .ifAbsent), "x")
        for accept in node.takeSent(to: 2, \.accept) {
            node.receive(.replica(accept.header, .accepted(version: accept.record.version)), from: 2)
        }
        // The shard finds out while it ends a tick.
        node.store.sync()
        node.tick()
        XCTAssertNil(node.answers[change])
        XCTAssertTrue(node.shard.wantsLook)
        node.tick()
        guard case .conditionFailed = node.answers[change] else { return XCTFail("\(node.answers)") }
        XCTAssertFalse(node.shard.wantsLook)
        XCTAssertFalse(node.hasSent(\.confirm))
    }

    // MARK: The supporter

    /// Node 3, which has promised node 1's ballot. The process began long ago.
    private func follower() -> ManualNode {
        let node = ManualNode(3, lease: .milliseconds(500))
        node.give(.reads(.lease))
        node.up(1, 2)
        node.pass(600)
        node.receive(.replica(node.header(Ballot(5, 1)), .prepare), from: 1)
        node.sync()
        node.forgetSent()
        return node
    }

    private func ask(_ node: ManualNode, from peer: UInt16 = 1) {
        node.receive(.shards(.supportWanted(SupportQuestion(asked: Instant(nanoseconds: 5), boot: 8))), from: peer)
    }

    private func answers(_ node: ManualNode, to peer: UInt16 = 1) -> [SupportAnswer] {
        node.takeSent(to: peer) { if case .shards(.support(let answer)) = $0 { answer } else { nil } }
    }

    func testAnAnswerRepeatsTheQuestion() {
        let node = follower()
        ask(node)
        let question = SupportQuestion(asked: Instant(nanoseconds: 5), boot: 8)
        XCTAssertEqual(answers(node), [SupportAnswer(question: question, boot: 1, taken: [0])])
        ask(node, from: 9)
        XCTAssertEqual(answers(node, to: 9), [], "it is no member")
    }

    func testWhileItSupportsANodeItPromisesNobodyElse() {
        let node = follower()
        ask(node)
        // Its leader's node is gone.
        node.down(1)
        node.pass(480)
        node.receive(.replica(node.header(Ballot(6, 2)), .preVote), from: 2)
        let granted = node.takeSent(to: 2) { message in
            if case .replica(_, .preVoteResult(let granted, _)) = message { granted } else { nil }
        }
        XCTAssertEqual(granted, [false])
        node.receive(.replica(node.header(Ballot(6, 2)), .prepare), from: 2)
        XCTAssertEqual(node.promise, Ballot(5, 1))
        XCTAssertFalse(node.hasSent(\.preVote), "and does not stand itself")
        node.pass(20)
        node.receive(.replica(node.header(Ballot(6, 2)), .prepare), from: 2)
        XCTAssertEqual(node.promise, Ballot(6, 2))
    }

    func testTheNodeItselfMayTakeItsPromisesOver() {
        let node = follower()
        ask(node)
        node.receive(.replica(node.header(Ballot(6, 1)), .prepare), from: 1)
        XCTAssertEqual(node.promise, Ballot(6, 1))
        ask(node)
        XCTAssertEqual(answers(node).last?.taken, [0], "nothing was taken away")
    }

    func testASuccessorThatWasAskedIsPromised() {
        let node = follower()
        ask(node)
        node.receive(.replica(node.header(Ballot(6, 2)), .prepareAfter(released: Ballot(4, 1))), from: 2)
        XCTAssertEqual(node.promise, Ballot(5, 1), "another lead has been given up")
        node.receive(.replica(node.header(Ballot(6, 2)), .prepareAfter(released: Ballot(5, 1))), from: 2)
        XCTAssertEqual(node.promise, Ballot(6, 2))
        ask(node)
        XCTAssertEqual(answers(node).last?.taken, [0])
    }

    func testItStandsAtOnceWhereTheLeaderAsksIt() {
        let node = follower()
        ask(node)
        node.receive(.replica(node.header(Ballot(5, 1)), .transfer), from: 1)
        node.sync()
        let released = node.takeSent(to: 2) { message in
            if case .replica(_, .prepareAfter(let released)) = message { released } else { nil }
        }
        XCTAssertEqual(released, [Ballot(5, 1)])
    }

    func testPromisesThatAreTakenAwayAreCounted() {
        let node = follower()
        ask(node)
        // A majority has elected another leader, without this node.
        node.receive(.replica(node.header(Ballot(6, 2)), .confirm(round: 3)), from: 2)
        XCTAssertEqual(node.promise, Ballot(6, 2))
        ask(node)
        XCTAssertEqual(answers(node).last?.taken, [1])
        let marks = node.takeSent(to: 2) { message in
            if case .replica(_, .confirmed(_, let mark)) = message { mark } else { nil }
        }
        XCTAssertEqual(marks, [], "the promise is not synced")
        node.sync()
        node.receive(.replica(node.header(Ballot(6, 2)), .confirm(round: 4)), from: 2)
        let mark = node.takeSent(to: 2) { message in
            if case .replica(_, .confirmed(_, let mark)) = message { mark } else { nil }
        }
        XCTAssertEqual(mark, [PromiseMark(boot: 1, taken: 0)], "none of node 2's was")
    }

    func testAProcessThatHasJustStartedSupportsWhoeverHasItsPromises() {
        let store = ManualStore(["k": Record(Version(5, 1, 1), "v")])
        let node = ManualNode(3, store: store, lease: .milliseconds(500))
        node.up(2)
        node.pass(490)
        node.receive(.replica(node.header(Ballot(6, 2)), .prepare), from: 2)
        XCTAssertEqual(node.promise, Ballot(5, 1))
        node.pass(10)
        node.receive(.replica(node.header(Ballot(6, 2)), .prepare), from: 2)
        XCTAssertEqual(node.promise, Ballot(6, 2))
    }

    func testANodeThatConfirmsGivesNoSupport() {
        let node = follower()
        ask(node)
        XCTAssertEqual(answers(node).count, 1)
        node.give(.reads(.confirm))
        ask(node)
        XCTAssertEqual(answers(node), [])
        XCTAssertTrue(node.notices.contains(.unsupported(NodeNumber(1))))
        node.receive(.replica(node.header(Ballot(6, 2)), .prepare), from: 2)
        XCTAssertEqual(node.promise, Ballot(5, 1), "what it has given before holds")
    }

    /// A promise of a node that has left the replica set binds for one more lease, although the node is supported on.
    func testTheHolderOfAPromiseThatHasLeftTheSetIsNotWaitedFor() {
        let node = follower()
        ask(node)
        let replicas = [2, 3, 4].map { NodeNumber(UInt16($0)) }
        var topology = ManualNode.topology(Assignment(replicas: replicas, changed: 2), members: 4)
        topology.epoch = 2
        node.give(.topology(topology))
        let header = PartitionHeader(partition: ManualNode.partition, epoch: 2, ballot: Ballot(6, 2))
        for _ in 0..<4 {
            ask(node)
            node.receive(.replica(header, .prepare), from: 2)
            XCTAssertEqual(node.promise, Ballot(5, 1), "what was answered before still counts")
            node.pass(100)
        }
        XCTAssertEqual(answers(node).last?.taken, [1], "what is answered since does not cover the partition")
        node.pass(110)
        ask(node)
        node.receive(.replica(header, .prepare), from: 2)
        XCTAssertEqual(node.promise, Ballot(6, 2))
    }

    /// Whoever has promised a candidate leads no more, which frees those that support it.
    func testACandidateNamesThoseThatHavePromised() {
        let node = ManualNode(1, replicas: [1, 2, 3, 4, 5], lease: .milliseconds(500))
        node.up(2, 3, 4, 5)
        node.pass(50)
        for peer in [2, 3] as [UInt16] {
            for preVote in node.takeSent(to: peer, \.preVote) {
                node.receive(.replica(preVote, .preVoteResult(granted: true, promised: .zero)), from: peer)
            }
        }
        node.sync()
        XCTAssertEqual(node.takeSent(to: 4, \.prepare).count, 1)
        for header in node.takeSent(to: 2, \.prepare) {
            node.receive(.replica(header, .promise(root: Digest(), contents: 0, floor: .zero)), from: 2)
        }
        XCTAssertFalse(node.leads)
        node.pass(300)
        let released = node.takeSent(to: 4) { message in
            if case .replica(_, .prepareAfter(let released)) = message { released } else { nil }
        }
        XCTAssertEqual(released.first, Ballot(node.promise.round - 1, 2), "its highest ballot below this one")
    }

    /// Others may be bound to a leader that has given up its lead and does not stand again.
    func testALeaderThatCannotLeadAsksOneReplicaAfterAnother() {
        let (node, ballot) = leader()
        _ = node.request(.put("w"))
        // The disk takes nothing any more.
        node.pass(1600)
        XCTAssertFalse(node.leads)
        let asked = [2, 3].map { peer in
            node.takeSent(to: UInt16(peer)) { message -> Ballot? in
                if case .replica(let header, .transfer) = message { header.ballot } else { nil }
            }
        }
        for ballots in asked {
            XCTAssertFalse(ballots.isEmpty)
            XCTAssertTrue(ballots.allSatisfy { $0 == ballot })
        }
    }

    /// Of two replicas that could confirm, the one that gives support is asked.
    func testWhoGivesSupportIsAskedToConfirm() {
        let (node, ballot) = leader()
        _ = node.request(.get)
        confirm(node, ballot, round: 1, mark: nil)
        node.pass(10)
        guard let question = questions(node, to: 3).last else { return XCTFail("support is asked for") }
        node.receive(.shards(.support(SupportAnswer(question: question, boot: 1, taken: [0]))), from: 3)
        node.forgetSent()
        _ = node.request(.get)
        guard let confirm = node.takeSent(to: 3, \.confirm).last else { return XCTFail("node 3 supports it") }
        XCTAssertFalse(node.hasSent(\.confirm))
        node.receive(
            .replica(confirm.header, .confirmed(round: confirm.round, mark: PromiseMark(boot: 1, taken: 0))), from: 3)
        XCTAssertTrue(isAnsweredAtOnce(node))
    }
}
