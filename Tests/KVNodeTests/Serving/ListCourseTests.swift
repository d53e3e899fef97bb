import KVCore
import XCTest

@testable import KVAPI
@testable import KVNode

/// Listings that go on while partitions are split, at nodes that know of different splits.
final class ListCourseTests: XCTestCase {
    /// A cluster of which every node may be behind the splits that there have been.
    private struct Ring {
        static let founding = 2
        static let shards = 2

        var random: SplitMix
        /// How far the leaders are.
        var truth = SlotMap(founding: Self.founding)
        /// How far each shard of each node is.
        var maps: [[SlotMap]]
        let keys: [Key]

        init(seed: UInt64, nodes: Int = 1, keys: Int = 60) {
            random = SplitMix(seed: seed)
            maps = Array(
                repeating: Array(repeating: SlotMap(founding: Self.founding), count: Self.shards), count: nodes)
            var names = Set((0..<keys).map { Key("key-\($0)") })
            // Several in one slot, and the key without bytes, which is in slot 0.
            names.formUnion((0..<keys / 4).map { Key("{tag}\($0)") })
            names.insert(Key([]))
            self.keys = names.sorted { ($0.slot, $0) < ($1.slot, $1) }
        }

        func slots(_ node: Int) -> NodeSlots {
            let settings = ClusterSettings(name: "ring", partitions: Self.founding, replicas: 1)
            return NodeSlots(ShardMap(settings, count: Self.shards), maps[node])
        }

        mutating func split(to count: Int) throws {
            truth = try XCTUnwrap(SlotMap(founding: Self.founding, count: count))
        }

        /// Splits a partition, or tells a shard of some splits, or neither.
        mutating func happen() throws {
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where truth.count < 40: try split(to: truth.count + 1)
            case 1:
                let node = Int.random(in: maps.indices, using: &random)
                let shard = Int.random(in: 0..<Self.shards, using: &random)
                let count = Int.random(in: maps[node][shard].count...truth.count, using: &random)
                maps[node][shard] = try XCTUnwrap(SlotMap(founding: Self.founding, count: count))
            default: break
            }
        }

        /// What the leader answers. It refuses a request of a shard that takes the partition for another one, and the
        /// shard asks again once it has heard.
        mutating func answer(_ step: ListCourse.Step, at node: Int) -> ListCourse.Answer {
            let shard = Int(truth.ancestor(of: step.partition).raw) % Self.shards
            if maps[node][shard].slots(of: step.partition) != truth.slots(of: step.partition) {
                maps[node][shard] = truth
            }
            let found = keys.filter { key in
                truth.partition(of: key.slot) == step.partition
                    && (step.after.map { ($0.slot, $0) < (key.slot, key) } ?? true)
            }
            return ListCourse.Answer(keys: Array(found.prefix(step.limit)), more: found.count > step.limit)
        }

        mutating func page(_ query: ListRequest, at node: Int) throws -> (keys: [Key], next: ListCursor?) {
            var course = ListCourse(query, SlotMap(founding: Self.founding))
            var progress = course.goOn(by: slots(node))
            while case .asks(let steps) = progress {
                var answers: [ListCourse.Answer] = []
                for step in steps {
                    try happen()
                    answers.append(answer(step, at: node))
                }
                for _ in 0..<Int.random(in: 0..<10, using: &random) { try happen() }
                progress = course.take(answers, by: slots(node))
            }
            guard case .ends(let next) = progress else { return (course.keys, nil) }
            return (course.keys, next)
        }
    }

    private func query(from cursor: ListCursor?, limit: Int = 5, scope: KeyScope = .cluster) -> ListRequest {
        ListRequest(
            prefix: [], cursor: cursor, limit: limit, values: false, scope: scope, timeout: .milliseconds(1000))
    }

    /// As clients hand it from node to node.
    private func handed(_ cursor: ListCursor) throws -> ListCursor {
        let settings = ClusterSettings(name: "ring", partitions: Ring.founding, replicas: 1)
        let text = cursor.opaque(settings.foundingSlots)
        return try XCTUnwrap(ListCursor(opaque: text, settings, RequestLimits(key: 100, value: 100)))
    }

    func testANodeThatHasNotHeardOfASplitGoesOnWithAListing() throws {
        for limit in 1...70 {
            var ring = Ring(seed: 0, nodes: 2)
            try ring.split(to: 4)
            ring.maps[0] = [ring.truth, ring.truth]
            let first = try ring.page(query(from: nil, limit: limit), at: 0)
            XCTAssertEqual(first.keys, Array(ring.keys.prefix(limit)))
            guard let next = first.next else { continue }
            let rest = try ring.page(query(from: handed(next), limit: 1000), at: 1)
            XCTAssertEqual(first.keys + rest.keys, ring.keys, "\(limit)")
            XCTAssertNil(rest.next)
        }
    }

    func testEveryKeyIsListedOnceWhateverNodesKnow() throws {
        for seed in 1...300 as ClosedRange<UInt64> {
            var ring = Ring(seed: seed, nodes: 3)
            var listed: [Key] = []
            var cursor: ListCursor?
            repeat {
                let node = Int.random(in: ring.maps.indices, using: &ring.random)
                let limit = Int.random(in: 1...20, using: &ring.random)
                let page = try ring.page(query(from: cursor, limit: limit), at: node)
                XCTAssertLessThanOrEqual(page.keys.count, limit)
                listed += page.keys
                cursor = try page.next.map(handed)
                if let cursor, cursor.key == nil {
                    XCTAssertEqual(Int(cursor.slot.raw) % (Slot.count / Ring.founding), 0)
                }
            } while cursor != nil
            XCTAssertEqual(listed, ring.keys, "seed \(seed)")
        }
    }

    /// Of shares that were taken when a node knew of some splits, each key is in one, whatever is split later.
    func testSharesOfSlotsHaveEveryKeyOnce() throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            var ring = Ring(seed: seed, nodes: 2)
            for _ in 0..<40 { try ring.happen() }
            let parts = ring.truth.partitions.compactMap(ring.truth.slots(of:)).sorted { $0.lowerBound < $1.lowerBound }
            var shares: [[ClosedRange<Slot>]] = [[], []]
            for part in parts { shares[Int.random(in: 0...1, using: &ring.random)].append(part) }
            var listed: [Key] = []
            for (node, share) in shares.enumerated() {
                let scope = KeyScope.slots(share)
                var cursor: ListCursor?
                repeat {
                    let page = try ring.page(query(from: cursor, scope: scope), at: node)
                    XCTAssertTrue(page.keys.allSatisfy { key in share.contains { $0.contains(key.slot) } })
                    listed += page.keys
                    cursor = page.next
                } while cursor != nil
            }
            XCTAssertEqual(listed.sorted { ($0.slot, $0) < ($1.slot, $1) }, ring.keys, "seed \(seed)")
        }
    }

    func testAPrefixWithAHashTagAsksOnePartition() throws {
        let ring = Ring(seed: 0)
        var request = query(from: nil)
        request.prefix = Array("{tag}".utf8)
        var course = ListCourse(request, SlotMap(founding: Ring.founding))
        guard case .asks(let steps) = course.goOn(by: ring.slots(0)) else { return XCTFail("nothing is asked") }
        XCTAssertEqual(steps.map(\.partition), [ring.truth.partition(of: Key("{tag}").slot)])
        XCTAssertEqual(
            course.take([ListCourse.Answer(keys: [], more: false)], by: ring.slots(0)), .ends(next: nil))
    }

    func testAShardThatIsBehindAShareCannotCountIt() throws {
        var ring = Ring(seed: 0)
        try ring.split(to: 4)
        let (lower, upper) = (ring.truth.partition(of: Slot(0)), ring.truth.partition(of: Slot(4096)))
        let scope = KeyScope.slots([Slot(4096)...Slot(8191)])
        XCTAssertNil(ring.slots(0).partitions(of: scope))
        XCTAssertEqual(ring.slots(0).partitions(of: .cluster)?.count, 2)
        ring.maps[0][0] = ring.truth
        XCTAssertEqual(ring.slots(0).partitions(of: scope), [upper])
        XCTAssertEqual(ring.slots(0).partitions(of: .cluster)?.prefix(2), [lower, upper])
        XCTAssertEqual(ring.slots(0).partitions(of: .cluster)?.count, 3, "the other shard has yet to hear of it")
    }
}
