import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// Keys and values of length 0, 1 and the limits, through merges of segments, starts and sidecars.
final class StoredLengthTests: XCTestCase {
    private static let limit = LogStore.maximumKey
    private static let keyLengths = [0, 1, 2, limit - 1, limit]

    private func key(_ length: Int) -> Key { Key(Array(repeating: UInt8(ascii: "k"), count: length)) }

    private func put(_ fixture: StoreFixture, _ key: Key, _ value: [UInt8]?) -> Record {
        let record = Record(version: fixture.nextVersion(), value: value)
        fixture.store.put(partitionZero, key, record)
        return record
    }

    private func check(_ fixture: StoreFixture, _ expected: [Key: Record], _ when: String) throws {
        for (key, record) in expected {
            let found = try fixture.read(key, partitionZero)
            XCTAssertEqual(found?.version, record.version, "\(when): a key of \(key.bytes.count) bytes")
            XCTAssertEqual(found?.value, record.value, "\(when): a key of \(key.bytes.count) bytes")
        }
        var listed: [Key: Version] = [:]
        fixture.store.forEach(partitionZero) { key, head in listed[key] = head.version }
        XCTAssertEqual(listed, expected.mapValues(\.version), when)
        XCTAssertEqual(fixture.store.tree(partitionZero).leaves, fixture.treeFromScratch().leaves, when)
        XCTAssertNil(fixture.store.failure, when)
    }

    private func sidecars(_ fixture: StoreFixture) -> [String] {
        fixture.disk.names(StoreFixture.directory).filter { $0.hasSuffix(".index") }
    }

    /// Each is carried from segment to segment as what lies around it is overwritten.
    func testEveryLengthOutlivesMergesStartsAndSidecars() throws {
        for valueLength in [nil, 0, 1, 65_536, 1 << 20] {
            // A segment has more of what will be overwritten than of what stays, so that it is merged.
            let segment = max(256 << 10, 4 * (valueLength ?? 0))
            let fillers = segment / 64_000 / 2 + 1
            let fixture = try StoreFixture(segment: segment)
            fixture.options.mergeStep = 64 << 10
            fixture.options.cheapGarbage = 50
            try fixture.open()
            let what = "values of \(valueLength.map { "\($0)" } ?? "no") bytes"
            var expected: [Key: Record] = [:]
            func fill(_ count: Int) throws {
                for number in 0..<count {
                    let filler = Key("filler-\(number % 3)")
                    expected[filler] = put(fixture, filler, Array(repeating: 7, count: 64_000))
                    try fixture.commit()
                }
            }
            for length in Self.keyLengths {
                let value = valueLength.map { [UInt8](repeating: UInt8(truncatingIfNeeded: length), count: $0) }
                expected[key(length)] = put(fixture, key(length), value)
                try fill(fillers)
            }
            for round in 1...3 {
                let before = Set(fixture.segmentNumbers())
                try fill(6 * fillers)
                try fixture.settle()
                if round == 1 {
                    XCTAssertTrue(before.isDisjoint(with: fixture.segmentNumbers()), "\(what): all of them are merged")
                }
                XCTAssertGreaterThan(fixture.store.statistics.mergedSegments, 0, what)
                try check(fixture, expected, "\(what), merged \(round) times")
                try fixture.open()
                try check(fixture, expected, "\(what), started after merge \(round)")
                XCTAssertFalse(sidecars(fixture).isEmpty, what)
                for name in sidecars(fixture) { try fixture.disk.unlink(fixture.path(name)) }
                try fixture.open()
                try check(fixture, expected, "\(what), started without sidecars after merge \(round)")
                try fixture.settle()
                try fixture.crash()
                try check(fixture, expected, "\(what), after a power loss after merge \(round)")
            }
        }
    }

    /// One byte more than a key may have is refused, and what is there stays readable.
    func testAKeyBeyondTheLimitTakesNothingWithIt() throws {
        let fixture = try StoreFixture(segment: 256 << 10)
        try fixture.open()
        let expected = [key(Self.limit): put(fixture, key(Self.limit), [1])]
        try fixture.settle()
        _ = put(fixture, key(Self.limit + 1), [])
        guard case .tooLarge? = fixture.store.failure else { return XCTFail("\(fixture.store.failure as Any)") }
        try fixture.open()
        try check(fixture, expected, "after a start")
    }
}
