import KVClient
import KVCore
import KVFakes
import NIOConcurrencyHelpers
import XCTest

/// Fake nodes `n1`, `n2`, ... that know each other. Each answers `/v1/ring`, and requests about keys in the name of the
/// key's leader. The test moves leaderships.
final class FakeCluster: Sendable {
    fileprivate struct State {
        var addresses: [String] = []
        /// The number of the node that leads each partition, from 1; nil if none does.
        var leaders: [Int?]
        var isRingThere = true
        /// Replaces the usual answers about keys.
        var replies: [Int: FakeNode.Reply] = [:]
    }

    let nodes: [FakeNode]
    private let state: NIOLockedValueBox<State>

    /// - Parameter leaders: the number of the node that leads each partition. All nodes hold all partitions.
    init(_ count: Int, leaders: [Int?]) async throws {
        let state = NIOLockedValueBox(State(leaders: leaders))
        self.state = state
        var nodes: [FakeNode] = []
        for number in 1...count {
            nodes.append(try await FakeNode { request in state.withLockedValue { $0.answer(request, number) } })
        }
        self.nodes = nodes
        state.withLockedValue { $0.addresses = nodes.map { "\($0.address)" } }
    }

    subscript(number: Int) -> FakeNode { nodes[number - 1] }

    func stop() async throws { for node in nodes { try? await node.stop() } }

    func lead(_ leaders: [Int?]) { state.withLockedValue { $0.leaders = leaders } }

    func hideRing() { state.withLockedValue { $0.isRingThere = false } }

    func reply(_ reply: FakeNode.Reply?, at number: Int) { state.withLockedValue { $0.replies[number] = reply } }

    /// The number of requests for the ring, at all nodes.
    var ringRequests: Int { nodes.reduce(0) { $0 + $1.requests.count { $0.line == "GET /v1/ring" } } }

    /// Returns a key of a partition.
    func key(in partition: Int) -> Key {
        let partitions = state.withLockedValue { $0.leaders.count }
        let keys = (0...).lazy.map { Key("key-\($0)") }
        return keys.first { SlotMap(founding: partitions).partition(of: $0.slot).raw == partition } ?? Key("none")
    }
}

extension FakeCluster.State {
    func answer(_ request: FakeNode.Request, _ number: Int) -> FakeNode.Reply {
        if request.line == "GET /v1/ring" {
            return isRingThere ? .status(200, [:], ring) : .error(404, "unknown_path", "no")
        }
        if let reply = replies[number] { return reply }
        let path = request.line.split(separator: " ")[1].prefix { $0 != "?" }
        let slot = Key(String(path.dropFirst("/v1/kv/".count))).slot
        let partition = SlotMap(founding: leaders.count).partition(of: slot)
        let node = leaders[Int(partition.raw)] ?? number
        let headers = ["ETag": "\"1.1.1\"", "KV-Node": "n\(node)"]
        return request.line.hasPrefix("GET") ? .status(200, headers, "at n\(number)") : .status(204, headers)
    }

    private var ring: String {
        let nodes = addresses.enumerated().map { #"{"id":"n\#($0 + 1)","state":"alive","client":"\#($1)"}"# }
        let width = Slot.count / leaders.count
        let assignments = leaders.enumerated().map { index, leader in
            let first = leader ?? 1
            let replicas = ([first] + (1...addresses.count).filter { $0 != first }).map { "\"n\($0)\"" }
            let name = leader.map { "\"n\($0)\"" } ?? "null"
            let slots = "\"first_slot\":\(index * width),\"last_slot\":\((index + 1) * width - 1)"
            return "{\(slots),\"replicas\":[\(replicas.joined(separator: ","))],\"leader\":\(name)}"
        }
        return "{\"nodes\":[\(nodes.joined(separator: ","))],\"assignments\":[\(assignments.joined(separator: ","))]}"
    }
}

/// Polls a condition that other threads make true. Fails if that takes more than ten seconds.
func eventually(
    _ what: String, file: StaticString = #filePath, line: UInt = #line, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(10)
    while !(try await condition()) {
        guard ContinuousClock.now < end else {
            struct NeverHappened: Error {}
            XCTFail("waited for \(what)", file: file, line: line)
            throw NeverHappened()
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}
