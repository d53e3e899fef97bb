import KVModel
import XCTest

@testable import KVCore

/// Tests a leader's log of proposals against a simple list.
final class ProposalLogTests: XCTestCase {
    private let ballot = Ballot(round: 1, node: NodeNumber(1))
    private let now = Instant(nanoseconds: 1)
    private var log = ProposalLog()

    override func setUp() { log = ProposalLog() }

    private func append(_ key: String, expiry: Expiry = .never, replacing latestExpiry: Expiry = .never) -> Proposal {
        let draft = Draft(value: [1], expiry: expiry, contentType: "")
        return log.append(Key(key), draft, under: ballot, for: nil, replacing: latestExpiry, at: now)
    }

    /// Chooses a proposal, and returns what was chosen with it, newest first.
    private func choose(_ newest: Proposal) -> [UInt64] {
        var chosen: [UInt64] = []
        var next: Proposal? = newest
        while let proposal = next {
            next = log.choose(proposal)
            chosen.append(proposal.sequence)
        }
        return chosen
    }

    func testAProposalChoosesTheEarlierOnesOfItsKey() {
        let first = append("k")
        _ = append("other")
        let third = append("k")
        XCTAssertTrue(first.isSuperseded)
        XCTAssertEqual(log.inFlight(Key("k")), 3)
        XCTAssertEqual(choose(third), [3, 1])
        XCTAssertFalse(log.isInFlight(Key("k")))
        XCTAssertTrue(log.isInFlight(Key("other")))
        XCTAssertTrue(log.isChosen(1) && log.isChosen(3))
        XCTAssertFalse(log.isChosen(2))
        XCTAssertTrue(log.areChosen(through: 1))
        XCTAssertFalse(log.areChosen(through: 3))
    }

    func testASupersededOneThatIsChosenLeavesTheLaterInFlight() {
        let first = append("k")
        let second = append("k")
        XCTAssertEqual(choose(first), [1])
        XCTAssertEqual(log.inFlight(Key("k")), 2)
        XCTAssertEqual(choose(second), [2], "the earlier one was told of already")
        log.endTick()
        XCTAssertTrue(log.isAtRest)
    }

    func testOnlyTheNewestOfATickTravels() {
        _ = append("k")
        _ = append("l")
        _ = append("k")
        var sent: [UInt64] = []
        log.forEachUnsent { sent.append($0.sequence) }
        XCTAssertEqual(sent, [2, 3])
        var keys: [Key] = []
        log.forEachUnsentKey { keys.append($0) }
        XCTAssertEqual(keys, [Key("k"), Key("l"), Key("k")])
        XCTAssertEqual(log.firstUnsent, 1)
        log.endTick()
        XCTAssertNil(log.firstUnsent)
    }

    /// The record that a proposal replaces may be seen until the latest expiry of the proposals below it.
    func testARecordIsVisibleUntilTheLatestExpiryBelow() {
        let soon = Expiry(milliseconds: 10)
        let later = Expiry(milliseconds: 20)
        let first = append("k", expiry: soon, replacing: later)
        XCTAssertEqual(first.visibleUntil, later)
        let second = append("k", expiry: soon)
        XCTAssertEqual(second.visibleUntil, later)
        XCTAssertEqual(append("k").visibleUntil, later)
    }

    func testWhatIsRetiredCountsAsChosen() {
        let first = append("k")
        let second = append("l")
        _ = choose(first)
        XCTAssertEqual(log.retireFirst()?.sequence, 1)
        XCTAssertNil(log[1])
        XCTAssertNil(log[0])
        XCTAssertTrue(log.isChosen(1))
        XCTAssertTrue(log.areChosen(through: 1))
        XCTAssertEqual(log.first, 2)
        _ = choose(second)
        _ = log.retireFirst()
        XCTAssertNil(log.retireFirst())
        XCTAssertEqual(append("m").sequence, 3)
    }

    /// Compares random histories with a plain list: which proposals are in flight, and which are chosen.
    func testAgainstAPlainList() {
        var random = SplitMix(seed: 7)
        for _ in 0..<200 {
            log = ProposalLog()
            var chosen: Set<UInt64> = []
            var all: [Proposal] = []
            for _ in 0..<60 {
                let open = all.filter { !chosen.contains($0.sequence) }
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1: all.append(append("k\(Int.random(in: 0..<4, using: &random))"))
                case 2:
                    guard let pick = open.randomElement(using: &random) else { continue }
                    let with = all.filter { $0.key == pick.key && $0.sequence <= pick.sequence }.map(\.sequence)
                    XCTAssertEqual(Set(choose(pick)), Set(with).subtracting(chosen))
                    chosen.formUnion(with)
                default:
                    log.endTick()
                    while log.proposals.first?.isChosen == true { _ = log.retireFirst() }
                }
                for key in Set(all.map(\.key)) {
                    let newest = all.last { $0.key == key && !chosen.contains($0.sequence) }
                    XCTAssertEqual(log.inFlight(key), newest?.sequence)
                }
                for proposal in all {
                    XCTAssertEqual(log.isChosen(proposal.sequence), chosen.contains(proposal.sequence))
                }
            }
        }
    }
}
