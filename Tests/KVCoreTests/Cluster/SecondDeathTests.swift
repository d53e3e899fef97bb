import KVCore
import XCTest

/// Tests members that die while a plan is under way, or while other members are dead.
final class SecondDeathTests: XCTestCase {
    private func world(
        _ count: Int, partitions: Int = 32, zones: Int = 0, evictAfter: UInt64 = 10_000, maximumMoves: Int = 64
    ) -> MembershipWorld {
        var options = ClusterOptions()
        options.evictAfter = .milliseconds(evictAfter)
        options.maximumMoves = maximumMoves
        options.maximumSmallMoves = maximumMoves
        let world = MembershipWorld(count, partitions: partitions, zones: zones, options: options)
        world.run(.milliseconds(2000))
        return world
    }

    private func number(_ raw: Int) -> NodeNumber { NodeNumber(UInt16(raw)) }

    /// Partitions of which these hold a majority of the replicas.
    private func stranded(_ world: MembershipWorld, by dead: Set<Int>) -> [Int] {
        let numbers = Set(dead.map(number))
        return world.history.last.assignments.indices.filter { index in
            let replicas = world.history.last.assignments[index].replicas
            return replicas.count(where: numbers.contains) > replicas.count / 2
        }
    }

    /// The nodes to which the plan under way copies replicas.
    private func joiningNodes(_ topology: Topology) -> Set<NodeNumber> {
        Set(
            (topology.plan?.targets ?? []).flatMap { target in
                target.replicas.filter { !topology.replicas(of: target.partition).contains($0) }
            })
    }

    func testTwoWhoDieAtOnceHoldUpOnlyWhatNeedsThem() {
        let world = world(6, maximumMoves: 2)
        world.kill(5)
        world.kill(6)
        let stuck = stranded(world, by: [5, 6])
        XCTAssertGreaterThan(stuck.count, 3, "more than may move at a time")
        world.run(until: { world.history.last.plan?.targets.count == stuck.count })
        for (index, assignment) in world.history.last.assignments.enumerated() where !stuck.contains(index) {
            XCTAssertTrue(Set(assignment.replicas).isDisjoint(with: [number(5), number(6)]))
        }
        for topology in world.history.all {
            XCTAssertTrue(joiningNodes(topology).isDisjoint(with: [number(5), number(6)]))
        }
        guard case .plan(let status?) = world.reply(1, .status) else { return XCTFail("no plan") }
        XCTAssertEqual(status.underWay.count, stuck.count)
        for move in status.underWay {
            XCTAssertTrue([.unreachable(number(5)), .unreachable(number(6))].contains(move.obstacle))
        }
        guard case .refused(.impossible, let why) = world.reply(1, .cancel) else { return XCTFail("cancelled") }
        XCTAssertTrue(why.contains("a majority of whose replicas is dead: start n"), why)
        // One is enough for the majorities.
        world.restart(5)
        world.rest()
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "n4"])
        world.checkPlaced()
    }

    func testASecondDeathWithinAnEvictionIsPlannedAnew() {
        let world = world(6, evictAfter: 20_000, maximumMoves: 2)
        world.kill(6)
        world.run(until: { world.history.last.plan != nil })
        world.movesStandStill = true
        world.run(.milliseconds(1000))
        let plan = world.history.last.plan?.id
        world.kill(5)
        world.run(.milliseconds(19_000))
        XCTAssertEqual(world.history.last.member(number(5))?.status, .active, "not evicted yet")
        world.movesStandStill = false
        world.run(until: { world.history.last.member(number(5))?.status == .lost })
        XCTAssertEqual(world.history.last.plan?.id, plan, "one plan at a time")
        XCTAssertTrue(joiningNodes(world.history.last).isDisjoint(with: [number(5), number(6)]))
        let stuck = stranded(world, by: [5, 6])
        world.run(until: { world.history.last.plan?.targets.count == stuck.count })
        world.restart(5)
        world.rest()
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "n4"])
        world.checkPlaced()
    }

    func testWhatAMemberWasToGetGoesToOthersWhenItIsAwayForLong() {
        // Nobody is evicted here.
        let world = world(6, evictAfter: 600_000)
        world.movesStandStill = true
        _ = world.reply(1, world.change(leaves: ["n1"]))
        world.run(.milliseconds(1000))
        XCTAssertTrue(joiningNodes(world.history.last).contains(number(6)))
        world.kill(6)
        world.run(.milliseconds(25_000))
        XCTAssertTrue(joiningNodes(world.history.last).contains(number(6)), "it may be back in a moment")
        world.run(.milliseconds(10_000))
        XCTAssertFalse(joiningNodes(world.history.last).contains(number(6)))
        world.movesStandStill = false
        world.run(until: { world.history.last.plan == nil })
        XCTAssertEqual(world.ids, ["n2", "n3", "n4", "n5", "n6"])
        XCTAssertTrue(world.history.last.assignments.allSatisfy { Set($0.replicas).count == 3 })
    }

    func testWhoIsBackBeforeThePlanEndsGetsItsShareAfterAll() {
        let world = world(6, evictAfter: 600_000)
        world.kill(6)
        world.run(.milliseconds(2000))
        world.movesStandStill = true
        _ = world.reply(1, world.change(leaves: ["n1"]))
        world.run(.milliseconds(1000))
        XCTAssertFalse(joiningNodes(world.history.last).contains(number(6)), "the dead are no targets")
        world.restart(6)
        world.movesStandStill = false
        world.rest()
        XCTAssertEqual(world.ids, ["n2", "n3", "n4", "n5", "n6"])
        world.checkPlaced()
    }

    func testAMoveWhoseNextSetLosesItsMajorityGoesBack() {
        let world = world(4, evictAfter: 600_000)
        world.movesStandStill = true
        for id in ["n5", "n6", "n7"] { world.apply(id) }
        world.run(.milliseconds(2500))
        _ = world.reply(1, world.change(joins: ["n5", "n6", "n7"]))
        world.run(.milliseconds(1000))
        let gone = [number(5), number(6)]
        func stuck() -> Int {
            world.history.last.assignments.count { ($0.next ?? []).count(where: gone.contains) > 1 }
        }
        XCTAssertGreaterThan(stuck(), 0)
        world.kill(5)
        world.kill(6)
        world.run(.milliseconds(3000))
        XCTAssertEqual(stuck(), 0, "the present set serves alone again")
        world.restart(5)
        world.restart(6)
        world.movesStandStill = false
        world.rest()
        XCTAssertEqual(world.ids.count, 7)
        world.checkPlaced()
    }

    func testAPlanDoesNotEndWithoutAJoiningNodeThatIsDead() {
        let world = world(4, evictAfter: 600_000)
        world.apply("n5")
        world.run(.milliseconds(2500))
        _ = world.reply(1, world.change(joins: ["n5"]))
        world.run(until: { world.nodes[number(5)] != nil })
        world.kill(5)
        world.run(.milliseconds(60_000))
        XCTAssertNotNil(world.history.last.plan)
        world.restart(5)
        world.rest()
        world.checkPlaced()
        XCTAssertTrue(world.isMember("n5"))
    }

    func testSubstitutesAreOfTheZonesThatThePartitionIsNotIn() {
        // Two of each zone.
        let world = world(6, zones: 3, evictAfter: 600_000)
        world.kill(6)
        world.run(.milliseconds(2000))
        _ = world.reply(1, world.change(leaves: ["n1"]))
        world.run(until: { world.history.last.plan == nil })
        // n6 was of the zone of n3, n1 of that of n4: each partition had one replica in each zone, and still has.
        let topology = world.history.last
        for assignment in topology.assignments {
            XCTAssertEqual(Set(assignment.replicas.compactMap { topology.member($0)?.zone }).count, 3)
        }
    }
}
