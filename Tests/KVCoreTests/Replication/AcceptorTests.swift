import KVCore
import XCTest

final class AcceptorTests: XCTestCase {
    private let node = ManualNode(1)

    private func answers() -> [PeerMessage] {
        defer { node.forgetSent() }
        return node.sent.map(\.message)
    }

    func testAPromiseIsToldWhenItIsDurable() {
        let header = node.header(Ballot(5, 2))
        node.receive(.prepare(header), from: 2)
        XCTAssertEqual(answers(), [])
        node.sync()
        XCTAssertEqual(answers(), [.promise(header, root: Digest(), contents: 0, floor: .zero)])
    }

    func testARecordIsAcceptedWhenItIsDurable() {
        let header = node.header(Ballot(5, 2))
        node.receive(.accept(header, key: "k", record: Record(Version(5, 2, 1), "v")), from: 2)
        XCTAssertEqual(answers(), [])
        node.sync()
        XCTAssertEqual(answers(), [.accepted(header, version: Version(5, 2, 1))])
        XCTAssertEqual(node.promise, Ballot(5, 2), "it has raised the promise")
    }

    func testAPromiseWaitsForASyncAndRecordsUnderItDoNot() {
        let header = node.header(Ballot(5, 2))
        node.receive(.prepare(header), from: 2)
        node.write()
        XCTAssertEqual(answers(), [], "it would not survive power loss")
        node.receive(.accept(header, key: "a", record: Record(Version(5, 2, 1), "v")), from: 2)
        node.write()
        XCTAssertEqual(answers(), [], "it rests on the promise")
        node.sync()
        XCTAssertEqual(
            answers(),
            [.promise(header, root: Digest(), contents: 0, floor: .zero), .accepted(header, version: Version(5, 2, 1))])
        node.receive(.accept(header, key: "a", record: Record(Version(5, 2, 2), "w")), from: 2)
        XCTAssertEqual(answers(), [])
        node.write()
        XCTAssertEqual(answers(), [.accepted(header, version: Version(5, 2, 2))], "by the mode, it is durable")
    }

    func testWhatIsBelowThePromiseIsRejected() {
        node.receive(.prepare(node.header(Ballot(5, 2))), from: 2)
        node.sync()
        _ = answers()
        let old = node.header(Ballot(4, 3))
        node.receive(.accept(old, key: "k", record: Record(Version(4, 3, 1), "v")), from: 3)
        node.receive(.confirm(old, round: 1), from: 3)
        node.receive(.read(old, id: 1, key: "k"), from: 3)
        node.receive(.prepare(old), from: 3)
        XCTAssertEqual(answers(), Array(repeating: .reject(node.header(Ballot(5, 2))), count: 4))
        XCTAssertNil(node.value())
    }

    func testAnOlderRecordDoesNotReplaceALaterOne() {
        let header = node.header(Ballot(5, 2))
        node.receive(.accept(header, key: "k", record: Record(Version(5, 2, 2), "new")), from: 2)
        node.receive(.accept(header, key: "k", record: Record(Version(5, 2, 1), "old")), from: 2)
        node.sync()
        XCTAssertEqual(node.value(), "new")
        XCTAssertEqual(
            answers(),
            [.accepted(header, version: Version(5, 2, 2)), .accepted(header, version: Version(5, 2, 1))],
            "who holds a later record has passed the earlier one")
    }

    func testARecordAboveItsBearersBallotIsIgnored() {
        node.receive(
            .accept(node.header(Ballot(5, 2)), key: "k", record: Record(Version(6, 2, 1), "v")), from: 2)
        node.sync()
        XCTAssertEqual(answers(), [])
        XCTAssertNil(node.value())
    }

    func testNobodySpeaksForAnother() {
        node.receive(.prepare(node.header(Ballot(5, 3))), from: 2)
        node.receive(.prepare(node.header(Ballot(5, 4))), from: 4)
        node.sync()
        XCTAssertEqual(answers(), [])
        XCTAssertEqual(node.promise, .zero)
    }

    func testARequestFromBeforeTheLastChangeIsOutdated() {
        let old = PartitionHeader(partition: ManualNode.partition, epoch: 0, ballot: Ballot(5, 2))
        node.receive(.prepare(old), from: 2)
        XCTAssertEqual(answers(), [.outdated(epoch: 1)])
        XCTAssertEqual(node.promise, .zero)
    }

    func testAPeekTellsOnlyWhatIsDurable() {
        let record = Record(Version(5, 2, 1), "v")
        node.receive(.accept(node.header(Ballot(5, 2)), key: "k", record: record), from: 2)
        node.receive(.peek(RequestID(9), epoch: 1, partition: ManualNode.partition, key: "k"), from: 3)
        XCTAssertEqual(answers(), [])
        node.sync()
        XCTAssert(answers().contains(.peeked(RequestID(9), record: record)))
    }

    func testAReadFromDiskIsAnsweredWhenItIsLoaded() {
        let record = Record(Version(4, 2, 1), "v")
        let node = ManualNode(1, store: ManualStore(["k": record]))
        node.store.readsFromDisk = true
        let header = node.header(Ballot(5, 2))
        node.receive(.read(header, id: 3, key: "k"), from: 2)
        node.sync()
        XCTAssertEqual(node.sent, [])
        node.completeLoads()
        XCTAssertEqual(node.sent.map(\.message), [.readResult(header, id: 3, key: "k", record: record)])
    }

    func testWithAFullDiskValuesAreLeftUnansweredAndTombstonesTaken() {
        node.store.acceptsWrites = false
        let header = node.header(Ballot(5, 2))
        node.receive(.accept(header, key: "j", record: Record(Version(5, 2, 1), "v")), from: 2)
        node.sync()
        XCTAssertEqual(
            answers(), [.accepted(header, version: Version(5, 2, 1))], "a leader that could write is followed")
        node.store.acceptsCopies = false
        node.receive(.accept(header, key: "k", record: Record(Version(5, 2, 1), "v")), from: 2)
        node.sync()
        XCTAssertEqual(answers(), [])
        node.receive(.accept(header, key: "k", record: Record(Version(5, 2, 2), nil)), from: 2)
        node.sync()
        XCTAssertEqual(answers(), [.accepted(header, version: Version(5, 2, 2))])
    }

    /// Its disk does not answer, and a leader asks again and again.
    func testNoMoreAnswersWaitForTheDiskThanMay() {
        var options = ShardOptions()
        options.maximumDeferred = 10
        let node = ManualNode(1, options: options)
        let header = node.header(Ballot(5, 2))
        for _ in 0..<100 {
            node.receive(.accept(header, key: "k", record: Record(Version(5, 2, 1), "v")), from: 2)
        }
        node.sync()
        XCTAssertEqual(node.sent.count, 10)
        node.forgetSent()
        node.receive(.accept(header, key: "k", record: Record(Version(5, 2, 1), "v")), from: 2)
        XCTAssertEqual(node.sent.count, 1, "asked again, it answers")
    }

    func testNoMoreMessagesOfLaterConfigurationsAreKeptThanMay() {
        var options = ShardOptions()
        options.maximumEarly = 3
        let node = ManualNode(1, options: options)
        for round in 1...5 as ClosedRange<UInt64> {
            let header = PartitionHeader(partition: ManualNode.partition, epoch: 9, ballot: Ballot(round, 2))
            node.receive(.prepare(header), from: 2)
        }
        node.forgetSent()
        let later = Assignment(replicas: [1, 2, 3].map { NodeNumber($0) }, changed: 9)
        node.give(.topology(ManualNode.topology(later)))
        node.sync()
        let promises = node.sent.count { if case .promise = $0.message { true } else { false } }
        XCTAssertEqual(promises, 3)
    }

    /// By bytes as well: of values, and of keys in whatever message.
    func testNoMoreBytesOfLaterConfigurationsAreKeptThanMay() {
        let header = PartitionHeader(partition: ManualNode.partition, epoch: 9, ballot: Ballot(5, 2))
        let long = Key(Array(repeating: 7, count: 10_000))
        let record = Record(Version(5, 2, 1), String(repeating: "v", count: 10_000))
        for message in [PeerMessage.accept(header, key: "k", record: record), .read(header, id: 1, key: long)] {
            var options = ShardOptions()
            options.maximumEarlyBytes = 35_000
            let node = ManualNode(1, options: options)
            for _ in 0..<3 { node.receive(message, from: 2) }
            // The fourth does not fit any more, and what is small still does.
            node.receive(.accept(header, key: "late", record: record), from: 2)
            node.receive(.prepare(header), from: 2)
            node.forgetSent()
            let later = Assignment(replicas: [1, 2, 3].map { NodeNumber($0) }, changed: 9)
            node.give(.topology(ManualNode.topology(later)))
            node.sync()
            let promises = node.sent.count { if case .promise = $0.message { true } else { false } }
            XCTAssertEqual(promises, 1)
            XCTAssertNil(node.store.records["late"], "\(message)")
        }
    }

    func testDamagedNumbersOfPeersAreHarmless() {
        let nowhere = PartitionHeader(partition: PartitionID(.max), epoch: 1, ballot: Ballot(5, 2))
        node.receive(.prepare(nowhere), from: 2)
        node.receive(
            .leading(epoch: .max, [Leadership(partition: PartitionID(.max), ballot: Ballot(raw: .max))]), from: 2)
        node.receive(.entries(node.header(Ballot(5, 2)), leaf: .max), from: 2)
        node.receive(.leavesResult(node.header(.zero), floor: .zero, leaves: [], contents: []), from: 2)
        node.receive(.confirmed(node.header(.zero), round: .max), from: 2)
        node.receive(.accepted(node.header(.zero), version: Version(ballot: .zero, sequence: .max)), from: 2)
        node.receive(.forwarded(RequestID(1), .notLeader(hint: NodeNumber(.max))), from: 2)
        node.receive(.peeked(RequestID(1), record: nil), from: 2)
        node.receive(
            .forward(
                RequestID(1), epoch: 1, timeout: Span(nanoseconds: .max), key: "k", partition: PartitionID(.max),
                command: .get), from: 2)
        XCTAssertEqual(answers(), [.forwarded(RequestID(1), .notLeader(hint: nil))])
    }
}
