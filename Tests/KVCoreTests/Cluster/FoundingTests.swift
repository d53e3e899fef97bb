import XCTest

@testable import KVCore

final class FoundingTests: XCTestCase {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private func founding(_ count: UInt16) -> Founding {
        Founding(me: NodeNumber(1), members: (1...count).map { NodeNumber($0) }, now: start)
    }

    func testAllHaveAnswered() {
        var founding = founding(3)
        founding.agreed(NodeNumber(2))
        XCTAssertFalse(founding.isDone(at: start), "n3 may know better")
        founding.agreed(NodeNumber(3))
        XCTAssertTrue(founding.isDone(at: start))
    }

    func testAMajorityIsEnoughAfterAWhile() {
        var founding = founding(5)
        founding.agreed(NodeNumber(2))
        let later = start + Founding.patience
        XCTAssertFalse(founding.isDone(at: later), "two of five")
        founding.agreed(NodeNumber(2))
        founding.agreed(NodeNumber(1))
        founding.agreed(NodeNumber(9))
        XCTAssertFalse(founding.isDone(at: later), "twice the same, itself, and a stranger count for nothing")
        founding.agreed(NodeNumber(4))
        XCTAssertFalse(founding.isDone(at: start + Founding.patience.scaled(9, over: 10)))
        XCTAssertTrue(founding.isDone(at: later))
        XCTAssertEqual(founding.awaited, [NodeNumber(3), NodeNumber(5)])
    }

    func testHalfIsNotAMajority() {
        let later = start + Founding.patience
        XCTAssertFalse(founding(2).isDone(at: later))
        XCTAssertTrue(founding(1).isDone(at: start))
    }
}
