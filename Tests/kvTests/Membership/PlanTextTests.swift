import Foundation
import KVClient
import KVFakes
import XCTest

@testable import kv

final class PlanTextTests: XCTestCase {
    private func plan(_ change: (inout PlanProgress) -> Void = { _ in }) throws -> PlanProgress {
        var plan = try JSONDecoder().decode(PlanProgress.self, from: Data(MembershipFixtures.plan(done: 512).utf8))
        change(&plan)
        return plan
    }

    func testWhoJoinsAndLeaves() {
        XCTAssertEqual(PlanText.change(joining: ["a"], leaving: []), "a joins")
        XCTAssertEqual(PlanText.change(joining: ["a", "b", "c"], leaving: ["d"]), "a, b and c join, d leaves")
        XCTAssertEqual(PlanText.change(joining: [], leaving: ["d", "e"]), "d and e leave")
        XCTAssertEqual(PlanText.change(joining: [], leaving: []), "nobody joins or leaves")
    }

    func testProgress() throws {
        XCTAssertEqual(PlanText.progress(try plan()), " 50%  512 B of 1.0 KiB, 2 of 8 replicas")
        XCTAssertEqual(
            PlanText.progress(
                try plan {
                    $0.rate = 98 << 20
                    $0.timeLeft = .seconds(75)
                }), " 50%  512 B of 1.0 KiB, 2 of 8 replicas, 98.0 MiB/s, 1m15s left")
        XCTAssertEqual(
            PlanText.progress(
                try plan {
                    $0.bytesDone = 2048
                    $0.isPaused = true
                    $0.isCancelling = true
                    $0.rate = 5
                }), " 99%  2.0 KiB of 2.0 KiB, 2 of 8 replicas, paused, cancelling")
    }

    private func split(_ change: (inout PlanProgress) -> Void = { _ in }) throws -> PlanProgress {
        var plan = try JSONDecoder().decode(
            PlanProgress.self, from: Data(MembershipFixtures.split(partitions: 96).utf8))
        change(&plan)
        return plan
    }

    func testSplits() throws {
        XCTAssertEqual(PlanText.change(try split()), "partitions are split until there are 128")
        XCTAssertEqual(
            PlanText.change(try split { $0.leaving = ["n3"] }), "partitions are split until there are 128, n3 leaves")
        XCTAssertEqual(PlanText.change(try split { $0.isCancelling = true }), "no more partitions are split")
        XCTAssertEqual(PlanText.progress(try split()), "96 of 128 partitions")
        XCTAssertEqual(PlanText.progress(try split { $0.isPaused = true }), "96 of 128 partitions, paused")
        XCTAssertEqual(
            PlanText.progress(
                try split {
                    $0.isCancelling = true
                    $0.splitTo = 96
                }), "96 partitions, cancelling")
        // A member has died meanwhile.
        XCTAssertEqual(
            PlanText.progress(
                try split {
                    $0.moves = 8
                    $0.movesDone = 3
                }), "96 of 128 partitions, 3 of 8 replicas copied")
    }

    func testTheBarOfASplitBeginsWhereItWasMetFirst() throws {
        XCTAssertEqual(
            ProgressDisplay.bar(try split(), nil, columns: 80, since: 64),
            "[###############---------------] 96 of 128 partitions")
        XCTAssertEqual(
            ProgressDisplay.bar(try split(), nil, columns: 80, since: 96),
            "[------------------------------] 96 of 128 partitions")
        XCTAssertEqual(PlanText.splitFraction(try split { $0.partitions = 128 }, since: 64), 1)
        XCTAssertEqual(PlanText.splitFraction(try split { $0.partitions = 32 }, since: 64), 0)
        XCTAssertEqual(PlanText.splitFraction(try split { $0.splitTo = 96 }, since: 96), 0)
    }

    func testOnlyWhatIsDoneIsWhole() throws {
        XCTAssertEqual(PlanText.fraction(try plan { $0.bytesDone = 1024 }), 0.99)
        XCTAssertEqual(
            PlanText.fraction(
                try plan {
                    $0.bytesDone = 1024
                    $0.partitionsLeft = 0
                }), 1)
        XCTAssertEqual(PlanText.fraction(try plan { $0.bytes = 0 }), 0.25, "of the replicas where there are no bytes")
        XCTAssertEqual(
            PlanText.fraction(
                try plan {
                    $0.bytes = 0
                    $0.moves = 0
                    $0.movesDone = 0
                }), 0)
    }

    func testObstacles() throws {
        XCTAssertNil(PlanText.obstacle(try plan()))
        let held = try plan {
            let move = $0.underWay[0]
            $0.underWay = [move, move, move]
            for index in 1...2 {
                $0.underWay[index].obstacle = try? JSONDecoder().decode(
                    PlanProgress.Obstacle.self, from: Data(#"{"code":"silent","message":"full"}"#.utf8))
            }
        }
        XCTAssertEqual(PlanText.obstacle(held), "partition 3 (and 1 more): full")
        var paused = held
        paused.isPaused = true
        XCTAssertNil(PlanText.obstacle(paused))
    }

    func testBarsFit() throws {
        let plan = try plan()
        XCTAssertEqual(
            ProgressDisplay.bar(plan, nil, columns: 80),
            "[###############---------------]  50%  512 B of 1.0 KiB, 2 of 8 replicas")
        for columns in [0, 1, 2, 10, 40, 60] {
            let bar = ProgressDisplay.bar(plan, "n4 is not in touch", columns: columns)
            XCTAssertLessThan(bar.count, max(columns, 2))
        }
    }

    func testDurations() {
        let expected: [(Int64, String)] = [
            (0, "0s"), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90_000, "1d01h"),
        ]
        for (seconds, text) in expected { XCTAssertEqual(PlanText.duration(.seconds(seconds)), text) }
        XCTAssertEqual(PlanText.duration(.milliseconds(59_999)), "59s")
    }
}
