import KVModel
import Synchronization
import XCTest

@testable import KVClient

/// Tests the client library against real nodes, one of which dies meanwhile.
final class ClientLibraryTests: XCTestCase {
    func testTheLeaderOfManyKeysIsKilled() async throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let client = KVClient(endpoints: cluster.nodes.map(\.client))
        let writers = (0..<8).map { LibraryWriter(client, number: $0) }
        let running = writers.map { writer in Task { await writer.run() } }
        defer { writers.forEach { $0.stop() } }

        try await progress(of: writers, by: 50)
        try await follows(client, writers, cluster, seenBy: "n2")
        XCTAssertEqual(writers.flatMap(\.failures), [], "all was well before")
        cluster.killNow("n1")
        try await progress(of: writers, by: 50)
        try cluster.wait(for: "the others to lead") { try cluster.leads("n1", seenBy: "n2") == 0 }
        try await follows(client, writers, cluster, seenBy: "n2")
        let failures = writers.flatMap(\.failures)
        try await progress(of: writers, by: 50)
        XCTAssertEqual(writers.flatMap(\.failures).count, failures.count, "with the new leaders, all is well again")

        writers.forEach { $0.stop() }
        for task in running { await task.value }
        for writer in writers { try await writer.check() }
        XCTAssertEqual(writers.flatMap(\.problems), [])
        let listed = try await client.scan(prefix: "library/", pageSize: 30).reduce(into: Set<Key>()) {
            XCTAssertTrue($0.insert($1.key).inserted, "\($1.key) is listed twice")
        }
        XCTAssertEqual(listed, Set(writers.flatMap(\.keys)))
        print("cut off or refused while the leader changed: \(failures.count) of \(writers.map(\.done).reduce(0, +))")
        await client.close()
    }

    /// Writers and a listing go on while partitions are split, and nothing is refused.
    func testPartitionsAreSplitUnderWritersAndListings() async throws {
        let cluster = try TestCluster(settings: "storage: {shards: 2}\n")
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let client = KVClient(endpoints: cluster.nodes.map(\.client))
        let fixed = (0..<200).map { Key("fixed/\($0)") }
        for key in fixed { try await client.put(key, Array("\(key)".utf8)) }
        let writers = (0..<8).map { LibraryWriter(client, number: $0) }
        let running = writers.map { writer in Task { await writer.run() } }
        defer { writers.forEach { $0.stop() } }
        let isSplit = Atomic(false)
        async let listings = Self.listings(client, of: fixed) { isSplit.load(ordering: .relaxed) }

        try await progress(of: writers, by: 20)
        let split = try cluster.kv("ring", "--split", "128", "--yes")
        XCTAssertEqual(split.status, 0, split.errors)
        isSplit.store(true, ordering: .relaxed)
        try await progress(of: writers, by: 20)
        for id in cluster.running { XCTAssertEqual(try cluster.ring(id).partitions, 128) }

        let count = try await listings
        writers.forEach { $0.stop() }
        for task in running { await task.value }
        for writer in writers { try await writer.check() }
        XCTAssertEqual(writers.flatMap(\.failures), [])
        XCTAssertEqual(writers.flatMap(\.problems), [])
        print("\(writers.map(\.done).reduce(0, +)) operations and \(count) listings while partitions were split")
        await client.close()
    }

    /// Lists these keys again and again until `isEnough` says so, and once more.
    /// - Returns: How often.
    private static func listings(
        _ client: KVClient, of keys: [Key], until isEnough: @Sendable () -> Bool
    ) async throws -> Int {
        let inOrder = keys.sorted { ($0.slot, $0) < ($1.slot, $1) }
        var count = 0
        var isLast = false
        repeat {
            isLast = isEnough()
            let listed = try await client.scan(prefix: "fixed/", pageSize: 7).reduce(into: []) { $0.append($1.key) }
            XCTAssertEqual(listed, inOrder, "each key once, in the order of the ring")
            count += 1
        } while !isLast
        return count
    }

    /// Until every one of them has done so many operations more.
    private func progress(of writers: [LibraryWriter], by count: Int) async throws {
        let before = writers.map(\.done)
        try await eventually("operations to be done") { zip(writers, before).allSatisfy { $0.done >= $1 + count } }
    }

    /// Until the client sends what is about a key to its leader.
    private func follows(
        _ client: KVClient, _ writers: [LibraryWriter], _ cluster: TestCluster, seenBy observer: String
    ) async throws {
        let assignments = try cluster.ring(observer).assignments
        try await eventually("the client to know the leaders") {
            writers.flatMap(\.keys).allSatisfy { key in
                let partition = SlotMap(founding: assignments.count).partition(of: key.slot)
                let leader = assignments[Int(partition.raw)].leader
                return client.dispatcher.router.route(Request(key, .get(.linearizable)), after: [])?.expected == leader
            }
        }
    }

    private func eventually(_ what: String, _ condition: () throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while !(try condition()) {
            guard ContinuousClock.now < end else { throw Unexpected("waited for \(what)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
