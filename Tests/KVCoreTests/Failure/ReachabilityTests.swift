import KVCore
import XCTest

final class ReachabilityTests: XCTestCase {
    private let (a, b) = (NodeNumber(1), NodeNumber(2))
    private var reachability = Reachability(now: Instant(nanoseconds: 1_000_000_000))
    private var now = Instant(nanoseconds: 1_000_000_000)

    func testALinkIsNeededAndEnoughUntilTheDetectorObjects() {
        XCTAssertFalse(reachability.isUp(a))
        reachability.liveness(a, .alive)
        XCTAssertEqual(effects(), [])
        linkUp(a, 7)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
        XCTAssertTrue(reachability.isUp(a))
        linkUp(a, 7)
        reachability.liveness(a, .alive)
        XCTAssertEqual(effects(), [])
    }

    func testALinkThatIsResetCountsAtOnce() {
        linkUp(a, 7)
        linkUp(b, 8)
        _ = effects()
        reachability.linkDown(a)
        reachability.linkDown(a)
        XCTAssertEqual(effects(), [.down(a)])
        XCTAssertFalse(reachability.isUp(a))
        XCTAssertTrue(reachability.isUp(b))
        linkUp(a, 7)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
    }

    func testASuspectIsDownHoweverItsLinkStands() {
        linkUp(a, 7)
        _ = effects()
        reachability.liveness(a, .suspect)
        XCTAssertEqual(effects(), [.down(a)])
        reachability.liveness(a, .dead)
        reachability.linkDown(a)
        linkUp(a, 8)
        XCTAssertEqual(effects(), [])
        reachability.liveness(a, .alive)
        XCTAssertEqual(effects(), [.up(a, boot: 8)])
    }

    func testAnotherProcessIsDownThenUp() {
        linkUp(a, 7)
        linkUp(a, 8)
        XCTAssertEqual(effects(), [.up(a, boot: 7), .down(a), .up(a, boot: 8)])
    }

    func testWhoIsForgottenIsDownAndBeginsAnew() {
        reachability.liveness(b, .dead)
        linkUp(a, 7)
        _ = effects()
        reachability.forget(a)
        reachability.forget(b)
        XCTAssertEqual(effects(), [.down(a)])
        linkUp(b, 1)
        XCTAssertEqual(effects(), [.up(b, boot: 1)])
    }

    // MARK: Heartbeats

    func testWhoIsNotHeardIsOutOfTouchHoweverItsLinkStands() {
        linkUp(a, 7, beats: true)
        pass(1400)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
        reachability.heard(a, now: now)
        pass(1400)
        XCTAssertEqual(effects(), [])
        pass(200)
        XCTAssertEqual(effects(), [.down(a)])
        linkUp(a, 7, beats: true)
        XCTAssertEqual(effects(), [], "the same link says nothing new")
        reachability.heard(a, now: now)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
    }

    func testHeartbeatsOutweighTheDetector() {
        linkUp(a, 7, beats: true)
        reachability.liveness(a, .suspect)
        reachability.liveness(a, .dead)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
        XCTAssertTrue(reachability.isHeard(a, within: .milliseconds(500)))
        reachability.linkDown(a)
        XCTAssertEqual(effects(), [.down(a)])
        linkUp(a, 7, beats: true)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
    }

    func testAPeerWithoutHeartbeatsIsLeftToTheDetector() {
        linkUp(a, 7)
        pass(10_000)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
        XCTAssertFalse(reachability.isHeard(a, within: .milliseconds(100_000)))
    }

    /// Messages that came while the node was late have not been read yet, so silence does not count.
    func testItsOwnLatenessIsNotHeldAgainstOthers() {
        linkUp(a, 7, beats: true)
        pass(100)
        now = now + .milliseconds(5000)
        reachability.tick(now: now)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
        pass(1500)
        XCTAssertEqual(effects(), [.down(a)])
    }

    private func linkUp(_ node: NodeNumber, _ boot: UInt64, beats: Bool = false) {
        reachability.linkUp(node, boot: boot, beats: beats, now: now)
    }

    /// Timers are given meanwhile.
    private func pass(_ milliseconds: UInt64) {
        for _ in 0..<milliseconds / 100 {
            now = now + .milliseconds(100)
            reachability.tick(now: now)
        }
    }

    private func effects() -> [ReachabilityEffect] {
        defer { reachability.effects = [] }
        return reachability.effects
    }
}
