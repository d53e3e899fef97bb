@testable import KVCore
import XCTest

final class KeyPageTests: XCTestCase {
    private let keys = (0..<300).map { Key("key \($0)") } + (0..<20).map { Key("{tag}\($0)") }

    private func page(_ query: ListQuery, of keys: [Key]) -> (keys: [Key], more: Bool) {
        var page = KeyPage(prefix: query.prefix, after: query.after, limit: query.limit)
        for key in keys { page.offer(key) }
        return (page.entries.map(\.key), page.hasMore)
    }

    /// Sorts keys in ring order, slowly and simply.
    private func inRingOrder(_ keys: [Key]) -> [Key] {
        keys.sorted { $0.slot == $1.slot ? $0 < $1 : $0.slot < $1.slot }
    }

    func testAPageHoldsTheFirstInRingOrderWhateverTheOrderTheyCameIn() {
        var random = SplitMix(seed: 1)
        for limit in [1, 2, 7, 64, 319] {
            let (listed, more) = page(
                ListQuery(prefix: [], after: nil, limit: limit), of: keys.shuffled(using: &random))
            XCTAssertEqual(listed, Array(inRingOrder(keys).prefix(limit)))
            XCTAssert(more)
        }
    }

    func testNothingFollowsTheLast() {
        XCTAssertFalse(page(ListQuery(prefix: [], after: nil, limit: keys.count), of: keys).more)
        XCTAssertEqual(page(ListQuery(prefix: [], after: nil, limit: 5), of: []).keys, [])
    }

    func testPagesTogetherHoldEveryKeyOnce() {
        var listed: [Key] = []
        var more = true
        while more {
            let next = page(ListQuery(prefix: [], after: listed.last, limit: 17), of: keys)
            listed += next.keys
            more = next.more
        }
        XCTAssertEqual(listed, inRingOrder(keys))
    }

    func testOnlyKeysOfThePrefixAreListed() {
        let tagged = page(ListQuery(prefix: Array("{tag}".utf8), after: nil, limit: 10), of: keys)
        XCTAssertEqual(tagged.keys, Array(inRingOrder((0..<20).map { Key("{tag}\($0)") }).prefix(10)))
        XCTAssert(tagged.more)
    }

    func testAKeyOfferedTwiceIsHeldOnce() {
        var page = KeyPage(prefix: [], after: nil, limit: 2 * keys.count)
        for key in keys + keys { page.offer(key) }
        XCTAssertEqual(page.entries.map(\.key), inRingOrder(keys))
        XCTAssertFalse(page.hasMore)
    }

    func testBytesOfKeysAreBounded() {
        var page = KeyPage(prefix: [], after: nil, limit: 1000, bytes: 100)
        for key in keys { page.offer(key) }
        let held = page.entries.map(\.key)
        XCTAssertEqual(held, Array(inRingOrder(keys).prefix(held.count)))
        XCTAssertLessThanOrEqual(held.reduce(0) { $0 + $1.bytes.count }, 100)
        XCTAssertTrue(page.hasMore)
        var one = KeyPage(prefix: [], after: nil, limit: 1000, bytes: 1)
        for key in keys { one.offer(key) }
        XCTAssertEqual(one.entries.map(\.key), [inRingOrder(keys)[0]])
    }
}
