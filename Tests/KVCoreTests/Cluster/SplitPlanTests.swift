import XCTest

@testable import KVCore

/// Tests what operators are told of plans that split partitions, and what they can do with them.
final class SplitPlanTests: XCTestCase {
    /// Three nodes that have met, with 16 partitions.
    private func world(isEarlier: @escaping (NodeNumber) -> Bool = { _ in false }) -> MembershipWorld {
        var options = ClusterOptions()
        options.maximumSplits = 4
        let world = MembershipWorld(3, options: options)
        world.isEarlier = isEarlier
        world.run(.milliseconds(2500))
        return world
    }

    private func split(_ world: MembershipWorld, to count: Int, isDryRun: Bool = false) -> ControlReply? {
        world.reply(2, .split(partitions: count, isDryRun: isDryRun))
    }

    private func prepare(_ world: MembershipWorld, to count: Int) {
        for node in world.nodes.keys.sorted() { world.give(node, .prepared(partitions: count)) }
        world.run(.milliseconds(500))
    }

    func testADryRunTellsWhatItWouldComeTo() throws {
        let world = world()
        let epoch = world.history.last.epoch
        guard case .plan(let status?) = split(world, to: 64, isDryRun: true) else { return XCTFail("no plan") }
        XCTAssertEqual(status.reason, .split)
        XCTAssertEqual([status.partitions, status.splitTo, status.moves, status.partitionsLeft], [16, 64, 0, 0])
        XCTAssertEqual(status.bytes, 0)
        for share in status.shares {
            XCTAssertEqual([share.replicasBefore, share.replicasAfter], [16, 64])
            XCTAssertEqual(share.leadersAfter, share.leadersBefore * 4)
        }
        XCTAssertEqual(world.history.last.epoch, epoch)
        XCTAssertEqual(split(world, to: 16), .plan(nil), "there are as many")
    }

    func testThePlanNamesTheNodeThatItWaitsFor() throws {
        let world = world()
        world.run(.milliseconds(8000))
        _ = split(world, to: 64)
        func waitsFor() -> String? {
            guard case .plan(let status?) = world.reply(1, .status) else { return "no plan" }
            return status.waitsFor
        }
        XCTAssertNil(waitsFor(), "it has just begun")
        for node in [1, 2] as [UInt16] { world.give(NodeNumber(node), .prepared(partitions: 20)) }
        world.run(.milliseconds(2000))
        XCTAssertNil(waitsFor(), "it may just be busy")
        world.run(.milliseconds(6000))
        XCTAssertEqual(waitsFor(), world.history.last.member(NodeNumber(3))?.id)
        prepare(world, to: 20)
        XCTAssertEqual(world.history.last.assignments.count, 20)
        XCTAssertNil(waitsFor(), "it goes on")
    }

    /// A partition that a split has yet to make counts for those that have the replicas of its parent, whatever splits
    /// have been made.
    func testSharesAreThoseOfTheEnd() throws {
        let world = world()
        _ = split(world, to: 64)
        for count in [16, 18, 22, 32, 36] {
            prepare(world, to: count)
            XCTAssertEqual(world.history.last.assignments.count, count)
            guard case .plan(let status?) = world.reply(1, .status) else { return XCTFail("no plan") }
            XCTAssertEqual(status.partitions, count)
            XCTAssertEqual(status.shares.map(\.leadersBefore).reduce(0, +), count)
            XCTAssertEqual(status.shares.map(\.replicasAfter), [64, 64, 64])
            XCTAssertEqual(status.shares.map(\.leadersAfter).reduce(0, +), 64)
        }
    }

    func testWhatCannotBeSaysWhy() throws {
        let world = world()
        let refused: [(Int, String)] = [
            (8, "there are 16 partitions, and they can only become more: ask for 16 or more"),
            (24, "24 is no number of partitions: it must be a power of two, at most 16384"),
            (0, "0 is no number of partitions: it must be a power of two, at most 16384"),
            (.min, "\(Int.min) is no number of partitions: it must be a power of two, at most 16384"),
            (32768, "32768 is no number of partitions: it must be a power of two, at most 16384"),
        ]
        for (count, message) in refused {
            for isDryRun in [true, false] {
                XCTAssertEqual(split(world, to: count, isDryRun: isDryRun), .refused(.impossible, message))
            }
        }
        _ = split(world, to: 64)
        guard case .refused(.planUnderWay, let message) = split(world, to: 128) else { return XCTFail("not refused") }
        XCTAssertEqual(message, "another plan is under way: wait for its end, or cancel it (kv ring --cancel)")
        let leave = MembershipChange(leaves: ["n1"])
        XCTAssertEqual(
            world.reply(1, .change(leave, isDryRun: true)), .refused(.planUnderWay, message), "all plans are alike")
    }

    func testMembersOfEarlierVersionsAreNamed() throws {
        let world = world(isEarlier: { $0.raw == 3 })
        for isDryRun in [true, false] {
            guard case .refused(.impossible, let message) = split(world, to: 32, isDryRun: isDryRun) else {
                return XCTFail("not refused")
            }
            XCTAssertTrue(message.hasPrefix("n3 is of an earlier version, which cannot split partitions"), message)
        }
    }

    /// What was split stays so; asked again, the plan goes on from there.
    func testACancelLeavesWhatWasSplit() throws {
        let world = world()
        _ = split(world, to: 32)
        prepare(world, to: 20)
        XCTAssertEqual(world.history.last.assignments.count, 20)
        guard case .plan(let paused?) = world.reply(3, .pause) else { return XCTFail("not paused") }
        XCTAssertTrue(paused.isPaused)
        prepare(world, to: 24)
        XCTAssertEqual(world.history.last.assignments.count, 20, "nothing is split while it is paused")
        guard case .plan(let status?) = world.reply(3, .cancel) else { return XCTFail("not cancelled") }
        XCTAssertTrue(status.isCancelling)
        XCTAssertEqual([status.partitions, status.splitTo], [20, 20])
        world.run(until: { world.history.last.plan == nil })
        prepare(world, to: 32)
        XCTAssertEqual(world.history.last.assignments.count, 20)
        XCTAssertTrue(
            world.notices.contains { if case .planEnded(_, .split, true) = $0.notice { true } else { false } })

        guard case .plan(let again?) = split(world, to: 32) else { return XCTFail("not begun again") }
        XCTAssertEqual([again.partitions, again.splitTo], [20, 32])
        world.run(
            until: {
                prepare(world, to: 32)
                return world.history.last.plan == nil
            })
        world.run(.milliseconds(500))
        XCTAssertEqual(world.history.last.assignments.count, 32)
        XCTAssertTrue(
            world.notices.contains { if case .planEnded(_, .split, false) = $0.notice { true } else { false } })
    }
}
