import KVCore
import XCTest

/// Tests a copy that may lack acknowledged records because its machine has lost power.
final class AbstainingTests: XCTestCase {
    private let old = Record(Version(1, 2, 1), "old")
    private let new = Record(Version(1, 2, 2), "new")

    private func incomplete(_ number: UInt16 = 3, _ records: [Key: Record] = [:]) -> ManualNode {
        let node = ManualNode(number, store: ManualStore(records, promise: Ballot(1, 2)), boot: 2, mayLackRecords: true)
        node.up(1, 2)
        return node
    }

    private func abstention(_ ballot: Ballot) -> PeerMessage {
        .replica(PartitionHeader(partition: ManualNode.partition, epoch: 1, ballot: ballot), .abstain)
    }

    // MARK: The replica

    /// An incomplete copy promises durably, and does not say what it holds.
    func testItPromisesAndAbstains() {
        let node = incomplete()
        let header = node.header(Ballot(5, 1))
        node.receive(.replica(header, .prepare), from: 1)
        XCTAssertEqual(node.sent, [], "not before the promise is on disk")
        node.sync()
        XCTAssertEqual(node.promise, Ballot(5, 1))
        for request in [
            .replica(header, .read(id: 1, key: "k")), .replica(header, .leaves(floor: .zero)),
            .replica(header, .entries(leaf: 0)),
        ] as [PeerMessage] {
            node.receive(request, from: 1)
        }
        node.sync()
        let sent = node.sent.filter { !$0.message.isLeaderHeartbeat }
        XCTAssertEqual(sent, Array(repeating: .init(to: NodeNumber(1), message: abstention(header.ballot)), count: 4))
    }

    /// An incomplete copy accepts and confirms, because it holds all that comes from now on, and its promise is on
    /// disk.
    func testItAcceptsAndConfirms() {
        let node = incomplete()
        let header = node.header(Ballot(5, 1))
        node.receive(.replica(header, .accept(key: "k", record: Record(Version(5, 1, 1), "v"))), from: 1)
        node.receive(.replica(header, .confirm(round: 7)), from: 1)
        node.sync()
        let sent = node.sent.map(\.message)
        XCTAssertTrue(sent.contains(.replica(header, .accepted(version: Version(5, 1, 1)))))
        XCTAssertTrue(sent.contains(.replica(header, .confirmed(round: 7))))
    }

    func testItAnswersNoQuorumReadAndServesNoStaleRead() {
        let node = incomplete(3, ["k": old])
        node.receive(
            .request(RequestHeader(RequestID(1), epoch: 1, partition: ManualNode.partition, key: "k"), .quorumRead),
            from: 1)
        node.sync()
        XCTAssertEqual(node.sent.filter { !$0.message.isLeaderHeartbeat }, [])
        let read = node.request(.get, consistency: .stale)
        node.sync()
        XCTAssertNil(node.answers[read])
        let asked = (1...2 as ClosedRange<UInt16>).flatMap { node.takeSent(to: $0, \.quorumRead) }
        XCTAssertEqual(asked, [read], "another replica")
    }

    func testItDeclinesTheLead() {
        let node = incomplete()
        node.receive(.replica(node.header(Ballot(5, 1)), .transfer), from: 1)
        node.sync()
        XCTAssertFalse(node.hasSent(\.prepare))
    }

    /// The records of the metadata quorum's partition are synced in every mode, so none of them is missing.
    func testTheMetadataPartitionsCopyIsWholeAndSyncsItsRecords() {
        let store = ManualStore()
        let topology = Topology(
            clusterID: UUID128(high: 1, low: 2), epoch: 1,
            settings: ClusterSettings(name: "test", partitions: 1, replicas: 3), members: [],
            assignments: [Assignment(replicas: [1, 2, 3].map(NodeNumber.init), changed: 1)],
            metadataQuorum: Assignment(replicas: [1, 2, 3].map(NodeNumber.init), changed: 1))
        let shard = Shard(
            me: NodeNumber(3), boot: 2, topology: topology, partitions: [topology.metadataPartition], store: store,
            mayLackRecords: true, options: ShardOptions(), seed: 1, now: ManualNode.start)
        XCTAssertEqual(shard.incompletePartitions, 0)
        let header = PartitionHeader(partition: topology.metadataPartition, epoch: 1, ballot: Ballot(5, 1))
        func hasAnswered() -> Bool {
            shard.flush(now: ManualNode.start)
            return shard.effects.contains { effect in
                guard case .send(_, .replica(_, .accepted)) = effect else { return false }
                return true
            }
        }
        let record = Record(Version(5, 1, 1), "v")
        shard.handle(
            .message(from: NodeNumber(1), .replica(header, .accept(key: Topology.key, record: record))),
            now: ManualNode.start)
        XCTAssertEqual(store.requiredSyncs, 1)
        store.write()
        shard.handle(.durable, now: ManualNode.start)
        XCTAssertFalse(hasAnswered(), "written, and not synced")
        store.sync()
        shard.handle(.durable, now: ManualNode.start)
        XCTAssertTrue(hasAnswered())
    }

    // MARK: The partition

    /// A cluster in which nodes 2 and 3 hold a chosen record that node 1 has never had. Tests restart nodes with
    /// `forgotten`, which lacks it.
    private func cluster(isolated: Set<UInt16> = []) -> ManualCluster {
        ManualCluster(
            [
                1: ManualStore(["k": old], promise: Ballot(1, 2)), 2: ManualStore(["k": new]),
                3: ManualStore(["k": new]),
            ], isolated: isolated)
    }

    private func forgotten() -> ManualStore { ManualStore(["k": old], promise: Ballot(1, 2)) }

    func testNobodyIsElectedByItBeforeItHasBeenRepaired() {
        let cluster = cluster(isolated: [2])
        cluster.losePower(3, leaving: forgotten())
        cluster.pass(8000)
        XCTAssertEqual(cluster.leaders, [], "whoever holds the latest record is away")
        cluster.rejoin(2)
        cluster.pass(8000)
        XCTAssertEqual(cluster.leaders, [1])
        XCTAssertEqual(cluster[1].value(), "new")
        XCTAssertEqual(cluster[3].value(), "new")
        XCTAssertEqual(cluster[3].shard.incompletePartitions, 0)
        XCTAssertTrue(cluster[3].notices.contains(.complete(ManualNode.partition)))
        // From now on its promise counts.
        cluster.isolate(2)
        cluster.pass(4000)
        let read = cluster[1].request(.get)
        cluster.run()
        XCTAssertEqual(cluster[1].answers[read].flatMap(\.text), "new")
    }

    /// The leader goes on leading, and repairs the incomplete copy by itself.
    func testTheLeaderRepairsIt() {
        let cluster = cluster()
        cluster.pass(3000)
        XCTAssertEqual(cluster.leaders, [1])
        cluster.losePower(3, leaving: forgotten())
        cluster.pass(1000)
        XCTAssertEqual(cluster.leaders, [1])
        XCTAssertEqual(cluster[3].value(), "new")
        XCTAssertEqual(cluster[3].shard.incompletePartitions, 0)
    }

    /// A majority has lost records. All replicas must promise, and a record that any of them still has is found.
    func testAllAreHeardWhereAMajorityHasForgotten() {
        let cluster = cluster(isolated: [2])
        cluster.losePower(1, leaving: forgotten())
        cluster.losePower(3, leaving: forgotten())
        cluster.pass(10_000)
        XCTAssertEqual(cluster.leaders, [])
        cluster.rejoin(2)
        cluster.pass(10_000)
        XCTAssertEqual(cluster.leaders.count, 1)
        for number in 1...3 as ClosedRange<UInt16> {
            XCTAssertEqual(cluster[number].value(), "new")
            XCTAssertEqual(cluster[number].shard.incompletePartitions, 0)
        }
        cluster.assertLevel()
    }

    /// All replicas have lost records, and go on with what is left.
    func testWhatIsLeftIsServedWhereAllHaveForgotten() {
        let cluster = cluster()
        for number in 1...3 as ClosedRange<UInt16> { cluster.losePower(number, leaving: forgotten()) }
        cluster.pass(10_000)
        XCTAssertEqual(cluster.leaders.count, 1)
        let read = cluster[1].request(.get)
        cluster.run()
        XCTAssertEqual(cluster[1].answers[read].flatMap(\.text), "old")
        XCTAssertEqual((1...3 as ClosedRange<UInt16>).reduce(0) { $0 + cluster[$1].shard.incompletePartitions }, 0)
    }

    func testTheOnlyReplicaGoesOnAtOnce() {
        let node = ManualNode(
            1, replicas: [1], store: ManualStore(["k": Record(Version(1, 1, 1), "v")]), boot: 2, mayLackRecords: true)
        node.pass(50)
        node.sync()
        XCTAssertTrue(node.leads)
        XCTAssertEqual(node.shard.incompletePartitions, 0)
    }

    /// A late refusal that names the ballot of the present leader is not taken for an abstention.
    func testALateRefusalIsNoAbstention() {
        let node = ManualNode(1)
        let ballot = node.lead()
        node.pass(500)
        node.forgetSent()
        node.receive(.replica(node.header(ballot), .reject), from: 2)
        XCTAssertFalse(node.hasSent(\.confirm))
        node.receive(abstention(ballot), from: 2)
        XCTAssertTrue(node.sent.contains(.init(to: NodeNumber(2), message: .replica(node.header(ballot), .consult))))
    }
}
