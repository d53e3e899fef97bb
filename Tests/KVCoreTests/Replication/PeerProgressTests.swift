import KVModel
import XCTest

@testable import KVCore

/// Tests what a leader knows of one replica: each event in each state in which it can come.
final class PeerProgressTests: XCTestCase {
    private var progress = PeerProgress()
    private let key = Key("k")

    override func setUp() { progress = PeerProgress() }

    private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func version(_ sequence: UInt64) -> Version {
        Version(ballot: Ballot(round: 1, node: NodeNumber(1)), sequence: sequence)
    }

    /// Compares it to the end. `behind` are the keys that the comparison finds missing.
    private func compare(behind: [Key] = [], newest: UInt64 = 5, at time: UInt64 = 0) {
        progress.beginComparison(at: at(time), newest: newest)
        progress.takeLeaves([3], empty: [])
        guard case .ask(leaf: 3)? = progress.nextStep(at: at(time), newest: newest, limit: 10) else {
            return XCTFail("the leaf is asked for")
        }
        progress.finishLeaf(behind: behind, foundMissing: !behind.isEmpty)
        guard case .done(let foundMissing)? = progress.nextStep(at: at(time), newest: newest, limit: 10) else {
            return XCTFail("the last leaf ends it")
        }
        XCTAssertEqual(foundMissing, !behind.isEmpty)
    }

    func testAComparisonThatFindsNothingVerifies() {
        XCTAssertFalse(progress.isLevel)
        compare()
        XCTAssertTrue(progress.isLevel && progress.isVerified)
        XCTAssertEqual(progress.comparedSince, at(0))
    }

    func testOneThatFindsSomethingIsNotEnough() {
        compare(behind: [key])
        XCTAssertTrue(progress.isCompared)
        XCTAssertFalse(progress.isVerified)
        XCTAssertFalse(progress.isLevel, "it misses the key")
        XCTAssertEqual(progress.nextMissed(), key)
        XCTAssertTrue(progress.isLevel)
        XCTAssertTrue(progress.wantsComparison(at: at(1), every: .milliseconds(1000)), "it is to be proved level")
    }

    func testAVerifiedCopyIsComparedAgainAfterTheInterval() {
        compare()
        XCTAssertFalse(progress.wantsComparison(at: at(999), every: .milliseconds(1000)))
        XCTAssertTrue(progress.wantsComparison(at: at(1000), every: .milliseconds(1000)))
        XCTAssertFalse(progress.isLevel)
    }

    func testAComparisonPausesWhileMuchIsMissed() {
        progress.beginComparison(at: at(0), newest: 5)
        progress.takeLeaves([1, 2], empty: [2])
        guard case .ask(leaf: 1)? = progress.nextStep(at: at(0), newest: 5, limit: 1) else { return XCTFail() }
        progress.finishLeaf(behind: [key], foundMissing: true)
        XCTAssertNil(progress.nextStep(at: at(1), newest: 5, limit: 1).map { _ in true })
        XCTAssertEqual(progress.comparison?.isPaused, true)
        XCTAssertEqual(progress.nextMissed(), key)
        guard case .empty(leaf: 2)? = progress.nextStep(at: at(2), newest: 5, limit: 1) else { return XCTFail() }
    }

    func testARequestIsMadeAgainAfterAPause() {
        XCTAssertNil(progress.requestAgain(at: at(9), after: .milliseconds(1)).map { _ in true })
        progress.beginComparison(at: at(0), newest: 5)
        XCTAssertNil(progress.requestAgain(at: at(9), after: .milliseconds(10)).map { _ in true })
        guard case .leaves? = progress.requestAgain(at: at(10), after: .milliseconds(10)) else { return XCTFail() }
        progress.takeLeaves([7], empty: [])
        guard case .entries(leaf: 7)? = progress.requestAgain(at: at(20), after: .milliseconds(10)) else {
            return XCTFail()
        }
        XCTAssertTrue(progress.endComparison())
        XCTAssertFalse(progress.endComparison())
    }

    func testTooMuchMissedIsFoundByComparing() {
        XCTAssertTrue(progress.miss(key, limit: 0), "what was never compared will be")
        compare()
        XCTAssertTrue(progress.miss(key, limit: 1))
        XCTAssertEqual(progress.missedKeys, 1)
        XCTAssertFalse(progress.miss(Key("l"), limit: 1))
        XCTAssertFalse(progress.isCompared || progress.isVerified)
        XCTAssertEqual(progress.missedKeys, 0)
    }

    func testBytesUnderWayAddUp() {
        compare()
        var underway = progress.noteSent(version(1), key, bytes: 10, at: at(0))
        underway += progress.noteSent(version(1), key, bytes: 10, at: at(1))
        underway += progress.noteSent(version(2), Key("l"), bytes: 5, at: at(2))
        XCTAssertEqual(underway, 15)
        XCTAssertEqual(progress.bytesSent, 25)
        XCTAssertEqual(progress.recordsUnderway, 2)
        XCTAssertFalse(progress.isLevel)
        XCTAssertEqual(progress.noteAcknowledged(version(1)), 10)
        XCTAssertNil(progress.noteAcknowledged(version(1)))
        XCTAssertEqual(progress.giveUp(after: .milliseconds(5), at: at(6)), 0)
        XCTAssertEqual(progress.giveUp(after: .milliseconds(5), at: at(7)), 5)
        XCTAssertEqual(progress.silence, 1)
        XCTAssertEqual(progress.nextMissed(), Key("l"))
        XCTAssertEqual(progress.noteSent(version(3), key, bytes: 7, at: at(8)), 7)
        XCTAssertEqual(progress.giveUpAll(), 7)
        XCTAssertEqual(progress.silence, 0)
        XCTAssertEqual(progress.nextMissed(), key)
    }

    func testAWindowHoldsWhatIsReadAsWell() {
        compare(behind: [key])
        XCTAssertTrue(progress.hasMissed(window: 1))
        progress.beginLoading()
        XCTAssertFalse(progress.hasMissed(window: 1))
        progress.endLoading()
        XCTAssertTrue(progress.hasMissed(window: 1))
    }

    func testAnAbstainingCopyIsToldOnceItIsVerified() {
        compare()
        progress.noteAbstention()
        XCTAssertFalse(progress.isCompared || progress.isVerified)
        XCTAssertNil(progress.completeThrough(at: at(1), retry: .milliseconds(10)))
        compare(newest: 9)
        XCTAssertEqual(progress.completeThrough(at: at(1), retry: .milliseconds(10)), 9)
        progress.noteCompleteSent(at: at(1))
        XCTAssertNil(progress.completeThrough(at: at(2), retry: .milliseconds(10)), "it has just been told")
        XCTAssertEqual(progress.completeThrough(at: at(11), retry: .milliseconds(10)), 9)
        progress.noteComplete()
        XCTAssertNil(progress.completeThrough(at: at(99), retry: .milliseconds(10)))
    }

    func testTheFirstSkippedIsWhereSendingGoesOn() {
        XCTAssertTrue(progress.skip(7))
        XCTAssertFalse(progress.skip(9))
        XCTAssertFalse(progress.skip(6))
        XCTAssertEqual(progress.takeSkipped(), 6)
        XCTAssertEqual(progress.firstSkipped, .max)
    }
}
