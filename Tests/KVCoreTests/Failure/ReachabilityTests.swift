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

    // MARK: Large clusters, in which heartbeats are rare

    /// A cluster in which heartbeats come in every fourth turn, with a peer in touch.
    private func large() {
        reachability.pace = HeartbeatPace(members: 11)
        XCTAssertEqual(reachability.pace.turns, 4)
        linkUp(a, 7, beats: true)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
    }

    func testUpToFourMembersExchangeHeartbeatsInEveryTurn() {
        for members in 0...4 { XCTAssertEqual(HeartbeatPace(members: members).turns, 1) }
        XCTAssertEqual(HeartbeatPace(members: 5).turns, 2)
        XCTAssertEqual(HeartbeatPace(members: 25).turns, 8)
        reachability.pace = HeartbeatPace(members: 4)
        linkUp(a, 7, beats: true)
        _ = effects()
        reachability.attend(a, now: now)
        XCTAssertEqual(effects(), [], "attention makes no difference")
    }

    func testSilenceCountsLaterWhereHeartbeatsAreRare() {
        large()
        pass(5900)
        XCTAssertEqual(effects(), [])
        pass(200)
        XCTAssertEqual(effects(), [.down(a)])
    }

    func testAPeerThatIsAttendedToMustBeHeardSoon() {
        large()
        pass(3000)
        reachability.attend(a, now: now)
        XCTAssertEqual(effects(), [.attention(a, true)])
        pass(1300)
        XCTAssertEqual(effects(), [.doubt(a)], "the others are told once")
        pass(300)
        XCTAssertEqual(effects(), [.down(a)])
    }

    func testAttentionEndsSomeTimeAfterTheLastReason() {
        large()
        reachability.attend(a, now: now)
        for _ in 0..<50 {
            pass(300)
            reachability.heard(a, now: now)
            if now - Instant(nanoseconds: 1_000_000_000) < .milliseconds(6000) { reachability.attend(a, now: now) }
        }
        XCTAssertEqual(effects(), [.attention(a, true)])
        for _ in 0..<20 {
            pass(100)
            reachability.heard(a, now: now)
        }
        XCTAssertEqual(effects(), [.attention(a, false)])
    }

    /// Whoever is told of a doubt need not wait for as long again.
    func testADoubtCountsAsTheTimeThatTheOtherNodeHasWaited() {
        large()
        pass(3000)
        reachability.attend(a, isDoubted: true, now: now)
        pass(800)
        XCTAssertEqual(effects(), [.attention(a, true)], "and nobody is told again")
        pass(200)
        XCTAssertEqual(effects(), [.down(a)])
    }

    func testAttentionToAPeerThatIsSilentDoesNotRaiseIt() {
        large()
        pass(7000)
        XCTAssertEqual(effects(), [.down(a)])
        reachability.attend(a, now: now)
        pass(100)
        XCTAssertEqual(effects(), [.attention(a, true)])
    }

    /// A peer that does not hear that it is attended to goes on with rare heartbeats. It must not come and go.
    func testAPeerThatWasSilentIsInTouchOnceItIsHeardTwiceSoon() {
        large()
        reachability.attend(a, now: now)
        pass(1600)
        XCTAssertEqual(effects(), [.attention(a, true), .doubt(a), .down(a)])
        for _ in 0..<3 {
            reachability.heard(a, now: now)
            pass(2400)
            reachability.attend(a, now: now)
        }
        XCTAssertEqual(effects(), [])
        reachability.heard(a, now: now)
        pass(300)
        reachability.heard(a, now: now)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
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

    /// A tick looks at peers only when there is something to decide. Nothing may be decided otherwise by that.
    func testTheSameIsDecidedAsByALookAtEveryTick() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed)
            var now = Instant(nanoseconds: 1_000_000_000)
            let pace = HeartbeatPace(members: Int.random(in: 2...12, using: &random))
            var (lazy, eager) = (Reachability(now: now), Reachability(now: now))
            (lazy.pace, eager.pace) = (pace, pace)
            for step in 0..<400 {
                let node = NodeNumber(UInt16.random(in: 1...4, using: &random))
                let (boot, choice) = (UInt64.random(in: 1...2, using: &random), Int.random(in: 0..<40, using: &random))
                let isSo = Bool.random(using: &random)
                func happen(to reachability: inout Reachability) {
                    switch choice {
                    case 0: reachability.linkUp(node, boot: boot, beats: isSo, now: now)
                    case 1: reachability.linkUp(node, boot: 1, beats: true, now: now)
                    case 2: reachability.linkDown(node)
                    case 3: reachability.liveness(node, isSo ? .suspect : .alive)
                    case 4: reachability.attend(node, isDoubted: isSo, now: now)
                    case 5: reachability.forget(node)
                    case 6...12: reachability.heard(node, now: now)
                    default: break
                    }
                }
                happen(to: &lazy)
                happen(to: &eager)
                now = now + .milliseconds(isSo ? 100 : 20)
                lazy.tick(now: now)
                eager.pace = pace
                eager.tick(now: now)
                XCTAssertEqual(lazy.effects, eager.effects, "seed \(seed), step \(step)")
                (lazy.effects, eager.effects) = ([], [])
            }
        }
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
