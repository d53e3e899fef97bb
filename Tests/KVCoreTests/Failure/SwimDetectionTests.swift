import KVCore
import XCTest

/// Tests that a process that stops is noticed in time, and that no other one is suspected for long.
final class SwimDetectionTests: XCTestCase {
    private let (a, b, c) = (NodeNumber(1), NodeNumber(2), NodeNumber(3))

    func testAQuietClusterHasNothingToSay() {
        var cluster = ManualGossip(4)
        cluster.run(60_000)
        XCTAssertEqual(cluster.changes, [])
        for node in cluster.numbers {
            XCTAssertEqual(cluster.swims[node]?.healthScore, 0)
            XCTAssertEqual(cluster.swims[node]?.incarnation, 1 << 32)
        }
    }

    func testAStoppedProcessIsSuspectWithinTwoSecondsAndDeadWithinSix() throws {
        for count in 2...4 {
            for seed in 0..<25 as Range<UInt64> {
                var cluster = ManualGossip(count, seed: seed)
                cluster.run(3000 + seed * 50)
                let stopped = cluster.time
                cluster.stop(b)
                cluster.run(6000)
                for node in cluster.numbers where node != b {
                    let suspect = try XCTUnwrap(
                        cluster.moment(.suspect, of: b, by: node, after: stopped), "\(node) of \(count), seed \(seed)")
                    XCTAssertLessThan(suspect - stopped, 2000, "\(node) of \(count), seed \(seed)")
                    let dead = try XCTUnwrap(
                        cluster.moment(.dead, of: b, by: node, after: stopped), "\(node) of \(count), seed \(seed)")
                    XCTAssertLessThan(dead - stopped, 5500, "\(node) of \(count), seed \(seed)")
                    XCTAssertGreaterThan(dead - suspect, 2500, "\(node) of \(count), seed \(seed)")
                }
                XCTAssertTrue(cluster.changes.allSatisfy { $0.of == b })
            }
        }
    }

    func testWhoIsHeardOverConnectionsIsNotSuspected() throws {
        var cluster = ManualGossip(3)
        // Its datagrams do not pass, and its connections do.
        cluster.kill(b)
        for _ in 0..<100 {
            let now = cluster.now
            for node in [a, c] { cluster.swims[node]?.vouch(for: b, now: now) }
            cluster.run(300)
        }
        XCTAssertEqual(cluster.changes, [])
        XCTAssertGreaterThan(try XCTUnwrap(cluster.unanswered[b]), 20)
        // Now they do not either.
        let silent = cluster.time
        cluster.run(8000)
        let suspect = try XCTUnwrap(cluster.moment(.suspect, of: b, by: a, after: silent))
        XCTAssertLessThan(suspect - silent, 3000)
        XCTAssertEqual(cluster.status(of: b, by: a), .dead)
    }

    func testWhoWasHeldDeadIsAliveOnceItIsHeard() {
        var cluster = ManualGossip(3)
        cluster.kill(b)
        cluster.run(8000)
        XCTAssertEqual(cluster.status(of: b, by: a), .dead)
        for _ in 0..<10 {
            let now = cluster.now
            cluster.swims[a]?.vouch(for: b, now: now)
            cluster.run(300)
            XCTAssertEqual(cluster.status(of: b, by: a), .alive, "whatever c says")
        }
        XCTAssertEqual(cluster.status(of: b, by: c), .dead, "it does not hear it")
    }

    func testAHelperAnswersForWhomItHears() {
        var cluster = ManualGossip(3)
        cluster.kill(b)
        for _ in 0..<100 {
            // Only c hears it: a asks c, and c says so.
            let now = cluster.now
            cluster.swims[c]?.vouch(for: b, now: now)
            cluster.run(300)
        }
        XCTAssertEqual(cluster.changes, [])
    }

    func testTwoOfThreeAtOnceAreDeadWithinSixSeconds() throws {
        for seed in 0..<20 as Range<UInt64> {
            var cluster = ManualGossip(3, seed: seed)
            cluster.run(3000 + seed * 30)
            cluster.stop(b)
            cluster.stop(c)
            cluster.run(6000)
            XCTAssertEqual(cluster.status(of: b, by: a), .dead, "seed \(seed)")
            XCTAssertEqual(cluster.status(of: c, by: a), .dead, "seed \(seed)")
        }
    }

    func testAMemberThatNeverStartedIsDeadToo() {
        var cluster = ManualGossip(3)
        cluster.kill(c)
        XCTAssertEqual(cluster.status(of: c, by: a), .alive)
        cluster.run(6000)
        XCTAssertEqual(cluster.status(of: c, by: a), .dead)
    }

    func testNobodyDiesOfLoss() {
        for seed in 0..<5 as Range<UInt64> {
            var cluster = ManualGossip(5, seed: seed)
            cluster.loss = 25
            cluster.run(120_000)
            XCTAssertGreaterThan(cluster.lost, 500)
            XCTAssertFalse(cluster.changes.contains { $0.liveness == .dead }, "seed \(seed)")
        }
    }

    func testWithLossTheDeadAreFoundAllTheSame() {
        for seed in 0..<10 as Range<UInt64> {
            var cluster = ManualGossip(5, seed: seed)
            cluster.loss = 25
            cluster.run(5000)
            cluster.kill(c)
            cluster.run(40_000)
            for node in cluster.numbers where node != c {
                XCTAssertEqual(cluster.status(of: c, by: node), .dead, "\(node), seed \(seed)")
            }
        }
    }

    func testAnotherPathSavesWhomTheDirectOneCannotReach() {
        for seed in 0..<10 as Range<UInt64> {
            var cluster = ManualGossip(3, seed: seed)
            cluster.run(2000)
            cluster.cut(a, b)
            cluster.run(60_000)
            XCTAssertEqual(cluster.changes, [], "seed \(seed)")
        }
    }

    func testWithoutAnotherPathBothSidesGiveEachOtherUpAndComeBackTogether() {
        for seed in 0..<10 as Range<UInt64> {
            var cluster = ManualGossip(5, seed: seed)
            cluster.run(2000)
            let few = cluster.numbers.prefix(2)
            let many = cluster.numbers.suffix(3)
            for one in few { for other in many { cluster.cut(one, other) } }
            cluster.run(20_000)
            for one in few {
                for other in many {
                    XCTAssertEqual(cluster.status(of: other, by: one), .dead, "seed \(seed)")
                    XCTAssertEqual(cluster.status(of: one, by: other), .dead, "seed \(seed)")
                }
            }
            XCTAssertEqual(cluster.status(of: few[1], by: few[0]), .alive)
            cluster.healAll()
            cluster.run(4000)
            for one in cluster.numbers {
                for other in cluster.numbers {
                    XCTAssertEqual(cluster.status(of: other, by: one), .alive, "\(other) by \(one), seed \(seed)")
                }
            }
        }
    }

    func testLargerClustersFindTheDeadWithConfirmationsNotMuchLater() {
        for seed in 0..<3 as Range<UInt64> {
            var cluster = ManualGossip(30, seed: seed)
            cluster.run(10_000)
            XCTAssertEqual(cluster.changes, [])
            cluster.kill(c)
            cluster.run(10_000)
            for node in cluster.numbers where node != c {
                XCTAssertEqual(cluster.status(of: c, by: node), .dead, "\(node), seed \(seed)")
            }
        }
    }
}
