import KVCore
import XCTest

/// Tests operators' requests to a plan under way, and plans during which nodes die.
final class PlanControlTests: XCTestCase {
    /// Four nodes wait for nothing; a fifth is being given its share, and moves stand still.
    private func joining(partitions: Int = 64) -> MembershipWorld {
        var options = ClusterOptions()
        options.maximumMoves = 8
        options.maximumSmallMoves = 8
        let world = MembershipWorld(4, partitions: partitions, options: options)
        world.apply("n5")
        world.run(.milliseconds(2500))
        world.movesStandStill = true
        guard case .plan(let status?) = world.reply(1, world.change(joins: ["n5"])) else {
            XCTFail("the plan did not begin")
            return world
        }
        XCTAssertEqual(status.moves, status.minimum)
        world.run(until: { world.nodes[NodeNumber(5)] != nil })
        world.run(.milliseconds(1000))
        return world
    }

    private func underWay(_ world: MembershipWorld) -> Int { world.history.last.assignments.count { $0.next != nil } }

    func testMovesAreBounded() {
        let world = joining()
        XCTAssertEqual(underWay(world), 8)
        let epoch = world.history.last.epoch
        world.run(.milliseconds(3000))
        XCTAssertEqual(world.history.last.epoch, epoch, "nothing changes where nothing is ready")
        let senders = Set(
            world.history.last.assignments.filter { $0.next != nil }.compactMap(\.replicas.first))
        XCTAssertEqual(senders.count, 4, "all take part in sending")
        world.movesStandStill = false
        world.rest()
        world.checkPlaced()
        for topology in world.history.all {
            XCTAssertLessThanOrEqual(topology.assignments.count { $0.next != nil }, 8)
        }
    }

    func testChangesAreBatched() {
        let world = joining()
        world.movesStandStill = false
        let (epoch, start) = (world.history.last.epoch, world.now.monotonic)
        world.rest()
        let span = (world.now.monotonic - start).milliseconds
        XCTAssertLessThanOrEqual(world.history.last.epoch - epoch, span / 100)
    }

    func testAPausedPlanCompletesWhatIsReadyAndBeginsNothing() {
        let world = joining()
        guard case .plan(let status?) = world.reply(3, .pause) else { return XCTFail("not paused") }
        XCTAssertTrue(status.isPaused)
        world.movesStandStill = false
        world.run(until: { underWay(world) == 0 })
        world.run(.milliseconds(3000))
        XCTAssertEqual(underWay(world), 0)
        let left = world.history.last.plan?.targets.count ?? 0
        XCTAssertGreaterThan(left, 0)
        guard case .plan(let again?) = world.reply(2, .pause) else { return XCTFail("not paused twice") }
        XCTAssertEqual(again.partitionsLeft, left)
        guard case .plan(let resumed?) = world.reply(2, .resume) else { return XCTFail("not resumed") }
        XCTAssertFalse(resumed.isPaused)
        world.rest()
        world.checkPlaced()
        XCTAssertTrue(world.isMember("n5"))
    }

    func testAPausedPlanRemovesNobodyOfTheMetadataQuorum() {
        let world = MembershipWorld(4)
        world.run(.milliseconds(2000))
        world.movesStandStill = true
        _ = world.reply(2, world.change(leaves: ["n1"]))
        world.run(.milliseconds(500))
        _ = world.reply(2, .pause)
        world.movesStandStill = false
        world.run(until: { world.history.last.plan?.targets.isEmpty ?? true })
        world.run(.milliseconds(2000))
        XCTAssertEqual(world.history.last.plan?.isPaused, true)
        XCTAssertEqual(world.history.last.member(named: "n1")?.status, .leaving)
        _ = world.reply(2, .resume)
        world.run(until: { world.isAtRest && !world.isMember("n1") })
    }

    func testACancelledJoinUndoesItselfAndTheJoiningNodeIsGone() {
        let world = joining()
        world.movesStandStill = false
        world.run(until: { world.history.last.plan?.targets.count ?? 0 < 40 })
        let before = world.history.last
        guard case .plan(let status?) = world.reply(2, .cancel) else { return XCTFail("not cancelled") }
        XCTAssertTrue(status.isCancelling)
        XCTAssertEqual(status.leaving, ["n5"])
        XCTAssertEqual(status.moves, before.assignments.count { $0.replicas.contains(NodeNumber(5)) })
        XCTAssertEqual(status.moves, status.minimum)
        world.rest()
        world.checkPlaced()
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "n4"])
        XCTAssertEqual(world.history.last.removed.map(\.id), ["n5"])
        XCTAssertTrue(world.notices.contains { if case .planEnded(_, _, true) = $0.notice { true } else { false } })
    }

    func testACancelledLeaveKeepsTheMember() {
        let world = MembershipWorld(4, partitions: 64)
        world.run(.milliseconds(2000))
        _ = world.reply(1, world.change(leaves: ["n1"]))
        world.run(until: { world.history.last.plan?.targets.count ?? 99 < 64 })
        guard case .plan(let status?) = world.reply(3, .cancel) else { return XCTFail("not cancelled") }
        XCTAssertEqual(status.leaving, [])
        world.rest()
        world.checkPlaced()
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "n4"])
        XCTAssertEqual(world.history.last.assignments.count { $0.replicas.contains(NodeNumber(1)) }, 48)
    }

    func testAJoiningNodeThatDiesIsWaitedForAndMayBeGivenUp() {
        let world = joining()
        world.kill(5)
        world.movesStandStill = false
        world.run(.milliseconds(5000))
        XCTAssertEqual(underWay(world), 8, "nothing more is begun towards it")
        guard case .plan(let status?) = world.reply(1, .status) else { return XCTFail("no plan") }
        XCTAssertEqual(status.underWay.first?.obstacle, .unreachable(NodeNumber(5)))
        guard case .plan(let anew?) = world.reply(2, world.change(leaves: ["n5"], isForced: true)) else {
            return XCTFail("not given up")
        }
        XCTAssertEqual(anew.moves, 0, "nothing had been moved")
        world.rest()
        world.checkPlaced()
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "n4"])
    }

    func testAnotherMemberThatDiesIsGivenUpInTheMiddleOfAPlan() {
        let world = joining()
        world.movesStandStill = false
        world.run(until: { world.history.last.plan?.targets.count ?? 0 < 40 })
        world.kill(1)
        world.run(.milliseconds(1000))
        let before = world.history.last
        guard case .plan(let status?) = world.reply(2, world.change(leaves: ["n1"], isForced: true)) else {
            return XCTFail("not given up")
        }
        XCTAssertEqual(status.leaving, ["n1"])
        XCTAssertEqual(status.id, before.plan?.id)
        world.rest()
        world.checkPlaced()
        XCTAssertEqual(world.ids, ["n2", "n3", "n4", "n5"])
    }

    func testAJoiningNodeThatComesBackGoesOn() {
        let world = joining()
        world.kill(5)
        world.movesStandStill = false
        world.run(.milliseconds(4000))
        world.restart(5)
        world.rest()
        world.checkPlaced()
        XCTAssertTrue(world.isMember("n5"))
    }

    func testTheCoordinatorMayDieAtAnyEpoch() {
        var epochs = 20 as Epoch
        var at = 2 as Epoch
        while at <= epochs {
            let world = MembershipWorld(4, seed: at)
            world.history.note = { "the coordinator dies at epoch \(at)" }
            world.apply("n5")
            world.run(.milliseconds(2500))
            let id = world.ask(2, world.change(joins: ["n5"], leaves: ["n2"]))
            world.run(until: { world.history.last.epoch >= at || world.isAtRest && world.isMember("n5") })
            if world.history.last.epoch < at { epochs = world.history.last.epoch }
            if let leader = world.leader {
                world.kill(Int(leader.raw))
                world.run(.milliseconds(2500))
                world.restart(Int(leader.raw))
            }
            world.run(until: { world.answers[id] != nil })
            if world.answers[id] == .unknown, world.history.last.plan == nil, world.isMember("n2") {
                _ = world.reply(1, world.change(joins: ["n5"], leaves: ["n2"]))
            }
            world.run(until: { world.isAtRest && !world.isMember("n2") })
            XCTAssertEqual(world.ids, ["n1", "n3", "n4", "n5"])
            world.checkPlaced()
            at += 1
        }
        XCTAssertGreaterThan(epochs, 5)
    }
}
