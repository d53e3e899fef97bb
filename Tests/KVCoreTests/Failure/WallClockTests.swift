import KVCore
import XCTest

final class WallClockTests: XCTestCase {
    /// By the machines' clocks, in milliseconds: what the monotonic one shows, and by how much the wall clock is ahead.
    private var monotonic: UInt64 = 5_000_000
    private var own: Int64 = 0
    private static let origin: Int64 = 1_700_000_000_000
    private lazy var clock = make(2, 3)

    private func make(_ others: UInt16...) -> WallClock { WallClock(others: others.map(NodeNumber.init), now: now) }

    private var now: Now {
        Now(
            monotonic: Instant(nanoseconds: monotonic * 1_000_000),
            wall: UInt64(Self.origin + Int64(monotonic) + own))
    }

    /// How far the node's time is ahead of the true one, in milliseconds.
    private var error: Int64 { Int64(clock.wall(at: now.monotonic)) - Self.origin - Int64(monotonic) }

    private func hear(_ node: UInt16, ahead: Int64 = 0) {
        _ = clock.heard(
            NodeNumber(node), wall: UInt64(Self.origin + Int64(monotonic) + ahead), now: now.monotonic)
    }

    /// In steps of a tenth of a second; time must not go back.
    private func pass(_ milliseconds: UInt64, line: UInt = #line) {
        var last = clock.wall(at: now.monotonic)
        for _ in 0..<milliseconds / 100 {
            monotonic += 100
            clock.adjust(now)
            let next = clock.wall(at: now.monotonic)
            XCTAssertGreaterThan(next, last, "it goes on", line: line)
            last = next
        }
    }

    private static let hour: Int64 = 3_600_000

    func testItShowsTheMachinesTime() {
        hear(2)
        hear(3, ahead: -20)
        pass(1000)
        XCTAssertEqual(error, 0)
        own = 700
        pass(100)
        XCTAssertEqual(error, 700)
        XCTAssertNil(clock.disagreement)
    }

    func testItDoesNotGoBackWithTheMachine() {
        clock = make()
        pass(1000)
        own = 60_000
        pass(100)
        XCTAssertEqual(error, 60_000)
        own = 0
        pass(100)
        XCTAssertEqual(error, 59_990, "it runs slower by a tenth")
        pass(599_000)
        XCTAssertEqual(error, 90)
        pass(1000)
        XCTAssertEqual(error, 0, accuracy: 1)
        XCTAssertNil(clock.disagreement, "it is alone")
    }

    func testItKeepsToTheMajoritysClocks() {
        hear(2)
        hear(3)
        own = Self.hour
        pass(100)
        XCTAssertEqual(error, 10_000)
        XCTAssertEqual(
            clock.disagreement,
            ClockDisagreement(milliseconds: Self.hour, peers: [NodeNumber(2), NodeNumber(3)]))
        own = -Self.hour
        pass(300_000)
        XCTAssertEqual(error, -10_000)
        XCTAssertEqual(clock.disagreement?.milliseconds, -Self.hour)
        own = 0
        pass(100)
        XCTAssertEqual(error, 0)
        XCTAssertNil(clock.disagreement)
    }

    func testAPeerWithAWrongClockIsNotFollowed() {
        hear(2, ahead: Self.hour)
        hear(3)
        pass(1000)
        XCTAssertEqual(error, 0)
        hear(2, ahead: -Self.hour)
        pass(1000)
        XCTAssertEqual(error, 0)
        XCTAssertNil(clock.disagreement)
    }

    func testTwoThatDifferGoByTheEarlier() {
        clock = make(2)
        hear(2, ahead: -Self.hour)
        pass(100)
        XCTAssertEqual(error, 10_000 - Self.hour)
        XCTAssertEqual(clock.disagreement?.milliseconds, Self.hour)
    }

    /// A machine that starts with a wrong clock is the ordinary case.
    func testTheFirstClockThatIsHeardMaySetItBack() {
        own = Self.hour
        clock = make(2, 3)
        pass(1000)
        XCTAssertEqual(error, Self.hour, "there is nothing to hold it against")
        XCTAssertTrue(clock.heard(NodeNumber(3), wall: now.wall - UInt64(Self.hour), now: now.monotonic))
        XCTAssertEqual(error, 10_000)
        XCTAssertFalse(clock.heard(NodeNumber(2), wall: now.wall - UInt64(Self.hour), now: now.monotonic))
        pass(1000)
        XCTAssertEqual(error, 10_000)
    }

    func testWhoHasServedAloneIsNotSetBack() {
        own = Self.hour
        clock = make()
        pass(1000)
        clock.setOthers([NodeNumber(2)])
        XCTAssertFalse(clock.heard(NodeNumber(2), wall: now.wall - UInt64(Self.hour), now: now.monotonic))
        XCTAssertEqual(error, Self.hour)
        pass(1000)
        XCTAssertEqual(error, Self.hour - 100)
    }

    func testWhatIsKnownOfThoseAwayGoesOnToCount() {
        hear(2)
        hear(3)
        pass(60_000)
        own = Self.hour
        pass(60_000)
        XCTAssertEqual(error, 10_000)
    }

    func testMostMembersCountWhoeverIsKnown() {
        clock = make(2, 3, 4, 5)
        hear(2, ahead: Self.hour)
        own = Self.hour
        pass(100)
        XCTAssertEqual(error, Self.hour, "no other is known")
        own = 0
        clock = make(2, 3, 4, 5)
        for node in [2, 3, 4, 5] as [UInt16] { hear(node, ahead: node < 4 ? Self.hour : 0) }
        pass(100)
        XCTAssertEqual(error, 0, "two of five are ahead")
        hear(4, ahead: Self.hour)
        pass(100)
        XCTAssertEqual(error, Self.hour - 10_000, "three of five are")
        clock.setOthers([NodeNumber(5)])
        pass(100)
        XCTAssertLessThan(error, Self.hour - 10_000)
        XCTAssertFalse(clock.heard(NodeNumber(2), wall: 0, now: now.monotonic), "it is no member")
    }

    func testAbsurdClocksDoNoHarm() {
        for wall in [0, 1, UInt64.max / 2, .max] {
            for instant in [Instant(nanoseconds: 0), now.monotonic, Instant(nanoseconds: .max)] {
                var clock = WallClock(others: [NodeNumber(2)], now: Now(monotonic: instant, wall: wall))
                for peer in [0, UInt64.max] {
                    _ = clock.heard(NodeNumber(2), wall: peer, now: instant)
                    clock.adjust(Now(monotonic: instant, wall: wall))
                    _ = clock.wall(at: instant)
                    _ = clock.disagreement
                }
            }
        }
    }
}
