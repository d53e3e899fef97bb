import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

final class FailureTests: XCTestCase {
    func testAFailedWriteOrSyncStopsTheStoreForGood() throws {
        let fixture = try StoreFixture()
        try fixture.open()
        fixture.put("a", "1")
        try fixture.commit()
        for offset in 1...2 {
            try fixture.open()
            fixture.put("b", "2")
            fixture.disk.failAt = (fixture.disk.operations + offset, 5)
            let job = try XCTUnwrap(fixture.store.takeCommit())
            let error = try XCTUnwrap(fixture.store.completed(job.run()))
            let call = offset == 1 ? "pwrite" : "fdatasync"
            XCTAssertTrue("\(error)".hasPrefix("\(call) data/shard-0/0000000001.log: "), "\(error)")
            XCTAssertTrue("\(error)".contains("(errno 5). This node has stopped"), "\(error)")
            XCTAssertEqual(fixture.store.failure, error)
            XCTAssertEqual(fixture.store.durable, 0)
            XCTAssertFalse(fixture.store.acceptsWrites)
            fixture.put("c", "3")
            XCTAssertNil(fixture.store.takeCommit(), "it is not retried")
        }
    }

    func testAFailedSyncOfTheIntervalStopsTheStore() throws {
        let fixture = try StoreFixture(sync: .interval(.zero))
        try fixture.open()
        fixture.put("a", "1")
        try fixture.commit()
        fixture.disk.failAt = (fixture.disk.operations + 1, 5)
        let job = try XCTUnwrap(fixture.store.takeSync(now: Instant(nanoseconds: 1)))
        XCTAssertNotNil(fixture.store.completed(job.run()))
        XCTAssertNotNil(fixture.store.failure)
    }

    func testNearAFullDiskWritesAreRefusedWhileDeletesAndMergingGoOn() throws {
        let fixture = try StoreFixture(segment: 1000)
        fixture.options.reserve = 8000
        fixture.disk.capacity = 24_000
        try fixture.open()
        XCTAssertTrue(fixture.store.acceptsWrites)
        var written = 0
        while fixture.store.acceptsWrites {
            fixture.put("key-\(written)", String(repeating: "v", count: 100))
            try fixture.commit()
            written += 1
            XCTAssertLessThan(written, 200)
        }
        XCTAssertGreaterThan(written, 40)
        XCTAssertGreaterThan(try fixture.disk.space("").free, 5000, "refused before the disk is full")
        XCTAssertTrue(fixture.store.acceptsCopies, "what was proposed elsewhere finds room")
        for key in 0..<written { fixture.put("key-\(key)", nil) }
        try fixture.settle()
        fixture.store.completed(fixture.store.takeMeasurement().run())
        XCTAssertTrue(fixture.store.acceptsWrites, "what was deleted has been given back")
    }

    func testOthersMayFillTheDisk() throws {
        let fixture = try StoreFixture(segment: 1000)
        fixture.options.reserve = 8000
        fixture.disk.capacity = 24_000
        try fixture.open()
        fixture.disk.capacity = 4000
        XCTAssertTrue(fixture.store.acceptsWrites, "not noticed yet")
        fixture.store.completed(fixture.store.takeMeasurement().run())
        XCTAssertFalse(fixture.store.acceptsWrites)
        XCTAssertTrue(fixture.store.acceptsCopies)
        fixture.disk.capacity = 3000
        fixture.store.completed(fixture.store.takeMeasurement().run())
        XCTAssertFalse(fixture.store.acceptsCopies)
    }

    func testNoMoreCopiesAreTakenThanMayWaitForTheDisk() throws {
        let fixture = try StoreFixture()
        fixture.options.maximumPending = 5000
        try fixture.open()
        var appended = 0
        while fixture.store.acceptsCopies {
            fixture.put("key-\(appended)", String(repeating: "v", count: 500))
            appended += 1
            XCTAssertLessThan(appended, 20)
        }
        XCTAssertTrue(fixture.store.acceptsWrites, "a leader is bounded by what it has proposed")
        try fixture.commit()
        XCTAssertTrue(fixture.store.acceptsCopies)
    }

    func testTheReserveFitsTheVolume() {
        var options = StoreOptions(directory: "", store: StoreFixture.store)
        func reserve(_ total: UInt64) -> UInt64 { options.reserve(of: VolumeSpace(free: 0, total: total)) }
        XCTAssertEqual(reserve(1 << 40), 512 << 20, "two segments")
        XCTAssertEqual(reserve(64 << 20), 8 << 20, "an eighth of a small volume")
        options.segment = 1 << 20
        XCTAssertEqual(reserve(1 << 40), 64 << 20)
        options.reserve = 7
        XCTAssertEqual(reserve(1 << 40), 7)
    }
}
