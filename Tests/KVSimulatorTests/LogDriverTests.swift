import KVCore
import XCTest

@testable import KVSimulator

final class LogDriverTests: XCTestCase {
    private let partition = PartitionID(0)

    /// Records that were committed survive every crash, whatever happens to the others.
    func testWhatIsCommittedSurvivesCrashes() throws {
        for seed in 1...60 as ClosedRange<UInt64> {
            let driver = LogDriver(random: SeededRandom(seed: seed), loadChance: 0.2)
            var committed: UInt64 = 0
            for round in 1...6 as ClosedRange<UInt64> {
                let store = try driver.start()
                XCTAssertGreaterThanOrEqual(store.promise(partition).round, committed, "seed \(seed)")
                XCTAssertGreaterThanOrEqual(
                    store.head(partition, Key("k"))?.version.ballot.round ?? 0, committed, "seed \(seed)")
                let ballot = Ballot(round: round, node: NodeNumber(1))
                store.setPromise(partition, ballot)
                let version = Version(ballot: ballot, sequence: 1)
                store.put(partition, Key("k"), Record(version: version, value: Array("v\(round)".utf8)))
                XCTAssertTrue(driver.beginCommit())
                if round % 2 == 0 {
                    try driver.finishCommit()
                    XCTAssertEqual(store.durable, store.appended)
                    committed = round
                }
                driver.crash(outage: false)
            }
        }
    }

    func testTheProtocolHoldsOnTheLogStore() {
        for seed in 1...12 as ClosedRange<UInt64> {
            var scenario = Scenario(seed: seed)
            scenario.store = .log
            XCTAssertEqual(Simulation.run(seed: seed, scenario: scenario).violations, [], "seed \(seed)")
        }
    }
}
