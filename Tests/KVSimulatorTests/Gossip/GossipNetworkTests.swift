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
            XCTAssertLessThan(try XCTUnwrap(figures.epoch), predicted + 0.5, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.suspicion), predicted + 0.5, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.death), predicted + 0.5, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.detection), 2, "\(nodes)")
            XCTAssertLessThan(try XCTUnwrap(figures.verdict), 15, "\(nodes)")
            XCTAssertEqual(figures.falseSuspicions, 0)
            // Three pings and their acks, whatever the number of nodes.
            XCTAssertLessThan(figures.quietBytes, 450)
        }
    }

    func testAThousandNodesHearOfATopologyAndOfASuspicionWithinAPeriodOrTwo() throws {
        var scenario = GossipScenario(nodes: 1000, seed: 3)
        scenario.isEstablished = true
        let period = scenario.options.probeInterval.milliseconds
        let predicted = GossipFigures.predicted(nodes: 1000, options: scenario.options)
        let bound = UInt64((predicted + 0.5) * Double(period))
        var network = GossipNetwork(scenario)
        network.run(milliseconds: period)
        network.changeTopology(at: NodeNumber(1))
        XCTAssertNotNil(network.run(atMost: bound) { $0.informed == $0.running })

        let victim = NodeNumber(1000)
        network.kill(victim)
        XCTAssertNotNil(network.run(atMost: 2 * period) { $0.suspecting(of: victim) > 0 })
        XCTAssertNotNil(network.run(atMost: bound) { $0.suspecting(of: victim) == $0.running })
        XCTAssertEqual(network.falseSuspicions, 0)
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
