import KVCore
import XCTest

@testable import KVBench

final class WorkloadTests: XCTestCase {
    // Foundation has a type of this name, too.
    private typealias Operation = KVBench.Operation

    private func source(_ mix: WorkloadMix, _ distribution: Distribution? = nil, keys: Int = 1000) -> WorkloadSource {
        WorkloadSource(
            mix, distribution ?? mix.distribution, keys: keys, operations: .max, seed: 1, thread: 0, of: 1)
    }

    private func mix(_ letter: String) throws -> WorkloadMix { try XCTUnwrap(WorkloadMix(ycsb: letter)) }

    func testKeysAreNamedAsYCSBDoes() {
        XCTAssertEqual(String(decoding: KeyName.bytes(0), as: UTF8.self), "user000000000000")
        XCTAssertEqual(String(decoding: KeyName.bytes(123_456_789_012), as: UTF8.self), "user123456789012")
        for number in [0, 7, 99_999, KeyName.limit - 1] {
            XCTAssertEqual(KeyName.slot(number), Key(KeyName.bytes(number)).slot)
        }
    }

    func testMixesAreYCSBs() throws {
        let wanted: [(String, [OperationKind: Double])] = [
            ("a", [.read: 0.5, .update: 0.5]), ("b", [.read: 0.95, .update: 0.05]), ("c", [.read: 1]),
            ("d", [.read: 0.95, .insert: 0.05]), ("e", [.scan: 0.95, .insert: 0.05]),
            ("f", [.read: 0.5, .readModifyWrite: 0.5]),
        ]
        for (letter, shares) in wanted {
            let mix = try mix(letter)
            for kind in OperationKind.allCases { XCTAssertEqual(mix.share(of: kind), shares[kind] ?? 0, letter) }
            var source = source(mix)
            var seen: [OperationKind: Int] = [:]
            for _ in 0..<20_000 {
                let operation = try XCTUnwrap(source.next())
                seen[operation.kind, default: 0] += 1
                source.ended(operation)
                XCTAssertEqual(operation.count > 0, operation.kind == .scan)
                XCTAssertLessThanOrEqual(operation.count, WorkloadMix.longestScan)
            }
            for (kind, share) in shares {
                XCTAssertEqual(Double(seen[kind] ?? 0) / 20_000, share, accuracy: 0.015, "\(letter) \(kind)")
            }
            XCTAssertEqual(Set(seen.keys), Set(shares.keys))
        }
        XCTAssertNil(WorkloadMix(ycsb: "g"))
        XCTAssertEqual(WorkloadMix(readRatio: 0.25).share(of: .update), 0.75)
        XCTAssertEqual(WorkloadMix(readRatio: 1).kinds, [.read])
    }

    func testTheLoadWritesEveryKeyOnce() {
        var keys: [Int] = []
        for thread in 0..<3 {
            var source = LoadSource(keys: 100, thread: thread, of: 3)
            while let operation = source.next() {
                XCTAssertEqual(operation.kind, .insert)
                keys.append(operation.key)
            }
        }
        XCTAssertEqual(keys.sorted(), Array(0..<100))
    }

    func testUniformKeysAreAllAlike() {
        var chooser = KeyChooser(.uniform, keys: 100)
        var random = SplitMix(seed: 5)
        var seen = [Int](repeating: 0, count: 100)
        for _ in 0..<100_000 { seen[chooser.place(of: 100, using: &random)] += 1 }
        // Chi-squared with 99 degrees of freedom is above 160 once in ten thousand times.
        let chi = seen.reduce(0.0) { $0 + pow(Double($1) - 1000, 2) / 1000 }
        XCTAssertLessThan(chi, 160)
    }

    func testPopularKeysLieFarApart() {
        let count = 10_007
        var chooser = KeyChooser(.zipfian, keys: count)
        var random = SplitMix(seed: 5)
        var seen: [Int: Int] = [:]
        for _ in 0..<300_000 { seen[chooser.place(of: count, using: &random), default: 0] += 1 }
        let popular = seen.sorted { $0.value > $1.value }.prefix(5).map(\.key)
        XCTAssertEqual(popular.first, 0)
        for (index, key) in popular.enumerated() {
            for other in popular[..<index] { XCTAssertGreaterThan(abs(key - other), count / 20) }
        }
        // No two ranks share a key: nearly all keys are used, and the most popular one as often as its rank says.
        XCTAssertEqual(Double(seen[0] ?? 0) / 300_000, 1 / Zipfian.zeta(count), accuracy: 0.005)
        XCTAssertGreaterThan(seen.count, count * 9 / 10)
    }

    func testTheNewestKeysAreThePopularOnes() throws {
        var source = source(try mix("d"))
        var (newest, near, reads) = (999, 0, 0)
        for _ in 0..<50_000 {
            let operation = try XCTUnwrap(source.next())
            if operation.kind == .insert {
                XCTAssertEqual(operation.key, newest + 1)
                newest += 1
            } else {
                reads += 1
                if newest - operation.key < 10 { near += 1 }
                XCTAssertLessThanOrEqual(operation.key, newest)
            }
            source.ended(operation)
        }
        let theory = Zipfian.zeta(10) / Zipfian.zeta(2250)
        XCTAssertEqual(Double(near) / Double(reads), theory, accuracy: 0.03)
    }

    func testNobodyAsksForAKeyThatIsNotThereYet() throws {
        var source = source(try mix("d"), keys: 10)
        var pending: [Operation] = []
        for _ in 0..<2000 {
            let operation = try XCTUnwrap(source.next())
            if operation.kind == .insert {
                pending.append(operation)
            } else {
                XCTAssertLessThan(operation.key, 10, "no insertion has ended")
            }
        }
        XCTAssertGreaterThan(pending.count, 50)
        // The first insertion has not ended, so the keys after it are not used yet.
        for operation in pending.dropFirst().reversed() { source.ended(operation) }
        for _ in 0..<100 { XCTAssertTrue((source.next()).map { $0.kind == .insert || $0.key < 10 } ?? false) }
        source.ended(pending[0])
        let keys = (0..<100).compactMap { _ in source.next() }.filter { $0.kind == .read }.map(\.key)
        XCTAssertTrue(keys.contains { $0 > 10 + pending.count / 2 })
    }

    func testThreadsInsertKeysOfTheirOwn() {
        var keys: Set<Int> = []
        var count = 0
        for thread in 0..<4 {
            guard let mix = WorkloadMix(ycsb: "d") else { return XCTFail("d") }
            var source = WorkloadSource(
                mix, .latest, keys: 100, operations: 5000, seed: 9, thread: thread, of: 4)
            while let operation = source.next() {
                if operation.kind == .insert {
                    XCTAssertGreaterThanOrEqual(operation.key, 100)
                    keys.insert(operation.key)
                    count += 1
                }
                source.ended(operation)
            }
        }
        XCTAssertGreaterThan(count, 500)
        XCTAssertEqual(keys.count, count)
    }

    func testASeedMakesTheSameOperations() throws {
        func operations(_ seed: UInt64) throws -> [Operation] {
            var source = WorkloadSource(
                try mix("a"), .zipfian, keys: 1000, operations: 50, seed: seed, thread: 0, of: 1)
            return (0..<60).compactMap { _ in source.next() }
        }
        XCTAssertEqual(try operations(1), try operations(1))
        XCTAssertNotEqual(try operations(1), try operations(2))
        XCTAssertEqual(try operations(1).count, 50)
    }

    func testValuesAreUnlikeAndOfOneSize() {
        var values = Values(size: 100, seed: 1)
        let all = (0..<100).map { _ in values.next() }
        XCTAssertTrue(all.allSatisfy { $0.count == 100 })
        XCTAssertGreaterThan(Set(all).count, 90)
        var none = Values(size: 0, seed: 1)
        XCTAssertEqual(none.next(), [])
    }
}
