import KVCore
import XCTest

/// Tests an operator's recovery of clusters that have lost majorities for good.
final class ClusterRecoveryTests: XCTestCase {
    private func topology(_ members: Int, partitions: Int = 32, replicas: Int = 3) -> Topology {
        .initial(
            clusterID: UUID128(high: 7, low: 7),
            settings: ClusterSettings(name: "test", partitions: partitions, replicas: replicas),
            members: (1...members).map { Member($0) })
    }

    private func numbers(_ raws: [Int]) -> [NodeNumber] { raws.map { NodeNumber(UInt16($0)) } }

    private func recover(
        _ topology: Topology, on survivor: Int = 1, lost: [String], acceptsLoss: Bool = false
    ) throws -> TopologyRecovery {
        try TopologyRecovery(
            of: topology, survivor: NodeNumber(UInt16(survivor)), lost: lost, acceptsLoss: acceptsLoss)
    }

    // MARK: The decision

    func testTheOnlySurvivorHasItAll() throws {
        let before = topology(3)
        let recovery = try recover(before, lost: ["n2", "n3"])
        let after = recovery.topology
        XCTAssertEqual(Set(recovery.fates), [.reduced(numbers([1]))])
        XCTAssertNil(after.flaw)
        XCTAssertTrue(after.isSound(after: before))
        XCTAssertTrue(after.assignments.allSatisfy { $0.replicas == numbers([1]) && $0.next == nil })
        XCTAssertTrue(after.assignments.allSatisfy { $0.changed == after.epoch })
        XCTAssertTrue(after.assignments.allSatisfy { $0.since == [1] }, "what it holds is not begun anew")
        XCTAssertEqual(after.metadataQuorum.replicas, numbers([1]))
        XCTAssertEqual(after.members.map(\.status), [.active, .lost, .lost])
        XCTAssertEqual(after.plan?.targets, [])
        XCTAssertEqual(after.epoch.generation, 1)
        XCTAssertGreaterThan(after.lastNumber, before.lastNumber, "the lost may have admitted others")
    }

    func testWhatKeepsAMajorityStaysAsItIs() throws {
        let before = topology(5)
        let recovery = try recover(before, lost: ["n4", "n5"])
        let gone = Set(numbers([4, 5]))
        for (index, assignment) in before.assignments.enumerated() {
            let left = assignment.replicas.filter { !gone.contains($0) }
            XCTAssertEqual(recovery.fates[index], left.count >= 2 ? .kept : .reduced(left))
            if left.count >= 2 { XCTAssertEqual(recovery.topology.assignments[index], assignment) }
            let target = recovery.topology.plan?.targets.first { Int($0.partition.raw) == index }?.replicas
            XCTAssertEqual(target.map { Set($0) }, left.count == 3 ? nil : Set(numbers([1, 2, 3])))
        }
        XCTAssertEqual(Set(recovery.topology.metadataQuorum.replicas), Set(numbers([1, 2, 3])))
        XCTAssertEqual(
            recovery.topology.metadataQuorum.changed, recovery.topology.epoch, "even with a majority of its own")
    }

    func testPartitionsWithNothingLeftNeedConsent() throws {
        let before = topology(5)
        let lost = ["n3", "n4", "n5"]
        let hopeless = before.assignments.indices.filter {
            Set(before.assignments[$0].replicas).isSubset(of: numbers([3, 4, 5]))
        }
        XCTAssertFalse(hopeless.isEmpty)
        XCTAssertThrowsError(try recover(before, lost: lost)) { error in
            let text = "\(error)"
            XCTAssertTrue(
                text.contains("of \(hopeless.count) of 32 partitions (\(TopologyRecovery.ranges(hopeless)))"), text)
            XCTAssertTrue(text.contains("--accept-loss"), text)
        }
        let recovery = try recover(before, lost: lost, acceptsLoss: true)
        for index in hopeless {
            XCTAssertEqual(recovery.fates[index], .gone)
            let assignment = recovery.topology.assignments[index]
            XCTAssertEqual(Set(assignment.replicas), Set(numbers([1, 2])))
            XCTAssertTrue(assignment.since.allSatisfy { $0 == recovery.topology.epoch })
        }
    }

    /// The numbers of partitions that splits have made pass over the metadata partition's.
    func testPartitionsAreNamedByTheirNumbers() throws {
        var before = topology(3, partitions: 4, replicas: 1)
        before.plan = ChangePlan(
            id: 1, reason: .split, targets: [], moves: 0, minimum: 0, bytes: 0, splitTo: 8)
        before = try before.applying(
            TopologyChange(base: before.epoch, epoch: before.epoch + 1, plan: .kept(isPaused: false), splits: 4))
        let hopeless = before.assignments.indices.filter { before.assignments[$0].replicas != numbers([1]) }
        let named = hopeless.map { $0 < 4 ? $0 : $0 + 1 }
        XCTAssertThrowsError(try recover(before, lost: ["n2", "n3"])) { error in
            let text = "\(error)"
            XCTAssertTrue(
                text.contains("of \(hopeless.count) of 8 partitions (\(TopologyRecovery.ranges(named)))"), text)
        }
    }

    func testTwoOfFiveReplicasAreBothKept() throws {
        let recovery = try recover(topology(5, replicas: 5), lost: ["n3", "n4", "n5"])
        XCTAssertTrue(recovery.topology.assignments.allSatisfy { Set($0.replicas) == Set(numbers([1, 2])) })
    }

    func testAMoveIsTakenBackOrFallsToWhoIsLeft() throws {
        var before = topology(5)
        before.epoch = 9
        func assign(_ index: Int, _ replicas: [Int], _ next: [Int]) {
            before.assignments[index] = Assignment(replicas: numbers(replicas), changed: 1)
                .changing(to: numbers(replicas), next: numbers(next), at: 5)
        }
        assign(0, [1, 2, 3], [1, 2, 5])
        assign(1, [1, 4, 5], [1, 2, 3])
        assign(2, [4, 5], [1, 2])
        before.plan = ChangePlan(
            id: 2, reason: .operatorAsked,
            targets: (0...2).map {
                .init(partition: PartitionID(UInt16($0)), replicas: before.assignments[$0].next ?? [])
            }, moves: 5, minimum: 5, bytes: 0)
        before.members[0].status = .leaving
        before.members[1].status = .joining
        before.members[0].status = .active
        XCTAssertNil(before.flaw)
        let recovery = try recover(before, lost: ["n4", "n5"], acceptsLoss: true)
        XCTAssertEqual(recovery.fates[0], .kept)
        XCTAssertEqual(recovery.topology.assignments[0].replicas, numbers([1, 2, 3]))
        XCTAssertNil(recovery.topology.assignments[0].next)
        // Records chosen during the move are on joining nodes too, so one of these joins the set, and the majority is
        // two.
        XCTAssertEqual(recovery.fates[1], .reduced(numbers([1, 2])))
        XCTAssertEqual(recovery.topology.assignments[1].since, [1, 5])
        XCTAssertEqual(recovery.fates[2], .unfinished(numbers([1, 2])))
    }

    func testTheSameLossesComeToTheSameAndOthersToOtherEpochs() throws {
        let before = topology(5)
        let one = try recover(before, on: 1, lost: ["n4", "n5"])
        XCTAssertEqual(one.topology, try recover(before, on: 3, lost: ["n5", "n4"]).topology)
        XCTAssertNotEqual(one.topology.epoch, try recover(before, lost: ["n4"]).topology.epoch)
        XCTAssertNotEqual(
            one.topology.epoch, try recover(before, lost: ["n4", "n5"], acceptsLoss: true).topology.epoch)
        var later = before
        later.epoch = 2
        XCTAssertGreaterThan(try recover(later, lost: ["n4", "n5"]).topology.epoch, one.topology.epoch)
        let again = try recover(one.topology, lost: ["n3"], acceptsLoss: true)
        XCTAssertEqual(again.topology.epoch.generation, 2)
        XCTAssertEqual(again.lost.map(\.id), ["n3", "n4", "n5"], "who was given up stays so")
        XCTAssertThrowsError(try recover(one.topology, lost: ["n4"])) { error in
            XCTAssertEqual("\(error)", "it goes on without these already: start it")
        }
        XCTAssertLessThan(again.topology.epoch, 1 << 53, "a whole number of JSON")
    }

    func testWhatIsRefused() throws {
        for (survivor, lost, reason) in [
            (1, ["n1", "n2"], "this node itself is not among those that are left"),
            (1, ["n7"], "n7 is not a member; there are n1, n2, n3"), (1, [], "name the members"),
        ] as [(Int, [String], String)] {
            XCTAssertThrowsError(try recover(topology(3), on: survivor, lost: lost)) { error in
                XCTAssertTrue("\(error)".hasPrefix(reason), "\(error)")
            }
        }
        var worn = topology(3)
        worn.epoch = 8191 << 40
        XCTAssertThrowsError(try recover(worn, lost: ["n2"]))
    }

    func testRangesInWords() {
        XCTAssertEqual(TopologyRecovery.ranges([]), "")
        XCTAssertEqual(TopologyRecovery.ranges([0, 1, 2, 5, 7, 8]), "0-2, 5, 7-8")
    }

    // MARK: And how it goes on

    func testAMetadataQuorumThatIsLostBeginsAnew() throws {
        let world = MembershipWorld(3)
        world.run(.milliseconds(2000))
        for raw in 1...3 { world.kill(raw) }
        world.run(.milliseconds(2000))
        try world.recover(on: [1], lost: [2, 3])
        world.restart(1)
        world.rest()
        XCTAssertEqual(world.ids, ["n1"])
        XCTAssertEqual(Set(world.history.last.removed.map(\.id)), ["n2", "n3"])
        for id in ["n4", "n5"] { world.apply(id) }
        world.run(.milliseconds(2500))
        _ = world.reply(1, world.change(joins: ["n4", "n5"]))
        world.rest()
        world.checkPlaced()
        XCTAssertEqual(world.ids, ["n1", "n4", "n5"])
        XCTAssertFalse(
            world.notices.contains { if case .registerUnusable = $0.notice { true } else { false } })
    }

    func testOthersTakeOverWhatOneCameTo() throws {
        for survivors in [[1], [3], [1, 2, 3], [2, 3]] {
            let world = MembershipWorld(5, partitions: 32)
            world.run(.milliseconds(2000))
            for raw in 1...5 { world.kill(raw) }
            world.run(.milliseconds(2000))
            try world.recover(on: survivors, lost: [4, 5])
            for raw in 1...3 { world.restart(raw) }
            world.rest()
            world.checkPlaced()
            XCTAssertEqual(world.ids, ["n1", "n2", "n3"])
        }
    }

    func testARegisterThatNobodyHoldsIsWrittenAnew() throws {
        // The new metadata quorum has no seat of the old one.
        let world = MembershipWorld(7, partitions: 32)
        world.run(.milliseconds(2000))
        XCTAssertTrue(world.history.last.metadataQuorum.replicas.allSatisfy { $0.raw <= 5 })
        for raw in 1...7 { world.kill(raw) }
        world.run(.milliseconds(2000))
        world.register = nil
        try world.recover(on: [6, 7], lost: [1, 2, 3, 4, 5], acceptsLoss: true)
        for raw in 6...7 { world.restart(raw) }
        world.rest()
        XCTAssertEqual(world.ids, ["n6", "n7"])
    }

    func testRandomLossesAtRandomTimes() throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed &* 104_729)
            let count = Int.random(in: 2...7, using: &random)
            let world = MembershipWorld(
                count, partitions: 32, replicas: Int.random(in: 1...5, using: &random), seed: seed)
            world.history.note = { "seed \(seed)" }
            world.run(.milliseconds(2000))
            // In the middle of a plan.
            world.apply("m")
            world.run(.milliseconds(2000))
            _ = world.ask(1, world.change(joins: ["m"], leaves: count > 3 ? ["n2"] : []))
            world.run(.milliseconds(UInt64.random(in: 0...2000, using: &random)))
            let last = world.history.last
            for number in world.nodes.keys.sorted() { world.kill(Int(number.raw)) }
            world.run(.milliseconds(2000))
            let members = last.members.map { Int($0.number.raw) }.filter { world.down[NodeNumber(UInt16($0))] != nil }
            let left = Array(members.shuffled(using: &random).prefix(Int.random(in: 1...members.count, using: &random)))
            let lost = members.filter { !left.contains($0) }
            guard !lost.isEmpty else { continue }
            // The recovery runs on some or all of the nodes with the latest topology.
            let latest = left.compactMap { world.down[NodeNumber(UInt16($0))]?.node.disk.epoch }.max() ?? 0
            let able = left.filter { world.down[NodeNumber(UInt16($0))]?.node.disk.epoch == latest }
            try world.recover(
                on: Array(able.prefix(Int.random(in: 1...able.count, using: &random))), lost: lost, acceptsLoss: true)
            for raw in left { world.restart(raw) }
            world.rest()
            world.checkPlaced()
            XCTAssertTrue(world.isAtRest, world.state)
            XCTAssertTrue(
                world.history.last.members.allSatisfy { !lost.contains(Int($0.number.raw)) }, "seed \(seed)")
        }
    }

    // MARK: What is found of the data

    func testOfTwoSurvivorsBothAreRead() {
        // Two of five replicas are left. Node 3 stands for those that are lost.
        let cluster = ManualCluster(
            [
                1: ManualStore(["a": Record(Version(1, 3, 1), "one"), "c": Record(Version(1, 3, 3), "old")]),
                2: ManualStore(["b": Record(Version(1, 3, 2), "two"), "c": Record(Version(1, 3, 4), "new")]),
            ], isolated: [3])
        cluster.change(to: [1, 2], telling: [1, 2])
        cluster.pass(5000)
        XCTAssertEqual(cluster.leaders, [1])
        cluster.assertLevel()
        for (key, text) in ["a": "one", "b": "two", "c": "new"] as [Key: String] {
            XCTAssertEqual(cluster[1].store.records[key]?.value, Array(text.utf8))
        }
    }
}
