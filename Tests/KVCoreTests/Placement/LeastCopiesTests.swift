import KVCore
import XCTest

/// Tests the lower bound of the copies that a plan takes, and plans over long histories.
final class LeastCopiesTests: XCTestCase {
    private func bound(_ task: PlannerCase) -> Int {
        Planner.leastCopies(
            members: task.members, partitions: task.partitions, replicas: task.replicas, current: task.current)
    }

    func testIsNeverAboveWhatTryingEverythingFinds() throws {
        var isTight = 0
        for seed in 1...400 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed &* 31)
            let task = PlannerCase.random(using: &random, partitions: 1...7, nodes: 1...5)
            let fewest = try XCTUnwrap(NaivePlanner(task).fewestMoves())
            XCTAssertLessThanOrEqual(bound(task), fewest, "seed \(seed): \(task)")
            isTight += bound(task) == fewest ? 1 : 0
        }
        XCTAssertGreaterThan(isTight, 380, "a bound that is mostly too low says nothing")
    }

    func testCountsWhatAJoinAndALeaveMustCopy() {
        var task = PlannerCase(members: (1...4).map { Member($0) }, partitions: 64, replicas: 3)
        task.current = task.plan.target
        XCTAssertEqual(bound(task), 0)
        task.members.append(Member(5))
        XCTAssertEqual(bound(task), 38)
        task.members.removeFirst()
        XCTAssertEqual(bound(task), 48)
        task.members = [Member(1)]
        XCTAssertEqual(bound(task), 16)
        task.members = []
        XCTAssertEqual(bound(task), 0)
    }

    /// Random sequences of joins, leaves, weights and zones: every plan is balanced, spreads over zones as far as can
    /// be, and copies no more than it must.
    func testLongHistoriesStayBalancedAndCheap() {
        var (plans, exact) = (0, 0)
        for seed in 1...12 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed &* 104_729)
            let zones = (0..<Int.random(in: 1...5, using: &random)).map { "z\($0)" }
            let weights = [[1], [1, 2, 4], [3, 5, 100]].randomElement(using: &random) ?? [1]
            var task = PlannerCase(
                members: [], partitions: 1 << Int.random(in: 5...8, using: &random),
                replicas: Int.random(in: 1...5, using: &random))
            var last = 0
            for step in 0..<12 {
                for _ in 0..<Int.random(in: step == 0 ? 1...60 : 0...15, using: &random) where task.members.count < 100
                {
                    last += 1
                    task.members.append(
                        Member(
                            last, zone: zones.randomElement(using: &random) ?? "",
                            weight: weights.randomElement(using: &random) ?? 1))
                }
                for _ in 0..<Int.random(in: 0...8, using: &random) where task.members.count > 1 {
                    task.members.remove(at: Int.random(in: task.members.indices, using: &random))
                }
                let plan = task.plan
                check(plan, task, "seed \(seed), step \(step)")
                let least = bound(task)
                XCTAssertGreaterThanOrEqual(plan.moves, least, "seed \(seed), step \(step)")
                plans += 1
                exact += plan.moves == least ? 1 : 0
                task.current = plan.target
            }
        }
        XCTAssertGreaterThan(exact, plans * 9 / 10, "of \(plans) plans, \(exact) meet the bound")
    }

    private func check(_ plan: Plan, _ task: PlannerCase, _ note: String) {
        let width = min(task.replicas, task.members.count)
        let spread = Self.spread(task.members, width)
        for set in plan.target {
            XCTAssertEqual(Set(set).count, width, note)
            XCTAssertEqual(set.count, width, note)
            let zones = task.members.filter { set.contains($0.number) }.map(\.zone)
            let counts = Dictionary(grouping: zones) { $0 }.values.map(\.count).sorted(by: >)
            XCTAssertEqual(counts, spread, note)
        }
        // Within a zone, and for one weight, nobody holds two more than another; leaders are a share of what is held.
        for group in Dictionary(grouping: task.members, by: { "\($0.zone)/\($0.weight)" }).values {
            let held = group.map { plan.replicas(on: Int($0.number.raw)) }
            XCTAssertLessThanOrEqual((held.max() ?? 0) - (held.min() ?? 0), 1, note)
        }
        for member in task.members where width > 0 {
            let held = plan.replicas(on: Int(member.number.raw))
            let led = plan.leaders(on: Int(member.number.raw))
            XCTAssertTrue((held / width...(held + width - 1) / width).contains(led), note)
        }
    }

    /// The most even numbers of replicas by zone, the highest first.
    private static func spread(_ members: [Member], _ width: Int) -> [Int] {
        let sizes = Dictionary(grouping: members, by: \.zone).values.map(\.count)
        var counts = sizes.map { _ in 0 }
        for _ in 0..<width {
            let open = counts.indices.filter { counts[$0] < sizes[$0] }
            if let least = open.min(by: { counts[$0] < counts[$1] }) { counts[least] += 1 }
        }
        return counts.filter { $0 > 0 }.sorted(by: >)
    }
}
