import KVCore
import Synchronization
import XCTest

/// Tests clients that increment a counter by reads and conditional writes (`If-Match`), each through another node. A
/// value has the sum, the client's name and the client's own count. So a client whose write was cut off can find out by
/// a read whether it was made.
final class CounterTests: XCTestCase {
    func testTwoClientsCountWhileTheLeaderIsKilledAndComesBack() throws {
        // A killed process loses nothing of what it wrote, synced or not; waiting for the disk 4,000 times would take
        // long.
        let cluster = try TestCluster(settings: "storage: {sync: never}\n")
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let key = try cluster.keys(ledBy: "n1", count: 1, prefix: "counter-")[0]
        let goal = 1000
        let counters = count(cluster, to: goal, key: key)
        try cluster.wait(for: "some to be counted") { counters.allSatisfy { $0.own > 200 } }
        XCTAssertEqual(counters.map(\.unresolved), [0, 0], "nothing was cut off while all was well")
        cluster.killNow("n1")
        let when = counters.map(\.own)
        // One of them may be far ahead of the other, and nearly done.
        try cluster.wait(for: "counting to go on") {
            zip(counters, when).allSatisfy { $0.own > min($1 + 100, goal - 1) }
        }
        try cluster.start("n1")
        counters.forEach { $0.join() }
        try cluster.waitUntilReady()
        try assertTotal(cluster, counters, 2 * goal, key: key)
    }

    private func count(_ cluster: TestCluster, to goal: Int, key: String) -> [Counter] {
        zip(["n2", "n3"], 1...).map { id, number in
            Counter(cluster.nodes.first { $0.id == id }, number: number, key: key, goal: goal)
        }
    }

    private func assertTotal(
        _ cluster: TestCluster, _ counters: [Counter], _ total: Int, key: String
    ) throws {
        XCTAssertEqual(counters.compactMap(\.failure), [])
        for id in ["n1", "n2", "n3"] {
            let text = try cluster.http(id, "GET", "/v1/kv/\(key)").text
            XCTAssertEqual(text.split(separator: " ").first.map(String.init), "\(total)", "\(id) has \(text)")
        }
        print("counted to \(total), with \(counters.map(\.unresolved)) changes cut off and looked up")
    }
}

/// A client that adds 1 to the counter `goal` times.
private final class Counter: Sendable {
    /// `SUM 1:COUNT 2:COUNT`: the sum, and how much of it is each client's.
    private struct Tally {
        var sum = 0
        var shares = [1: 0, 2: 0]

        init() {}

        init(_ text: String) throws {
            let words = text.split(separator: " ")
            guard words.count == 3, let sum = Int(words[0]) else { throw Unexpected("the counter is '\(text)'") }
            self.sum = sum
            for word in words.dropFirst() {
                let parts = word.split(separator: ":").compactMap { Int($0) }
                guard parts.count == 2 else { throw Unexpected("the counter is '\(text)'") }
                shares[parts[0]] = parts[1]
            }
            guard sum == shares.values.reduce(0, +) else { throw Unexpected("the counter does not add up: '\(text)'") }
        }

        var text: String { "\(sum) 1:\(shares[1] ?? 0) 2:\(shares[2] ?? 0)" }
    }

    private struct State {
        var own = 0
        var unresolved = 0
        var failure: String?
    }

    private let state = Mutex(State())
    private let done = DispatchGroup()

    var own: Int { state.withLock { $0.own } }
    /// Changes whose outcome it had to find out by reading.
    var unresolved: Int { state.withLock { $0.unresolved } }
    var failure: String? { state.withLock { $0.failure } }

    init(_ node: TestCluster.Node?, number: Int, key: String, goal: Int) {
        done.enter()
        let thread = Thread { [self] in
            do {
                guard let node else { throw Unexpected("no node") }
                try run(node, number, "/v1/kv/\(key)", goal)
            } catch {
                state.withLock { $0.failure = "client \(number): \(error)" }
            }
            done.leave()
        }
        thread.start()
    }

    func join() { done.wait() }

    private func run(_ node: TestCluster.Node, _ number: Int, _ target: String, _ goal: Int) throws {
        let connection = try RawConnection(node.client)
        while own < goal {
            let (tally, version) = try read(connection, target)
            var next = tally
            next.sum += 1
            next.shares[number, default: 0] += 1
            let condition = version.map { ["If-Match": $0] } ?? ["If-None-Match": "*"]
            let answer = try connection.request("PUT", target, headers: condition, body: Array(next.text.utf8))
            switch answer.status {
            case 204: state.withLock { $0.own += 1 }
            case 412, 503:
                // The other one is at it: both at once would mostly spoil each other's attempts.
                usleep(UInt32.random(in: 0..<6000))
            case 504:
                state.withLock { $0.unresolved += 1 }
                try resolve(connection, target, number)
            default: throw Unexpected("\(answer.status) \(answer.text)")
            }
        }
    }

    private func read(_ connection: RawConnection, _ target: String) throws -> (Tally, version: String?) {
        let answer = try connection.request("GET", target)
        switch answer.status {
        case 200: return (try Tally(answer.text), answer.headers["etag"])
        case 404: return (Tally(), nil)
        default: throw Unexpected("\(answer.status) \(answer.text)")
        }
    }

    /// Makes certain of a change that may have been made, or may yet be: another one over the version that is there now
    /// ends what is still open, as it was bound to an earlier version. Then its own share tells.
    private func resolve(_ connection: RawConnection, _ target: String, _ number: Int) throws {
        while true {
            let (tally, version) = try read(connection, target)
            guard let version else { return }
            let answer = try connection.request(
                "PUT", target, headers: ["If-Match": version], body: Array(tally.text.utf8))
            if answer.status == 204 {
                return state.withLock { $0.own = tally.shares[number] ?? 0 }
            }
        }
    }
}
