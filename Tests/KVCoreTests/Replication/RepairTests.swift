import KVCore
import XCTest

/// Tests records whose values cannot be read from this node's disk.
final class RepairTests: XCTestCase {
    private let version = Version(1, 2, 1)

    private func store() -> ManualStore {
        let store = ManualStore(["k": Record(version, "v")])
        store.readsFromDisk = true
        return store
    }

    /// A node, in touch with the others, that cannot read its copy of `k`: the copy is damaged, or was wiped during the
    /// read.
    private func unreadable(isWiped: Bool) -> ManualNode {
        let node = ManualNode(1, store: store())
        node.store.losesReads = isWiped
        if !isWiped { node.store.spoiled = ["k"] }
        node.up(2, 3)
        return node
    }

    // MARK: Answers to other nodes

    /// A copy that cannot be read answers nothing. In particular it does not answer that the key is absent, which would
    /// count as proof.
    func testACopyThatCannotBeReadAnswersNothing() {
        for isWiped in [false, true] {
            let node = unreadable(isWiped: isWiped)
            let header = node.header(Ballot(5, 2))
            node.receive(
                .request(RequestHeader(RequestID(1), epoch: 1, partition: ManualNode.partition, key: "k"), .quorumRead),
                from: 3)
            node.receive(.replica(header, .read(id: 1, key: "k")), from: 2)
            node.sync()
            node.forgetSent()
            node.completeLoads()
            node.sync()
            XCTAssertEqual(node.sent, [])
        }
    }

    func testAStaleReadAsksAnotherReplica() {
        for isWiped in [false, true] {
            let node = unreadable(isWiped: isWiped)
            let read = node.request(.get, consistency: .stale)
            node.completeLoads()
            XCTAssertNil(node.answers[read])
            XCTAssertEqual(node.takeSent(to: 2, \.quorumRead).count, 1)
            node.receive(.reply(read, .quorumReadReply(Record(version, "v"))), from: 2)
            XCTAssertEqual(node.answers[read].flatMap(\.text), "v")
        }
    }

    // MARK: The leader

    func testAReadWaitsForTheValueToBeHadFromAnotherReplica() {
        let node = ManualNode(1, store: store())
        node.lead()
        node.store.spoiled = ["k"]
        let reads = [node.request(.get), node.request(.append("w"))]
        node.completeLoads()
        node.confirm()
        node.pass(300)
        XCTAssertEqual(reads.count { node.answers[$0] != nil }, 0)
        node.forgetSent()
        node.repair()
        let asked = node.takeSent(to: 3, \.quorumRead)
        XCTAssertEqual(asked.count, 1)
        // A record of another version does not replace the damaged one.
        node.receive(.reply(asked[0], .quorumReadReply(Record(Version(1, 2, 2), "x"))), from: 2)
        node.receive(.reply(asked[0], .quorumReadReply(nil)), from: 2)
        XCTAssertEqual(node.store.spoiled, ["k"])
        node.receive(.reply(asked[0], .quorumReadReply(Record(version, "v"))), from: 3)
        XCTAssertEqual(node.store.spoiled, [])
        XCTAssertTrue(node.notices.contains { if case .repaired = $0 { true } else { false } })
        node.completeLoads()
        node.pass(100)
        node.completeLoads()
        node.pass(300)
        node.choose()
        node.pass(300)
        node.confirm()
        XCTAssertEqual(node.answers[reads[0]].flatMap(\.text), "v")
        XCTAssertNotNil(node.answers[reads[1]])
        XCTAssertEqual(node.value(), "vw")
    }

    func testAReadThatIsNotRepairedInTimeSaysSo() {
        let node = ManualNode(1, store: store())
        node.lead()
        node.store.spoiled = ["k"]
        let read = node.request(.get, timeout: 500)
        node.confirm()
        for _ in 0..<60 {
            node.completeLoads()
            node.pass(10)
        }
        XCTAssertEqual(node.answers[read], .refused(.noReplica))
    }

    func testTheOnlyCopyIsNeverSaidToBeAbsent() {
        let node = ManualNode(1, replicas: [1], store: store())
        node.lead()
        node.store.spoiled = ["k"]
        let read = node.request(.get, timeout: 500)
        let check = node.request(.put("x", .ifAbsent), timeout: 500)
        for _ in 0..<60 {
            node.completeLoads()
            node.repair()
            node.pass(10)
        }
        XCTAssertEqual(node.answers[read], .refused(.noReplica), "nobody else can have it")
        guard case .conditionFailed? = node.answers[check] else { return XCTFail("\(node.answers)") }
        // A write replaces the damaged record.
        let put = node.request(.put("new"))
        node.sync()
        XCTAssertNotNil(node.answers[put]?.version)
        let again = node.request(.get)
        node.completeLoads()
        XCTAssertEqual(node.answers[again].flatMap(\.text), "new")
    }

    func testTwoNodesRepairEachOther() {
        let records: [Key: Record] = ["a": Record(Version(1, 2, 1), "1"), "b": Record(Version(1, 2, 2), "2")]
        let stores = [1: ManualStore(records), 2: ManualStore(records), 3: ManualStore()] as [UInt16: ManualStore]
        for store in stores.values { store.readsFromDisk = true }
        stores[1]?.spoiled = ["a"]
        stores[2]?.spoiled = ["b"]
        let cluster = ManualCluster(stores)
        cluster.isolate(3)
        cluster.pass(4000)
        XCTAssertEqual(cluster.leaders.count, 1)
        for _ in 0..<3 {
            for number in [1, 2] as [UInt16] { cluster[number].repair() }
            cluster.pass(300)
        }
        XCTAssertEqual(stores[1]?.spoiled, [])
        XCTAssertEqual(stores[2]?.spoiled, [])
        for number in [1, 2] as [UInt16] {
            let reads = (["a", "b"] as [Key]).map { cluster[number].request(.get, $0) }
            cluster.pass(500)
            XCTAssertEqual(reads.compactMap { cluster[number].answers[$0]?.text }, ["1", "2"])
        }
    }

    /// The new leader's own copy is the latest that a majority reports. It may have been chosen, so it is not passed
    /// over.
    func testANewLeaderDoesNotPassOverACopyThatItCannotRead() {
        let old = Record(Version(1, 2, 1), "old")
        let new = Record(Version(1, 2, 2), "new")
        let stores =
            [1: ManualStore(["k": new]), 2: ManualStore(["k": old]), 3: ManualStore(["k": new])]
            as [UInt16: ManualStore]
        stores[1]?.readsFromDisk = true
        stores[1]?.spoiled = ["k"]
        let cluster = ManualCluster(stores, isolated: [3])
        cluster.pass(6000)
        XCTAssertEqual(cluster.leaders.count, 1)
        let leader = cluster.leaders[0]
        let read = cluster[leader].request(.get, timeout: 20_000)
        cluster.pass(2000)
        XCTAssertNil(cluster[leader].answers[read], "it may have been chosen by 1 and 3")
        let late = cluster[leader].request(.get, timeout: 300)
        cluster.pass(1000)
        guard case .refused? = cluster[leader].answers[late] else { return XCTFail("\(cluster[leader].answers)") }
        cluster.rejoin(3)
        for _ in 0..<5 {
            cluster[1].repair()
            cluster.pass(500)
        }
        XCTAssertEqual(cluster[leader].answers[read].flatMap(\.text), "new")
    }

    func testARecordGoesToALaggingReplicaWhenItCanBeRead() {
        let record = Record(Version(1, 2, 1), "v")
        let stores =
            [1: ManualStore(["k": record]), 2: ManualStore(["k": record]), 3: ManualStore()] as [UInt16: ManualStore]
        for number in [1, 2] as [UInt16] {
            stores[number]?.readsFromDisk = true
        }
        let cluster = ManualCluster(stores, isolated: [3])
        cluster.pass(4000)
        let leader = cluster.leaders[0]
        stores[leader]?.spoiled = ["k"]
        cluster.rejoin(3)
        cluster.pass(2000)
        XCTAssertNil(stores[3]?.records["k"])
        cluster[leader].repair()
        cluster.pass(2000)
        XCTAssertEqual(stores[3]?.records["k"]?.value, record.value)
    }

    func testRepairsAreBoundedAndForgotten() {
        let keys = (0..<40).map { Key("k\($0)") }
        let records = Dictionary(uniqueKeysWithValues: keys.map { ($0, Record(version, "v")) })
        let node = ManualNode(1, store: ManualStore(records))
        node.store.readsFromDisk = true
        node.up(2)
        node.store.spoiled = Set(keys)
        node.repair()
        XCTAssertEqual(node.takeSent(to: 2, \.quorumRead).count, ShardOptions().maximumRepairs)
        node.repair()
        XCTAssertEqual(node.takeSent(to: 2, \.quorumRead).count, 0)
        node.pass(ShardOptions().repairTimeout.milliseconds + 50)
        node.forgetSent()
        node.repair()
        XCTAssertEqual(node.takeSent(to: 2, \.quorumRead).count, ShardOptions().maximumRepairs)
    }
}
