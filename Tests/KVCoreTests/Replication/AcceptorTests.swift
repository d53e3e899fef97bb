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
        node.receive(.replica(header, .prepare), from: 2)
        XCTAssertEqual(answers(), [])
        node.sync()
        XCTAssertEqual(answers(), [.replica(header, .promise(root: Digest(), contents: 0, floor: .zero))])
    }

    func testARecordIsAcceptedWhenItIsDurable() {
        let header = node.header(Ballot(5, 2))
        node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 2, 1), "v"))), from: 2)
        XCTAssertEqual(answers(), [])
        node.sync()
        XCTAssertEqual(answers(), [.replica(header, .accepted(version: Version(5, 2, 1)))])
        XCTAssertEqual(node.promise, Ballot(5, 2), "it has raised the promise")
    }

    func testAPromiseWaitsForASyncAndRecordsUnderItDoNot() {
        let header = node.header(Ballot(5, 2))
        node.receive(.replica(header, .prepare), from: 2)
        node.write()
        XCTAssertEqual(answers(), [], "it would not survive power loss")
        node.receive(.replica(header, .accept(key: "a", record: Record(Version(5, 2, 1), "v"))), from: 2)
        node.write()
        XCTAssertEqual(answers(), [], "it rests on the promise")
        node.sync()
        XCTAssertEqual(
            answers(),
            [
                .replica(header, .promise(root: Digest(), contents: 0, floor: .zero)),
                .replica(header, .accepted(version: Version(5, 2, 1))),
            ])
        node.receive(.replica(header, .accept(key: "a", record: Record(Version(5, 2, 2), "w"))), from: 2)
        XCTAssertEqual(answers(), [])
        node.write()
        XCTAssertEqual(
            answers(), [.replica(header, .accepted(version: Version(5, 2, 2)))], "by the mode, it is durable")
    }

    func testWhatIsBelowThePromiseIsRejected() {
        node.receive(.replica(node.header(Ballot(5, 2)), .prepare), from: 2)
        node.sync()
        _ = answers()
        let old = node.header(Ballot(4, 3))
        node.receive(.replica(old, .accept(key: "k", record: Record(Version(4, 3, 1), "v"))), from: 3)
        node.receive(.replica(old, .confirm(round: 1)), from: 3)
        node.receive(.replica(old, .read(id: 1, key: "k")), from: 3)
        node.receive(.replica(old, .prepare), from: 3)
        XCTAssertEqual(answers(), Array(repeating: .replica(node.header(Ballot(5, 2)), .reject), count: 4))
        XCTAssertNil(node.value())
    }

    func testAnOlderRecordDoesNotReplaceALaterOne() {
        let header = node.header(Ballot(5, 2))
        node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 2, 2), "new"))), from: 2)
        node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 2, 1), "old"))), from: 2)
        node.sync()
        XCTAssertEqual(node.value(), "new")
        XCTAssertEqual(
            answers(),
            [
                .replica(header, .accepted(version: Version(5, 2, 2))),
                .replica(header, .accepted(version: Version(5, 2, 1))),
            ],
            "who holds a later record has passed the earlier one")
    }

    func testARecordAboveItsBearersBallotIsIgnored() {
        node.receive(
            .replica(node.header(Ballot(5, 2)), .accept(key: "k", record: Record(Version(6, 2, 1), "v"))), from: 2)
        node.sync()
        XCTAssertEqual(answers(), [])
        XCTAssertNil(node.value())
    }

    func testNobodySpeaksForAnother() {
        node.receive(.replica(node.header(Ballot(5, 3)), .prepare), from: 2)
        node.receive(.replica(node.header(Ballot(5, 4)), .prepare), from: 4)
        node.sync()
        XCTAssertEqual(answers(), [])
        XCTAssertEqual(node.promise, .zero)
    }

    func testARequestFromBeforeTheLastChangeIsOutdated() {
        let old = PartitionHeader(partition: ManualNode.partition, epoch: 0, ballot: Ballot(5, 2))
        node.receive(.replica(old, .prepare), from: 2)
        XCTAssertEqual(answers(), [.shards(.outdated(epoch: 1))])
        XCTAssertEqual(node.promise, .zero)
    }

    func testAQuorumReadTellsOnlyWhatIsDurable() {
        let record = Record(Version(5, 2, 1), "v")
        node.receive(.replica(node.header(Ballot(5, 2)), .accept(key: "k", record: record)), from: 2)
        node.receive(
            .request(RequestHeader(RequestID(9), epoch: 1, partition: ManualNode.partition, key: "k"), .quorumRead),
            from: 3)
        XCTAssertEqual(answers(), [])
        node.sync()
        XCTAssert(answers().contains(.reply(RequestID(9), .quorumReadReply(record))))
    }

    func testAReadFromDiskIsAnsweredWhenItIsLoaded() {
        let record = Record(Version(4, 2, 1), "v")
        let node = ManualNode(1, store: ManualStore(["k": record]))
        node.store.readsFromDisk = true
        let header = node.header(Ballot(5, 2))
        node.receive(.replica(header, .read(id: 3, key: "k")), from: 2)
        node.sync()
        XCTAssertEqual(node.sent, [])
        node.completeLoads()
        XCTAssertEqual(node.sent.map(\.message), [.replica(header, .readResult(id: 3, key: "k", record: record))])
    }

    func testWithAFullDiskValuesAreLeftUnansweredAndTombstonesTaken() {
        node.store.acceptsWrites = false
        let header = node.header(Ballot(5, 2))
        node.receive(.replica(header, .accept(key: "j", record: Record(Version(5, 2, 1), "v"))), from: 2)
        node.sync()
        XCTAssertEqual(
            answers(), [.replica(header, .accepted(version: Version(5, 2, 1)))], "a leader that could write is followed"
        )
        node.store.acceptsCopies = false
        node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 2, 1), "v"))), from: 2)
        node.sync()
        XCTAssertEqual(answers(), [])
        node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 2, 2), nil))), from: 2)
        node.sync()
        XCTAssertEqual(answers(), [.replica(header, .accepted(version: Version(5, 2, 2)))])
    }

    /// The disk does not answer, and a leader asks again and again. The number of waiting answers is limited.
    func testNoMoreAnswersWaitForTheDiskThanMay() {
        var options = ShardOptions()
        options.maximumDeferred = 10
        let node = ManualNode(1, options: options)
        let header = node.header(Ballot(5, 2))
        for _ in 0..<100 {
            node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 2, 1), "v"))), from: 2)
        }
        node.sync()
        XCTAssertEqual(node.sent.count, 10)
        node.forgetSent()
        node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 2, 1), "v"))), from: 2)
        XCTAssertEqual(node.sent.count, 1, "asked again, it answers")
    }

    /// Answers that peers ask for again and again may be large: leaves, keys, values. So their bytes are limited too.
    func testNoMoreBytesOfAnswersWaitForTheDiskThanMay() {
        let record = Record(Version(5, 2, 1), String(repeating: "v", count: 6000))
        for request in [.leaves(floor: .zero), .read(id: 1, key: "k")] as [ReplicaMessage] {
            var options = ShardOptions()
            options.maximumDeferredBytes = 20_000
            let node = ManualNode(1, options: options)
            let header = node.header(Ballot(5, 2))
            node.receive(.replica(header, .accept(key: "k", record: record)), from: 2)
            for _ in 0..<100 { node.receive(.replica(header, request), from: 2) }
            node.sync()
            XCTAssertEqual(answers(of: node), 4, "\(request)")
            // The leader asks for them again.
            for _ in 0..<3 { node.receive(.replica(header, request), from: 2) }
            XCTAssertEqual(answers(of: node), 7, "\(request)")
        }
    }

    private func answers(of node: ManualNode) -> Int {
        node.sent.count { sent in
            switch sent.message {
            case .replica(_, .leavesResult), .replica(_, .readResult): true
            default: false
            }
        }
    }

    /// The number of promises that the node sends once it hears of the configuration of epoch 9.
    private func promisesAfterChange(of node: ManualNode) -> Int {
        node.forgetSent()
        let later = Assignment(replicas: [1, 2, 3].map { NodeNumber($0) }, changed: 9)
        node.give(.topology(ManualNode.topology(later)))
        node.sync()
        return node.sent.count { if case .replica(_, .promise) = $0.message { true } else { false } }
    }

    func testNoMoreMessagesOfLaterConfigurationsAreKeptThanMay() {
        var options = ShardOptions()
        options.maximumEarly = 3
        let node = ManualNode(1, options: options)
        for round in 1...5 as ClosedRange<UInt64> {
            let header = PartitionHeader(partition: ManualNode.partition, epoch: 9, ballot: Ballot(round, 2))
            node.receive(.replica(header, .prepare), from: 2)
        }
        XCTAssertEqual(promisesAfterChange(of: node), 3)
    }

    /// Messages of a later configuration are limited by bytes as well: of values, and of keys in any message.
    func testNoMoreBytesOfLaterConfigurationsAreKeptThanMay() {
        let header = PartitionHeader(partition: ManualNode.partition, epoch: 9, ballot: Ballot(5, 2))
        let long = Key(Array(repeating: 7, count: 10_000))
        let record = Record(Version(5, 2, 1), String(repeating: "v", count: 10_000))
        for message in [ReplicaMessage.accept(key: "k", record: record), .read(id: 1, key: long)] {
            var options = ShardOptions()
            options.maximumEarlyBytes = 35_000
            let node = ManualNode(1, options: options)
            for _ in 0..<3 { node.receive(.replica(header, message), from: 2) }
            // The fourth one does not fit. A small one still does.
            node.receive(.replica(header, .accept(key: "late", record: record)), from: 2)
            node.receive(.replica(header, .prepare), from: 2)
            XCTAssertEqual(promisesAfterChange(of: node), 1)
            XCTAssertNil(node.store.records["late"], "\(message)")
        }
    }

    func testDamagedNumbersOfPeersAreHarmless() {
        let nowhere = PartitionHeader(partition: PartitionID(.max), epoch: 1, ballot: Ballot(5, 2))
        node.receive(.replica(nowhere, .prepare), from: 2)
        node.receive(
            .shards(
                .leaderHeartbeat(epoch: .max, [Leadership(partition: PartitionID(.max), ballot: Ballot(raw: .max))])),
            from: 2)
        node.receive(.replica(node.header(Ballot(5, 2)), .entries(leaf: .max)), from: 2)
        node.receive(.replica(node.header(.zero), .leavesResult(floor: .zero, leaves: [], contents: [])), from: 2)
        node.receive(.replica(node.header(.zero), .confirmed(round: .max)), from: 2)
        node.receive(.replica(node.header(.zero), .accepted(version: Version(ballot: .zero, sequence: .max))), from: 2)
        node.receive(.reply(RequestID(1), .forwarded(.notLeader(hint: NodeNumber(.max)))), from: 2)
        node.receive(.reply(RequestID(1), .quorumReadReply(nil)), from: 2)
        node.receive(
            .request(
                RequestHeader(RequestID(1), epoch: 1, partition: PartitionID(.max), key: "k"),
                .forward(timeout: Nanoseconds(nanoseconds: .max), command: .get)), from: 2)
        XCTAssertEqual(answers(), [.reply(RequestID(1), .forwarded(.notLeader(hint: nil)))])
    }
}
