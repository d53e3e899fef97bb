import KVCore
import XCTest

/// Tests that a member that is suspected wrongly refutes it at once, and that a process that was paused suspects itself
/// before others.
final class SwimRefutationTests: XCTestCase {
    private let (a, b, c) = (NodeNumber(1), NodeNumber(2), NodeNumber(3))

    func testASuspectRefutesWithAHigherIncarnation() {
        var cluster = ManualGossip(3)
        cluster.run(3000)
        cluster.stop(b)
        cluster.run(2500)
        XCTAssertEqual(cluster.status(of: b, by: a), .suspect)
        cluster.resume(b)
        cluster.run(500)
        XCTAssertEqual(cluster.status(of: b, by: a), .alive)
        XCTAssertEqual(cluster.status(of: b, by: c), .alive)
        XCTAssertEqual(cluster.swims[b]?.incarnation, (1 << 32) + 1)
        cluster.run(20_000)
        XCTAssertFalse(cluster.changes.contains { $0.liveness == .dead })
    }

    func testWhoWasPausedSuspectsItselfBeforeOthers() {
        for pause in [300, 1000, 3000, 30_000] as [UInt64] {
            for seed in 0..<5 as Range<UInt64> {
                var cluster = ManualGossip(3, seed: seed)
                cluster.run(3000 + seed * 37)
                cluster.stop(b)
                cluster.run(pause)
                XCTAssertEqual(cluster.swims[b]?.healthScore, 0)
                cluster.resume(b)
                cluster.run(50)
                // An answered probe may already have made up for one point.
                if pause >= 1000 { XCTAssertGreaterThan(cluster.swims[b]?.healthScore ?? 0, 0) }
                cluster.run(20_000)
                XCTAssertFalse(cluster.changes.contains { $0.by == b }, "\(pause) ms, seed \(seed)")
                XCTAssertEqual(cluster.swims[b]?.healthScore, 0)
                XCTAssertEqual(cluster.status(of: b, by: a), .alive)
            }
        }
    }

    func testTheDeadComeBackWithinASecondOfTheirReturn() {
        for seed in 0..<10 as Range<UInt64> {
            var cluster = ManualGossip(3, seed: seed)
            cluster.run(3000)
            cluster.stop(b)
            cluster.run(60_000)
            XCTAssertEqual(cluster.status(of: b, by: a), .dead)
            cluster.resume(b)
            cluster.run(1000)
            XCTAssertEqual(cluster.status(of: b, by: a), .alive)
            XCTAssertEqual(cluster.status(of: b, by: c), .alive)
        }
    }

    func testANewProcessOverrulesWhatWasSaidOfTheOldOne() {
        for seed in 0..<10 as Range<UInt64> {
            var cluster = ManualGossip(3, seed: seed)
            cluster.run(3000)
            cluster.kill(b)
            cluster.run(seed % 2 == 0 ? 2500 : 10_000)
            XCTAssertEqual(cluster.status(of: b, by: a), seed % 2 == 0 ? .suspect : .dead)
            cluster.restart(b, boot: 2)
            cluster.run(1000)
            XCTAssertEqual(cluster.status(of: b, by: a), .alive)
            XCTAssertEqual(cluster.status(of: b, by: c), .alive)
            XCTAssertEqual(cluster.swims[b]?.incarnation, 2 << 32)
        }
    }

    func testAQuickRestartIsNoNews() {
        var cluster = ManualGossip(3)
        cluster.run(3000)
        cluster.kill(b)
        cluster.run(200)
        cluster.restart(b, boot: 2)
        cluster.run(10_000)
        XCTAssertEqual(cluster.changes, [])
    }

    func testANewProcessLearnsOfTheDead() throws {
        var cluster = ManualGossip(5)
        cluster.run(3000)
        cluster.kill(b)
        cluster.kill(c)
        cluster.run(20_000)
        cluster.kill(a)
        cluster.run(100)
        cluster.restart(a, boot: 2)
        let began = cluster.time
        cluster.run(5000)
        for dead in [b, c] {
            XCTAssertEqual(cluster.status(of: dead, by: a), .dead)
            // It has only to form the suspicion: others answer that with what they know.
            let suspect = try XCTUnwrap(cluster.moment(.suspect, of: dead, by: a, after: began))
            let told = try XCTUnwrap(cluster.moment(.dead, of: dead, by: a, after: began))
            XCTAssertLessThan(told - suspect, 1500)
        }
        XCTAssertEqual(cluster.status(of: a, by: NodeNumber(4)), .alive)
    }

    /// As on a machine whose processors are all taken: now this process does not run for a while, now that one.
    func testPausedProcessesKillNobodyInTenMinutes() {
        var random = SplitMix(seed: 9)
        var cluster = ManualGossip(3)
        var pauses = 0
        cluster.loss = 2
        while cluster.time < 1_600_000 {
            let throttled = cluster.numbers.filter { _ in random.next() % 3 == 0 }
            pauses += throttled.count
            for node in throttled { cluster.stop(node) }
            cluster.run(100 + random.next() % 1900)
            for node in throttled { cluster.resume(node) }
            cluster.run(random.next() % 300)
        }
        XCTAssertGreaterThan(pauses, 300)
        XCTAssertFalse(cluster.changes.contains { $0.liveness == .dead })
        cluster.loss = 0
        cluster.run(5000)
        for one in cluster.numbers {
            for other in cluster.numbers { XCTAssertEqual(cluster.status(of: other, by: one), .alive) }
        }
    }
}
