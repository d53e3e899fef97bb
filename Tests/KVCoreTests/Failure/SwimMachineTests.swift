import KVCore
import XCTest

/// Tests one failure detector, message by message.
final class SwimMachineTests: XCTestCase {
    private let (me, a, b, c, stranger) = (NodeNumber(1), NodeNumber(2), NodeNumber(3), NodeNumber(4), NodeNumber(9))
    private let mine: UInt64 = 7 << 32
    private let theirs: UInt64 = 5 << 32
    private var time: UInt64 = 1_000_000

    func testAPingIsAnswered() {
        var swim = swim([a])
        swim.receive(message(.ping(sequence: 77)), from: a, now: now)
        let (to, answer) = sent(&swim)[0]
        XCTAssertEqual(to, a)
        XCTAssertEqual(answer.kind, .ack(sequence: 77))
        XCTAssertEqual(answer.incarnation, mine)
        XCTAssertEqual(Set(answer.updates), [update(me, mine, .alive, by: me), update(a, theirs, .alive, by: a)])
    }

    func testStrangersAreNeitherAnsweredNorBelievedNorSpokenOf() {
        var swim = swim([a])
        swim.receive(message(.ping(sequence: 1), epoch: 9), from: stranger, now: now)
        swim.receive(message(.ping(sequence: 1), epoch: 9), from: me, now: now)
        XCTAssertEqual(swim.effects, [])
        swim.receive(message(.gossip, [update(stranger, 1, .dead, by: a)]), from: a, now: now)
        XCTAssertEqual(swim.effects, [])
        XCTAssertNil(swim.liveness(of: stranger))
        swim.receive(message(.pingRequest(sequence: 1, target: stranger)), from: a, now: now)
        XCTAssertEqual(swim.effects, [])
    }

    func testALaterEpochIsReportedAndTheOwnTold() {
        var swim = swim([a])
        swim.epoch = 4
        swim.receive(message(.ping(sequence: 1), epoch: 4), from: a, now: now)
        XCTAssertEqual(sent(&swim)[0].1.epoch, 4)
        swim.receive(message(.gossip, epoch: 5), from: a, now: now)
        XCTAssertEqual(swim.effects, [.epochSeen(5, at: a)])
    }

    func testANewEpochIsGossipedALimitedNumberOfTimes() {
        var swim = swim([a])
        XCTAssertGreaterThan(gossipIn(&swim, 5000), 0)
        XCTAssertEqual(gossipIn(&swim, 5000), 0)
        swim.epoch = 2
        XCTAssertEqual(gossipIn(&swim, 5000), 4)
        swim.epoch = 2
        XCTAssertEqual(gossipIn(&swim, 5000), 0)
    }

    func testStatusesOverruleEachOtherByIncarnationThenByGravity() {
        let order: [(UInt64, Liveness)] = [
            (0, .alive), (0, .suspect), (0, .dead), (1, .alive), (1, .suspect), (1, .dead), (2, .alive),
        ]
        for held in order.indices {
            for said in order.indices {
                var swim = swim([a, b])
                swim.receive(message(.gossip, [update(b, theirs + order[held].0, order[held].1)]), from: a, now: now)
                XCTAssertEqual(swim.liveness(of: b), order[held].1)
                swim.receive(message(.gossip, [update(b, theirs + order[said].0, order[said].1)]), from: a, now: now)
                XCTAssertEqual(swim.liveness(of: b), order[max(held, said)].1, "\(order[held]), then \(order[said])")
            }
        }
    }

    func testChangesAreToldOnce() {
        var swim = swim([a, b])
        for liveness in [.suspect, .suspect, .dead, .suspect, .alive, .dead] as [Liveness] {
            swim.receive(message(.gossip, [update(b, theirs, liveness)]), from: a, now: now)
        }
        swim.receive(message(.gossip, [update(b, theirs + 1, .alive)]), from: a, now: now)
        let changes = swim.effects.filter { if case .changed = $0 { true } else { false } }
        XCTAssertEqual(changes, [.changed(b, .suspect), .changed(b, .dead), .changed(b, .alive)])
    }

    func testASuspicionIsRefutedAtOnceToWhoeverTells() {
        for liveness in [Liveness.suspect, .dead] {
            var swim = swim([a, b])
            swim.receive(message(.gossip, [update(me, mine, liveness, by: b)]), from: a, now: now)
            XCTAssertEqual(swim.incarnation, mine + 1)
            XCTAssertEqual(swim.healthScore, 1)
            let (to, answer) = sent(&swim)[0]
            XCTAssertEqual(to, a)
            XCTAssertEqual(answer.incarnation, mine + 1)
            XCTAssertTrue(answer.updates.contains(update(me, mine + 1, .alive, by: me)))
        }
    }

    func testASuspicionOfAFormerProcessNeedsNoNewIncarnation() {
        var swim = swim([a])
        swim.receive(message(.gossip, [update(me, mine - 1, .dead, by: a)]), from: a, now: now)
        XCTAssertEqual(swim.incarnation, mine)
        XCTAssertEqual(swim.healthScore, 0)
        XCTAssertEqual(sent(&swim).map(\.0), [a])
    }

    func testWhoSuspectsTheDeadIsToldSo() {
        var swim = swim([a, b])
        swim.receive(message(.gossip, [update(b, theirs, .dead, by: a)]), from: a, now: now)
        _ = sent(&swim)
        advance(&swim, 100)
        _ = sent(&swim)
        // As one who has just begun, and has heard of no incarnation.
        swim.receive(message(.ping(sequence: 1), [update(b, 0, .suspect, by: a)]), from: a, now: now)
        XCTAssertTrue(sent(&swim)[0].1.updates.contains(update(b, theirs, .dead, by: a)))
    }

    func testASuspectIsToldWithThePing() {
        var swim = swim([a, b])
        swim.receive(message(.gossip, [update(b, theirs, .suspect)]), from: a, now: now)
        _ = sent(&swim)
        // Long enough for the news to have been told as often as it may be.
        var pings = 0
        for _ in 0..<50 {
            advance(&swim, 50)
            for (to, message) in sent(&swim) where to == b {
                guard case .ping = message.kind else { continue }
                pings += 1
                XCTAssertEqual(message.updates.first?.node, b)
                XCTAssertEqual(message.updates.first?.liveness, .suspect)
            }
        }
        XCTAssertGreaterThan(pings, 1)
    }

    func testWhoIsHeardThoughSuspectedIsToldButNotAgainAndAgain() {
        var swim = swim([a, b])
        swim.receive(message(.gossip, [update(b, theirs, .dead)]), from: a, now: now)
        _ = sent(&swim)
        for _ in 0..<5 { swim.receive(message(.gossip), from: b, now: now) }
        let told = sent(&swim)
        XCTAssertEqual(told.map(\.0), [b])
        XCTAssertEqual(told[0].1.updates[0], update(b, theirs, .dead, by: a))
        XCTAssertEqual(swim.liveness(of: b), .dead)
        swim.receive(message(.gossip, incarnation: theirs + 1), from: b, now: now)
        XCTAssertEqual(swim.liveness(of: b), .alive)
    }

    func testAHelperPassesTheAnswerOn() throws {
        var swim = swim([a, b])
        swim.receive(message(.pingRequest(sequence: 5, target: b)), from: a, now: now)
        let (to, ping) = sent(&swim)[0]
        XCTAssertEqual(to, b)
        guard case .ping(let sequence) = ping.kind else { return XCTFail("\(ping)") }
        swim.receive(message(.ack(sequence: sequence)), from: a, now: now)
        XCTAssertEqual(sent(&swim).count, 0, "not from whom was asked")
        swim.receive(message(.ack(sequence: sequence)), from: b, now: now)
        let answers = sent(&swim)
        XCTAssertEqual(answers.map(\.0), [a])
        XCTAssertEqual(answers[0].1.kind, .ack(sequence: 5))
    }

    func testAHelperWithoutAnAnswerSaysSoOnceAndStillPassesALateOneOn() {
        var swim = swim([a, b])
        swim.receive(message(.pingRequest(sequence: 5, target: b)), from: a, now: now)
        guard case .ping(let sequence) = sent(&swim)[0].1.kind else { return XCTFail() }
        var nacks: [UInt64] = []
        for passed in stride(from: UInt64(50), through: 500, by: 50) {
            advance(&swim, 50)
            for (to, message) in sent(&swim) where message.kind == .nack(sequence: 5) {
                XCTAssertEqual(to, a)
                nacks.append(passed)
            }
        }
        XCTAssertEqual(nacks, [200])
        swim.receive(message(.ack(sequence: sequence)), from: b, now: now)
        XCTAssertEqual(sent(&swim).map(\.1.kind), [.ack(sequence: 5)])
    }

    func testRelaysAreBounded() {
        var swim = swim([a, b])
        for sequence in 0..<1000 {
            swim.receive(message(.pingRequest(sequence: UInt32(sequence), target: b)), from: a, now: now)
        }
        XCTAssertEqual(sent(&swim).count, swim.options.maximumRelays)
        advance(&swim, 1000)
        swim.receive(message(.pingRequest(sequence: 1, target: b)), from: a, now: now)
        XCTAssertTrue(sent(&swim).contains { $0.0 == b })
    }

    func testMissingNacksTellOfOnesOwnHealth() {
        for silent in 0...2 {
            var swim = swim([a, b, c])
            while true {
                advance(&swim, 50)
                if swim.liveness(of: a) == .suspect || time > 2_000_000 { break }
                for (to, message) in sent(&swim) {
                    switch message.kind {
                    case .ping(let sequence) where to != a:
                        swim.receive(self.message(.ack(sequence: sequence)), from: to, now: now)
                    case .pingRequest(let sequence, a) where to == b && silent < 2 || to == c && silent < 1:
                        swim.receive(self.message(.nack(sequence: sequence)), from: to, now: now)
                    default: break
                    }
                }
            }
            XCTAssertEqual(swim.liveness(of: a), .suspect)
            XCTAssertEqual(swim.healthScore, silent)
        }
    }

    func testAPauseHereIsHeldAgainstNobody() {
        var swim = swim([a, b])
        swim.receive(message(.gossip, [update(b, theirs, .suspect)]), from: a, now: now)
        var asked: UInt32?
        while asked == nil, time < 1_005_000 {
            advance(&swim, 50)
            for case (a, let message) in sent(&swim) {
                if case .ping(let sequence) = message.kind { asked = sequence }
            }
        }
        // The timer fires before the socket is read, in which the answer has been all the time.
        time += 60_000
        swim.tick(now: now)
        XCTAssertEqual(swim.liveness(of: a), .alive)
        XCTAssertEqual(swim.liveness(of: b), .suspect)
        XCTAssertEqual(swim.healthScore, swim.options.maximumHealthScore)
        swim.receive(message(.ack(sequence: asked ?? 0)), from: a, now: now)
        XCTAssertEqual(swim.healthScore, swim.options.maximumHealthScore - 1)
        advance(&swim, 50)
        XCTAssertEqual(swim.liveness(of: a), .alive)
        XCTAssertEqual(swim.liveness(of: b), .suspect)
    }

    func testConfirmationsShortenASuspicionAndTheSameSourceTwiceDoesNot() {
        func death(_ sources: [NodeNumber]) -> UInt64 {
            var swim = swim((2...40).map { NodeNumber($0) })
            let began = time
            for source in sources {
                swim.receive(message(.gossip, [update(b, theirs, .suspect, by: source)]), from: a, now: now)
            }
            while swim.liveness(of: b) == .suspect, time < began + 100_000 {
                swim.receive(message(.gossip), from: a, now: now)
                advance(&swim, 50)
                // Everybody else is well.
                for (to, message) in sent(&swim) {
                    guard case .ping(let sequence) = message.kind, to != b else { continue }
                    swim.receive(self.message(.ack(sequence: sequence)), from: to, now: now)
                }
            }
            XCTAssertEqual(swim.liveness(of: b), .dead)
            return time - began
        }
        let others = (10...20).map { NodeNumber($0) }
        let confirmed = death(Array(others.prefix(4)))
        XCTAssertLessThan(confirmed, 5000)
        XCTAssertEqual(death(others), confirmed)
        let alone = death([others[0]])
        XCTAssertGreaterThan(alone, confirmed)
        XCTAssertEqual(death([others[0], others[0], others[0], others[0]]), alone)
        XCTAssertEqual(death([others[0], stranger, NodeNumber(900), NodeNumber(901)]), death([others[0], stranger]))
    }

    func testMessagesStayWithinADatagram() {
        var swim = swim((2...500).map { NodeNumber($0) })
        for raw in 2...500 as ClosedRange<UInt16> {
            swim.receive(message(.gossip, [update(NodeNumber(raw), theirs, .dead)]), from: a, now: now)
        }
        _ = sent(&swim)
        for _ in 0..<5 { swim.receive(message(.ping(sequence: 1)), from: a, now: now) }
        for (_, message) in sent(&swim) {
            XCTAssertGreaterThan(message.updates.count, GossipMessage.maximumUpdates - 2)
            XCTAssertLessThanOrEqual(message.size, GossipMessage.maximumSize)
            XCTAssertEqual(Set(message.updates.map(\.node)).count, message.updates.count)
        }
    }

    func testWhoIsNoMemberAnyMoreIsForgotten() {
        var swim = swim([a, b, c])
        swim.receive(message(.gossip, [update(b, theirs, .dead), update(c, theirs, .suspect)]), from: a, now: now)
        swim.setMembers([me, a], now: now)
        XCTAssertNil(swim.liveness(of: b))
        swim.effects = []
        for _ in 0..<100 {
            advance(&swim, 50)
            for (to, message) in sent(&swim) {
                XCTAssertEqual(to, a)
                XCTAssertFalse(message.updates.contains { $0.node == b || $0.node == c })
            }
        }
        swim.setMembers([a, b], now: now)
        XCTAssertEqual(swim.liveness(of: b), .alive)
    }

    func testNoMessageTrapsOrGrowsWithoutBound() {
        var random = SplitMix(seed: 4)
        var swim = swim([a, b, c])
        let extremes: [UInt64] = [0, 1, mine, mine + 1, 1 << 63 - 1, 1 << 63, .max]
        for round in 0..<30_000 {
            func number() -> UInt64 { extremes[Int(random.next() % UInt64(extremes.count))] }
            func node() -> NodeNumber { NodeNumber(UInt16(random.next() % 6)) }
            let sequence = UInt32(truncatingIfNeeded: random.next() % 8)
            let kinds: [GossipMessage.Kind] = [
                .ping(sequence: sequence), .pingRequest(sequence: sequence, target: node()), .ack(sequence: sequence),
                .nack(sequence: sequence), .gossip,
            ]
            let updates = (0..<random.next() % 4).map { _ in
                update(node(), number(), Liveness.allCases[Int(random.next() % 3)], by: node())
            }
            swim.receive(
                GossipMessage(
                    kind: kinds[Int(random.next() % 5)], incarnation: number(), epoch: number(), updates: updates),
                from: node(), now: now)
            XCTAssertLessThan(swim.effects.count, 20)
            swim.effects = []
            if round % 7 == 0 {
                time += random.next() % 400
                swim.tick(now: now)
            }
        }
        swim.tick(now: Instant(nanoseconds: .max))
        swim.tick(now: Instant(nanoseconds: 0))
        XCTAssertLessThan(swim.incarnation, 1 << 63)
    }

    func testTimesAtTheEdgeDoNotOverflow() {
        for interval in [0, 1, UInt64.max] {
            var swim = Swim(
                me: me, incarnation: .max, options: SwimOptions(probeInterval: Nanoseconds(nanoseconds: interval)),
                seed: 1,
                now: Instant(nanoseconds: .max - 1))
            swim.setMembers([a, b], now: Instant(nanoseconds: .max))
            for _ in 0..<100 { swim.tick(now: Instant(nanoseconds: .max)) }
            XCTAssertNotNil(swim.liveness(of: a))
        }
    }

    func testAloneItHasNothingToDo() {
        var swim = swim([])
        for _ in 0..<200 { advance(&swim, 50) }
        XCTAssertEqual(swim.effects, [])
        XCTAssertEqual(swim.liveness(of: me), .alive)
    }

    private var now: Instant { Instant(nanoseconds: time * 1_000_000) }

    private func swim(_ members: [NodeNumber]) -> Swim {
        var swim = Swim(me: me, incarnation: mine, options: SwimOptions(), seed: 3, now: now)
        swim.setMembers(members, now: now)
        return swim
    }

    private func message(
        _ kind: GossipMessage.Kind, _ updates: [GossipUpdate] = [], incarnation: UInt64? = nil, epoch: Epoch = 0
    ) -> GossipMessage {
        GossipMessage(kind: kind, incarnation: incarnation ?? theirs, epoch: epoch, updates: updates)
    }

    private func update(
        _ node: NodeNumber, _ incarnation: UInt64, _ liveness: Liveness, by source: NodeNumber? = nil
    ) -> GossipUpdate {
        GossipUpdate(node: node, incarnation: incarnation, liveness: liveness, source: source ?? a)
    }

    private func advance(_ swim: inout Swim, _ milliseconds: UInt64) {
        for _ in 0..<milliseconds / 50 {
            time += 50
            swim.tick(now: now)
        }
    }

    private func sent(_ swim: inout Swim) -> [(NodeNumber, GossipMessage)] {
        defer { swim.effects = [] }
        return swim.effects.compactMap {
            guard case .send(let to, let message) = $0 else { return nil }
            return (to, message)
        }
    }

    /// How many messages of gossip go out while everybody answers.
    private func gossipIn(_ swim: inout Swim, _ milliseconds: UInt64) -> Int {
        var count = 0
        for _ in 0..<milliseconds / 50 {
            advance(&swim, 50)
            for (to, message) in sent(&swim) {
                if message.kind == .gossip { count += 1 }
                guard case .ping(let sequence) = message.kind else { continue }
                swim.receive(self.message(.ack(sequence: sequence), epoch: swim.epoch), from: to, now: now)
            }
        }
        return count
    }
}
