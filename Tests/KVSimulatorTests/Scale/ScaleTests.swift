import KVScaleSimulator
import XCTest

/// Holds what a node has to do against the number of nodes: it may grow with its logarithm, or with the node's share of
/// the partitions. What grows with the nodes all the same is in docs/scale.md, and held here as well.
final class ScaleTests: XCTestCase {
    private static let partitions = 256

    /// A world at rest.
    private func world(nodes: Int) -> ScaleWorld {
        let world = ScaleWorld(ScaleScenario(nodes: nodes, partitions: Self.partitions, seed: UInt64(nodes)))
        XCTAssertTrue(world.settle(), world.unrest ?? "")
        return world
    }

    func testAnIdleNodeSendsAsMuchWhateverTheSize() throws {
        for nodes in [10, 30, 90] {
            let idle = world(nodes: nodes).measure(.idle, repetitions: 5)
            XCTAssertTrue(idle.isComplete)
            XCTAssertLessThan(idle.packets.median, 20, "\(nodes) nodes")
            XCTAssertLessThan(idle.bytesSent.median, 1000, "\(nodes) nodes")
            // Nobody is spoken to by all in one turn.
            let heartbeats = try XCTUnwrap(idle.row(.heartbeat))
            XCTAssertLessThan(heartbeats.received.maximum, 25, "\(nodes) nodes")
            // The metadata quorum, of five, hears of each node every five seconds. The others hear of none.
            let reports = try XCTUnwrap(idle.row(.report))
            XCTAssertLessThanOrEqual(reports.received.maximum, Double(nodes) / 5 + 0.4)
            if nodes > 10 { XCTAssertEqual(reports.received.median, 0) }
        }
    }

    func testWhatAJoinCostsIsAShareAndALogarithm() throws {
        for nodes in [10, 30, 90] {
            let join = world(nodes: nodes).measure(.join, repetitions: 1)
            XCTAssertTrue(join.isComplete, "\(nodes) nodes")
            // What the new node is given is its share, three replicas of each partition among all nodes.
            let share = Double(3 * Self.partitions) / Double(nodes + 1)
            let comparison = try XCTUnwrap(join.row(.comparison))
            XCTAssertLessThan(comparison.sent.maximum, 8 * share + 16, "\(nodes) nodes")
            // Each node is told once what each epoch changes, and nobody is sent whole topologies by all.
            let topology = try XCTUnwrap(join.row(.topology))
            XCTAssertLessThanOrEqual(topology.received.median, Double(join.epochs) + 1)
            XCTAssertLessThan(topology.received.maximum, Double(join.epochs) + 10, "\(nodes) nodes")
            // The detector spreads news in a time that grows with the logarithm.
            let gossip = try XCTUnwrap(join.row(.gossip))
            XCTAssertLessThan(gossip.sent.maximum, 40 + 4 * logarithm(nodes), "\(nodes) nodes")
        }
    }

    func testADeathIsNoticedAndItsShareCopied() throws {
        for nodes in [10, 30] {
            let death = world(nodes: nodes).measure(.death, repetitions: 1)
            XCTAssertTrue(death.isComplete, "\(nodes) nodes")
            let share = Double(3 * Self.partitions) / Double(nodes)
            XCTAssertLessThan(try XCTUnwrap(death.row(.comparison)).sent.maximum, 8 * share + 16)
            XCTAssertLessThan(death.packets.median, 45 * death.seconds)
            let recovery = try XCTUnwrap(death.recovery)
            XCTAssertGreaterThanOrEqual(Double(recovery.replicas), share.rounded(.down))
            // Only the first to doubt the dead node says so to all.
            XCTAssertEqual(try XCTUnwrap(death.row(.doubt)).sent.median, 0)
            XCTAssertLessThan(try XCTUnwrap(death.row(.doubt)).received.maximum, 6)
        }
    }

    func testARestartConcernsTheOthersByTheirShare() throws {
        let restart = world(nodes: 30).measure(.restart, repetitions: 2)
        XCTAssertTrue(restart.isComplete)
        XCTAssertEqual(restart.epochs, 0)
        let share = Double(Self.partitions) / 30
        XCTAssertLessThan(try XCTUnwrap(restart.row(.election)).sent.maximum, 4 * share + 8)
        XCTAssertEqual(try XCTUnwrap(restart.row(.handshake)).sent.median, 2, "to it and from it")
    }

    func testARunFollowsFromItsSeed() {
        func packets() -> Double {
            ScaleWorld(ScaleScenario(nodes: 6, partitions: 16, seed: 3)).measure(.idle, repetitions: 3).packets.maximum
        }
        XCTAssertEqual(packets(), packets())
    }

    private func logarithm(_ number: Int) -> Double { Double(Int.bitWidth - number.leadingZeroBitCount) }
}
