import KVCore
import XCTest

final class EvictionTests: XCTestCase {
    private func world(_ count: Int, replicas: Int = 3) -> MembershipWorld {
        var options = ClusterOptions()
        options.evictAfter = .milliseconds(10_000)
        let world = MembershipWorld(count, replicas: replicas, options: options)
        world.run(.milliseconds(2000))
        return world
    }

    private func waits(_ world: MembershipWorld) -> [String] {
        world.notices.compactMap { if case .evictionWaits(_, let reason) = $0.notice { reason } else { nil } }
    }

    func testADeadMemberIsPlannedOutAfterItsTime() {
        let world = world(5)
        world.kill(5)
        world.run(.milliseconds(11_000))
        XCTAssertNil(world.history.last.plan)
        world.run(until: { world.history.last.plan != nil })
        XCTAssertEqual(world.history.last.plan?.reason, .eviction)
        XCTAssertEqual(world.history.last.member(NodeNumber(5))?.status, .lost)
        world.rest()
        XCTAssertTrue(world.notices.contains { $0.notice == .evicting(NodeNumber(5)) })
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "n4"])
        world.checkPlaced()
    }

    func testAMemberThatComesBackInTimeStays() {
        let world = world(5)
        world.kill(5)
        world.run(.milliseconds(10_000))
        world.restart(5)
        world.run(.milliseconds(10_000))
        world.kill(5)
        world.run(.milliseconds(10_000))
        XCTAssertNil(world.history.last.plan)
        XCTAssertEqual(world.ids.count, 5)
    }

    func testANewCoordinatorCountsAnew() {
        let world = world(5)
        world.kill(5)
        world.run(.milliseconds(9000))
        world.switchLeader()
        world.run(.milliseconds(9000))
        XCTAssertNil(world.history.last.plan)
        world.run(until: { world.history.last.plan != nil })
    }

    func testNobodyIsEvictedWhereTheRestCannotHoldTheReplicas() {
        let world = world(3)
        world.kill(3)
        world.run(.milliseconds(20_000))
        XCTAssertEqual(waits(world), ["only 2 members would be left to hold 3 replicas"])
        XCTAssertEqual(world.ids.count, 3)
    }

    func testNobodyIsEvictedWithoutAMajority() {
        // The metadata quorum of five has one, of seven members no more than three are left.
        let world = world(7, replicas: 1)
        for node in [3, 5, 6, 7] { world.kill(node) }
        world.run(.milliseconds(20_000))
        XCTAssertEqual(world.ids.count, 7)
        XCTAssertEqual(Set(waits(world)), ["only 3 of 7 members are alive, which is no majority"])
        XCTAssertEqual(waits(world).count, 4, "each is spoken of once")
    }

    func testEvictsNoMoreThanTheRestCanReplace() {
        let world = world(5, replicas: 4)
        world.kill(4)
        world.kill(5)
        world.run(until: { world.history.last.plan != nil })
        XCTAssertEqual(world.history.last.members.filter { !$0.stays }.map(\.id), ["n4"])
        XCTAssertEqual(waits(world), ["only 3 members would be left to hold 4 replicas"])
    }

    func testAnEvictionJoinsThePlanUnderWay() {
        let world = world(5)
        world.movesStandStill = true
        _ = world.reply(1, world.change(leaves: ["n4"]))
        world.kill(5)
        world.run(.milliseconds(15_000))
        XCTAssertEqual(waits(world), [])
        XCTAssertEqual(world.history.last.member(NodeNumber(5))?.status, .lost)
        XCTAssertEqual(Set(world.history.all.compactMap { $0.plan?.id }).count, 1, "one plan at a time")
        world.movesStandStill = false
        world.run(until: { world.ids == ["n1", "n2", "n3"] && world.isAtRest })
    }

    func testAnEvictionWaitsForThePlanThatIsPaused() {
        let world = world(5)
        world.movesStandStill = true
        _ = world.reply(1, world.change(leaves: ["n4"]))
        _ = world.reply(1, .pause)
        world.kill(5)
        world.run(.milliseconds(15_000))
        XCTAssertEqual(waits(world), ["the change of membership under way is paused"])
        world.movesStandStill = false
        _ = world.reply(1, .resume)
        world.run(until: { world.ids == ["n1", "n2", "n3"] && world.isAtRest })
    }

    func testNobodyIsEvictedOfWhomNothingCanBeMovedAway() {
        let world = world(3, replicas: 2)
        world.kill(3)
        world.run(.milliseconds(20_000))
        XCTAssertEqual(waits(world), ["no partition of which it has a replica has a majority of its replicas alive"])
        XCTAssertNil(world.history.last.plan)
        guard case .refused(.impossible, let why) = world.reply(1, world.change(leaves: ["n3"], isForced: true)) else {
            return XCTFail("a plan that cannot end")
        }
        XCTAssertTrue(why.hasPrefix("without n3 no partition that it holds has a majority of its replicas"), why)
    }
}
