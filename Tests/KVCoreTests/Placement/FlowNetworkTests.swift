import XCTest

@testable import KVCore

final class FlowNetworkTests: XCTestCase {
    func testTakesTheDearArcsOnlyForWhatTheCheapCannotCarry() {
        var network = FlowNetwork(vertexCount: 4, source: 0, sink: 3, expectedArcs: 4)
        network.addArc(from: 0, to: 1, capacity: 3)
        network.addArc(from: 0, to: 2, capacity: 3)
        let cheap = network.addArc(from: 1, to: 3, capacity: 2)
        let dear = network.addArc(from: 2, to: 3, capacity: 5, cost: 1)
        let across = network.addArc(from: 1, to: 2, capacity: 1)
        XCTAssertEqual(network.maximize(), 6)
        XCTAssertEqual([cheap, dear, across].map { network.flow(through: $0) }, [2, 4, 1])
        XCTAssertTrue(network.isOptimal)
    }

    func testAnEarlyChoiceIsUndone() {
        // The first path found, 0-1-2-3, must give way to 0-1-3 and 0-2-3.
        var network = FlowNetwork(vertexCount: 4, source: 0, sink: 3, expectedArcs: 5)
        network.addArc(from: 0, to: 1, capacity: 1)
        let across = network.addArc(from: 1, to: 2, capacity: 1)
        network.addArc(from: 2, to: 3, capacity: 1)
        let direct = network.addArc(from: 1, to: 3, capacity: 1, cost: 1)
        network.addArc(from: 0, to: 2, capacity: 1)
        XCTAssertEqual(network.maximize(), 2)
        XCTAssertEqual(network.flow(through: across), 0)
        XCTAssertEqual(network.flow(through: direct), 1)
    }

    func testNoWayThrough() {
        var network = FlowNetwork(vertexCount: 3, source: 0, sink: 2, expectedArcs: 1)
        network.addArc(from: 0, to: 1, capacity: 1)
        XCTAssertEqual(network.maximize(), 0)
    }

    /// The dual solution proves each: no residual arc could lower the cost.
    func testRandomNetworksAreSolvedToOptimality() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed)
            let count = Int.random(in: 3...60, using: &random)
            var network = FlowNetwork(vertexCount: count, source: 0, sink: count - 1, expectedArcs: count * 6)
            var arcs: [(tail: Int, head: Int, capacity: Int, arc: FlowNetwork.Arc)] = []
            for _ in 0..<(count * 6) {
                let tail = Int.random(in: 0..<count, using: &random)
                let head = Int.random(in: 0..<count, using: &random)
                guard tail != head else { continue }
                let capacity = Int.random(in: 1...4, using: &random)
                let cost: Int8 = Bool.random(using: &random) ? 1 : 0
                arcs.append(
                    (tail, head, capacity, network.addArc(from: tail, to: head, capacity: capacity, cost: cost)))
            }
            let total = network.maximize()
            XCTAssertTrue(network.isOptimal, "seed \(seed)")

            // It is a flow, and a cut of its size proves that there is none larger.
            var balance = Array(repeating: 0, count: count)
            for arc in arcs {
                let flow = network.flow(through: arc.arc)
                XCTAssertTrue((0...arc.capacity).contains(flow), "seed \(seed)")
                balance[arc.tail] -= flow
                balance[arc.head] += flow
            }
            XCTAssertEqual(balance[count - 1], total, "seed \(seed)")
            XCTAssertTrue(balance[1..<(count - 1)].allSatisfy { $0 == 0 }, "seed \(seed)")
            var reached: Set<Int> = [0]
            var frontier = [0]
            while let vertex = frontier.popLast() {
                for arc in arcs {
                    let flow = network.flow(through: arc.arc)
                    if arc.tail == vertex, flow < arc.capacity, reached.insert(arc.head).inserted {
                        frontier.append(arc.head)
                    }
                    if arc.head == vertex, flow > 0, reached.insert(arc.tail).inserted { frontier.append(arc.tail) }
                }
            }
            XCTAssertFalse(reached.contains(count - 1), "seed \(seed)")
        }
    }
}
