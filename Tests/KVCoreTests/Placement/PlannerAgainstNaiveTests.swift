import KVCore
import XCTest

/// Compares the planner's plans for small clusters with those of `NaivePlanner`, which tries everything.
final class PlannerAgainstNaiveTests: XCTestCase {
    func testIsWithinTheRulesAndCheapest() throws {
        for seed in 1...400 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed)
            let task = PlannerCase.random(using: &random, partitions: 1...7, nodes: 1...5)
            let naive = NaivePlanner(task)
            let plan = task.plan
            let note = "seed \(seed): \(task) -> \(plan)"

            XCTAssertEqual(plan.target.count, task.partitions, note)
            for set in plan.target {
                let indices = task.members.indices.filter { set.contains(task.members[$0].number) }
                XCTAssertEqual(indices.count, set.count, note)
                XCTAssertTrue(naive.subsets.contains(indices), note)
            }
            for (member, share) in zip(task.members, naive.shares) {
                let held = plan.replicas(on: Int(member.number.raw))
                XCTAssertTrue(naive.isFair(held, share: share), "\(member.number) of share \(share), \(note)")
            }
            XCTAssertEqual(plan.moves, try XCTUnwrap(naive.fewestMoves(), note), note)
            XCTAssertEqual(
                plan.leaderChanges, try XCTUnwrap(naive.fewestLeaderChanges(in: plan.target), note), note)
        }
    }
}
