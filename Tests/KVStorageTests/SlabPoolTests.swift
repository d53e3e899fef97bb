import KVCore
import XCTest

@testable import KVStorage

final class SlabPoolTests: XCTestCase {
    func testBlocksAreApartAndSlabsComeAndGo() {
        for size in [KeyIndex.chunkBytes, KeyArena.blockSize] {
            let (pool, perSlab) = (SlabPool(blockSize: size), SlabPool.slabSize / size)
            var (random, held): (SplitMix, [(block: UnsafeMutableRawPointer, mark: UInt8)]) = (SplitMix(seed: 1), [])
            func isWhole(_ block: UnsafeMutableRawPointer, _ mark: UInt8) -> Bool {
                UnsafeRawBufferPointer(start: block, count: size).allSatisfy { $0 == mark }
            }
            for round in 0..<4000 {
                // More than a region, and then less and less.
                if random.next() % 10 < (round < 3000 ? 7 : 1) {
                    let (block, mark) = (pool.allocate(), UInt8(truncatingIfNeeded: random.next()))
                    XCTAssertEqual(Int(bitPattern: block) % 16, 0)
                    block.initializeMemory(as: UInt8.self, repeating: mark, count: size)
                    held.append((block, mark))
                } else if !held.isEmpty {
                    held.swapAt(Int(random.next() % UInt64(held.count)), held.count - 1)
                    let (block, mark) = held.removeLast()
                    if round % 10 == 0 { XCTAssertTrue(isWhole(block, mark)) }
                    pool.free(block)
                }
                XCTAssertGreaterThanOrEqual(pool.allocated, held.count * size)
            }
            XCTAssertTrue(held.allSatisfy { isWhole($0.block, $0.mark) })
            XCTAssertGreaterThan(held.count, 2 * perSlab)
            for (block, _) in held { pool.free(block) }
            XCTAssertEqual(pool.allocated, 0)
            pool.free(pool.allocate())
            XCTAssertEqual(pool.allocated, 0)
        }
    }

    /// The system gets the memory back, not only the pool.
    func testFreedSlabsTakeNoResidentMemory() throws {
        let pool = SlabPool(blockSize: KeyArena.blockSize)
        let before = try residentBytes()
        let blocks = (0..<20_000).map { _ in
            let block = pool.allocate()
            block.initializeMemory(as: UInt8.self, repeating: 1, count: KeyArena.blockSize)
            return block
        }
        XCTAssertGreaterThan(try residentBytes(), before + 60 << 20)
        blocks.forEach(pool.free)
        XCTAssertLessThan(try residentBytes(), before + 10 << 20)
    }

    private func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return try XCTUnwrap(Int(try XCTUnwrap(text.split(separator: " ").dropFirst().first))) * 4096
    }

    func testAForgottenIndexIsFreedInSteps() {
        let memory = IndexMemory()
        var index = KeyIndex(memory)
        for number in 0..<50_000 {
            let key = Key("a key of some length \(number)")
            key.bytes.withUnsafeBytes { _ = index.insert($0, KeyHash($0)) }
        }
        XCTAssertGreaterThan(memory.chunks.allocated + memory.blocks.allocated, 3 << 20)
        let spent = SpentIndex(index, isCounted: false)
        var steps = 1
        while true {
            var work = 500
            if spent.free(&work) { break }
            steps += 1
        }
        XCTAssertGreaterThan(steps, 50)
        XCTAssertEqual(memory.chunks.allocated + memory.blocks.allocated, 0)
    }
}
