@testable import KVCore
import XCTest

final class BallotAndVersionTests: XCTestCase {
    func testBallotsAreOrderedByRoundThenNode() {
        XCTAssertLessThan(Ballot(1, 9), Ballot(2, 1))
        XCTAssertLessThan(Ballot(2, 1), Ballot(2, 2))
        XCTAssertLessThan(Ballot.zero, Ballot(0, 1))
        XCTAssertEqual(Ballot(7, 3).round, 7)
        XCTAssertEqual(Ballot(7, 3).node, NodeNumber(3))
    }

    func testTheRoundIsCapped() {
        XCTAssertEqual(Ballot(.max, 3).round, Ballot.maximumRound)
        XCTAssertEqual(Ballot(.max, 3).node, NodeNumber(3))
    }

    func testVersionsAreOrderedByBallotThenSequence() {
        XCTAssertLessThan(Version(1, 2, 9), Version(1, 3, 1))
        XCTAssertLessThan(Version(1, 3, 1), Version(1, 3, 2))
    }

    func testAVersionIsReadAsItIsWritten() {
        for version in [Version.zero, Version(12, 3, 45), Version(Ballot.maximumRound, .max, .max)] {
            XCTAssertEqual(Version(version.description), version)
        }
        XCTAssertEqual(Version(12, 3, 45).description, "12.3.45")
    }

    func testNothingElseIsAVersion() {
        for text in [
            "", "1", "1.2", "1.2.3.4", "01.2.3", "+1.2.3", "1..3", "1.65536.3", "a.b.c", " 1.2.3",
            "281474976710656.1.1",
        ] {
            XCTAssertNil(Version(text), text)
        }
    }
}

final class QuorumTests: XCTestCase {
    private func quorum(_ replicas: [UInt16], next: [UInt16]? = nil) -> Quorum {
        Quorum(Assignment(replicas: replicas.map(NodeNumber.init), next: next?.map(NodeNumber.init), changed: 1))
    }

    private func isMet(_ quorum: Quorum, by nodes: [UInt16]) -> Bool {
        var mask = ReplicaMask()
        for node in nodes { if let index = quorum.index(of: NodeNumber(node)) { mask.insert(index) } }
        return quorum.isMet(by: mask)
    }

    func testMoreThanHalf() {
        XCTAssertFalse(isMet(quorum([1]), by: []))
        XCTAssert(isMet(quorum([1]), by: [1]))
        XCTAssertFalse(isMet(quorum([1, 2]), by: [1]))
        XCTAssert(isMet(quorum([1, 2, 3]), by: [1, 3]))
        XCTAssertFalse(isMet(quorum([1, 2, 3]), by: [2, 9]))
        XCTAssertFalse(isMet(quorum([1, 2, 3, 4]), by: [1, 2]))
        XCTAssert(isMet(quorum([1, 2, 3, 4, 5]), by: [1, 3, 5]))
    }

    func testWhileMovingAMajorityOfBothSets() {
        let moving = quorum([1, 2, 3], next: [3, 4, 5])
        XCTAssertEqual(moving.members.map(\.raw), [1, 2, 3, 4, 5])
        XCTAssertFalse(isMet(moving, by: [1, 2, 3]))
        XCTAssertFalse(isMet(moving, by: [3, 4, 5]))
        XCTAssertFalse(isMet(moving, by: [1, 2, 4]))
        XCTAssert(isMet(moving, by: [1, 3, 4]))
        XCTAssert(isMet(moving, by: [1, 2, 4, 5]))
    }
}

final class ConditionTests: XCTestCase {
    func testConditions() {
        let version = Version(1, 1, 1)
        XCTAssert(Condition.always.holds(of: nil))
        XCTAssert(Condition.ifAbsent.holds(of: nil))
        XCTAssertFalse(Condition.ifAbsent.holds(of: version))
        XCTAssert(Condition.ifPresent.holds(of: version))
        XCTAssertFalse(Condition.ifPresent.holds(of: nil))
        XCTAssert(Condition.ifVersion(version).holds(of: version))
        XCTAssertFalse(Condition.ifVersion(version).holds(of: Version(1, 1, 2)))
        XCTAssertFalse(Condition.ifVersion(version).holds(of: nil))
    }

    func testALifetimeThatHasPassedIsNeverEndless() {
        XCTAssertEqual(Lifetime.unlimited.expiry(at: 5), .never)
        XCTAssertEqual(Lifetime.milliseconds(10).expiry(at: 5), Expiry(milliseconds: 15))
        XCTAssertEqual(Lifetime.milliseconds(.max).expiry(at: 5), Expiry(milliseconds: .max))
        XCTAssertNotEqual(Lifetime.milliseconds(0).expiry(at: 0), .never)
        XCTAssertNotEqual(Lifetime.until(0).expiry(at: 5), .never)
        XCTAssert(Lifetime.until(0).expiry(at: 5).hasPassed(at: 5))
    }

    func testARecordExpiresAtItsTime() {
        XCTAssertFalse(Expiry(milliseconds: 10).hasPassed(at: 9))
        XCTAssert(Expiry(milliseconds: 10).hasPassed(at: 10))
        XCTAssertFalse(Expiry.never.hasPassed(at: .max))
    }
}

final class TimeTests: XCTestCase {
    func testTimesSaturate() {
        XCTAssertEqual(Instant(nanoseconds: .max) + .milliseconds(1), Instant(nanoseconds: .max))
        XCTAssertEqual(Instant(nanoseconds: 1) - Instant(nanoseconds: 2), .zero)
        XCTAssertEqual(Nanoseconds.milliseconds(.max).nanoseconds, .max)
    }
}
