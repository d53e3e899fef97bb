import KVCore
import XCTest

/// Tests that tombstones are purged when every replica has them, and only then.
final class PurgeTests: XCTestCase {
    private func cluster(recompare: Nanoseconds? = nil) -> ManualCluster {
        var options = ShardOptions()
        options.purge = .milliseconds(1000)
        if let recompare { options.recompare = recompare }
        let cluster = ManualCluster(options: options)
        cluster.pass(200)
        XCTAssertEqual(cluster.leaders, [1])
        return cluster
    }

    private func run(_ command: Command, _ cluster: ManualCluster) {
        let id = cluster[1].request(command)
        cluster.pass(50)
        XCTAssertNotNil(cluster[1].answers[id]?.version)
    }

    func testATombstoneThatAllHoldGoesEverywhere() {
        let cluster = cluster()
        run(.put("x"), cluster)
        run(.delete(.always), cluster)
        XCTAssertEqual(cluster[3].store.records.count, 1)
        cluster.pass(10_000)
        for number: UInt16 in 1...3 { XCTAssertEqual(cluster[number].store.records, [:], "node \(number)") }
        let read = cluster[2].request(.get)
        cluster.pass(100)
        XCTAssertEqual(cluster[2].answers[read], .absent)
        cluster.assertLevel()
    }

    /// A purge goes on in steps. A comparison would have to wait for all of them.
    func testNothingIsComparedWhileAPurgeGoesOn() {
        let cluster = cluster(recompare: .milliseconds(1000))
        run(.put("x"), cluster)
        cluster[1].store.isPurging = true
        func comparisons(in time: UInt64) -> Int {
            let before = cluster.delivered.count
            cluster.pass(time)
            return cluster.delivered.dropFirst(before).count {
                if case .replica(_, .leaves) = $0 { true } else { false }
            }
        }
        XCTAssertEqual(comparisons(in: 5000), 0)
        cluster[1].store.isPurging = false
        XCTAssertGreaterThan(comparisons(in: 5000), 0)
        cluster.assertLevel()
    }

    /// So would a new ballot, under which the present tombstones could be purged.
    func testNothingIsPreparedAnewWhileAPurgeGoesOn() {
        let cluster = cluster()
        run(.put("x"), cluster)
        run(.delete(.always), cluster)
        let ballot = cluster[1].store.promise(ManualNode.partition)
        cluster[1].store.isPurging = true
        cluster.pass(70_000)
        XCTAssertEqual(cluster[1].store.promise(ManualNode.partition), ballot)
        XCTAssertEqual(cluster[1].store.records.count, 1)
        cluster[1].store.isPurging = false
        cluster.pass(70_000)
        for number: UInt16 in 1...3 { XCTAssertEqual(cluster[number].store.records, [:], "node \(number)") }
        XCTAssertGreaterThan(cluster[1].store.promise(ManualNode.partition), ballot)
    }

    func testAReplicaThatIsAwayBlocksIt() {
        let cluster = cluster()
        run(.put("x"), cluster)
        cluster.isolate(3)
        run(.delete(.always), cluster)
        cluster.pass(10_000)
        XCTAssertNotNil(cluster[1].store.records["k"], "node 3 does not know of it")
        XCTAssertEqual(cluster[3].value(), "x")
        cluster.rejoin(3)
        cluster.pass(10_000)
        for number: UInt16 in 1...3 { XCTAssertEqual(cluster[number].store.records, [:], "node \(number)") }
    }

    func testAnExpiredRecordGoesLikeATombstone() {
        let cluster = cluster()
        run(.put("x", lifetime: .milliseconds(500)), cluster)
        run(.put("x", lifetime: .milliseconds(500)), cluster)
        cluster.pass(20_000)
        for number: UInt16 in 1...3 { XCTAssertEqual(cluster[number].store.records, [:], "node \(number)") }
    }

    func testAReplicaThatMissedThePurgeIsNotTakenForOneThatKnowsMore() {
        let cluster = cluster()
        run(.put("x"), cluster)
        run(.delete(.always), cluster)
        cluster.pass(1200)
        // The purge floor reaches node 2 only.
        let floor = Version(ballot: Ballot(99, 1), sequence: 0)
        for number: UInt16 in 1...2 { cluster[number].store.setPurgeFloor(ManualNode.partition, floor) }
        cluster.isolate(1)
        cluster.pass(5000)
        XCTAssertEqual(cluster.leaders.contains(2), true)
        XCTAssertEqual(cluster[3].store.purgeFloor(ManualNode.partition), floor)
        XCTAssertEqual(cluster[3].store.records, [:])
        XCTAssertEqual(cluster[2].store.records, [:], "nothing is proposed again")
    }

    func testALeaderRaisesItsFloorToThatOfAReplica() {
        let tombstone = Record(Version(1, 1, 1), nil)
        let floor = Version(2, 1, 0)
        let cluster = ManualCluster([
            1: ManualStore(["k": tombstone]), 2: ManualStore(), 3: ManualStore(["k": tombstone]),
        ])
        cluster[2].store.setPurgeFloor(ManualNode.partition, floor)
        cluster.pass(1000)
        XCTAssertEqual(cluster.leaders, [1])
        for number: UInt16 in 1...3 { XCTAssertEqual(cluster[number].store.records, [:], "node \(number)") }
    }
}
