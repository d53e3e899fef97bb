import KVCore
import XCTest

/// Tests how a node gets topologies and passes them on.
final class TopologyStoreTests: XCTestCase {
    func testPersistsBeforeItAdopts() {
        var single = SingleMachine()
        let effects = single.give(2, .topology(single.later(5)))
        XCTAssertEqual(effects.persisted, [5])
        XCTAssertEqual(effects.adopted, [])
        XCTAssertEqual(single.machine.topology.epoch, 1)
        XCTAssertEqual(single.give(.persisted(5)).adopted, [5])
        XCTAssertEqual(single.machine.topology.epoch, 5)
    }

    func testPersistsOneAtATimeAndThenTheLatest() {
        var single = SingleMachine()
        XCTAssertEqual(single.give(2, .topology(single.later(2))).persisted, [2])
        for epoch in [3, 7, 5] as [Epoch] { XCTAssertTrue(single.give(3, .topology(single.later(epoch))).isEmpty) }
        let effects = single.give(.persisted(2))
        XCTAssertEqual(effects.adopted, [2])
        XCTAssertEqual(effects.persisted, [7])
        XCTAssertEqual(single.give(.persisted(2)).count, 0, "said twice")
        XCTAssertEqual(single.give(.persisted(7)).adopted, [7])
    }

    func testTakesNoTopologyOfAnotherClusterOrUnsoundOrOld() {
        var single = SingleMachine()
        var foreign = single.later(4)
        foreign.clusterID.low += 1
        var resized = single.later(4)
        resized.settings.replicas = 2
        var unsound = single.later(4)
        unsound.assignments[3].replicas = [NodeNumber(9)]
        for topology in [foreign, resized, unsound, single.later(1)] {
            XCTAssertTrue(single.give(2, .topology(topology)).isEmpty)
        }
        XCTAssertTrue(single.give(0, .topology(single.later(4))).isEmpty, "a pending node knows no topology")
        XCTAssertEqual(single.give(2, .topology(single.later(4))).persisted, [4])
    }

    func testAsksOneNodeAtATimeForALaterTopologyAndThenTheNext() {
        var single = SingleMachine()
        let wanted = ClusterMessage.topologyWanted(above: 1)
        XCTAssertEqual(single.give(.epochSeen(4, at: NodeNumber(2))).sent, [Sent(to: 2, message: wanted)])
        XCTAssertEqual(single.give(.epochSeen(4, at: NodeNumber(2))).sent, [])
        XCTAssertEqual(single.give(.epochSeen(5, at: NodeNumber(3))).sent, [])
        XCTAssertEqual(single.wait(900).sent, [])
        XCTAssertEqual(single.wait(100).sent, [Sent(to: 3, message: wanted)])
        XCTAssertEqual(single.wait(1000).sent, [Sent(to: 2, message: wanted)])
        _ = single.give(2, .topology(single.later(4)))
        _ = single.give(.persisted(4))
        XCTAssertEqual(
            single.wait(1000).sent, [Sent(to: 3, message: .topologyWanted(above: 4))], "the other has a later one still"
        )
        _ = single.give(3, .topology(single.later(5)))
        XCTAssertEqual(single.wait(5000).sent, [])
    }

    func testTellsThoseWhoAskAndThoseWhoAreBehind() {
        var single = SingleMachine()
        _ = single.give(2, .topology(single.later(6)))
        _ = single.give(.persisted(6))
        let topology = single.machine.topology
        XCTAssertEqual(
            single.give(3, .topologyWanted(above: 5)).sent, [Sent(to: 3, message: .topology(topology))])
        XCTAssertEqual(single.give(3, .topologyWanted(above: 6)).sent, [])
        XCTAssertEqual(single.give(.epochSeen(6, at: NodeNumber(3))).sent, [])
        XCTAssertEqual(single.give(.epochSeen(5, at: NodeNumber(3))).sent, [], "it is on its way to everyone")
        for _ in 0..<2 { _ = single.wait(1000) }
        XCTAssertEqual(
            single.give(.epochSeen(5, at: NodeNumber(3))).sent, [Sent(to: 3, message: .topology(topology))])
        XCTAssertEqual(single.give(.epochSeen(5, at: NodeNumber(3))).sent, [], "not at every word of it")
        XCTAssertEqual(single.give(.epochSeen(5, at: NodeNumber(9))).sent, [], "a stranger is not told unasked")
        _ = single.wait(1000)
        XCTAssertEqual(single.give(.epochSeen(5, at: NodeNumber(3))).sent.count, 1)
    }

    func testAFewOfManyMembersSendANodeUnaskedWhatItLacks() {
        let behind = NodeNumber(10)
        var tellers: [Int] = []
        for me in 1...11 where me != Int(behind.raw) {
            var single = SingleMachine(members: 11, me: me)
            let isTeller = !single.give(.linked(behind, 0)).sent.isEmpty
            if isTeller { tellers.append(me) }
            // It goes by an earlier one, as it says in a handshake, and does not ask.
            _ = single.give(2, .topology(single.later(6)))
            _ = single.give(.persisted(6))
            for _ in 0..<2 { _ = single.wait(1000) }
            XCTAssertEqual(!single.give(.epochSeen(5, at: behind)).sent.isEmpty, isTeller, "\(me)")
            XCTAssertEqual(single.give(Int(behind.raw), .topologyWanted(above: 5)).sent.count, 1, "it asks")
        }
        let quorum = SingleMachine(members: 11).first.metadataQuorum.members.map { Int($0.raw) }
        XCTAssertEqual(tellers, Set(quorum + [1, 2, 11]).sorted(), "the quorum, and those who follow it in order")
    }

    func testThoseWhoFollowARemovedNodeTellIt() {
        var topology = SingleMachine(members: 11).first
        topology.metadataQuorum.replicas = [NodeNumber(4), NodeNumber(5), NodeNumber(6)]
        topology.members.removeAll { $0.number == NodeNumber(9) }
        let tellers = topology.members.map(\.number).filter { topology.isTeller($0, of: NodeNumber(9)) }
        XCTAssertEqual(tellers.map(\.raw), [1, 4, 5, 6, 10, 11])
    }

    /// The change that gives the epoch after `base`, in which nothing else changes.
    private func change(_ base: Epoch) -> TopologyChange { TopologyChange(base: base, epoch: base + 1) }

    func testWritesWhatChangesAndThenAdoptsIt() {
        var single = SingleMachine()
        var effects = single.give(2, .topologyChanges([change(1)]))
        XCTAssertEqual(effects.persistedChanges, [[change(1)]])
        XCTAssertEqual(effects.adopted, [])
        // Two more come before it is on disk. They are written together.
        XCTAssertTrue(single.give(2, .topologyChanges([change(2)])).isEmpty)
        XCTAssertTrue(single.give(3, .topologyChanges([change(2), change(3)])).isEmpty)
        effects = single.give(.persisted(2))
        XCTAssertEqual(effects.adopted, [2])
        XCTAssertEqual(effects.persistedChanges, [[change(2), change(3)]])
        XCTAssertEqual(single.give(.persisted(4)).adopted, [4])
        // A whole one that waits is followed by changes: it is not known what makes the last one of what is on disk.
        _ = single.give(2, .topologyChanges([change(4)]))
        _ = single.give(2, .topology(single.later(8)))
        _ = single.give(2, .topologyChanges([change(8)]))
        effects = single.give(.persisted(5))
        XCTAssertEqual(effects.persisted, [9])
        XCTAssertEqual(effects.persistedChanges, [nil])
    }

    func testAsksForWhatItHasMissed() {
        var single = SingleMachine()
        let wanted = ClusterMessage.topologyWanted(above: 1)
        XCTAssertEqual(single.give(3, .topologyChanges([change(2)])).sent, [Sent(to: 3, message: wanted)])
        XCTAssertEqual(single.machine.topology.epoch, 1)
        XCTAssertEqual(single.give(3, .topologyChanges([change(1), change(2)])).persistedChanges, [[change(1)]])
        // What contradicts the topology may be the sender's mistake or this node's: the whole tells.
        var unsound = change(3)
        unsound.steps = [.begin: [PartitionID(0)]]
        let whole = ClusterMessage.topologyWanted(above: 0)
        XCTAssertEqual(single.give(2, .topologyChanges([unsound])).sent, [Sent(to: 2, message: whole)])
        XCTAssertTrue(single.give(0, .topologyChanges([change(3)])).isEmpty, "a pending node knows no topology")
    }

    func testTellsWhatHasChangedToThoseWhoTakeIt() {
        var options = ClusterOptions()
        options.maximumChanges = 3
        var single = SingleMachine(members: 4, options: options)
        for epoch in 1...4 as ClosedRange<Epoch> {
            _ = single.give(2, .topologyChanges([change(epoch)]))
            _ = single.give(.persisted(epoch + 1))
        }
        _ = single.give(.storeSeen(NodeNumber(3), UUID128(high: 1, low: 3), takesChanges: true))
        _ = single.give(.storeSeen(NodeNumber(4), UUID128(high: 1, low: 4), takesChanges: false))
        let all = ClusterMessage.topology(single.machine.topology)
        XCTAssertEqual(
            single.give(3, .topologyWanted(above: 3)).sent,
            [Sent(to: 3, message: .topologyChanges([change(3), change(4)]))])
        XCTAssertEqual(single.give(3, .topologyWanted(above: 5)).sent, [])
        XCTAssertEqual(single.give(3, .topologyWanted(above: 1)).sent, [Sent(to: 3, message: all)], "no longer kept")
        XCTAssertEqual(single.give(4, .topologyWanted(above: 3)).sent, [Sent(to: 4, message: all)], "it takes none")
        XCTAssertEqual(single.give(2, .topologyWanted(above: 3)).sent, [Sent(to: 2, message: all)], "not met yet")
        XCTAssertEqual(
            single.give(.linked(NodeNumber(3), 4)).sent, [Sent(to: 3, message: .topologyChanges([change(4)]))])
        XCTAssertEqual(single.give(.linked(NodeNumber(3), 0)).sent, [Sent(to: 3, message: all)], "it has none")
        for _ in 0..<2 { _ = single.wait(1000) }
        XCTAssertEqual(
            single.give(.epochSeen(3, at: NodeNumber(3))).sent,
            [Sent(to: 3, message: .topologyChanges([change(3), change(4)]))])
    }

    func testChangesAreKeptWhileTheyAreSmallerThanTheWhole() {
        var options = ClusterOptions()
        options.maximumChangedPartitions = 2
        var single = SingleMachine(options: options)
        _ = single.give(.storeSeen(NodeNumber(3), UUID128(high: 1, low: 3), takesChanges: true))
        for epoch in 1...3 as ClosedRange<Epoch> {
            _ = single.give(2, .topologyChanges([change(epoch)]))
            _ = single.give(.persisted(epoch + 1))
        }
        XCTAssertEqual(
            single.give(3, .topologyWanted(above: 2)).sent.first?.message, .topologyChanges([change(2), change(3)]))
        XCTAssertEqual(
            single.give(3, .topologyWanted(above: 1)).sent.first?.message, .topology(single.machine.topology))
    }

    func testWhatIsUnsoundIsNamed() {
        let sound = SingleMachine().later(9)
        XCTAssertNil(sound.flaw)
        let spoil: [(String, (inout Topology) -> Void)] = [
            ("epoch", { $0.epoch = 0 }), ("epoch", { $0.epoch = .max }),
            ("add up", { $0.assignments = Assignments(Array($0.assignments.dropLast())) }),
            ("add up", { $0.settings.partitions = 0 }),
            ("add up", { $0.settings.partitions = 17 }), ("add up", { $0.settings.replicas = 0 }),
            ("no members", { $0.members = [] }), ("members are out of order", { $0.members.swapAt(0, 1) }),
            ("members are out of order", { $0.lastNumber = NodeNumber(2) }),
            ("no weight", { $0.members[1].weight = 0 }),
            (
                "one store",
                { topology in for index in 0...1 { topology.members[index].store = UUID128(high: 1, low: 1) } }
            ),
            (
                "is back",
                { topology in
                    topology.members[0].store = UUID128(high: 1, low: 1)
                    topology.lastNumber = NodeNumber(9)
                    topology.removed = [RemovedMember(number: NodeNumber(9), id: "x", store: UUID128(high: 1, low: 1))]
                }
            ),
            ("removed members", { $0.removed = [RemovedMember(number: NodeNumber(1), id: "x", store: nil)] }),
            ("partition 2", { $0.assignments[2].replicas = [] }),
            ("partition 2", { $0.assignments[2].replicas = [NodeNumber(1), NodeNumber(1)] }),
            ("partition 2", { $0.assignments[2].replicas = [NodeNumber(4)] }),
            ("partition 2", { $0.assignments[2].next = [] }), ("partition 2", { $0.assignments[2].since = [1] }),
            ("partition 2", { $0.assignments[2].changed = 10 }), ("partition 2", { $0.assignments[2].changed = 0 }),
            ("partition 2", { $0.assignments[2].since[0] = 2 }),
            ("metadata quorum", { $0.metadataQuorum.replicas = [] }),
            ("without a plan", { $0.members[0].status = .leaving }),
            ("without a plan", { $0.assignments[0].next = $0.assignments[0].replicas }),
            ("plan is out of order", { $0.plan = Self.plan(id: 10) }),
            ("targets", { $0.plan = Self.plan(16) }), ("targets", { $0.plan = Self.plan(3, 3) }),
            (
                "targets",
                { topology in
                    topology.members[0].status = .leaving
                    topology.plan = Self.plan(3)
                }
            ),
            (
                "does not name",
                { topology in
                    topology.assignments[0].next = topology.assignments[0].replicas
                    topology.plan = Self.plan(3)
                }
            ),
            (
                "elsewhere",
                { topology in
                    topology.assignments[3].next = topology.assignments[3].replicas
                    topology.plan = Self.plan(3)
                }
            ),
        ]
        for (index, (word, change)) in spoil.enumerated() {
            var topology = sound
            change(&topology)
            XCTAssertTrue(topology.flaw?.contains(word) ?? false, "\(index): \(topology.flaw ?? "sound") for \(word)")
        }
    }

    private static func plan(id: Epoch = 9, _ partitions: UInt16...) -> ChangePlan {
        ChangePlan(
            id: id, reason: .operatorAsked,
            targets: partitions.map { .init(partition: PartitionID($0), replicas: [NodeNumber(1)]) }, moves: 0,
            minimum: 0, bytes: 0)
    }
}
