import KVCore
import XCTest

/// Tests what topologies change of each other: that a change gives exactly the later one, and none that is not sound.
final class TopologyChangeTests: XCTestCase {
    /// A topology in the midst of a plan: n4 joins three. Of 16 partitions some move, some wait, some are done.
    private func moving() -> Topology {
        var members = (1...4).map { Member($0) }
        members[3].status = .joining
        var topology = Topology.initial(
            clusterID: UUID128(high: 7, low: 7), settings: ClusterSettings(name: "test", partitions: 16, replicas: 3),
            members: Array(members.prefix(3)))
        topology.members = members
        topology.lastNumber = members[3].number
        topology.epoch = 20
        topology.plan = ChangePlan(
            id: 5, reason: .operatorAsked,
            targets: (4..<14).map { index in
                var replicas = topology.assignments[index].replicas
                // The last two only change their order.
                if index < 12 { replicas[index % 3] = NodeNumber(4) } else { replicas.swapAt(0, 1) }
                return ChangePlan.Target(partition: PartitionID(UInt16(index)), replicas: replicas)
            }, moves: 12, minimum: 12, bytes: 0)
        for index in 4..<8 {
            let assignment = topology.assignments[index]
            topology.assignments[index] = assignment.changing(
                to: assignment.replicas, next: topology.plan?.targets[index - 4].replicas, at: UInt64(10 + index))
        }
        return topology
    }

    private func ids(_ numbers: ClosedRange<UInt16>) -> [PartitionID] { numbers.map(PartitionID.init) }

    /// Every step of a plan in one change.
    private func stepping(_ base: Topology) -> TopologyChange {
        TopologyChange(
            base: base.epoch, epoch: base.epoch + 1, plan: .kept(isPaused: false),
            steps: [.complete: ids(4...5), .takeBack: ids(7...7), .begin: ids(8...10), .reorder: ids(12...12)])
    }

    func testStepsGiveWhatTheyNameAndNothingElse() throws {
        let base = moving()
        XCTAssertNil(base.flaw)
        let change = stepping(base)
        let next = try base.applying(change)
        XCTAssertNil(next.flaw)
        XCTAssertEqual(next.assignments.differences(from: base.assignments), [4, 5, 7, 8, 9, 10, 12])
        XCTAssertEqual(next.assignments[4].replicas, base.assignments[4].next)
        XCTAssertNil(next.assignments[7].next)
        XCTAssertEqual(next.assignments[7].replicas, base.assignments[7].replicas)
        XCTAssertEqual(next.assignments[8].next, base.plan?.targets[4].replicas)
        XCTAssertEqual(next.assignments[8].since(NodeNumber(4)), 21)
        XCTAssertEqual(next.plan?.targets.map { Int($0.partition.raw) }, [6, 7, 8, 9, 10, 11, 13])
        XCTAssertEqual(TopologyChange(from: base, to: next), change, "it is found again as it was")
    }

    /// A node may learn of several epochs at once: the coordinator does, when it reads the register.
    func testAChangeMaySpanEpochs() throws {
        let base = moving()
        let middle = try base.applying(stepping(base))
        let next = try middle.applying(
            TopologyChange(base: 21, epoch: 22, plan: .kept(isPaused: true), steps: [.complete: ids(8...8)]))
        let change = try XCTUnwrap(TopologyChange(from: base, to: next))
        XCTAssertEqual(try base.applying(change), next)
        // A change may not say that something changed before it.
        var early = change
        early.replaced[0].assignment.changed = 20
        XCTAssertThrowsError(try base.applying(early))
    }

    /// Three nodes, and a plan that splits four partitions into `splitTo`.
    private func splitting(to splitTo: Int) -> Topology {
        var topology = Topology.initial(
            clusterID: UUID128(high: 7, low: 7), settings: ClusterSettings(name: "test", partitions: 4, replicas: 2),
            members: (1...3).map { Member($0) })
        topology.epoch = 20
        topology.plan = ChangePlan(
            id: 5, reason: .split, targets: [], moves: 0, minimum: 0, bytes: 0, splitTo: splitTo)
        return topology
    }

    /// A new partition has the replicas of the one that it comes of, and has had them for as long.
    func testSplitsHalvePartitionsInTheirOrder() throws {
        var base = splitting(to: 16)
        base.assignments[1] = base.assignments[1].changing(to: base.assignments[0].replicas, next: nil, at: 9)
        XCTAssertNil(base.flaw)
        let change = TopologyChange(base: 20, epoch: 21, plan: .kept(isPaused: false), splits: 3)
        let next = try base.applying(change)
        XCTAssertNil(next.flaw)
        XCTAssertEqual(next.assignments.count, 7)
        XCTAssertEqual(next.assignments.differences(from: base.assignments), [0, 1, 2, 4, 5, 6])
        for (parent, child) in [(0, 4), (1, 5), (2, 6)] {
            XCTAssertEqual(next.assignments[parent].replicas, base.assignments[parent].replicas)
            XCTAssertEqual(next.assignments[parent].since, base.assignments[parent].since)
            XCTAssertEqual(next.assignments[parent].changed, 21)
            XCTAssertEqual(next.assignments[child], next.assignments[parent])
        }
        XCTAssertEqual(next.partitionsChanged(since: base).map(\.raw), [0, 1, 2, 5, 6, 7])
        XCTAssertEqual(next.metadataPartition, PartitionID(4))
        XCTAssertEqual(next.plan?.splitTo, 16)
        XCTAssertTrue(next.isSound(after: base))
        var joined = base
        joined.epoch = 22
        XCTAssertFalse(joined.isSound(after: next), "partitions are never joined")
        XCTAssertEqual(TopologyChange(from: base, to: next), change, "it is found again as it was")
        // The next round splits what the first has made.
        let whole = try next.applying(TopologyChange(base: 21, epoch: 22, plan: .kept(isPaused: false), splits: 1))
        let again = try whole.applying(TopologyChange(base: 22, epoch: 23, plan: .kept(isPaused: false), splits: 8))
        XCTAssertEqual(again.assignments.count, 16)
        XCTAssertEqual(Set(again.slots.partitions.map { again.slots.slots(of: $0)?.lowerBound.raw }).count, 16)
    }

    func testSplitsThatCannotBeMadeAreRefused() throws {
        let base = splitting(to: 16)
        var moving = base
        moving.assignments[1] = moving.assignments[1].changing(
            to: moving.assignments[1].replicas, next: [3, 2].map { NodeNumber($0) }, at: 20)
        var unplanned = base
        unplanned.plan = nil
        let refused: [(String, Topology, TopologyChange)] = [
            ("one is split twice", base, .init(base: 20, epoch: 21, plan: .kept(isPaused: false), splits: 5)),
            (
                "more than planned", splitting(to: 5),
                .init(base: 20, epoch: 21, plan: .kept(isPaused: false), splits: 2)
            ),
            ("more than slots", base, .init(base: 20, epoch: 21, plan: .kept(isPaused: false), splits: 16381)),
            ("paused", base, .init(base: 20, epoch: 21, plan: .kept(isPaused: true), splits: 1)),
            ("its plan ends", base, .init(base: 20, epoch: 21, plan: .none, splits: 1)),
            ("no plan", unplanned, .init(base: 20, epoch: 21, plan: .kept(isPaused: false), splits: 1)),
            ("one moves", moving, .init(base: 20, epoch: 21, plan: .kept(isPaused: false), splits: 2)),
        ]
        for (why, topology, change) in refused { XCTAssertThrowsError(try topology.applying(change), why) }
    }

    func testWhateverChangesIsFound() throws {
        let base = moving()
        let changes: [(inout Topology) -> Void] = [
            { _ in }, { $0.members[1].store = UUID128(high: 5, low: 5) }, { $0.lastNumber = NodeNumber(9) },
            { $0.plan?.isPaused = true }, { $0.plan?.moves = 3 }, { $0.plan?.targets.removeLast() },
            {
                let quorum = $0.metadataQuorum
                $0.metadataQuorum = quorum.changing(to: quorum.replicas.reversed(), next: nil, at: $0.epoch)
            },
            {
                // Its next set is dropped and chosen again, so the joining node begins anew: no step does that.
                let (old, next) = ($0.assignments[6], $0.assignments[6].next)
                $0.assignments[6] = old.changing(to: old.replicas, next: nil, at: $0.epoch)
                    .changing(to: old.replicas, next: next, at: $0.epoch)
            },
            {
                for index in 4..<8 {
                    $0.assignments[index] = $0.assignments[index].changing(
                        to: $0.assignments[index].replicas, next: nil, at: $0.epoch)
                }
                for index in $0.members.indices { $0.members[index].status = .active }
                $0.plan = nil
            },
        ]
        for (number, change) in changes.enumerated() {
            var next = base
            next.epoch += 1
            change(&next)
            XCTAssertNil(next.flaw, "\(number)")
            let found = try XCTUnwrap(TopologyChange(from: base, to: next), "\(number)")
            XCTAssertEqual(try base.applying(found), next, "\(number)")
        }
        var other = base
        other.clusterID.low += 1
        other.epoch += 1
        XCTAssertNil(TopologyChange(from: base, to: other), "another cluster's")
        XCTAssertNil(TopologyChange(from: base, to: base), "no later one")
    }

    func testWhatGivesNoSoundTopologyIsRefused() {
        let base = moving()
        let good = stepping(base)
        var moved = base.assignments[0].changing(to: [NodeNumber(9)], next: nil, at: 21)
        let stranger = TopologyChange.Replacement(partition: PartitionID(0), assignment: moved)
        moved = base.assignments[0].changing(to: base.assignments[0].replicas, next: [NodeNumber(4)], at: 21)
        let unplanned = TopologyChange.Replacement(partition: PartitionID(0), assignment: moved)
        moved.changed = 20
        let earlier = TopologyChange.Replacement(partition: PartitionID(0), assignment: moved)
        let bad: [(String, (inout TopologyChange) -> Void)] = [
            ("changes epoch 19", { $0.base = 19 }), ("changes epoch 21", { $0.base = 21 }),
            ("out of range", { $0.epoch = 20 }), ("out of range", { $0.epoch = .max }),
            ("out of order", { $0.steps[.begin] = [PartitionID(9), PartitionID(8)] }),
            ("out of order", { $0.steps[.begin] = [PartitionID(16)] }),
            ("cannot take the step begin", { $0.steps[.begin] = [PartitionID(6)] }),
            ("cannot take the step begin", { $0.steps[.begin] = [PartitionID(0)] }),
            ("cannot take the step complete", { $0.steps[.complete] = [PartitionID(8)] }),
            ("cannot take the step takeBack", { $0.steps[.takeBack] = [PartitionID(8)] }),
            ("cannot take the step takeBack", { $0.steps[.takeBack] = [PartitionID(4)] }),
            ("cannot take the step reorder", { $0.steps[.reorder] = [PartitionID(11)] }),
            ("steps of a plan that it ends", { $0.plan = .none }),
            ("moves without a plan", { ($0.plan, $0.steps) = (.none, [:]) }),
            ("replaced out of order", { $0.replaced = [earlier] }),
            ("replaced out of order", { $0.replaced = [unplanned, unplanned] }),
            ("partition 0 is out of order", { $0.replaced = [stranger] }),
            ("does not name", { $0.replaced = [unplanned] }),
            ("metadata quorum", { $0.metadataQuorum = Assignment(replicas: [NodeNumber(9)], changed: 21) }),
            ("no members", { $0.membership = .init(members: [], lastNumber: NodeNumber(4), removed: []) }),
            (
                "last number",
                { $0.membership = .init(members: base.members, lastNumber: NodeNumber(3), removed: []) }
            ),
        ]
        for (words, spoil) in bad {
            var change = good
            spoil(&change)
            XCTAssertThrowsError(try base.applying(change), words) { error in
                XCTAssertTrue("\(error)".contains(words), "\(error)")
            }
        }
        var resting = base
        resting.plan = nil
        XCTAssertThrowsError(try resting.applying(good)) { error in
            XCTAssertTrue("\(error)".contains("where there is none"), "\(error)")
        }
    }

    func testACopySharesWhatItDoesNotChange() {
        var random = SplitMix(seed: 1)
        let first = Assignments((0..<300).map { Assignment(replicas: [NodeNumber(1)], changed: UInt64($0 + 1)) })
        XCTAssertEqual(first.map(\.changed), (1...300).map { UInt64($0) })
        XCTAssertEqual(first.differences(from: first), [])
        for _ in 0..<100 {
            var second = first
            var changed: Set<Int> = []
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let index = Int.random(in: 0..<300, using: &random)
                second[index] = Assignment(replicas: [NodeNumber(2)], changed: 1000)
                changed.insert(index)
            }
            XCTAssertEqual(second.differences(from: first), changed.sorted())
            XCTAssertEqual(first.differences(from: second), changed.sorted())
            // What was made of other bytes and is the same does not differ.
            XCTAssertEqual(Assignments(Array(second)).differences(from: second), [])
        }
    }
}
