import KVCore
import XCTest

/// Tests shards whose partition is split.
final class SplitTests: XCTestCase {
    private let cluster = ManualCluster()

    /// A key of each partition, of four: of a quarter of the slots, in the order of these.
    private static let keys: [(key: Key, partition: PartitionID)] = [
        ("b1", PartitionID(0)), ("b0", PartitionID(3)), ("b3", PartitionID(2)), ("b2", PartitionID(4)),
    ]
    /// The partition that the first split makes.
    private static let upper = PartitionID(2)

    override func setUp() {
        cluster.pass(200)
        XCTAssertEqual(cluster.leaders, [1])
    }

    private func put(_ text: String, _ key: Key, at node: UInt16 = 1) -> Outcome? {
        let id = cluster[node].request(.put(text), key)
        cluster.run()
        return cluster[node].answers[id]
    }

    private func putAll(_ text: String) {
        for (key, _) in Self.keys { XCTAssertNotNil(put(text, key)?.version) }
    }

    private func text(_ key: Key, at node: UInt16) -> String? {
        let id = cluster[node].request(.get, key)
        cluster.run()
        return cluster[node].answers[id]?.text
    }

    /// What a node's store has in a partition.
    private func stored(_ key: Key, _ partition: PartitionID, at node: UInt16) -> String? {
        guard case .found(let record) = cluster[node].store.read(partition, key) else { return nil }
        return record.value.map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: The leader

    func testALeaderLeadsBothWithoutAnElection() {
        putAll("before")
        let ballot = cluster[1].promise
        cluster.split(to: 2)
        for partition in [ManualNode.partition, Self.upper] {
            XCTAssertEqual(cluster[1].shard.leader(of: partition), nil, "it prepares anew for each")
        }
        cluster.run()
        for partition in [ManualNode.partition, Self.upper] {
            XCTAssertEqual(cluster.leaders(of: partition), [1])
            XCTAssertTrue(cluster[1].shard.isSettled(partition))
            XCTAssertGreaterThan(cluster[1].store.promise(partition), ballot)
        }
        for node in 1...3 as ClosedRange<UInt16> {
            XCTAssertEqual(cluster[node].store.usage(ManualNode.partition).keys, 2)
            XCTAssertEqual(cluster[node].store.usage(Self.upper).keys, 2)
            for (key, _) in Self.keys { XCTAssertEqual(text(key, at: node), "before") }
        }
        cluster.assertLevel()
    }

    /// Partitions that come of one that is split in the same change get what is theirs too.
    func testWhatIsUnderWayGoesAlongWithItsKey() {
        putAll("1")
        let leader = cluster[1]
        let changes = Self.keys.map { leader.request(.add(1), $0.key) }
        let reads = Self.keys.map { leader.request(.get, $0.key) }
        let refused = Self.keys.map { leader.request(.put("x", .ifAbsent), $0.key) }
        // A follower has accepted the changes, and its answers are lost.
        for (header, key, record) in leader.takeSent(to: 2, \.accept) {
            cluster[2].receive(.replica(header, .accept(key: key, record: record)), from: 1)
        }
        cluster[2].sync()
        cluster[2].forgetSent()
        XCTAssertTrue(changes.allSatisfy { leader.answers[$0] == nil })

        cluster.split(to: 4)
        cluster.run()
        XCTAssertEqual(leader.shard.pendingRequests, 0)
        cluster.pass(500)
        for (index, (key, partition)) in Self.keys.enumerated() {
            XCTAssertEqual(leader.answers[changes[index]]?.sum, 2, "it is made, and made once")
            XCTAssertEqual(leader.answers[reads[index]]?.text, "2")
            guard case .conditionFailed = leader.answers[refused[index]] else { return XCTFail("\(key)") }
            XCTAssertEqual(cluster.leaders(of: partition), [1])
            for node in 1...3 as ClosedRange<UInt16> {
                XCTAssertEqual(stored(key, partition, at: node), "2")
                XCTAssertEqual(cluster[node].store.usage(partition).keys, 1)
            }
        }
    }

    func testWhatACandidateHoldsGoesAlongWithItsKey() {
        let node = ManualNode(1)
        node.up(2, 3)
        node.pass(50)
        for preVote in node.takeSent(to: 2, \.preVote) {
            node.receive(.replica(preVote, .preVoteResult(granted: true, promised: .zero)), from: 2)
        }
        node.sync()
        XCTAssertEqual(node.takeSent(to: 2, \.prepare).count, 1, "it is a candidate")
        let changes = Self.keys.map { node.request(.put("v"), $0.key) }

        let assignment = Assignment(replicas: [1, 2, 3].map(NodeNumber.init), changed: 2, since: [1, 1, 1])
        node.give(.topology(ManualNode.topology(assignment, partitions: 2)))
        node.sync()
        let headers = node.takeSent(to: 2, \.prepare)
        XCTAssertEqual(headers.map(\.partition), [ManualNode.partition, Self.upper])
        XCTAssertEqual(headers.map(\.epoch), [2, 2])
        for header in headers {
            node.receive(.replica(header, .promise(root: Digest(), contents: 0, floor: .zero)), from: 2)
        }
        let accepts = node.takeSent(to: 2, \.accept)
        XCTAssertEqual(
            Dictionary(uniqueKeysWithValues: accepts.map { ($0.key, $0.header.partition) }),
            ["b1": ManualNode.partition, "b0": ManualNode.partition, "b3": Self.upper, "b2": Self.upper])
        for accept in accepts {
            node.receive(.replica(accept.header, .accepted(version: accept.record.version)), from: 2)
        }
        node.sync()
        XCTAssertTrue(changes.allSatisfy { node.answers[$0]?.version != nil })
    }

    // MARK: A follower

    func testAFollowerDividesItsCopyAndKeepsItsPromise() {
        let node = ManualNode(2)
        let header = node.header(Ballot(5, 1))
        for (index, (key, _)) in Self.keys.enumerated() {
            let record = Record(Version(5, 1, UInt64(index + 1)), "v")
            node.receive(.replica(header, .accept(key: key, record: record)), from: 1)
        }
        node.sync()
        node.forgetSent()
        let assignment = Assignment(replicas: [1, 2, 3].map(NodeNumber.init), changed: 2, since: [1, 1, 1])
        node.give(.topology(ManualNode.topology(assignment, partitions: 2)))
        node.tick()
        for partition in [ManualNode.partition, Self.upper] {
            XCTAssertEqual(node.store.promise(partition), Ballot(5, 1))
            XCTAssertEqual(node.store.membership(partition), 1, "it has belonged to it for as long")
            XCTAssertEqual(node.store.usage(partition).keys, 2)
        }
        // A leader that goes by the configuration before gets nothing accepted.
        node.receive(.replica(header, .accept(key: "b3", record: Record(Version(5, 1, 9), "late"))), from: 1)
        XCTAssertEqual(node.store.head(ManualNode.partition, "b3"), nil)
        XCTAssertEqual(node.store.head(Self.upper, "b3")?.version, Version(5, 1, 3))
        node.sync()
        node.forgetSent()
        // Nor does one of a lower ballot, in the new partition either.
        let below = PartitionHeader(partition: Self.upper, epoch: 2, ballot: Ballot(4, 3))
        node.receive(.replica(below, .accept(key: "b3", record: Record(Version(4, 3, 1), "late"))), from: 3)
        node.sync()
        XCTAssertEqual(
            node.sent.map(\.message),
            [.replica(PartitionHeader(partition: Self.upper, epoch: 2, ballot: Ballot(5, 1)), .reject)])
    }

    /// The records are the new partition's once its state is on disk, and nobody is told of them before.
    func testNothingIsToldOfANewPartitionBeforeItIsDurable() {
        let record = Record(Version(5, 1, 1), "v")
        let node = ManualNode(2, store: ManualStore(["b3": record]))
        let assignment = Assignment(replicas: [1, 2, 3].map(NodeNumber.init), changed: 2, since: [1, 1, 1])
        node.give(.topology(ManualNode.topology(assignment, partitions: 2)))
        node.tick()
        let header = PartitionHeader(partition: Self.upper, epoch: 2, ballot: Ballot(5, 1))
        node.receive(.replica(header, .read(id: 1, key: "b3")), from: 1)
        XCTAssertEqual(node.sent, [])
        node.sync()
        XCTAssertEqual(
            node.sent.map(\.message), [.replica(header, .readResult(id: 1, key: "b3", record: record))])
    }

    // MARK: Requests

    func testARequestGoesToThePartitionThatHasItsKey() {
        putAll("before")
        cluster.split(to: 2, telling: [1, 2])
        XCTAssertNotNil(put("after", "b3", at: 3)?.version, "it names the partition that had the key before")
        XCTAssertEqual(stored("b3", Self.upper, at: 1), "after")
        XCTAssertNil(stored("b3", ManualNode.partition, at: 1))
        XCTAssertTrue(cluster[3].notices.contains(.behind(2, at: NodeNumber(1))), "it learns that it is behind")
        cluster.tell(3)
        cluster.pass(100)
        XCTAssertEqual(text("b3", at: 3), "after")
    }

    func testALeaderThatHasNotHeardOfASplitExecutesWhatNamesTheNewPartition() {
        putAll("before")
        cluster.split(to: 2, telling: [3])
        XCTAssertNotNil(put("after", "b3", at: 3)?.version)
        XCTAssertEqual(stored("b3", ManualNode.partition, at: 1), "after")
        cluster.tell(1)
        cluster.tell(2)
        cluster.pass(500)
        XCTAssertEqual(text("b3", at: 2), "after")
        cluster.assertLevel()
    }

    func testAListIsOfTheKeysThatItsAskerMeans() {
        putAll("v")
        cluster.split(to: 2, telling: [1, 2])
        let list = cluster[3].request(.list)
        let count = cluster[3].request(.count)
        cluster.run()
        XCTAssertNil(cluster[3].answers[list], "it would miss the keys of the partition that it does not know")
        XCTAssertNil(cluster[3].answers[count])
        cluster.tell(3)
        cluster.pass(200)
        XCTAssertEqual(cluster[3].answers[list], .listed(keys: ["b1", "b0"], more: false))
        XCTAssertEqual(cluster[3].answers[count], .counted(2))
        let rest = cluster[3].ask(.list, partition: Self.upper)
        cluster.pass(10)
        XCTAssertEqual(cluster[3].answers[rest], .listed(keys: ["b3", "b2"], more: false))
    }

    func testAListUnderWayIsAskedAgainAfterASplit() {
        putAll("v")
        let own = cluster[1].request(.list)
        let list = cluster[3].request(.list)
        for sent in cluster[3].sent where sent.message.forward != nil {
            cluster[1].receive(sent.message, from: 3)
        }
        cluster[3].forgetSent()
        XCTAssertNil(cluster[1].answers[own])
        cluster.split(to: 2)
        cluster.pass(200)
        XCTAssertEqual(cluster[1].answers[own], .listed(keys: ["b1", "b0"], more: false))
        XCTAssertEqual(cluster[3].answers[list], .listed(keys: ["b1", "b0"], more: false))
    }

    // MARK: A store that is behind

    func testAStoreThatIsBehindAdoptsLater() {
        putAll("before")
        cluster[3].store.preparedCount = 1
        cluster.split(to: 2)
        cluster.pass(100)
        XCTAssertEqual(cluster[3].store.slots.count, 1, "it would have to move records")
        XCTAssertFalse(cluster[3].notices.contains { if case .split = $0 { true } else { false } })
        // The others go on, and so do its clients.
        XCTAssertNotNil(put("after", "b3")?.version)
        XCTAssertEqual(text("b3", at: 3), "after")
        XCTAssertEqual(stored("b3", ManualNode.partition, at: 3), "before")
        // A later topology takes the place of the one that it waits with.
        cluster.change(to: [2, 1, 3])
        cluster.pass(100)
        XCTAssertEqual(cluster[3].store.slots.count, 1)

        cluster[3].store.preparedCount = 2
        cluster.pass(1000)
        XCTAssertEqual(cluster[3].store.slots.count, 2)
        XCTAssertTrue(cluster[3].notices.contains(.split(cluster[3].store.slots)))
        XCTAssertEqual(stored("b3", Self.upper, at: 3), "after")
        cluster.assertLevel()
    }

    func testALeaderWhoseStoreIsBehindFailsNothing() {
        putAll("1")
        cluster[1].store.preparedCount = 1
        let changes = Self.keys.map { cluster[1].request(.add(1), $0.key) }
        cluster.split(to: 2)
        cluster.pass(100)
        let later = cluster[3].request(.add(1), "b3")
        cluster.pass(100)
        XCTAssertEqual(cluster[1].store.slots.count, 1)
        XCTAssertTrue(changes.allSatisfy { cluster[1].answers[$0] == nil }, "the others go by the split")
        cluster[1].store.preparedCount = 2
        cluster.pass(500)
        XCTAssertEqual(changes.map { cluster[1].answers[$0]?.sum }, [2, 2, 2, 2])
        XCTAssertEqual(cluster[3].answers[later]?.sum, 3)
        for partition in [ManualNode.partition, Self.upper] { XCTAssertEqual(cluster.leaders(of: partition), [1]) }
        cluster.assertLevel()
    }
}
