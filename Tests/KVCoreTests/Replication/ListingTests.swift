import XCTest

@testable import KVCore

/// Tests that a listing costs its leader little at a time, and that each page shows the partition as of its own moment.
final class ListingTests: XCTestCase {
    private func options(slice: Int, window: Int) -> ShardOptions {
        var options = ShardOptions()
        options.listingSlice = slice
        options.listingWindow = window
        return options
    }

    /// A node that is the only replica, and the leader, of a partition with so many keys.
    private func node(_ count: Int, _ options: ShardOptions) -> ManualNode {
        var records: [Key: Record] = [:]
        for number in 0..<count { records[Key("key \(number)")] = Record(Version(1, 1, UInt64(number + 1)), "v") }
        let node = ManualNode(1, replicas: [1], store: ManualStore(records), options: options)
        node.pass(500)
        node.sync()
        node.pass(50)
        XCTAssertTrue(node.isSettled)
        return node
    }

    private func page(_ node: ManualNode, _ request: RequestID) -> (keys: [Key], more: Bool)? {
        guard case .listed(let keys, let more)? = node.answers[request] else { return nil }
        return (keys, more)
    }

    private func list(after key: Key? = nil, limit: Int, prefix: String = "") -> Command {
        .list(ListQuery(prefix: Array(prefix.utf8), after: key, limit: limit))
    }

    private func inRingOrder(_ keys: some Sequence<Key>) -> [Key] { keys.map(RingEntry.init).sorted().map(\.key) }

    func testALookAtALargePartitionTakesTurnsWithOtherRequests() {
        let node = node(3000, options(slice: 400, window: 100))
        let request = node.request(list(limit: 10))
        XCTAssertNil(page(node, request))
        let first = node.store.visits
        XCTAssertLessThan(first, 450)
        let read = node.request(.get, "key 7")
        XCTAssertNotNil(node.answers[read], "others have their turns")
        var timers = 0
        while page(node, request) == nil, timers < 50 {
            let before = node.store.visits
            node.pass(10)
            XCTAssertLessThan(node.store.visits - before, 450)
            timers += 1
        }
        XCTAssertGreaterThan(timers, 5)
        XCTAssertEqual(page(node, request)?.keys, Array(inRingOrder(node.store.records.keys).prefix(10)))
        XCTAssertEqual(node.store.visits, 3000, "each once")
    }

    func testAPageCostsNoLookAtThePartition() {
        let node = node(1000, options(slice: 10_000, window: 300))
        var listed: [Key] = []
        var more = true
        var looks = 0
        while more {
            let before = node.store.visits
            let request = node.request(list(after: listed.last, limit: 20))
            guard let page = page(node, request) else { return XCTFail("not listed") }
            listed += page.keys
            more = page.more
            if node.store.visits > before { looks += 1 }
            if listed.count % 400 == 0 { node.pass(10) }
        }
        XCTAssertEqual(listed, inRingOrder(node.store.records.keys))
        XCTAssertEqual(looks, 4, "one for each window")
    }

    func testWindowsAreGivenBack() {
        let options = options(slice: 10_000, window: 300)
        let node = node(1000, options)
        let first = node.request(list(limit: 20))
        let last = page(node, first)?.keys.last
        let visits = node.store.visits
        node.pass(options.listingIdle.milliseconds - 1000)
        _ = node.request(list(after: last, limit: 20))
        XCTAssertEqual(node.store.visits, visits)
        node.pass(options.listingIdle.milliseconds + 100)
        _ = node.request(list(after: last, limit: 20))
        XCTAssertEqual(node.store.visits, visits + 1000)
    }

    /// Compares pages with a plain list, while keys come and go between pages and during walks.
    func testPagesAreOfTheMoment() {
        for seed in 1...8 as ClosedRange<UInt64> {
            var random = SplitMix(seed: seed)
            let node = node(200, options(slice: seed % 2 == 0 ? 90 : 1000, window: 40))
            var present = Set(node.store.records.keys)
            for _ in 0..<400 {
                let key = Key("key \(Int.random(in: 0..<260, using: &random))")
                if Int.random(in: 0..<3, using: &random) == 0 {
                    let after: Key? = Bool.random(using: &random) ? key : nil
                    let prefix = Bool.random(using: &random) ? "" : "key 1"
                    let request = node.ask(list(after: after, limit: 7, prefix: prefix))
                    if Bool.random(using: &random) { change(node, &present, &random) }
                    node.tick()
                    node.sync()
                    for _ in 0..<20 where page(node, request) == nil { node.pass(10) }
                    guard let page = page(node, request) else { return XCTFail("not listed, seed \(seed)") }
                    check(page, present, after, prefix, seed)
                } else {
                    change(node, &present, &random)
                    node.tick()
                    node.sync()
                }
            }
        }
    }

    private var changed: Set<Key> = []

    private func change(_ node: ManualNode, _ present: inout Set<Key>, _ random: inout SplitMix) {
        let key = Key("key \(Int.random(in: 0..<260, using: &random))")
        changed = [key]
        if Bool.random(using: &random) {
            _ = node.ask(.put("w"), key)
            present.insert(key)
        } else {
            _ = node.ask(.delete(.always), key)
            present.remove(key)
        }
    }

    /// Checks a page. A key that was changed while the page was being made may be on it or not.
    private func check(
        _ page: (keys: [Key], more: Bool), _ present: Set<Key>, _ after: Key?, _ prefix: String, _ seed: UInt64
    ) {
        let start = after.map(RingEntry.init)
        let wanted = inRingOrder(
            present.union(changed).filter { key in
                key.bytes.starts(with: prefix.utf8) && (start.map { $0 < RingEntry(key) } ?? true)
            })
        let certain = wanted.filter { !changed.contains($0) }
        let told = page.keys.filter { !changed.contains($0) }
        XCTAssertEqual(told, Array(certain.prefix(told.count)), "seed \(seed)")
        XCTAssertEqual(page.keys, inRingOrder(page.keys))
        XCTAssertLessThanOrEqual(page.keys.count, 7)
        XCTAssertTrue(page.more ? !page.keys.isEmpty : told.count == certain.count, "seed \(seed)")
    }

    func testWhatIsProposedInTheSameTickIsCountedAndListed() {
        let node = node(3, ShardOptions())
        _ = node.ask(.put("w"), "new")
        _ = node.ask(.put("w"), "new")
        _ = node.ask(.put("w"), "key 1")
        _ = node.ask(.delete(.always), "key 2")
        let count = node.ask(.count)
        let request = node.ask(list(limit: 10))
        node.tick()
        node.sync()
        XCTAssertEqual(node.answers[count], .counted(3))
        XCTAssertEqual(page(node, request)?.keys, inRingOrder(["key 0", "key 1", "new"]))
    }

    /// A listing between the two takes the key out of its window, although the store has yet to hear of the deletion.
    func testAKeyThatIsDeletedAndPutAgainInOneTickStaysListed() {
        let node = node(10, options(slice: 1000, window: 3))
        let keys = inRingOrder(node.store.records.keys)
        _ = node.ask(.delete(.always), keys[0])
        let meanwhile = node.ask(list(limit: 2))
        _ = node.ask(.put("w"), keys[0])
        node.tick()
        node.sync()
        XCTAssertEqual(page(node, meanwhile)?.keys.first, keys[1])
        let next = node.request(list(limit: 2))
        node.sync()
        XCTAssertEqual(page(node, next)?.keys, Array(keys[0...1]))
    }

    func testAListingEndsWithItsRequest() {
        let node = node(3000, options(slice: 100, window: 100))
        let request = node.request(list(limit: 10), timeout: 50)
        node.pass(150)
        XCTAssertEqual(node.answers[request], .refused(.noLeader))
        node.pass(500)
        XCTAssertEqual(node.store.visits, 3000, "what it began is of use to the next")
        let next = node.request(list(limit: 10))
        XCTAssertNotNil(page(node, next))
    }
}
