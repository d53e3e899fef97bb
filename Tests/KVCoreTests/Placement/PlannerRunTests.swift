import KVCore
import XCTest

/// Tests that neighbouring partitions share their leaders, so that few ranges of slots describe all leaders.
final class PlannerRunTests: XCTestCase {
    private func members(_ numbers: ClosedRange<Int>) -> [Member] { numbers.map { Member($0) } }

    /// Runs of neighbours with the same first node of those that `isAlive`.
    private func runs(_ target: [[NodeNumber]], without dead: Int = 0) -> Int {
        let leaders = target.map { $0.first { $0.raw != dead } }
        return zip(leaders, leaders.dropFirst()).count { $0 != $1 } + 1
    }

    func testANewClusterHasFewRuns() {
        for (nodes, replicas, partitions, most) in [
            (3, 3, 1024, 4), (3, 3, 16384, 4), (5, 5, 1024, 10), (5, 3, 1024, 60), (5, 3, 16384, 60),
            (10, 3, 16384, 120), (50, 3, 16384, 600),
        ] {
            let plan = PlannerCase(members: members(1...nodes), partitions: partitions, replicas: replicas).plan
            let note = "\(nodes) nodes, \(replicas) replicas, \(partitions) partitions"
            XCTAssertLessThanOrEqual(runs(plan.target), most, note)
            XCTAssertLessThanOrEqual(runs(plan.target, without: 1), most + 40, "\(note), and n1 died")
        }
    }

    func testTheyStayFewWhileAClusterGrowsAndShrinks() {
        var task = PlannerCase(members: members(1...1), partitions: 1024, replicas: 3)
        task.current = task.plan.target
        for count in Array(2...10) + [9, 8, 7, 6, 5, 4, 3] {
            task.members = members(1...count)
            task.current = task.plan.target
            XCTAssertLessThanOrEqual(runs(task.current), 150, "\(count) nodes")
        }
    }

    /// A placement without runs, as an earlier version planned it, is left as it is.
    func testNothingMovesForTheSakeOfRuns() {
        var random = SplitMix(seed: 3)
        let nodes = (1...3).map { NodeNumber(UInt16($0)) }
        var task = PlannerCase(members: members(1...3), partitions: 1023, replicas: 3)
        task.current = (0..<1023).map { partition in
            let leader = nodes[partition % 3]
            return [leader] + nodes.filter { $0 != leader }.shuffled(using: &random)
        }
        XCTAssertEqual(task.plan, Plan(target: task.current, moves: 0, leaderChanges: 0))
    }

    /// A joining node takes over from leaders only what it is to lead itself.
    func testAJoiningNodeChangesNoMoreLeadersThanItGets() {
        for count in [3, 4, 5] {
            var task = PlannerCase(members: members(1...count), partitions: 1024, replicas: 3)
            task.current = task.plan.target
            task.members = members(1...(count + 1))
            let plan = task.plan
            XCTAssertLessThanOrEqual(plan.leaderChanges, plan.leaders(on: count + 1) + 4, "\(count) nodes and one")
        }
    }

    /// A shard has every so many-th partition: it must lead its part of what its node leads.
    func testEveryShardLeadsItsPart() {
        for (nodes, replicas, partitions) in [(3, 3, 1024), (5, 3, 1024), (3, 3, 128), (7, 3, 16384)] {
            let plan = PlannerCase(members: members(1...nodes), partitions: partitions, replicas: replicas).plan
            for (node, shards) in (1...nodes).flatMap({ node in [2, 3, 4, 8].map { (node, $0) } }) {
                let led = (0..<shards).map { shard in
                    stride(from: shard, to: partitions, by: shards).count {
                        plan.target[$0].first == NodeNumber(UInt16(node))
                    }
                }
                let fair = Double(plan.leaders(on: node)) / Double(shards)
                for count in led {
                    XCTAssertEqual(Double(count), fair, accuracy: 2 + fair / 8, "n\(node) of \(nodes): \(led)")
                }
            }
        }
    }

    func testADeadLeadersPartitionsGoToAllInEqualParts() {
        for (nodes, replicas) in [(3, 3), (5, 5), (5, 3)] {
            let plan = PlannerCase(members: members(1...nodes), partitions: 1024, replicas: replicas).plan
            for dead in 1...nodes {
                let heirs = plan.target.filter { $0[0].raw == dead }.map { $0[1] }
                let fair = Double(heirs.count) / Double(nodes - 1)
                for heir in 1...nodes where heir != dead {
                    let count = heirs.count { $0.raw == heir }
                    XCTAssertEqual(Double(count), fair, accuracy: fair * 0.6, "n\(heir) of n\(dead)'s, \(nodes) nodes")
                }
            }
        }
    }
}
