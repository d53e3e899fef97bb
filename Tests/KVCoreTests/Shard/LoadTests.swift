import KVCore
import XCTest

/// What a shard says that its partitions serve.
final class LoadTests: XCTestCase {
    private func leader() -> ManualNode {
        let node = ManualNode(1)
        node.lead()
        node.pass(50)
        return node
    }

    func testALeaderCountsReadsAndChanges() {
        let node = leader()
        _ = node.request(.put("before"))
        node.sync()
        let sample = node.shard.sampleServed(at: node.now.monotonic)
        _ = node.request(.put("value"))
        _ = node.request(.get)
        _ = node.request(.get, "other")
        _ = node.request(.count)
        _ = node.request(.delete(.ifPresent), "nothing")
        node.sync()
        node.pass(500)
        let load = node.shard.load(since: sample, at: node.now.monotonic, busiest: 5)
        XCTAssertEqual(load.served, ServedCounts(reads: 3, writes: 2))
        XCTAssertEqual(load.elapsed, .milliseconds(500))
        XCTAssertEqual(load.partitions, 1)
        XCTAssertEqual(load.leaders, 1)
        XCTAssertEqual(load.usage, node.shard.usage)
        XCTAssertEqual(load.busiest.map(\.partition), [ManualNode.partition])
        XCTAssertEqual(load.busiest.first?.leader, NodeNumber(1))
        XCTAssertEqual(load.busiest.first?.served, load.served)
        XCTAssertEqual(load.busiest.first?.usage, load.usage)

        let later = node.shard.sampleServed(at: node.now.monotonic)
        node.pass(100)
        let idle = node.shard.load(since: later, at: node.now.monotonic, busiest: 5)
        XCTAssertEqual(idle.served, ServedCounts())
        XCTAssertTrue(idle.busiest.isEmpty, "without a request nothing is busy")
    }

    func testRequestsOfOtherNodesClientsCount() {
        let node = leader()
        let sample = node.shard.sampleServed(at: node.now.monotonic)
        let header = RequestHeader(RequestID(7), epoch: 1, partition: ManualNode.partition, key: "k")
        node.receive(.request(header, .forward(timeout: .milliseconds(1000), command: .get)), from: 2)
        XCTAssertEqual(node.shard.load(since: sample, at: node.now.monotonic, busiest: 5).served.reads, 1)
    }

    func testAReplicaCountsWhatItCopiesAndReadsOfItsCopy() {
        let node = ManualNode(2)
        node.up(1, 3)
        let sample = node.shard.sampleServed(at: node.now.monotonic)
        let ballot = Ballot(5, 1)
        let header = PartitionHeader(partition: ManualNode.partition, epoch: 1, ballot: ballot)
        let record = Record(version: Version(ballot: ballot, sequence: 1), value: Array("v".utf8))
        for _ in 0..<2 { node.receive(.replica(header, .accept(key: "k", record: record)), from: 1) }
        node.sync()
        var load = node.shard.load(since: sample, at: node.now.monotonic, busiest: 5)
        XCTAssertEqual(load.served, ServedCounts(copies: 1), "what comes again is not stored again")
        XCTAssertEqual(load.leaders, 0)
        XCTAssertTrue(load.busiest.isEmpty, "its leader serves it")
        _ = node.request(.get, consistency: .stale)
        load = node.shard.load(since: sample, at: node.now.monotonic, busiest: 5)
        XCTAssertEqual(load.served, ServedCounts(reads: 1, copies: 1))
        XCTAssertEqual(load.busiest.first?.leader, NodeNumber(1))
    }

    // MARK: Many partitions

    /// A shard that leads every second of so many partitions, without other replicas.
    private func shard(of partitions: Int) -> (shard: Shard, now: Now) {
        let me = NodeNumber(1)
        let topology = Topology(
            clusterID: UUID128(high: 1, low: 2), epoch: 1,
            settings: ClusterSettings(name: "test", partitions: partitions, replicas: 1), members: [Member(1)],
            assignments: Array(repeating: Assignment(replicas: [me], changed: 1), count: partitions),
            metadataQuorum: Assignment(replicas: [me], changed: 1))
        var now = ManualNode.start
        let store = ManualStore()
        let own = stride(from: 0, to: partitions + 1, by: 2).map { PartitionID(UInt16($0)) }
        let shard = Shard(
            me: me, boot: 1, topology: topology, partitions: own, store: store, options: ShardOptions(), seed: 1,
            now: now)
        for _ in 0..<300 {
            now = Now(monotonic: now.monotonic + .milliseconds(10), wall: now.wall + 10)
            shard.handle(.timer, now: now)
            shard.flush(now: now)
            store.sync()
            shard.handle(.durable, now: now)
            shard.flush(now: now)
        }
        return (shard, now)
    }

    func testTheBusiestComeFirstAndAreBounded() {
        let (shard, now) = shard(of: 64)
        let sample = shard.sampleServed(at: now.monotonic)
        // Partition 0 gets one read, 2 two, and so on; 62 gets none.
        for place in 0..<31 {
            for _ in 0...place {
                shard.submit(
                    Request(
                        .get, key: "k", partition: PartitionID(UInt16(2 * place)),
                        limit: .within(.milliseconds(1000))), now: now)
            }
        }
        let load = shard.load(since: sample, at: now.monotonic + .milliseconds(1), busiest: 3)
        XCTAssertEqual(load.partitions, 32, "without the metadata quorum's")
        XCTAssertEqual(load.leaders, 32)
        XCTAssertEqual(load.served, ServedCounts(reads: 31 * 32 / 2))
        XCTAssertEqual(load.busiest.map(\.partition.raw), [60, 58, 56])
        XCTAssertEqual(load.busiest.map(\.served.reads), [31, 30, 29])
        XCTAssertEqual(shard.load(since: sample, at: now.monotonic, busiest: 100).busiest.count, 31)
    }
}
