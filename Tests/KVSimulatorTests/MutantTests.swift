import KVCore
import XCTest

@testable import KVSimulator

/// The checks are worth something only if they notice each rule that is broken.
final class MutantTests: XCTestCase {
    /// - Parameter first: where it is known to take many.
    private func assertCaught(_ mutant: Mutant, from first: UInt64 = 1, line: UInt = #line) {
        let seeds = first..<first + 80
        for seed in seeds {
            let scenario = Scenario(seed: seed, hunting: mutant)
            if !Simulation.run(seed: seed, scenario: scenario, mutant: mutant).violations.isEmpty { return }
        }
        XCTFail("\(mutant.rawValue) went unnoticed in \(seeds.count) runs", line: line)
    }

    func testForgettingPromisesIsCaught() { assertCaught(.forgetPromise) }
    func testAcknowledgingUnsyncedAcceptsIsCaught() { assertCaught(.acknowledgeUnsynced) }
    func testAcknowledgingTheFirstAcceptIsCaught() { assertCaught(.acknowledgeFirst) }
    func testReadingWithoutConfirmationIsCaught() { assertCaught(.skipConfirm) }
    func testNotSupportingAnybodyAfterAStartIsCaught() { assertCaught(.skipGrace) }
    func testCountingSupportFromTheAnswerIsCaught() { assertCaught(.countFromAnswer) }
    func testLookingAtTheClockBeforeReadsComeIsCaught() { assertCaught(.lookEarly) }
    func testTakingRequestsInWithTheTimeFromBeforeTheyCameIsCaught() { assertCaught(.takeEarly) }
    func testCountingOnClocksOfTheSameRateIsCaught() { assertCaught(.ignoreDrift, from: 100) }
    func testPromisingAgainstSupportIsCaught() { assertCaught(.ignoreSupport) }
    func testReadingWhereAPromiseHasBeenTakenIsCaught() { assertCaught(.keepTaken, from: 36) }
    func testReadingAfterAskingASuccessorIsCaught() { assertCaught(.transferUnreleased) }
    func testAnsweringFromAnUnchosenValueIsCaught() { assertCaught(.answerUnchosen) }
    func testEvaluatingOnARecordThatMayExpireIsCaught() { assertCaught(.evaluateExpiring, from: 200) }
    func testTellingThatAnEarlierLeadersRecordHasExpiredIsCaught() { assertCaught(.tellExpired, from: 2330) }
    func testTellingThatALeadersOwnRecordHasExpiredIsCaught() { assertCaught(.tellOwnExpired) }
    func testLeavingOutOfACountWhatHasExpiredByTheClockIsCaught() { assertCaught(.countByClock) }
    func testGoingByAClockThatIsFarAheadIsCaught() { assertCaught(.followClock) }
    func testSettlingWithoutComparingRootsIsCaught() { assertCaught(.skipRoots) }

    func testSwitchingBeforeTheNextSetHoldsEverythingIsCaught() { assertCaught(.switchEarly, from: 55) }
    func testPurgingWhatAReplicaLacksIsCaught() { assertCaught(.purgeEarly) }
    func testActingOnOtherConfigurationsIsCaught() { assertCaught(.skipEpochs, from: 440) }
    func testKeepingTheRecordsOfALapsedMembershipIsCaught() { assertCaught(.keepLapsed) }
    func testLeadingOnAStalledDiskIsCaught() { assertCaught(.keepStalled) }
    func testLeadingOnAFullDiskIsCaught() { assertCaught(.keepFull) }
    func testLeadingWhileHearingNoMajorityIsCaught() { assertCaught(.keepLonely) }
    func testTakingSilenceForWellBeingIsCaught() { assertCaught(.ignoreSilence) }
    func testWaitingForAPeerWhoseHeartbeatsAreRareIsCaught() { assertCaught(.neverAttend) }
    func testMissingAChangeOfWhatOthersLeadIsCaught() { assertCaught(.skipGaps) }

    func testGoingToAPartitionThatNoLongerHasTheKeyIsCaught() { assertCaught(.ignoreSplits) }
    func testKeepingTheChangesOfKeysThatASplitHasTakenIsCaught() { assertCaught(.keepUnfinished) }
    func testListingAPartitionThatIsCutOtherwiseIsCaught() { assertCaught(.listAnyCut) }

    func testTakingWhatTheDiskHasSpoiledForAbsentIsCaught() { assertCaught(.forgetDamaged) }

    func testVotingWithWhatALossOfPowerHasLeftIsCaught() { assertCaught(.voteIncomplete) }

    func testApplyingChangesToAnotherTopologyIsCaught() { assertCaught(.misapplyChanges, from: 35) }
    func testActingOnATopologyBeforeItIsOnDiskIsCaught() { assertCaught(.actEarly) }
    func testWritingOnlyTheLatestChangeIsCaught() { assertCaught(.skipChanges) }

    func testSeekingASplitsPartitionInAnotherShardThanItsParentsIsCaught() { assertCaught(.scatterSplits) }
    func testRoutingByTheNumberOfThePeersShardsIsCaught() { assertCaught(.routeByPeer) }
    func testGivingRepliesToTheFirstShardIsCaught() { assertCaught(.replyToFirst) }
    func testTellingTheFirstShardOnlyIsCaught() { assertCaught(.tellFirst) }
    func testNamingListsOfAllShardsAlikeIsCaught() { assertCaught(.nameFirst) }
    func testSpeakingForAShardThatDoesNotRunIsCaught() { assertCaught(.speakForStopped) }

    /// The scenarios in which mutants are caught must not fail without the mutants.
    func testTheirScenariosHoldWithoutThem() {
        for mutant in Mutant.allCases {
            for seed in 1...3 as ClosedRange<UInt64> {
                let report = Simulation.run(seed: seed, scenario: Scenario(seed: seed, hunting: mutant))
                XCTAssertEqual(report.violations, [], "\(mutant.rawValue), seed \(seed)")
            }
        }
    }
}
