import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

final class CrashTests: XCTestCase {
    /// Runs and says which seed and operation to replay where it fails.
    private func attempt(
        seed: UInt64, stopAt stop: Int? = nil, sync: SyncMode = .always, steps: Int, again: Bool = false,
        isRestless: Bool = false, partitionLimit: Int = 0
    ) -> StoreRun? {
        do {
            let run = try StoreRun(
                seed: seed, sync: sync, isRestless: isRestless, partitionLimit: partitionLimit)
            try run.run(steps: steps, stopAt: stop, again: again)
            try run.finish()
            return run
        } catch {
            XCTFail(
                "seed \(seed), stop at \(stop ?? 0), \(sync), again \(again), restless \(isRestless), up to \(partitionLimit): \(error)"
            )
            return nil
        }
    }

    func testRandomWorkMatchesTheModelAcrossStarts() throws {
        var merged = 0
        for seed in 1...30 as ClosedRange<UInt64> {
            guard let run = attempt(seed: seed, steps: 400) else { return }
            merged += run.fixture.segmentNumbers().max().map { Int($0) - run.fixture.segmentFiles().count } ?? 0
        }
        XCTAssertGreaterThan(merged, 400, "segments were merged")
    }

    /// Crashes at every operation of the disk there is, with several outcomes of each.
    func testEveryCrashPointOfARun() throws {
        for seed in 1...2 as ClosedRange<UInt64> {
            let whole = try XCTUnwrap(attempt(seed: seed, steps: 110))
            let operations = whole.fixture.disk.operations
            XCTAssertGreaterThan(operations, 100)
            for stop in 1...operations {
                guard attempt(seed: seed, stopAt: stop, steps: 110) != nil else { return }
            }
        }
    }

    /// Where partitions come and go: nothing from before a durable wipe comes back, membership and records agree, and
    /// no floor is ahead of a tombstone that was lost.
    func testEveryCrashPointWherePartitionsComeAndGo() throws {
        for sync in [SyncMode.always, .never] {
            let whole = try XCTUnwrap(attempt(seed: 3, sync: sync, steps: 110, isRestless: true))
            XCTAssertGreaterThan(whole.wipes, 5)
            XCTAssertGreaterThan(whole.purges, 5)
            for stop in 1...whole.fixture.disk.operations {
                guard attempt(seed: 3, stopAt: stop, sync: sync, steps: 110, isRestless: true) != nil else { return }
            }
        }
    }

    func testCrashUponCrash() throws {
        var crashes = 0
        for sync in [SyncMode.always, .never] {
            for seed in 100...125 as ClosedRange<UInt64> {
                guard let run = attempt(seed: seed, stopAt: 25, sync: sync, steps: 400, again: true) else { return }
                crashes += run.crashes
                guard
                    let restless = attempt(
                        seed: seed, stopAt: 25, sync: sync, steps: 200, again: true, isRestless: true)
                else { return }
                crashes += restless.crashes
            }
        }
        XCTAssertGreaterThan(crashes, 1500)
    }

    func testRandomSplitsMatchTheModelAcrossStarts() throws {
        var (splits, lateStarts) = (0, 0)
        for seed in 1...30 as ClosedRange<UInt64> {
            guard let run = attempt(seed: seed, steps: 400, isRestless: seed % 2 == 0, partitionLimit: 9) else {
                return
            }
            splits += run.splits
            lateStarts += run.lateStarts
        }
        XCTAssertGreaterThan(splits, 60)
        XCTAssertGreaterThan(lateStarts, 20, "the topology was ahead of the store")
    }

    func testEveryCrashPointOfARunWithSplits() throws {
        for sync in [SyncMode.always, .never] {
            let whole = try XCTUnwrap(attempt(seed: 6, sync: sync, steps: 80, isRestless: true, partitionLimit: 9))
            XCTAssertGreaterThan(whole.splits, 2)
            for stop in 1...whole.fixture.disk.operations {
                guard
                    attempt(seed: 6, stopAt: stop, sync: sync, steps: 80, isRestless: true, partitionLimit: 9) != nil
                else { return }
            }
        }
    }

    func testCrashUponCrashAmongSplits() throws {
        var (crashes, splits) = (0, 0)
        for sync in [SyncMode.always, .never] {
            for seed in 200...215 as ClosedRange<UInt64> {
                guard
                    let run = attempt(
                        seed: seed, stopAt: 25, sync: sync, steps: 300, again: true, isRestless: seed % 2 == 0,
                        partitionLimit: 9)
                else { return }
                crashes += run.crashes
                splits += run.splits
            }
        }
        XCTAssertGreaterThan(crashes, 300)
        XCTAssertGreaterThan(splits, 30)
    }
}
