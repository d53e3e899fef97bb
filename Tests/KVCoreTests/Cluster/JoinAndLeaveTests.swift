import KVCore
import XCTest

/// Tests plans from their beginning to their end.
final class JoinAndLeaveTests: XCTestCase {
    private func status(_ reply: ControlReply?, file: StaticString = #filePath, line: UInt = #line) -> PlanStatus? {
        guard case .plan(let status?) = reply else {
            XCTFail("no plan but \(String(describing: reply))", file: file, line: line)
            return nil
        }
        return status
    }

    private func refusal(
        _ reply: ControlReply?, file: StaticString = #filePath, line: UInt = #line
    ) -> (ControlRefusal, String)? {
        guard case .refused(let refusal, let message) = reply else {
            XCTFail("not refused but \(String(describing: reply))", file: file, line: line)
            return nil
        }
        return (refusal, message)
    }

    func testRecordsTheFirstMembersStoresInOneChange() {
        let world = MembershipWorld(3)
        world.run(until: { world.history.last.epoch > 1 })
        XCTAssertTrue(world.history.last.members.allSatisfy { $0.store != nil })
        world.run(.milliseconds(3000))
        XCTAssertEqual(world.history.last.epoch, 2)
        XCTAssertTrue(world.isAtRest)
    }

    func testNoNodeSendsMoreAtATimeThanItMay() {
        var options = ClusterOptions()
        // Partitions have 1,000 bytes.
        options.moveRate = 3000
        let world = MembershipWorld(3, partitions: 64, options: options)
        world.apply("n4")
        world.run(.milliseconds(2000))
        _ = status(world.reply(3, world.change(joins: ["n4"])))
        var most = 0
        world.run(until: {
            let moving = world.history.last.assignments.filter { $0.next != nil }
            for sender in 1...3 { most = max(most, moving.count { $0.replicas.first == NodeNumber(UInt16(sender)) }) }
            return world.history.last.members.count == 4 && world.history.last.plan == nil
        })
        XCTAssertEqual(most, 6, "of sixteen")
        world.checkPlaced()
    }

    func testANodeJoins() {
        let world = MembershipWorld(3)
        world.apply("n4")
        world.run(.milliseconds(2000))
        for node in world.nodes.values { XCTAssertEqual(node.machine.pendingNodes.map(\.id), ["n4"]) }
        let preview = status(world.reply(2, .change(MembershipChange(joins: [.init(id: "n4")]), isDryRun: true)))
        XCTAssertEqual(preview?.moves, 12)
        XCTAssertEqual(preview?.minimum, 12)
        XCTAssertEqual(preview?.bytes, 12_000)
        XCTAssertEqual(preview?.joining, ["n4"])
        XCTAssertEqual(preview?.shares.map(\.id), ["n1", "n2", "n3", "n4"])
        XCTAssertEqual(preview?.shares.map(\.replicasBefore), [16, 16, 16, 0])
        XCTAssertEqual(preview?.shares.map(\.replicasAfter), [12, 12, 12, 12])
        XCTAssertEqual(preview?.shares.map(\.leadersBefore).reduce(0, +), 16)
        XCTAssertEqual(preview?.shares.map(\.leadersAfter), [4, 4, 4, 4])
        XCTAssertNil(world.history.last.plan)

        let begun = status(world.reply(3, world.change(joins: ["n4"])))
        XCTAssertEqual(begun?.moves, 12)
        XCTAssertEqual(begun?.movesDone, 0)
        world.run(until: { world.nodes[NodeNumber(4)] != nil })
        world.run(until: { world.nodes[NodeNumber(4)]?.machine.planStatus()?.partitionsLeft ?? 99 < 16 })
        world.rest()
        world.checkPlaced()
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "n4"])
        XCTAssertEqual(world.history.last.assignments.count { $0.replicas.contains(NodeNumber(4)) }, 12)
        for node in world.nodes.values {
            XCTAssertEqual(node.machine.pendingNodes, [])
            XCTAssertEqual(node.machine.lastMoves, [])
        }
        XCTAssertTrue(world.notices.contains { if case .planEnded(_, _, false) = $0.notice { true } else { false } })
    }

    func testANodeLeavesThroughTheCoordinatorItself() {
        let world = MembershipWorld(4)
        world.run(.milliseconds(2000))
        let coordinator = world.leader ?? NodeNumber(0)
        let id = world.history.last.member(coordinator)?.id ?? ""
        XCTAssertEqual(status(world.reply(Int(coordinator.raw), world.change(leaves: [id])))?.leaving, [id])
        world.run(until: { !world.isMember(id) && world.isAtRest })
        world.checkPlaced()
        XCTAssertNil(world.nodes[coordinator], "it has heard that it was removed")
        XCTAssertEqual(world.history.last.removed.map(\.id), [id])
    }

    func testSeveralJoinAndLeaveInOnePlan() {
        let world = MembershipWorld(4, partitions: 64)
        world.apply("n5")
        world.apply("n6")
        world.apply("n7")
        world.run(.milliseconds(2500))
        let plan = status(world.reply(1, world.change(joins: ["n5", "n6", "n7"], leaves: ["n1", "n2"])))
        XCTAssertEqual(plan?.joining, ["n5", "n6", "n7"])
        XCTAssertEqual(plan?.leaving, ["n1", "n2"])
        XCTAssertEqual(plan?.moves, plan?.minimum)
        world.run(until: { world.isAtRest && !world.isMember("n1") })
        XCTAssertEqual(world.ids, ["n3", "n4", "n5", "n6", "n7"])
        XCTAssertEqual(world.history.last.metadataQuorum.replicas.count, 5)
        world.checkPlaced()
        let plans = Set(world.history.all.compactMap { $0.plan?.id })
        XCTAssertEqual(plans.count, 1)
    }

    func testAClusterOfOneGrowsToThreeAndShrinksBack() {
        let world = MembershipWorld(1)
        world.apply("b")
        world.apply("c")
        world.run(.milliseconds(2500))
        XCTAssertEqual(status(world.reply(1, world.change(joins: ["b", "c"])))?.moves, 32)
        world.run(until: { world.isAtRest && world.ids.count == 3 && world.history.last.plan == nil })
        world.checkPlaced()
        XCTAssertEqual(world.history.last.metadataQuorum.replicas.count, 3)
        XCTAssertEqual(status(world.reply(1, world.change(leaves: ["n1", "c"])))?.moves, 0)
        world.run(until: { world.ids == ["b"] && world.isAtRest })
        XCTAssertTrue(world.history.last.assignments.allSatisfy { $0.replicas == [NodeNumber(2)] })
        XCTAssertEqual(world.history.last.metadataQuorum.replicas, [NodeNumber(2)])
    }

    func testNodesThatAdmitThemselvesShareAPlan() {
        let world = MembershipWorld(3)
        world.run(.milliseconds(2000))
        world.apply("x", admitsItself: true)
        world.run(.milliseconds(500))
        world.apply("y", admitsItself: true)
        world.apply("z")
        world.run(until: { world.isMember("x") })
        XCTAssertTrue(world.isMember("y"))
        world.rest()
        world.checkPlaced()
        XCTAssertEqual(world.ids, ["n1", "n2", "n3", "x", "y"])
        XCTAssertEqual(Set(world.history.all.compactMap { $0.plan?.id }).count, 1)
    }

    func testAReplacedNodeGivesItsPlaceToANewOneOfTheSameName() {
        let world = MembershipWorld(3)
        world.run(.milliseconds(2000))
        world.kill(2)
        world.apply("n2")
        world.run(.milliseconds(2500))
        XCTAssertEqual(refusal(world.reply(1, world.change(joins: ["n2"])))?.0, .impossible)
        let replace = MembershipChange(joins: [.init(id: "n2", replaces: "n2")])
        XCTAssertEqual(status(world.reply(1, .change(replace, isDryRun: false)))?.moves, 16)
        XCTAssertEqual(refusal(world.reply(1, .cancel))?.0, .impossible)
        world.run(until: { world.history.last.member(NodeNumber(2)) == nil && world.isAtRest })
        XCTAssertEqual(world.history.last.members.map(\.number.raw), [1, 3, 4])
        XCTAssertEqual(world.history.last.member(named: "n2")?.number, NodeNumber(4))
        world.checkPlaced()
    }

    func testAForcedLeaveRemovesADeadNodeOnly() {
        let world = MembershipWorld(4)
        world.run(.milliseconds(2000))
        XCTAssertEqual(refusal(world.reply(1, world.change(leaves: ["n4"], isForced: true)))?.0, .impossible)
        world.kill(4)
        world.run(.milliseconds(2000))
        let advised = refusal(world.reply(1, world.change(leaves: ["n4"])))
        XCTAssertTrue(advised?.1.contains("--force") ?? false)
        XCTAssertEqual(status(world.reply(2, world.change(leaves: ["n4"], isForced: true)))?.leaving, ["n4"])
        world.run(until: { !world.isMember("n4") && world.isAtRest })
        world.checkPlaced()
    }

    func testARemovedStoreNeverReturns() {
        let world = MembershipWorld(4)
        world.run(.milliseconds(2000))
        let store = world.nodes[NodeNumber(4)]?.store
        _ = world.reply(1, world.change(leaves: ["n4"]))
        world.run(until: { !world.isMember("n4") && world.isAtRest })
        world.apply("n4", store: store, admitsItself: true)
        world.run(.milliseconds(5000))
        let refused = refusal(world.reply(1, world.change(joins: ["n4"])))
        XCTAssertEqual(refused?.0, .impossible)
        XCTAssertTrue(
            refused?.1.contains("the data directory of n4, which was removed") ?? false, "\(refused?.1 ?? "")")
        world.apply("n5")
        world.run(.milliseconds(2000))
        XCTAssertNotNil(status(world.reply(1, world.change(joins: ["n5"]))))
        world.run(until: { world.isMember("n5") && world.isAtRest })
        XCTAssertFalse(world.isMember("n4"))
    }

    func testWhatCannotBeDoneIsRefusedWithAReason() {
        let world = MembershipWorld(3)
        world.apply("twin")
        world.apply("twin")
        world.apply("n4")
        world.run(.milliseconds(2500))
        func refused(_ change: MembershipChange) -> ControlRefusal? {
            refusal(world.reply(1, .change(change, isDryRun: false)))?.0
        }
        XCTAssertEqual(refused(MembershipChange()), .impossible)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "n9")])), .noSuchNode)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "n1")])), .impossible)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "twin")])), .impossible)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "n4"), .init(id: "n4")])), .impossible)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "n4", weight: 0)])), .impossible)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "n4", zone: "a b")])), .impossible)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "n4", replaces: "n9")])), .noSuchNode)
        XCTAssertEqual(refused(MembershipChange(joins: [.init(id: "n4", replaces: "n1")], leaves: ["n1"])), .impossible)
        XCTAssertEqual(refused(MembershipChange(leaves: ["n9"])), .noSuchNode)
        XCTAssertEqual(refused(MembershipChange(leaves: ["n1", "n2", "n3"])), .impossible)
        XCTAssertEqual(refusal(world.reply(1, .pause))?.0, .noPlan)
        XCTAssertEqual(refusal(world.reply(2, .resume))?.0, .noPlan)
        XCTAssertEqual(refusal(world.reply(3, .cancel))?.0, .noPlan)
        XCTAssertEqual(world.reply(3, .status), .plan(nil))
        XCTAssertEqual(world.history.last.epoch, 2)
        world.movesStandStill = true
        XCTAssertNotNil(status(world.reply(2, world.change(joins: ["n4"]))))
        XCTAssertEqual(refused(MembershipChange(leaves: ["n1"])), .planUnderWay)
    }

    // MARK: - A cluster of one

    /// The first topology that the coordinator of a cluster of so many members writes to its register.
    private func firstChange(members: Int, addresses: NodeAddresses) -> Topology? {
        var single = SingleMachine(members: members, addresses: addresses)
        var effects = single.give(.leading(true))
        guard let read = effects.requests.first else { return nil }
        effects = single.give(.outcome(read.id, .absent)) + single.wait(2000)
        guard case .put(let put)? = effects.requests.last?.command else { return nil }
        return single.table.coding.decode(put.value)
    }

    func testTheOnlyMemberMovesToWhereItSaysThatItIs() {
        let addresses = NodeAddresses(client: Address(host: "new", port: 1), peer: Address(host: "new", port: 2))
        let moved = firstChange(members: 1, addresses: addresses)
        XCTAssertEqual(moved?.epoch, 2)
        XCTAssertEqual(moved?.members[0].client, addresses.client)
        XCTAssertEqual(moved?.members[0].peer, addresses.peer)
        XCTAssertNil(moved?.flaw)
        let kept = firstChange(members: 3, addresses: addresses)
        XCTAssertNotEqual(kept?.members[0].client, addresses.client, "others look for it where it was")
    }
}
