import KVCore
import XCTest

final class HeartbeatDetectorTests: XCTestCase {
    private let a = NodeNumber(1)
    private let b = NodeNumber(2)
    private var detector = HeartbeatDetector(probeInterval: .milliseconds(1000), now: at(0))

    func testAPeerIsUpOnceLinked() {
        XCTAssertFalse(detector.isUp(a))
        detector.linkUp(a, boot: 7, now: at(0))
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
        XCTAssertTrue(detector.isUp(a))
        XCTAssertFalse(detector.isUp(b))
    }

    func testASilentPeerIsDownWithinTwoIntervalsAndNotBeforeOneAndAHalf() {
        detector.linkUp(a, boot: 7, now: at(0))
        detector.linkUp(b, boot: 8, now: at(0))
        var downAt: UInt64?
        for time in stride(from: UInt64(0), through: 5000, by: 125) {
            if time % 500 == 0 { detector.heard(b, now: at(time)) }
            detector.tick(now: at(time))
            if effects().contains(.down(a)) {
                XCTAssertNil(downAt)
                downAt = time
            }
        }
        XCTAssertEqual(downAt, 1625)
        XCTAssertTrue(detector.isUp(b))
    }

    func testTheTicksItAsksForNoticeAStoppedProcessInTime() {
        let worst = detector.patience.nanoseconds + detector.tickInterval.nanoseconds
        XCTAssertLessThan(worst, Span.milliseconds(2000).nanoseconds)
    }

    func testAResetConnectionCountsAtOnce() {
        detector.linkUp(a, boot: 7, now: at(0))
        _ = effects()
        detector.linkDown(a, now: at(1))
        XCTAssertEqual(effects(), [.down(a)])
        detector.linkDown(a, now: at(2))
        detector.linkDown(b, now: at(2))
        XCTAssertEqual(effects(), [])
    }

    func testHeardAgainIsUpAgain() {
        detector.linkUp(a, boot: 7, now: at(0))
        tickTo(2000)
        XCTAssertTrue(effects().contains(.down(a)))
        detector.heard(a, now: at(2100))
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
    }

    func testAPeerWithoutALinkStaysDownHoweverLoud() {
        detector.linkUp(a, boot: 7, now: at(0))
        detector.linkDown(a, now: at(1))
        detector.heard(b, now: at(2))
        _ = effects()
        detector.heard(a, now: at(2))
        XCTAssertEqual(effects(), [])
        detector.linkUp(a, boot: 7, now: at(3))
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
    }

    func testANewBootIsTold() {
        detector.linkUp(a, boot: 7, now: at(0))
        detector.linkUp(a, boot: 7, now: at(1))
        detector.linkUp(a, boot: 8, now: at(2))
        XCTAssertEqual(effects(), [.up(a, boot: 7), .up(a, boot: 8)])
    }

    func testHeartbeatsGoEachHalfInterval() {
        var sent: [UInt64] = []
        for time in stride(from: UInt64(0), through: 2000, by: 100) {
            detector.tick(now: at(time))
            if effects().contains(.sendHeartbeats) { sent.append(time) }
        }
        XCTAssertEqual(sent, [0, 500, 1000, 1500, 2000])
    }

    func testALocalPauseCondemnsNobodyWhoSpeaksAfterIt() {
        detector.linkUp(a, boot: 7, now: at(0))
        tickTo(500)
        // Ten seconds of nothing here: what the peer said waits to be read.
        detector.tick(now: at(10_500))
        XCTAssertFalse(effects().contains(.down(a)))
        detector.tick(now: at(10_700))
        detector.heard(a, now: at(10_800))
        tickTo(12_000, from: 10_800)
        XCTAssertFalse(effects().contains(.down(a)))
        XCTAssertTrue(detector.isUp(a))
    }

    func testAfterALocalPauseASilentPeerIsDownWhenTheGraceEnds() {
        detector.linkUp(a, boot: 7, now: at(0))
        detector.tick(now: at(10_000))
        tickTo(10_900, from: 10_000)
        XCTAssertFalse(effects().contains(.down(a)))
        tickTo(11_000, from: 10_900)
        XCTAssertTrue(effects().contains(.down(a)))
    }

    func testADetectorThatIsAlwaysLateCondemnsInTheEnd() {
        detector.linkUp(a, boot: 7, now: at(0))
        var ticks = 0
        while detector.isUp(a), ticks < 100 {
            ticks += 1
            detector.tick(now: at(UInt64(ticks) * 1600))
        }
        XCTAssertEqual(ticks, HeartbeatDetector.maximumExcuses + 1)
    }

    func testTimesAtTheEdgeDoNotOverflow() {
        var detector = HeartbeatDetector(probeInterval: Span(nanoseconds: .max), now: Instant(nanoseconds: .max))
        detector.linkUp(a, boot: .max, now: Instant(nanoseconds: .max))
        detector.tick(now: Instant(nanoseconds: 0))
        detector.tick(now: Instant(nanoseconds: .max))
        XCTAssertTrue(detector.isUp(a))
    }

    private func effects() -> [DetectorEffect] {
        defer { detector.effects = [] }
        return detector.effects
    }

    private func tickTo(_ end: UInt64, from start: UInt64 = 0) {
        for time in stride(from: start, through: end, by: 100) { detector.tick(now: at(time)) }
    }
}

private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }
