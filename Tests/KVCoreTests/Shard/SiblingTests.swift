import KVCore
import XCTest

/// Towards other nodes the first shard of a node speaks for all of its shards.
final class SiblingTests: XCTestCase {
    private let version = UInt64(1) << 32 | 7

    private func beat(_ shard: UInt16, _ version: UInt64, attended: [UInt16] = []) -> ShardInput {
        .sibling(.beat(SiblingBeat(shard: shard, version: version, attended: attended.map(NodeNumber.init))))
    }

    private func beats(_ node: ManualNode) -> Int { node.takeSent(to: 3, \.leaderships).count }

    // MARK: The first shard

    func testItsHeartbeatsNameTheListsOfShardsThatRun() {
        let node = ManualNode(1)
        node.lead()
        for _ in 0..<10 {
            node.give(beat(2, version))
            node.give(beat(1, version + 1))
            node.pass(100)
        }
        let running = [
            LeadershipUpdate.Unchanged(shard: 1, version: version + 1),
            LeadershipUpdate.Unchanged(shard: 2, version: version),
        ]
        XCTAssertEqual(node.takeSent(to: 3, \.leaderships).last?.others, running)
        node.pass(300)
        node.give(beat(1, version + 1))
        node.pass(300)
        XCTAssertEqual(node.takeSent(to: 3, \.leaderships).last?.others.map(\.shard), [1], "shard 2 does not run")
        node.pass(500)
        XCTAssertEqual(node.takeSent(to: 3, \.leaderships).last?.others, [])
    }

    func testItTellsTheOthersThatItRuns() {
        let node = ManualNode(1)
        node.pass(3000)
        XCTAssertTrue((9...11).contains(node.siblings.count), "\(node.siblings.count)")
    }

    func testItAsksForHeartbeatsForAShardThatAttendsToAPeer() {
        let node = ManualNode(3, members: 11)
        for peer in 1...11 as ClosedRange<UInt16> where peer != 3 { node.up(peer) }
        node.pass(100)
        node.forgetSent()
        for _ in 0..<10 {
            node.give(beat(1, version, attended: [1]))
            node.pass(300)
        }
        let sent = node.takeSent(to: 1, \.leaderships)
        XCTAssertTrue((9...11).contains(sent.count), "\(sent.count) in ten turns")
        XCTAssertTrue(sent.allSatisfy(\.isAttending))
        XCTAssertLessThan(node.takeSent(to: 2, \.leaderships).count, 5)
    }

    func testMoreShardsThanAListMayNameAreLeftOut() {
        let node = ManualNode(1)
        node.lead()
        node.give(beat(.max, version))
        node.pass(300)
        XCTAssertEqual(node.takeSent(to: 3, \.leaderships).last?.others, [])
    }

    // MARK: Another shard

    /// A node may have more shards than there are partitions. Such a shard, too, gives its part of what the first one
    /// tells, under its own number.
    func testAShardWithoutPartitionsHasANumber() {
        let replicas = [1, 2, 3].map { NodeNumber(UInt16($0)) }
        let assignment = Assignment(replicas: replicas, changed: 1)
        let topology = Topology(
            clusterID: UUID128(high: 1, low: 2), epoch: 1,
            settings: ClusterSettings(name: "test", partitions: 1, replicas: 3),
            members: [Member(1), Member(2), Member(3)], assignments: [assignment], metadataQuorum: assignment)
        var now = ManualNode.start
        let shard = Shard(
            me: replicas[0], boot: 1, topology: topology, partitions: [], index: 3, shards: 4, store: ManualStore(),
            options: ShardOptions(), seed: 1, now: now)
        shard.handle(.reads(.lease), now: now)
        now.monotonic = now.monotonic + .milliseconds(10_000)
        let question = SupportQuestion(asked: now.monotonic, boot: 1)
        shard.handle(.message(from: replicas[1], .shards(.supportWanted(question))), now: now)
        shard.handle(.timer, now: now)
        shard.flush(now: now)
        var told: [UInt16] = []
        for case .siblings(let message) in shard.effects {
            switch message {
            case .beat(let beat): told.append(beat.shard)
            case .support(let support): told.append(support.shard)
            }
        }
        XCTAssertEqual(told.sorted(), [3, 3], "it runs, and supports node 2")
    }

    /// The second of two shards of node 1.
    private final class Second {
        let shard: Shard
        private var now = ManualNode.start
        private var sent = 0
        private(set) var told: [SiblingBeat] = []
        /// The peers that the first shard is in touch with.
        var reached: Set = [NodeNumber(2), NodeNumber(3)]

        init() {
            let replicas = [1, 2, 3].map { NodeNumber(UInt16($0)) }
            let assignment = Assignment(replicas: replicas, changed: 1)
            let topology = Topology(
                clusterID: UUID128(high: 1, low: 2), epoch: 1,
                settings: ClusterSettings(name: "test", partitions: 2, replicas: 3),
                members: [Member(1), Member(2), Member(3)], assignments: [assignment, assignment],
                metadataQuorum: assignment)
            shard = Shard(
                me: NodeNumber(1), boot: 1, topology: topology, partitions: [PartitionID(1)], store: ManualStore(),
                options: ShardOptions(), seed: 1, now: now)
            for peer in replicas.dropFirst() { shard.handle(.peer(peer, .up(boot: 1)), now: now) }
            // It has a list to confirm.
            elect()
            _ = pass(1000, firstRuns: false)
        }

        private func elect() {
            let (two, header) = (
                NodeNumber(2), PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: Ballot(1, 1))
            )
            _ = pass(200, firstRuns: false)
            shard.handle(
                .message(from: two, .replica(header, .preVoteResult(granted: true, promised: .zero))), now: now)
            flush()
            shard.handle(.durable, now: now)
            flush()
            let promise = ReplicaMessage.promise(root: Digest(), contents: 0, floor: .zero)
            let prepared = PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: Ballot(2, 1))
            shard.handle(.message(from: two, .replica(prepared, promise)), now: now)
            XCTAssertEqual(shard.leader(of: PartitionID(1)), NodeNumber(1))
            flush()
        }

        private func flush() {
            (shard.store as? ManualStore)?.sync()
            shard.flush(now: now)
        }

        /// The number of heartbeats to one peer within some time.
        func pass(_ milliseconds: Int, firstRuns: Bool) -> Int {
            sent = 0
            for passed in 0..<milliseconds / 10 {
                now.monotonic = now.monotonic + .milliseconds(10)
                if firstRuns, passed % 30 == 0 {
                    shard.handle(.sibling(.beat(SiblingBeat(shard: 0, version: 9, reached: reached))), now: now)
                }
                shard.handle(.timer, now: now)
                flush()
                for effect in shard.effects {
                    switch effect {
                    case .send(NodeNumber(2), .shards(.leaderships)): sent += 1
                    case .siblings(.beat(let beat)): told.append(beat)
                    default: break
                    }
                }
                shard.effects = []
            }
            return sent
        }
    }

    func testItLeavesHeartbeatsToTheFirstForAsLongAsThatRuns() {
        let second = Second()
        XCTAssertGreaterThanOrEqual(second.pass(3000, firstRuns: false), 9)
        _ = second.pass(300, firstRuns: true)
        let told = second.told.count
        XCTAssertLessThanOrEqual(second.pass(20_000, firstRuns: true), 1)
        XCTAssertGreaterThan(second.told.count - told, 60, "the first shard is told that this one runs")
        XCTAssertEqual(second.told.last?.shard, 1)
        XCTAssertGreaterThanOrEqual(second.pass(3000, firstRuns: false), 7, "the first shard has stopped")
    }

    func testItsOwnConnectionsAreNotForgotten() {
        let second = Second()
        XCTAssertTrue((1...2).contains(second.pass(32_000, firstRuns: true)))
    }

    // MARK: The receiver

    private func heartbeat(_ others: [LeadershipUpdate.Unchanged]) -> PeerMessage {
        .shards(.leaderships(epoch: 1, LeadershipUpdate(shard: 0, base: 5, version: 5, others: others)))
    }

    func testAListThatIsNamedCountsAsConfirmed() {
        let node = ManualNode(3)
        node.up(1)
        node.up(2)
        let leading = Leadership(partition: ManualNode.partition, ballot: Ballot(3, 1))
        let list = LeadershipUpdate(shard: 1, base: 0, version: 8, begun: [leading])
        node.receive(.shards(.leaderships(epoch: 1, list)), from: 1)
        for _ in 0..<12 {
            node.receive(heartbeat([.init(shard: 1, version: 8)]), from: 1)
            node.pass(300)
        }
        XCTAssertFalse(node.hasSent(\.preVote))
        for _ in 0..<12 {
            node.receive(heartbeat([]), from: 1)
            node.pass(300)
        }
        XCTAssertTrue(node.hasSent(\.preVote), "the shard that leads it does not run any more")
    }

    private func wanted(_ node: ManualNode) -> [UInt16] {
        node.takeSent(to: 1) { if case .shards(.leadershipsWanted(let shard)) = $0 { shard } else { nil } }
    }

    /// It goes over a connection of its own, and may come later.
    func testAListThatIsNamedAndNotHereIsWaitedFor() {
        let node = ManualNode(3)
        node.up(1)
        node.receive(heartbeat([.init(shard: 1, version: 8), .init(shard: .max, version: 8)]), from: 1)
        XCTAssertEqual(wanted(node), [0], "the first shard's own list is of its own connection")
        node.pass(300)
        node.receive(heartbeat([.init(shard: 1, version: 8)]), from: 1)
        XCTAssertEqual(wanted(node), [0, 1], "but not for long")
    }

    func testAListOfAnotherVersionIsAskedForOnceInAHeartbeatsTime() {
        let node = ManualNode(3)
        node.up(1)
        node.receive(.shards(.leaderships(epoch: 1, LeadershipUpdate(shard: 0, base: 0, version: 5))), from: 1)
        node.receive(.shards(.leaderships(epoch: 1, LeadershipUpdate(shard: 1, base: 0, version: 8))), from: 1)
        for _ in 0..<3 { node.receive(heartbeat([.init(shard: 1, version: 9)]), from: 1) }
        XCTAssertEqual(wanted(node), [], "the change is on its way")
        for _ in 0..<3 {
            node.pass(300)
            for _ in 0..<3 { node.receive(heartbeat([.init(shard: 1, version: 9)]), from: 1) }
            XCTAssertEqual(wanted(node), [1])
        }
        node.receive(heartbeat([.init(shard: 1, version: 7)]), from: 1)
        XCTAssertEqual(wanted(node), [], "late")
    }

    /// The first shard may have lost its connection to a peer that this shard still talks to.
    func testItSpeaksForItselfToWhomTheFirstIsNotInTouchWith() {
        let second = Second()
        second.reached = [NodeNumber(3)]
        XCTAssertGreaterThanOrEqual(second.pass(3000, firstRuns: true), 9)
    }

    // MARK: Support

    func testTheFirstAsksForSupportOnlyWhileAllShardsRun() {
        let node = ManualNode(1, lease: .milliseconds(400), shards: 2)
        node.give(.reads(.lease))
        node.lead()
        _ = node.request(.get)
        node.forgetSent()
        node.pass(300)
        XCTAssertEqual(questions(node), 0, "the second shard has not been heard")
        for _ in 0..<3 {
            node.give(beat(1, version))
            node.pass(100)
        }
        XCTAssertGreaterThanOrEqual(questions(node), 2)
        node.pass(400)
        node.forgetSent()
        node.pass(300)
        XCTAssertEqual(questions(node), 0, "it stands still")
    }

    func testTheFirstAnswersOnceAllShardsHaveGivenSupport() {
        let node = ManualNode(3, lease: .milliseconds(400), shards: 2)
        node.give(.reads(.lease))
        node.up(1)
        let question = SupportQuestion(asked: Instant(nanoseconds: 5), boot: 8)
        node.receive(.shards(.supportWanted(question)), from: 1)
        XCTAssertEqual(answers(node), [])
        node.give(
            .sibling(.support(SiblingSupport(node: NodeNumber(1), question: question, shard: 7, taken: 3))))
        XCTAssertEqual(answers(node), [], "there is no such shard")
        node.give(
            .sibling(.support(SiblingSupport(node: NodeNumber(1), question: question, shard: 1, taken: 3))))
        XCTAssertEqual(answers(node), [[0, 3]])
    }

    private func questions(_ node: ManualNode) -> Int {
        node.takeSent(to: 2) { if case .shards(.supportWanted) = $0 { true } else { nil } }.count
    }

    private func answers(_ node: ManualNode) -> [[UInt64]] {
        node.takeSent(to: 1) { if case .shards(.support(let answer)) = $0 { answer.taken } else { nil } }
    }
}
