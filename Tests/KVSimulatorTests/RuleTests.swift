import KVCore
import XCTest

@testable import KVSimulator

/// A campaign prints how often each rule of the protocol decided something; a small one leaves none untried.
final class RuleTests: XCTestCase {
    func testASmallCampaignTriesEveryRule() {
        var statistics = Statistics()
        func add(_ seeds: ClosedRange<UInt64>, _ scenario: (UInt64) -> Scenario) {
            for seed in seeds {
                let report = Simulation.run(seed: seed, scenario: scenario(seed))
                XCTAssertEqual(report.violations, [], "seed \(seed)")
                statistics.add(report.statistics)
            }
        }
        add(101...120) { Scenario(seed: $0) }
        add(141...160) { Scenario(seed: $0) }
        // Another leader has overruled a change (`loseTrack`), which is rare.
        add(340...340) { Scenario(seed: $0) }
        // Worlds of the rules that seldom decide anything in others.
        add(1...3) { Scenario(seed: $0, losingPower: .all) }
        add(1...2) { Scenario(seed: $0, hunting: .forgetDamaged) }
        add(1...2) { Scenario(seed: $0, hunting: .evaluateExpiring) }
        add(1...2) { Scenario(seed: $0, hunting: .countByClock) }
        add(1...2) { Scenario(seed: $0, hunting: .keepUnfinished) }
        add(1...6) { Scenario(seed: $0, hunting: .keepTaken) }
        add(1...2) { Scenario(seed: $0, hunting: .transferUnreleased) }
        add(1...2) { Scenario(seed: $0, sickness: .deaf) }
        add(1...2) { Scenario(seed: $0, sickness: .deafToStreams) }
        add(1...2) { Scenario(seed: $0, sickness: .fullDisk) }
        add(1...2) { Scenario(seed: $0, sickness: .stalledDisk) }
        for rule in ProtocolRule.allCases { XCTAssertGreaterThan(statistics.rules[rule], 0, "\(rule)") }
        XCTAssertGreaterThan(statistics[.silences], 0)
    }

    /// Each rule that a mutant breaks decides something in the world that is to show it.
    func testEachMutantsWorldTriesItsRule() {
        let rules: [Mutant: ProtocolRule] = [
            .forgetPromise: .awaitSync, .acknowledgeUnsynced: .awaitDurable, .acknowledgeFirst: .awaitMajority,
            .skipConfirm: .confirmReads, .skipGrace: .keepSupport, .countFromAnswer: .leaseReads,
            .lookEarly: .leaseReads, .ignoreDrift: .leaseReads, .ignoreSupport: .keepSupport,
            .keepTaken: .countTaken, .transferUnreleased: .releaseLead, .answerUnchosen: .showChosen,
            .evaluateExpiring: .awaitExpiring,
            .tellExpired: .tombstoneExpired, .tellOwnExpired: .tombstoneExpired,
            .countByClock: .countExpired, .skipRoots: .compareRoots, .switchEarly: .levelBeforeSwitch,
            .purgeEarly: .holdTombstones, .skipEpochs: .compareEpochs, .keepLapsed: .wipeLapsed,
            .keepStalled: .yieldStalled, .keepFull: .yieldFull, .keepLonely: .yieldLonely,
            .forgetDamaged: .rememberDamaged, .voteIncomplete: .abstain, .skipGaps: .noticeGaps,
            .ignoreSplits: .followSplits, .keepUnfinished: .divideUnfinished, .listAnyCut: .compareCuts,
        ]
        // These break decisions that are not made in shards: which peers are in touch, what time it is, what the
        // topology is, and which shard something is for.
        let elsewhere: Set<Mutant> = [
            .ignoreSilence, .neverAttend, .followClock, .misapplyChanges, .actEarly, .skipChanges, .scatterSplits,
            .routeByPeer, .replyToFirst, .tellFirst, .nameFirst, .speakForStopped, .takeEarly,
        ]
        for mutant in Mutant.allCases where !elsewhere.contains(mutant) {
            guard let rule = rules[mutant] else { return XCTFail("\(mutant.rawValue) breaks a rule that is not named") }
            let isTried = (1...6 as ClosedRange<UInt64>).contains { seed in
                Simulation.run(seed: seed, scenario: Scenario(seed: seed, hunting: mutant)).statistics.rules[rule] > 0
            }
            XCTAssertTrue(isTried, "\(mutant.rawValue)")
        }
    }
}
