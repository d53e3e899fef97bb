import KVCore
import XCTest

/// All topologies that were chosen, in order. Each is checked against the one before.
final class TopologyHistory {
    private(set) var all: [Topology]
    private var byEpoch: [Epoch: Topology]
    /// The moves that were reported as ready.
    var ready: Set<Move> = []
    var note: () -> String = { "" }

    struct Move: Hashable {
        var partition: PartitionID
        var changed: Epoch
    }

    init(first: Topology) {
        all = [first]
        byEpoch = [first.epoch: first]
    }

    var last: Topology { all[all.count - 1] }

    func contains(_ topology: Topology) -> Bool { byEpoch[topology.epoch] == topology }

    /// Adds a topology that an operator's recovery has made. It follows from the last one, but no quorum has chosen it.
    func decree(_ next: Topology) {
        XCTAssertNil(next.flaw, note())
        XCTAssertTrue(next.isSound(after: last), note())
        XCTAssertGreaterThan(next.epoch.generation, last.epoch.generation, note())
        all.append(next)
        byEpoch[next.epoch] = next
    }

    func append(_ next: Topology) {
        let before = last
        XCTAssertNil(next.flaw, note())
        XCTAssertEqual(next.epoch, before.epoch + 1, note())
        XCTAssertTrue(next.isSound(after: before), note())
        checkMembers(before, next)
        let aims = Dictionary(
            uniqueKeysWithValues: (before.plan?.targets ?? []).map { ($0.partition, $0.replicas) })
        let plans = Dictionary(uniqueKeysWithValues: (next.plan?.targets ?? []).map { ($0.partition, $0.replicas) })
        for index in next.assignments.indices {
            let partition = next.slots.partition(at: index)
            // A new partition comes of another, whose replicas it has.
            let old = before.assignment(of: partition) ?? next.slots.parent(of: partition).flatMap(before.assignment)
            guard let old else { return XCTFail("\(partition) comes of none; \(note())") }
            check(partition, old, next.assignments[index], at: next.epoch)
            if let moving = next.assignments[index].next { XCTAssertEqual(plans[partition], moving, note()) }
            if old.replicas != next.assignments[index].replicas {
                XCTAssertEqual(aims[partition], next.assignments[index].replicas, note())
            }
        }
        check(next.metadataPartition, before.metadataQuorum, next.metadataQuorum, at: next.epoch)
        XCTAssertEqual(next.metadataQuorum.replicas.count % 2, 1, note())
        let change = TopologyChange(from: before, to: next)
        XCTAssertEqual(change.flatMap { try? before.applying($0) }, next, note())
        all.append(next)
        byEpoch[next.epoch] = next
    }

    private func checkMembers(_ before: Topology, _ next: Topology) {
        for member in next.members {
            if let old = before.member(member.number) {
                if let store = old.store { XCTAssertEqual(member.store, store, note()) }
                XCTAssertEqual(member.id, old.id, note())
                if old.status == .lost { XCTAssertEqual(member.status, .lost, note()) }
            } else {
                XCTAssertGreaterThan(member.number, before.lastNumber, note())
                XCTAssertNotNil(member.store, note())
            }
        }
        for member in before.members where next.member(member.number) == nil {
            XCTAssertFalse(member.stays, note())
            XCTAssertFalse(before.metadataQuorum.members.contains(member.number), "\(member.id) had a seat; \(note())")
            XCTAssertTrue(next.removed.contains { $0.number == member.number }, note())
        }
        if next.plan == nil { XCTAssertTrue(next.members.allSatisfy { $0.status == .active }, note()) }
    }

    private func check(_ partition: PartitionID, _ old: Assignment, _ new: Assignment, at epoch: Epoch) {
        guard new.changed != old.changed else { return XCTAssertEqual(old, new, note()) }
        XCTAssertEqual(new.changed, epoch, note())
        for node in new.members { XCTAssertEqual(new.since(node), old.since(node) ?? epoch, note()) }
        if Set(new.replicas) != Set(old.replicas) {
            // The set changes only to its next set, and only after that was reported as ready.
            XCTAssertEqual(new.replicas, old.next, note())
            XCTAssertNil(new.next, note())
            XCTAssertTrue(ready.contains(Move(partition: partition, changed: old.changed)), note())
        } else if new.replicas != old.replicas {
            XCTAssertNil(new.next, note())
            XCTAssertTrue(old.next == nil || old.next == new.replicas, note())
        }
    }
}
