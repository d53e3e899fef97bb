import KVCore
import XCTest

@testable import KVSimulator

final class MemoryStoreTests: XCTestCase {
    private let partition = PartitionID(0)
    private let key = Key("k")

    private func record(_ sequence: UInt64, _ text: String? = "v") -> Record {
        let version = Version(ballot: Ballot(round: 1, node: NodeNumber(1)), sequence: sequence)
        return Record(version: version, value: text.map { Array($0.utf8) })
    }

    private func driver(seed: UInt64 = 1, loadChance: Double = 0) -> MemoryDriver {
        MemoryDriver(random: SeededRandom(seed: seed), loadChance: loadChance)
    }

    func testACommitCoversWhatWasAppendedWhenItBegan() {
        let driver = driver()
        let store = driver.start()[0]
        XCTAssertFalse(driver.beginCommit())
        store.put(partition, key, record(1))
        XCTAssertTrue(driver.beginCommit())
        XCTAssertFalse(driver.beginCommit())
        store.put(partition, key, record(2))
        driver.finishCommit()
        XCTAssertEqual(store.durable, 1)
        XCTAssertEqual(store.appended, 2)
    }

    func testACrashKeepsWhatIsDurableAndAPrefixOfTheRest() {
        var survivors: Set<UInt64> = []
        for seed in 0..<50 as Range<UInt64> {
            let driver = driver(seed: seed)
            let store = driver.start()[0]
            store.put(partition, key, record(1))
            store.setPromise(partition, Ballot(round: 1, node: NodeNumber(1)))
            _ = driver.beginCommit()
            driver.finishCommit()
            store.put(partition, key, record(2))
            store.put(partition, key, record(3))
            driver.crash(outage: false)
            let reopened = driver.start()[0]
            XCTAssertEqual(reopened.promise(partition), Ballot(round: 1, node: NodeNumber(1)))
            survivors.insert(reopened.head(partition, key)?.version.sequence ?? 0)
        }
        XCTAssertEqual(survivors, [1, 2, 3])
    }

    func testTheTreeFollowsTheRecordsThroughRestarts() {
        let driver = driver()
        let store = driver.start()[0]
        store.put(partition, key, record(1))
        store.put(partition, Key("other"), record(2, nil))
        store.put(partition, key, record(3))
        var expected = HashTree()
        expected.toggle(KeyHash(key), record(3).version, record(3).checksum)
        expected.toggle(KeyHash(Key("other")), record(2).version, 0)
        XCTAssertEqual(store.tree(partition).leaves, expected.leaves)
        XCTAssertEqual(store.usage(partition), PartitionUsage(keys: 1, tombstones: 1, bytes: 7))
        _ = driver.beginCommit()
        driver.finishCommit()
        driver.crash(outage: false)
        XCTAssertEqual(driver.start()[0].tree(partition).leaves, expected.leaves)
    }

    func testAReadThatIsPutOffGivesWhatItFound() {
        let driver = driver(loadChance: 1)
        let store = driver.start()[0]
        store.put(partition, key, record(1, "old"))
        guard case .onDisk(let ticket) = store.read(partition, key) else { return XCTFail("not put off") }
        store.put(partition, key, record(2, "new"))
        XCTAssertEqual(driver.read(ticket), .record(record(1, "old")))
        XCTAssertEqual(driver.read(ticket), .gone)
    }

    func testWipingForgetsTheRecordsAndTheFloorAndKeepsThePromise() {
        let driver = driver()
        let store = driver.start()[0]
        store.put(partition, key, record(1))
        store.setPromise(partition, Ballot(round: 4, node: NodeNumber(2)))
        store.setPurgeFloor(partition, record(1).version)
        store.wipe(partition, membership: 7)
        _ = driver.beginCommit()
        driver.finishCommit()
        driver.crash(outage: false)
        let reopened = driver.start()[0]
        XCTAssertNil(reopened.head(partition, key))
        XCTAssertEqual(reopened.tree(partition).root, HashTree().root)
        XCTAssertEqual(reopened.promise(partition), Ballot(round: 4, node: NodeNumber(2)))
        XCTAssertEqual(reopened.membership(partition), 7)
        XCTAssertEqual(reopened.purgeFloor(partition), .zero)
    }

    func testPurgingForgetsTombstonesUpToTheFloor() {
        let driver = driver()
        let store = driver.start()[0]
        store.put(partition, key, record(1, nil))
        store.put(partition, Key("later"), record(3, nil))
        store.put(partition, Key("value"), record(2))
        store.setPurgeFloor(partition, record(2).version)
        store.setPurgeFloor(partition, record(1).version)
        store.put(partition, Key("late"), record(1, nil))
        _ = driver.beginCommit()
        driver.finishCommit()
        driver.crash(outage: false)
        for store in [store, driver.start()[0]] {
            XCTAssertNil(store.head(partition, key))
            XCTAssertNil(store.head(partition, Key("late")))
            XCTAssertEqual(store.usage(partition), PartitionUsage(keys: 1, tombstones: 1, bytes: 11))
            XCTAssertEqual(store.purgeFloor(partition), record(2).version)
            var expected = HashTree()
            expected.toggle(KeyHash(Key("later")), record(3).version, 0)
            expected.toggle(KeyHash(Key("value")), record(2).version, record(2).checksum)
            XCTAssertEqual(store.tree(partition).leaves, expected.leaves)
        }
    }

    /// The records of the first partition go to it and to 2 (1 is the metadata partition), on a crash as well.
    func testASplitDividesTheRecords() throws {
        let keys = (0..<20).map { Key("key-\($0)") }
        let after = try XCTUnwrap(SlotMap(founding: 1, count: 2))
        for seed in 0..<20 as Range<UInt64> {
            let driver = driver(seed: seed)
            let store = driver.start()[0]
            store.wipe(partition, membership: 4)
            for (number, key) in keys.enumerated() { store.put(partition, key, record(UInt64(number + 1))) }
            store.setPurgeFloor(partition, record(1).version)
            _ = driver.beginCommit()
            driver.finishCommit()
            store.split()
            driver.crash(outage: false)
            let reopened = driver.start(after)[0]
            for store in [store, reopened] {
                for key in keys {
                    let owner = after.partition(of: key.slot)
                    XCTAssertNotNil(store.head(owner, key))
                    XCTAssertNil(store.head(PartitionID(2 - owner.raw), key))
                }
                XCTAssertEqual(store.membership(PartitionID(2)), 4)
                XCTAssertEqual(store.purgeFloor(PartitionID(2)), record(1).version)
                let usage = store.usage(partition).keys + store.usage(PartitionID(2)).keys
                XCTAssertEqual(usage, keys.count)
            }
        }
    }

    func testSplitsArePreparedInSeveralCalls() {
        let store = driver().start()[0]
        for number in 1...9 { store.put(partition, Key("key-\(number)"), record(UInt64(number))) }
        var calls = 0
        var isPrepared = false
        while !isPrepared, calls < 100 {
            var work = 1000
            isPrepared = store.prepareSplits(to: 2, work: &work)
            XCTAssertLessThanOrEqual(work, 1000)
            calls += 1
        }
        XCTAssertEqual(calls, 5)
    }
}
