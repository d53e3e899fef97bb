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
                let store = try driver.start()[0]
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

    /// A disk has as many stores as when it was new, and a crash takes from each what had not been committed to it.
    func testEachShardHasAStoreOfItsOwn() throws {
        for seed in 1...30 as ClosedRange<UInt64> {
            let driver = LogDriver(random: SeededRandom(seed: seed), loadChance: 0, shards: 3)
            var committed = [0, 0, 0] as [UInt64]
            for round in 1...5 as ClosedRange<UInt64> {
                let stores = try driver.start()
                XCTAssertEqual(stores.count, 3)
                for (shard, store) in stores.enumerated() {
                    let partition = PartitionID(UInt16(shard))
                    XCTAssertGreaterThanOrEqual(store.promise(partition).round, committed[shard], "seed \(seed)")
                    for other in 0..<3 where other != shard {
                        XCTAssertEqual(store.promise(PartitionID(UInt16(other))), .zero, "seed \(seed)")
                    }
                    store.setPromise(partition, Ballot(round: round, node: NodeNumber(1)))
                    XCTAssertTrue(driver.beginCommit(shard: shard))
                    guard (Int(round) + shard) % 2 == 0 else { continue }
                    try driver.finishCommit(shard: shard)
                    committed[shard] = round
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
