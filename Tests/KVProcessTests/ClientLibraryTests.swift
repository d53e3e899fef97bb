import KVCore
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
        let writers = (0..<8).map { Writer(client, number: $0) }
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

    /// Until every one of them has done so many operations more.
    private func progress(of writers: [Writer], by count: Int) async throws {
        let before = writers.map(\.done)
        try await eventually("operations to be done") { zip(writers, before).allSatisfy { $0.done >= $1 + count } }
    }

    /// Until the client sends what is about a key to its leader.
    private func follows(
        _ client: KVClient, _ writers: [Writer], _ cluster: TestCluster, seenBy observer: String
    ) async throws {
        let assignments = try cluster.ring(observer).assignments
        try await eventually("the client to know the leaders") {
            writers.flatMap(\.keys).allSatisfy { key in
                let partition = SlotMap(founding: assignments.count).partition(of: key.slot)
                let leader = assignments[Int(partition.raw)].leader
                return client.dispatcher.router.route(Request(.get, key), after: [])?.expected == leader
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

/// A client that puts and reads its own keys, one after the other, and checks what it reads.
private final class Writer: Sendable {
    private struct State {
        var isStopped = false
        var done = 0
        var failures: [String] = []
        var problems: [String] = []
        /// For each key, the numbers that it may hold: what was acknowledged last, and what has been in doubt since.
        var possible: [Key: Set<Int>] = [:]
    }

    private let client: KVClient
    let keys: [Key]
    private let state = Mutex(State())

    init(_ client: KVClient, number: Int) {
        self.client = client
        keys = (0..<20).map { Key("library/\(number)/\($0)") }
    }

    var done: Int { state.withLock { $0.done } }
    /// The operations that were refused, or whose outcome is unknown.
    var failures: [String] { state.withLock { $0.failures } }
    var problems: [String] { state.withLock { $0.problems } }

    func stop() { state.withLock { $0.isStopped = true } }

    func run() async {
        var number = 0
        while !state.withLock({ $0.isStopped }) {
            number += 1
            let key = keys[number % keys.count]
            await put(number, key)
            await read(key)
        }
    }

    private func put(_ number: Int, _ key: Key) async {
        do throws(KVClientError) {
            try await client.put(key, Array("\(number)".utf8))
            state.withLock { state in
                state.possible[key] = [number]
                state.done += 1
            }
        } catch {
            note(error, "put \(number) of \(key)")
            if case .unknown = error { state.withLock { _ = $0.possible[key, default: [0]].insert(number) } }
        }
    }

    private func read(_ key: Key) async {
        do throws(KVClientError) {
            let number = try await client.get(key).map { $0.text.flatMap { Int($0) } ?? -1 } ?? 0
            state.withLock { state in
                state.done += 1
                let possible = state.possible[key] ?? [0]
                if !possible.contains(number) { state.problems.append("\(key) is \(number) and not of \(possible)") }
            }
        } catch {
            note(error, "read of \(key)")
        }
    }

    private func note(_ error: KVClientError, _ what: String) {
        state.withLock { state in
            state.failures.append("\(what): \(error)")
            switch error {
            case .unknown where what.hasPrefix("put"), .refused, .unreachable: break
            default: state.problems.append("\(what) is neither done, refused nor in doubt: \(error)")
            }
        }
    }

    /// Reads all keys, now that nothing is under way.
    func check() async throws {
        for key in keys { await read(key) }
    }
}
