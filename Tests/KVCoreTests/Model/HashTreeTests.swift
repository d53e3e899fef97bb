import KVCore
import XCTest

final class HashTreeTests: XCTestCase {
    private func tree(_ records: [(String, Version)]) -> HashTree {
        var tree = HashTree()
        for (key, version) in records { tree.toggle(KeyHash(Key(key)), version, 7) }
        return tree
    }

    func testTheOrderOfChangesDoesNotMatter() {
        let records = (0..<500).map { ("key \($0)", Version(1, 1, $0)) }
        let one = tree(records)
        let other = tree(records.reversed())
        XCTAssertEqual(one.root, other.root)
        XCTAssertEqual(one.leaves, other.leaves)
    }

    func testTakingARecordOutAgainLeavesNoTrace() {
        let record = ("b", Version(1, 1, 2))
        XCTAssertEqual(tree([("a", Version(1, 1, 1)), record, record]).root, tree([("a", Version(1, 1, 1))]).root)
    }

    func testATreeTakesMemoryForTheLeavesThatAreUsed() {
        var few = tree([])
        XCTAssertEqual(few.capacity, 0)
        XCTAssertEqual(few.digests, Array(repeating: Digest(), count: HashTree.leafCount))
        let records = (0..<3000).map { ("key \($0)", Version(1, 1, $0)) }
        for (key, version) in records.prefix(6) { few.toggle(KeyHash(Key(key)), version, 7) }
        XCTAssertLessThanOrEqual(few.capacity, 16)
        // In one that has been large, the same leaves lie elsewhere.
        var large = tree(records)
        XCTAssertGreaterThanOrEqual(large.capacity, HashTree.leafCount)
        for (key, version) in records.dropFirst(6) { large.toggle(KeyHash(Key(key)), version, 7) }
        XCTAssertEqual(few.leaves, large.leaves)
        XCTAssertEqual(few.root, large.root)
        XCTAssertEqual(few.differing(from: large.digests, large.contents), [])
        large.shrink()
        XCTAssertLessThanOrEqual(large.capacity, 24)
        XCTAssertEqual(few.leaves, large.leaves)
        XCTAssertEqual(few.root, large.root)
        for (key, version) in records.dropFirst(6) { large.toggle(KeyHash(Key(key)), version, 7) }
        XCTAssertEqual(large.leaves, tree(records).leaves)
    }

    func testEveryPartOfARecordCounts() {
        let version = Version(1, 2, 3)
        let others = [
            ("k", Version(1, 2, 4)), ("k", Version(1, 3, 3)), ("k", Version(2, 2, 3)), ("l", version), ("k\0", version),
        ]
        for other in others { XCTAssertNotEqual(tree([("k", version)]).root, tree([other]).root, "\(other)") }
    }

    func testVersionsExchangedBetweenKeysShow() {
        let one = tree([("a", Version(1, 1, 1)), ("b", Version(1, 1, 2))])
        let other = tree([("a", Version(1, 1, 2)), ("b", Version(1, 1, 1))])
        XCTAssertNotEqual(one.root, other.root)
    }

    func testOnlyTheLeafOfAChangedKeyDiffers() {
        let base = (0..<500).map { ("key \($0)", Version(1, 1, 1)) }
        let changed = tree(base + [("new", Version(1, 1, 1))])
        XCTAssertEqual(changed.differing(from: tree(base).digests), [HashTree.leaf(of: KeyHash("new"))])
        XCTAssertEqual(changed.differing(from: changed.digests), [])
    }

    func testOtherContentsUnderTheSameVersionShowWhereTheyAreCompared() {
        let base = tree((0..<500).map { ("key \($0)", Version(1, 1, 1)) })
        var other = base
        let (key, version) = (KeyHash("key 7"), Version(1, 1, 1))
        other.toggle(key, version, 7)
        XCTAssertNotEqual(base.root.contents, other.root.contents)
        other.toggle(key, version, 8)
        XCTAssertEqual(base.root.digest, other.root.digest)
        XCTAssertNotEqual(base.root.contents, other.root.contents)
        XCTAssertEqual(base.differing(from: other.digests), [])
        XCTAssertEqual(base.differing(from: other.digests, []), [], "not known")
        XCTAssertEqual(base.differing(from: other.digests, other.contents), [HashTree.leaf(of: key)])
        other.toggle(key, version, 8)
        other.toggle(key, version, 7)
        XCTAssertEqual(base.leaves, other.leaves)
    }

    func testChecksumsExchangedBetweenKeysShow() {
        var (one, other) = (HashTree(), HashTree())
        let version = Version(1, 1, 1)
        one.toggle(KeyHash("a"), version, 1)
        one.toggle(KeyHash("b"), version, 2)
        other.toggle(KeyHash("a"), version, 2)
        other.toggle(KeyHash("b"), version, 1)
        XCTAssertEqual(one.root.digest, other.root.digest)
        XCTAssertNotEqual(one.root.contents, other.root.contents)
    }

    func testAnythingButALeafForEachIsNoTree() {
        XCTAssertNil(HashTree().differing(from: []))
        XCTAssertNil(HashTree().differing(from: Array(repeating: Digest(), count: 257)))
        XCTAssertNil(HashTree().differing(from: [], HashTree().contents))
    }

    func testKeysSpreadOverTheLeaves() {
        var counts = Array(repeating: 0, count: HashTree.leafCount)
        for index in 0..<25_600 { counts[HashTree.leaf(of: KeyHash(Key("user:\(index)")))] += 1 }
        XCTAssertLessThan(counts.max() ?? 0, 170)
        XCTAssertGreaterThan(counts.min() ?? 0, 50)
    }

    func testHashesOfKeysOfEveryLengthDiffer() {
        var seen: Set<KeyHash> = []
        for length in 0..<200 { seen.insert(KeyHash(Key(Array(repeating: 0, count: length)))) }
        XCTAssertEqual(seen.count, 200)
    }
}
