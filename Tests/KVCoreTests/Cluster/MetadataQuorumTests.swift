import XCTest

@testable import KVCore

/// Tests to which members the topology's register moves.
final class MetadataQuorumTests: XCTestCase {
    private func numbers(_ raw: [UInt16]) -> [NodeNumber] { raw.map(NodeNumber.init) }

    /// A cluster of so many members, of which some are to be removed as lost. The first five have the register.
    private func topology(_ count: Int, lost: Set<UInt16>) -> Topology {
        var topology = Topology.initial(
            clusterID: UUID128(high: 7, low: 7),
            settings: ClusterSettings(name: "test", partitions: 16, replicas: 3),
            members: (1...count).map { Member($0) })
        for index in topology.members.indices where lost.contains(topology.members[index].number.raw) {
            topology.members[index].status = .lost
        }
        topology.metadataQuorum = Assignment(replicas: numbers([1, 2, 3, 4, 5]), changed: 1)
        return topology
    }

    private func next(_ topology: Topology, dead: Set<UInt16>) -> [NodeNumber]? {
        var draft = TopologyDraft(after: topology)
        draft.moveMetadataQuorum(ledger: RebalanceProgress(topology.slots)) { dead.contains($0.raw) }
        return draft.topology.metadataQuorum.next
    }

    func testAMemberThatIsLostGivesItsSeatToOneThatLives() {
        XCTAssertEqual(next(topology(6, lost: [4]), dead: [4]).map(Set.init), Set(numbers([1, 2, 3, 5, 6])))
    }

    /// Two have died, and a third one is removed: of four that stay, three have a seat.
    func testTheDeadAreTheFirstToLoseTheirSeats() {
        let next = next(topology(5, lost: [4]), dead: [2, 3])
        XCTAssertEqual(next?.count, 3)
        XCTAssertTrue(Set(next ?? []).isSuperset(of: numbers([1, 5])), "\(next ?? [])")
    }

    /// The same where they die once the move has begun.
    func testAMoveUnderWayTurnsToMembersThatLive() {
        var topology = topology(5, lost: [4])
        topology.metadataQuorum = topology.metadataQuorum.changing(
            to: numbers([1, 2, 3, 4, 5]), next: numbers([1, 2, 3]), at: 2)
        XCTAssertEqual(next(topology, dead: []), numbers([1, 2, 3]))
        XCTAssertEqual(next(topology, dead: [2]).map(Set.init), Set(numbers([1, 3, 5])))
    }
}
