import KVCore
import KVSimulator
import XCTest

final class GossipNetworkTests: XCTestCase {
    func testNewsReachAllInLogarithmicTimeWhateverTheSize() throws {
        for nodes in [3, 10, 100] {
            let scenario = GossipScenario(nodes: nodes, seed: UInt64(nodes))
            let figures = GossipFigures.measure(scenario)
            let predicted = GossipFigures.predicted(nodes: nodes, options: scenario.options)
            // To wait for the next round and to fetch what it tells of comes on top.
            XCTAssertLessThan(try XCTUnwrap(figures.epoch), 2 * predicted + 0.5, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.suspicion), 2 * predicted + 0.5, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.death), 2 * predicted + 0.5, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.detection), 2, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.verdict), 15, "\(nodes)")
            XCTAssertEqual(figures.falseSuspicions, 0)
            // Three pings and their acks, whatever the number of nodes.
            XCTAssertLessThan(figures.quietBytes, 450)
        }
    }

    func testLossDelaysNewsAndKillsNobody() throws {
        var scenario = GossipScenario(nodes: 50, seed: 7)
        scenario.loss = 0.1
        let figures = GossipFigures.measure(scenario)
        XCTAssertNotNil(figures.epoch)
        XCTAssertNotNil(figures.death)
        XCTAssertEqual(figures.falseDeaths, 0)
    }

    func testARunFollowsFromItsSeed() {
        func bytes(_ seed: UInt64) -> Int {
            var scenario = GossipScenario(nodes: 20, seed: seed)
            scenario.loss = 0.05
            var network = GossipNetwork(scenario)
            network.run(milliseconds: 5000)
            network.kill(NodeNumber(3))
            network.run(milliseconds: 10_000)
            return network.bytes
        }
        XCTAssertEqual(bytes(1), bytes(1))
        XCTAssertNotEqual(bytes(1), bytes(2))
    }
}
