import NIOCore
import NIOPosix
import XCTest

@testable import KVNode

final class MemoryWatchTests: XCTestCase {
    private let kept = TrimPolicy.kept

    private func sizes(_ free: Int, _ resident: Int) -> TrimPolicy.Sizes {
        TrimPolicy.Sizes(free: free, resident: resident)
    }

    func testItIsQuietWhereLittleProcessorTimeWasUsedSinceTheLastLook() {
        var policy = TrimPolicy()
        XCTAssertFalse(policy.isQuiet(5_000_000_000), "there was no look before")
        XCTAssertTrue(policy.isQuiet(5_000_000_000 + TrimPolicy.quiet))
        XCTAssertFalse(policy.isQuiet(5_000_000_001 + 2 * TrimPolicy.quiet))
        XCTAssertTrue(policy.isQuiet(5_000_000_001 + 2 * TrimPolicy.quiet))
        XCTAssertFalse(policy.isQuiet(0), "a clock that went back says nothing")
    }

    func testMemoryIsGivenBackOnceForEachTimeThatItWasFreed() {
        var policy = TrimPolicy()
        XCTAssertFalse(policy.shouldGiveBack(sizes(kept - 1, 10 * kept)), "little is kept")
        XCTAssertTrue(policy.shouldGiveBack(sizes(kept, 10 * kept)))
        // What was given back still counts as free.
        policy.gaveBack(sizes(kept, 9 * kept))
        XCTAssertFalse(policy.shouldGiveBack(sizes(kept, 9 * kept)))
        XCTAssertTrue(policy.shouldGiveBack(sizes(2 * kept, 9 * kept)), "as much again is free")
        policy.gaveBack(sizes(2 * kept, 8 * kept))
        XCTAssertTrue(policy.shouldGiveBack(sizes(2 * kept, 9 * kept)), "it was used, and freed, between two looks")
        policy.gaveBack(sizes(2 * kept, 8 * kept))
        XCTAssertFalse(policy.shouldGiveBack(sizes(0, 10 * kept)), "it is in use")
        XCTAssertTrue(policy.shouldGiveBack(sizes(kept, 10 * kept)), "and free again")
    }

    /// Blocks of which some at the end of the heap are in use: the library keeps the others.
    func testWhatTheLibraryKeepsIsGivenBackToTheSystem() throws {
        var blocks = (0..<30_000).map { _ in
            let block = UnsafeMutableRawPointer.allocate(byteCount: 3000, alignment: 16)
            block.initializeMemory(as: UInt8.self, repeating: 1, count: 3000)
            return block
        }
        let last = blocks.removeLast()
        blocks.forEach { $0.deallocate() }
        defer { last.deallocate() }
        let full = ProcessMemory.resident
        var policy = TrimPolicy()
        _ = policy.isQuiet(.max)
        XCTAssertGreaterThan(TrimPolicy.Sizes.now.free, 60 << 20)
        for _ in 0..<50 where ProcessMemory.resident > full - 60 << 20 {
            // The first look only notes the processor time.
            policy = policy.checked()
        }
        XCTAssertLessThanOrEqual(ProcessMemory.resident, full - 60 << 20)
    }

    /// It is made on whatever thread starts the node, and looks again and again.
    func testTheWatchLooksAgainAndAgain() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let loop = group.next()
        let looked = loop.makePromise(of: Int.self)
        let looks = NIOLoopBoundBox.makeBoxSendingValue(0, as: Int.self, eventLoop: loop)
        let watch = MemoryWatch(loop: loop, pool: pool, interval: .milliseconds(5)) {
            looks.value += 1
            if looks.value == 3 { looked.succeed(3) }
        }
        let count = try await looked.futureResult.get()
        XCTAssertEqual(count, 3)
        watch.stop()
        try await pool.shutdownGracefully()
        try await group.shutdownGracefully()
    }
}
