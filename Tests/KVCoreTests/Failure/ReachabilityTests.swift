import KVCore
import XCTest

final class ReachabilityTests: XCTestCase {
    private let (a, b) = (NodeNumber(1), NodeNumber(2))
    private var reachability = Reachability()

    func testALinkIsNeededAndEnoughUntilTheDetectorObjects() {
        XCTAssertFalse(reachability.isUp(a))
        reachability.liveness(a, .alive)
        XCTAssertEqual(effects(), [])
        reachability.linkUp(a, boot: 7)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
        XCTAssertTrue(reachability.isUp(a))
        reachability.linkUp(a, boot: 7)
        reachability.liveness(a, .alive)
        XCTAssertEqual(effects(), [])
    }

    func testALinkThatIsResetCountsAtOnce() {
        reachability.linkUp(a, boot: 7)
        reachability.linkUp(b, boot: 8)
        _ = effects()
        reachability.linkDown(a)
        reachability.linkDown(a)
        XCTAssertEqual(effects(), [.down(a)])
        XCTAssertFalse(reachability.isUp(a))
        XCTAssertTrue(reachability.isUp(b))
        reachability.linkUp(a, boot: 7)
        XCTAssertEqual(effects(), [.up(a, boot: 7)])
    }

    func testASuspectIsDownHoweverItsLinkStands() {
        reachability.linkUp(a, boot: 7)
        _ = effects()
        reachability.liveness(a, .suspect)
        XCTAssertEqual(effects(), [.down(a)])
        reachability.liveness(a, .dead)
        reachability.linkDown(a)
        reachability.linkUp(a, boot: 8)
        XCTAssertEqual(effects(), [])
        reachability.liveness(a, .alive)
        XCTAssertEqual(effects(), [.up(a, boot: 8)])
    }

    func testAnotherProcessIsDownThenUp() {
        reachability.linkUp(a, boot: 7)
        reachability.linkUp(a, boot: 8)
        XCTAssertEqual(effects(), [.up(a, boot: 7), .down(a), .up(a, boot: 8)])
    }

    func testWhoIsForgottenIsDownAndBeginsAnew() {
        reachability.liveness(b, .dead)
        reachability.linkUp(a, boot: 7)
        _ = effects()
        reachability.forget(a)
        reachability.forget(b)
        XCTAssertEqual(effects(), [.down(a)])
        reachability.linkUp(b, boot: 1)
        XCTAssertEqual(effects(), [.up(b, boot: 1)])
    }

    private func effects() -> [ReachabilityEffect] {
        defer { reachability.effects = [] }
        return reachability.effects
    }
}
