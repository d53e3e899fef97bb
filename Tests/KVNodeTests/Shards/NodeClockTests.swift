import KVCore
import XCTest

@testable import KVNode

final class NodeClockTests: XCTestCase {
    private static let wall: UInt64 = 1_700_000_000_000

    private func now(_ milliseconds: UInt64, ahead: Int64 = 0) -> Now {
        Now(
            monotonic: Instant(nanoseconds: (1_000_000 + milliseconds) * 1_000_000),
            wall: UInt64(Int64(Self.wall + milliseconds) + ahead))
    }

    func testItGoesBackForNobody() {
        let clock = NodeClock(others: [], now: now(0))
        func told(_ milliseconds: UInt64) -> Int64 {
            Int64(clock.wall(at: now(milliseconds).monotonic)) - Int64(Self.wall)
        }
        XCTAssertEqual(told(0), 0)
        clock.adjust(now: now(100, ahead: 60_000))
        XCTAssertEqual(told(100), 60_100)
        XCTAssertEqual(told(50), 60_100, "another thread was told that already")
        clock.adjust(now: now(200))
        XCTAssertEqual(told(200), 60_190)
        XCTAssertEqual(told(205), 60_195)
        clock.adjust(now: now(210))
        XCTAssertEqual(told(210), 60_199)
    }

    func testItKeepsToTheOthersFromTheFirstThatIsHeard() {
        let peers = [NodeNumber(2), NodeNumber(3)]
        let clock = NodeClock(others: peers, now: now(0, ahead: 3_600_000))
        XCTAssertEqual(clock.wall(at: now(0).monotonic), Self.wall + 3_600_000)
        for peer in peers { clock.heard(peer, wall: now(10).wall, now: now(10).monotonic) }
        XCTAssertEqual(clock.wall(at: now(10).monotonic), Self.wall + 10_010)
        XCTAssertEqual(clock.disagreement?.peers, peers)
        clock.setOthers([])
        clock.adjust(now: now(20, ahead: 3_600_000))
        XCTAssertNil(clock.disagreement)
        XCTAssertEqual(clock.wall(at: now(20).monotonic), Self.wall + 3_600_020)
    }

    func testItShowsTheMachinesTime() {
        let clock = NodeClock(others: [])
        for _ in 0..<100 {
            clock.adjust()
            XCTAssertLessThanOrEqual(clock.now.wall, Clock.machineWall + 1)
            XCTAssertGreaterThan(clock.wall + 1000, Clock.machineWall)
        }
    }

    func testADisagreementIsToldOnceItHasLasted() {
        var report = ClockReport()
        let disagreement = ClockDisagreement(milliseconds: 20_000, peers: [NodeNumber(2)])
        func at(_ seconds: UInt64) -> Instant { now(seconds * 1000).monotonic }
        XCTAssertNil(report.review(disagreement, now: at(0)))
        XCTAssertNil(report.review(nil, now: at(1)), "it was late news")
        XCTAssertNil(report.review(disagreement, now: at(2)))
        XCTAssertNil(report.review(disagreement, now: at(6)))
        XCTAssertEqual(report.review(disagreement, now: at(7)), .differs(disagreement))
        XCTAssertNil(report.review(disagreement, now: at(8)))
        XCTAssertEqual(report.review(nil, now: at(9)), .agrees)
        XCTAssertNil(report.review(nil, now: at(10)))
    }
}
