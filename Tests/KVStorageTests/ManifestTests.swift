import KVCore
import KVSimulator
import XCTest

@testable import KVStorage

/// What a store must find again, and what it says where it does not.
final class ManifestTests: XCTestCase {
    /// A store of several segments.
    private func severalSegments(sync: SyncMode = .always) throws -> StoreFixture {
        let fixture = try StoreFixture(sync: sync, keepsManifest: true)
        try fixture.open()
        for number in 0..<20 {
            fixture.put("key-\(number)", String(repeating: "v", count: 400))
            try fixture.commit()
        }
        XCTAssertGreaterThan(fixture.segmentFiles().count, 3)
        return fixture
    }

    private func refusal(_ fixture: StoreFixture, line: UInt = #line) -> StoreError? {
        var refusal: StoreError?
        XCTAssertThrowsError(try fixture.open(), line: line) { refusal = $0 as? StoreError }
        return refusal
    }

    private func assertIncomplete(_ fixture: StoreFixture, _ detail: String, line: UInt = #line) {
        let expected = StoreError.incomplete(directory: StoreFixture.directory, detail: detail)
        XCTAssertEqual(refusal(fixture, line: line), expected, line: line)
        XCTAssertTrue("\(expected)".contains("kv join NODE --replace NODE"), line: line)
    }

    func testAnySegmentThatIsGoneIsMissed() throws {
        let names = try severalSegments().segmentFiles()
        for name in names {
            let fixture = try severalSegments()
            fixture.disk.killProcess()
            try fixture.disk.unlink(fixture.path(name))
            assertIncomplete(fixture, "\(name) is gone")
            // It has not begun anything that the next start could take for the store.
            assertIncomplete(fixture, "\(name) is gone")
        }
    }

    func testALogThatIsGoneIsMissed() throws {
        let fixture = try severalSegments()
        fixture.disk.killProcess()
        for name in fixture.disk.names(StoreFixture.directory) { try fixture.disk.unlink(fixture.path(name)) }
        assertIncomplete(fixture, "0000000001.log is gone")
    }

    func testANewestSegmentThatIsEmptiedOrHasNoHeaderIsDamaged() throws {
        for bytes in [[], Array(repeating: 0, count: 4096), Array(repeating: 7, count: 30)] as [[UInt8]] {
            let fixture = try severalSegments()
            let name = try XCTUnwrap(fixture.segmentFiles().last)
            fixture.disk.killProcess()
            fixture.disk.restore(fixture.path(name), bytes)
            guard case .damaged(fixture.path(name), 0, _)? = refusal(fixture) else { return XCTFail("\(bytes.count)") }
            XCTAssertEqual(fixture.segmentFiles().last, name, "it is not removed")
        }
    }

    /// A crash takes back no batch that an earlier start, or a stop in good order, has found on disk.
    func testBatchesThatWereOnDiskAreMissed() throws {
        for stopsInGoodOrder in [true, false] {
            let fixture = try StoreFixture(segment: 1 << 20, keepsManifest: true)
            try fixture.open()
            for key in ["a", "b", "c"] {
                fixture.put(key, "value")
                try fixture.commit()
            }
            if stopsInGoodOrder { try fixture.identity?.note([fixture.store]) } else { try fixture.open() }
            let path = fixture.path("0000000001.log")
            let whole = try XCTUnwrap(fixture.disk.contents(path))
            let end = Int(fixture.store.written.offset)
            fixture.disk.killProcess()
            for cut in [SegmentHeader.size, SegmentHeader.size + 90, end - 8] {
                // As a crash would leave it, had these not been synced.
                fixture.disk.restore(path, whole[..<cut] + Array(repeating: 0, count: whole.count - cut))
                guard case .damaged(path, _, _)? = refusal(fixture) else { return XCTFail("cut at \(cut)") }
                fixture.disk.restore(path, Array(whole[..<cut]))
                guard case .damaged(path, _, _)? = refusal(fixture) else { return XCTFail("shortened to \(cut)") }
                XCTAssertEqual(fixture.disk.contents(path)?.count, cut, "nothing is cut off")
            }
            fixture.disk.restore(path, whole)
            XCTAssertNoThrow(try fixture.open())
        }
    }

    func testAnOlderIdentityFileIsRefused() throws {
        let fixture = try severalSegments()
        let old = try XCTUnwrap(fixture.disk.contents("data/identity"))
        for number in 0..<10 {
            fixture.put("more-\(number)", String(repeating: "v", count: 400))
            try fixture.commit()
        }
        fixture.disk.killProcess()
        let new = try XCTUnwrap(fixture.disk.contents("data/identity"))
        fixture.disk.restore("data/identity", old)
        guard case .outdated("data/identity", _)? = refusal(fixture) else { return XCTFail("it is accepted") }
        fixture.disk.restore("data/identity", new)
        XCTAssertNoThrow(try fixture.open())
    }

    /// A version that keeps no manifest counts its starts, and may have merged what the manifest names.
    func testAManifestThatWasNotKeptCountsForNothing() throws {
        let fixture = try severalSegments()
        fixture.disk.killProcess()
        let other = try IdentityFile(
            directory: "data", fileSystem: fixture.disk, node: "n1", cluster: nil, newStore: StoreFixture.store,
            newShards: 1, nonce: 1)
        try other.update { $0["boot"] = Array("\(other.boot + 1)".utf8) }
        let first = try XCTUnwrap(fixture.segmentFiles().first)
        fixture.disk.killProcess()
        try fixture.disk.unlink(fixture.path(first))
        try fixture.open()
        // From here on it is kept.
        let second = try XCTUnwrap(fixture.segmentFiles().first)
        fixture.disk.killProcess()
        try fixture.disk.unlink(fixture.path(second))
        assertIncomplete(fixture, "\(second) is gone")
    }

    func testMergedSegmentsAreNotMissed() throws {
        let fixture = try severalSegments()
        for number in 0..<20 { fixture.put("key-\(number)", "short") }
        try fixture.settle()
        XCTAssertGreaterThan(try XCTUnwrap(fixture.segmentNumbers().first), 1)
        try fixture.crash()
        for number in 0..<20 { XCTAssertEqual(try fixture.text("key-\(number)"), "short") }
    }

    func testWhatIsKeptComesBack() throws {
        var manifest = Manifest()
        XCTAssertEqual(Manifest("0"), manifest)
        for number in [9, 3, 4, 5] as [UInt32] { manifest.add(number) }
        manifest.synced(1042)
        XCTAssertEqual("\(manifest)", "1042 3-5 9")
        XCTAssertEqual(Manifest("1042 3-5 9"), manifest)
        XCTAssertEqual(manifest.newest, 9)
        XCTAssertNil(manifest.firstMissing([3, 4, 5, 7, 9, 10]))
        XCTAssertEqual(manifest.firstMissing([3, 5, 9]), 4)
        manifest.remove(4)
        XCTAssertEqual("\(manifest)", "1042 3 5 9")
        for text in ["", "x", "1 ", "1 2-", "1 -2", "1 3-2", "1 1-2-3", "1 4294967295", "1 0-4294967295", "-1 2"] {
            XCTAssertNil(Manifest(text), text)
        }
        XCTAssertEqual(Manifest("1 1-4294967294")?.firstMissing([1]), 2, "what is read costs no memory")
    }

    func testDirectoriesAboveSurviveAPowerLoss() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let disk = SimulatedDisk(seed: seed)
            try IdentityFile.makeParents(of: "srv/kv/data/n1", fileSystem: disk)
            _ = try IdentityFile(
                directory: "srv/kv/data/n1", fileSystem: disk, node: "n1", cluster: nil, newStore: StoreFixture.store,
                newShards: 1, nonce: 1)
            disk.losePower()
            XCTAssertTrue(disk.names("srv/kv/data/n1").contains("identity"), "seed \(seed)")
        }
    }
}
