import KVCore
import XCTest

final class PlannerTests: XCTestCase {
    func testThreeNodesHoldEverythingAndLeadAThirdEach() {
        let plan = PlannerCase(members: [Member(1), Member(2), Member(3)], partitions: 1024, replicas: 3).plan
        for node in 1...3 {
            XCTAssertEqual(plan.replicas(on: node), 1024)
            XCTAssertTrue((341...342).contains(plan.leaders(on: node)))
        }
        XCTAssertEqual(plan.moves, 0)
        XCTAssertEqual(plan.leaderChanges, 0)
    }

    func testADeadLeadersPartitionsGoToAllWhoShareThem() {
        let plan = PlannerCase(members: (1...3).map { Member($0) }, partitions: 1024, replicas: 3).plan
        let heirs = plan.target.filter { $0[0] == NodeNumber(1) }.map { $0[1] }
        for node in [NodeNumber(2), NodeNumber(3)] {
            XCTAssertTrue((120...221).contains(heirs.count { $0 == node }), "\(heirs.count { $0 == node })")
        }
    }

    func testNodesShareTheirPartitionsWithManyOthers() {
        let plan = PlannerCase(members: (1...10).map { Member($0) }, partitions: 1024, replicas: 3).plan
        let partners = Set(plan.target.filter { $0.contains(NodeNumber(1)) }.joined())
        XCTAssertEqual(partners.count, 10)
    }

    func testFewerNodesThanReplicas() {
        let plan = PlannerCase(members: [Member(1), Member(2)], partitions: 8, replicas: 3).plan
        for set in plan.target { XCTAssertEqual(set.sorted(), [NodeNumber(1), NodeNumber(2)]) }
    }

    func testNothingToPlace() {
        XCTAssertEqual(PlannerCase(members: [], partitions: 4, replicas: 3).plan.target, [[], [], [], []])
        XCTAssertEqual(PlannerCase(members: [Member(1)], partitions: 2, replicas: 0).plan.target, [[], []])
        XCTAssertEqual(PlannerCase(members: [Member(1)], partitions: 0, replicas: 3).plan.target, [])
    }

    func testDoesNotDependOnTheOrderOfMembers() {
        var random = SplitMix(seed: 1)
        for _ in 0..<20 {
            var task = PlannerCase.random(using: &random, partitions: 16...64, nodes: 3...12)
            let plan = task.plan
            task.members.shuffle(using: &random)
            XCTAssertEqual(task.plan, plan)
        }
    }

    func testSharesFollowWeights() {
        let plan = PlannerCase(
            members: [Member(1, weight: 1), Member(2, weight: 2), Member(3, weight: 3), Member(4, weight: 4)],
            partitions: 100, replicas: 2
        ).plan
        XCTAssertEqual((1...4).map { plan.replicas(on: $0) }, [20, 40, 60, 80])
        XCTAssertEqual((1...4).map { plan.leaders(on: $0) }, [10, 20, 30, 40])
    }

    func testANodeHoldsAPartitionOnceHoweverMuchItWeighs() {
        let plan = PlannerCase(
            members: [Member(1, weight: 1000), Member(2), Member(3), Member(4)], partitions: 96, replicas: 2
        ).plan
        XCTAssertEqual((1...4).map { plan.replicas(on: $0) }, [96, 32, 32, 32])
    }

    func testZonesComeBeforeWeights() {
        let members = [
            Member(1, zone: "a", weight: 10), Member(2, zone: "a", weight: 10), Member(3, zone: "b"),
            Member(4, zone: "c"),
        ]
        let plan = PlannerCase(members: members, partitions: 64, replicas: 3).plan
        XCTAssertEqual((1...4).map { plan.replicas(on: $0) }, [32, 32, 64, 64])
    }

    func testMoreReplicasThanZonesAreSpreadEvenly() {
        let members = (1...4).map { Member($0, zone: "a") } + [Member(5, zone: "b"), Member(6, zone: "b")]
        for set in PlannerCase(members: members, partitions: 64, replicas: 3).plan.target {
            let inA = set.count { $0.raw <= 4 }
            XCTAssertTrue(inA == 1 || inA == 2)
        }
    }

    func testMembersWithoutAZoneShareOne() {
        let members = [Member(1, zone: "a"), Member(2), Member(3), Member(4)]
        for set in PlannerCase(members: members, partitions: 30, replicas: 2).plan.target {
            XCTAssertTrue(set.contains(NodeNumber(1)))
        }
    }

    func testNothingMovesWhenNothingChanged() {
        var random = SplitMix(seed: 2)
        for _ in 0..<30 {
            var task = PlannerCase.random(using: &random, partitions: 16...128, nodes: 1...12)
            let plan = task.plan
            task.current = plan.target
            XCTAssertEqual(task.plan, Plan(target: plan.target, moves: 0, leaderChanges: 0), "\(task)")
        }
    }

    func testANodeThatJoinsTakesItsShareAndNothingElseMoves() {
        for count in [3, 4, 9, 20] {
            var task = PlannerCase(members: (1...count).map { Member($0) }, partitions: 256, replicas: 3)
            task.current = task.plan.target
            task.members.append(Member(count + 1))
            let plan = task.plan
            XCTAssertEqual(plan.moves, plan.replicas(on: count + 1))
            XCTAssertEqual(plan.moves, 256 * 3 / (count + 1))
        }
    }

    func testANodeThatLeavesMovesOnlyWhatItHeld() {
        for count in [4, 5, 10, 20] {
            var task = PlannerCase(members: (1...count).map { Member($0) }, partitions: 256, replicas: 3)
            let before = task.plan
            task.current = before.target
            task.members.removeFirst()
            XCTAssertEqual(task.plan.moves, before.replicas(on: 1))
        }
    }

    func testOnePlanMayJoinAndLeaveSeveral() {
        var task = PlannerCase(members: (1...12).map { Member($0, zone: "z\($0 % 3)") }, partitions: 512, replicas: 3)
        let before = task.plan
        task.current = before.target
        task.members.removeAll { $0.number.raw <= 3 }
        task.members += (13...15).map { Member($0, zone: "z\($0 % 3)") }
        let plan = task.plan
        XCTAssertEqual(plan.moves, (1...3).reduce(0) { $0 + before.replicas(on: $1) })
        XCTAssertEqual(plan.moves, (13...15).reduce(0) { $0 + plan.replicas(on: $1) })
    }

    func testOnlyLeadersThatLeaveOrTransferToAJoiningNodeChange() {
        var task = PlannerCase(members: (1...6).map { Member($0) }, partitions: 512, replicas: 3)
        let before = task.plan
        task.current = before.target
        task.members.append(Member(7))
        let plan = task.plan
        let left = zip(before.target, plan.target).count { !$1.contains($0[0]) }
        XCTAssertLessThanOrEqual(plan.leaderChanges, left + plan.leaders(on: 7))
        XCTAssertGreaterThanOrEqual(plan.leaderChanges, plan.leaders(on: 7))
    }

    func testInitialTopology() {
        let settings = ClusterSettings(name: "demo", partitions: 64, replicas: 2)
        let members = [Member(3), Member(1), Member(2)]
        let topology = Topology.initial(clusterID: UUID128(high: 1, low: 2), settings: settings, members: members)
        XCTAssertEqual(topology.epoch, 1)
        XCTAssertEqual(topology.members.map(\.number.raw), [1, 2, 3])
        XCTAssertEqual(topology.assignments.count, 64)
        XCTAssertTrue(topology.assignments.allSatisfy { $0.changed == 1 && $0.next == nil && $0.replicas.count == 2 })
    }

    func testLookups() {
        let settings = ClusterSettings(name: "demo", partitions: 64, replicas: 2)
        var topology = Topology.initial(
            clusterID: UUID128(high: 1, low: 2), settings: settings, members: (1...3).map { Member($0) })
        XCTAssertEqual(topology.partition(of: Key("foo")), PartitionID(UInt16(12182 / 256)))
        XCTAssertEqual(topology.replicas(of: PartitionID(5)), topology.assignments[5].replicas)
        XCTAssertEqual(topology.replicas(of: PartitionID(65)), [])
        XCTAssertNil(topology.assignment(of: PartitionID(65)))

        topology.assignments[0] = Assignment(
            replicas: [NodeNumber(1), NodeNumber(2)], next: [NodeNumber(2), NodeNumber(3)], changed: 2)
        for node in 1...3 as ClosedRange<UInt16> {
            XCTAssertEqual(topology.partitions(on: NodeNumber(node)).first, PartitionID(0))
        }
        XCTAssertEqual(topology.partitions(on: NodeNumber(9)), [])
    }
}
