import KVCore
import XCTest

@testable import KVStorage

final class KeyIndexTests: XCTestCase {
    /// An index, and a dictionary that says what must be in it.
    private struct Pair: ~Copyable {
        let memory = IndexMemory()
        var index: KeyIndex
        var expected: [Key: UInt64] = [:]

        init() { index = KeyIndex(memory) }

        mutating func insert(_ key: Key, _ mark: UInt64) {
            key.bytes.withUnsafeBytes { bytes in
                let hash = KeyHash(bytes)
                let entry = index.find(bytes, hash) ?? index.insert(bytes, hash)
                // Any field will do for telling entries apart.
                index.pointer(entry).pointee.sequence = mark
                index.checksum(entry).pointee = UInt32(truncatingIfNeeded: mark)
            }
            expected[key] = mark
        }

        mutating func remove(_ key: Key) throws {
            let found = key.bytes.withUnsafeBytes { index.find($0, KeyHash($0)) }
            index.remove(try XCTUnwrap(found))
            expected[key] = nil
        }

        func check(_ message: String) throws {
            XCTAssertEqual(index.count, expected.count, message)
            for (key, mark) in expected {
                let found = try XCTUnwrap(key.bytes.withUnsafeBytes { index.find($0, KeyHash($0)) }, message)
                XCTAssertEqual(Array(index.key(found)), Array(key.bytes), message)
                XCTAssertEqual(index.pointer(found).pointee.sequence, mark, message)
                XCTAssertEqual(index.checksum(found).pointee, UInt32(truncatingIfNeeded: mark), message)
            }
            var listed = 0
            for leaf in 0..<HashTree.leafCount {
                index.forEach(leaf: leaf) {
                    XCTAssertEqual(HashTree.leaf(of: index.hash($0)), leaf, message)
                    listed += 1
                }
            }
            XCTAssertEqual(listed, expected.count, message)
        }

        var keyBytes: Int { expected.keys.reduce(0) { $0 + $1.bytes.count } }

        /// What docs/operations.md promises.
        var bound: Int { 160 * index.count + 2 * keyBytes + (20 << 10) }

        mutating func shrinkToTheEnd() -> Int {
            var steps = 0
            while true {
                var work = 100
                steps += 1
                if index.shrink(&work, moved: { _, _, _ in }) { return steps }
            }
        }
    }

    private func key(_ number: Int) -> Key {
        // Of many lengths, longer than a block's quarter now and then.
        Key("key-\(number)" + String(repeating: "k", count: number % 97 == 0 ? 1500 : number % 31))
    }

    func testWhatIsLeftOfManyKeysTakesLittle() throws {
        for left in [0, 1, 10, 300, 2000] {
            var pair = Pair()
            for number in 0..<20_000 { pair.insert(key(number), UInt64(number)) }
            let full = pair.index.allocated
            // What stays lies scattered.
            for number in 0..<20_000 where left == 0 || number % (20_000 / left) != 0 { try pair.remove(key(number)) }
            let steps = pair.shrinkToTheEnd()
            XCTAssertGreaterThan(steps, 100, "it is done in steps")
            try pair.check("\(left) left")
            XCTAssertLessThanOrEqual(pair.index.allocated, pair.bound, "\(left) left of \(full) bytes")
            if left < 10 { XCTAssertLessThan(pair.index.allocated, 16 << 10) }
            // And it grows again.
            for number in 0..<3000 { pair.insert(key(number), UInt64(number + 1)) }
            try pair.check("\(left) left, and 3,000 more")
        }
    }

    /// Keys whose successors have other lengths leave holes between those that stay.
    func testBlocksThatAreMostlyUnusedAreEmptied() throws {
        var pair = Pair()
        for number in 0..<20_000 { pair.insert(key(number), UInt64(number)) }
        for number in 0..<20_000 where number % 20 != 0 {
            try pair.remove(key(number))
            pair.insert(Key("\(number)"), 1)
        }
        XCTAssertTrue(pair.index.arena.isWasteful)
        _ = pair.shrinkToTheEnd()
        XCTAssertFalse(pair.index.arena.isWasteful)
        XCTAssertLessThanOrEqual(pair.index.arena.allocated, 2 * pair.keyBytes + 2 * KeyArena.blockSize)
        try pair.check("moved")
    }

    /// A table that gets full moves so many entries with each key, and is complete before it is needed.
    func testATableGrowsWithTheKeysThatComeAndNotAtOnce() throws {
        var pair = Pair()
        var (switches, random) = (0, SplitMix(seed: 3))
        for number in 0..<40_000 {
            let (bits, before) = (pair.index.bits, pair.index.shrinking.table)
            pair.insert(Key("key-\(number)"), UInt64(number))
            // Keys that go make room before the table that is being filled, and behind it.
            if number % 5 == 0 {
                let key = Key("key-\(random.next() % UInt64(number + 1))")
                if pair.expected[key] != nil { try pair.remove(key) }
            }
            let after = pair.index.shrinking.table
            guard 1 << bits >= KeyIndex.smallestPrepared else { continue }
            if pair.index.bits > bits {
                switches += 1
                let placed = try XCTUnwrap(before, "a table takes the place of another when it has been filled").placed
                XCTAssertLessThanOrEqual(pair.index.extent - placed, KeyIndex.movedPerInsert * 9 + 1)
            } else if let after {
                let moved = after.placed - (before?.placed ?? 0)
                XCTAssertLessThanOrEqual(moved, KeyIndex.movedPerInsert * 9)
            }
            if number % 1000 == 0 { try pair.check("\(number) keys") }
        }
        XCTAssertEqual(switches, 6)
        try pair.check("all keys")
    }

    func testAFewKeysTakeLittle() {
        var pair = Pair()
        for number in 0..<6 { pair.insert(Key("user00000000000\(number)"), 1) }
        XCTAssertLessThan(pair.index.allocated, 900)
        for number in 6..<100 { pair.insert(Key("user00000000000\(number)"), 1) }
        XCTAssertLessThan(pair.index.allocated, 100 * 120)
    }

    /// Keys come and go while memory is being given back, at every stage of it.
    func testRandomChangesBetweenSteps() throws {
        var stages: Set<String> = []
        for seed in 0..<40 as Range<UInt64> {
            var pair = Pair()
            var random = SplitMix(seed: seed)
            var numbers: [Int] = []
            for round in 0..<30 {
                // It fills up, and empties: how far, chance decides.
                let isFilling = round % 3 == 0
                for _ in 0..<Int(random.next() % (isFilling ? 1500 : 900)) {
                    if random.next() % 10 < (isFilling ? 9 : 2) || numbers.isEmpty {
                        let number = Int(random.next() % 4000)
                        if pair.expected[key(number)] == nil { numbers.append(number) }
                        pair.insert(key(number), random.next())
                    } else {
                        let place = Int(random.next() % UInt64(numbers.count))
                        numbers.swapAt(place, numbers.count - 1)
                        try pair.remove(key(numbers.removeLast()))
                    }
                    guard random.next() % 4 == 0 else { continue }
                    var work = 1 + Int(random.next() % 60)
                    _ = pair.index.shrink(&work, moved: { _, _, _ in })
                    stages.insert("\(pair.index.shrinking)".prefix(4).description)
                }
                try pair.check("seed \(seed), round \(round)")
            }
            _ = pair.shrinkToTheEnd()
            try pair.check("seed \(seed), at the end")
            XCTAssertLessThanOrEqual(pair.index.allocated, pair.bound, "seed \(seed)")
        }
        XCTAssertEqual(stages.count, 4, "\(stages)")
    }
}
