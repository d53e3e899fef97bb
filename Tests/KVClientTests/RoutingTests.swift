import KVFakes
import KVModel
import NIOPosix
import XCTest

@testable import KVClient

/// The choice of the node for a request.
final class RoutingTests: XCTestCase {
    /// Puts a key until the request goes to the expected node, which shows that the client has the map.
    private func learn(_ client: KVClient, _ key: Key, at node: FakeNode) async throws {
        let before = node.keyRequests.count
        try await eventually("the map") {
            try await client.put(key, [])
            return node.keyRequests.count > before
        }
    }

    func testGoesToTheLeadersAfterTheFirstOperations() async throws {
        let cluster = try await FakeCluster(2, leaders: [1, 2])
        let client = KVClient(endpoints: [cluster[1].address])
        let key = cluster.key(in: 1)
        for _ in 0..<RequestRouter.operationsBeforeMap { try await client.put(key, []) }
        XCTAssertEqual(cluster.ringRequests, 0, "who makes a few requests does not pay for the map")
        XCTAssertEqual(cluster[2].requests.count, 0)
        try await learn(client, key, at: cluster[2])
        let before = cluster.nodes.map(\.keyRequests.count)
        for _ in 0..<10 {
            try await client.put(key, [])
            try await client.delete(cluster.key(in: 0))
        }
        XCTAssertEqual(cluster.nodes.map(\.keyRequests.count), before.map { $0 + 10 })
        XCTAssertEqual(cluster.ringRequests, 1)
        await client.close()
        try await cluster.stop()
    }

    func testFollowsALeaderThatAnswersByAnother() async throws {
        let cluster = try await FakeCluster(2, leaders: [1, 2])
        let client = KVClient(endpoints: [cluster[1].address])
        let (key, other) = (cluster.key(in: 1), cluster.key(in: 0))
        try await learn(client, key, at: cluster[2])
        cluster.lead([2, 1])
        // The first request goes by the old map and is forwarded. Its answer names the present leader.
        try await client.put(key, [])
        let before = cluster[2].keyRequests.count
        try await client.put(key, [])
        XCTAssertEqual(cluster[2].keyRequests.count, before)
        // This makes the client fetch the map again, for the other partitions.
        try await eventually("a new map") {
            try await client.put(key, [])
            return cluster.ringRequests > 1
        }
        try await learn(client, other, at: cluster[2])
        await client.close()
        try await cluster.stop()
    }

    func testGoesElsewhereAndAsksAnewWhenTheLeaderIsGone() async throws {
        let cluster = try await FakeCluster(3, leaders: [1, 2])
        let client = KVClient(endpoints: [cluster[1].address])
        let key = cluster.key(in: 1)
        try await learn(client, key, at: cluster[2])
        try await cluster[2].stop()
        cluster.lead([1, 3])
        let value = try await client.get(key)
        XCTAssertNotEqual(value?.text, "at n2")
        try await eventually("the new leader to be asked") { try await client.get(key)?.text == "at n3" }
        try await eventually("a new map") {
            _ = try await client.get(key)
            return cluster.ringRequests > 1
        }
        await client.close()
        try await cluster.stop()
    }

    func testRefreshesAreRare() async throws {
        let cluster = try await FakeCluster(2, leaders: [1, 2])
        cluster.hideRing()
        let client = KVClient(endpoints: [cluster[1].address])
        let key = cluster.key(in: 1)
        let begin = ContinuousClock.now
        for _ in 0..<200 { try await client.put(key, []) }
        let most = Int((ContinuousClock.now - begin) / .nanoseconds(RequestRouter.refreshInterval.nanoseconds)) + 1
        XCTAssertLessThanOrEqual(cluster.ringRequests, most)
        XCTAssertEqual(cluster[1].keyRequests.count, 200, "without a map, the endpoint does")
        XCTAssertEqual(cluster[2].requests.count, 0)
        await client.close()
        try await cluster.stop()
    }

    func testEndpointsAlone() async throws {
        let cluster = try await FakeCluster(2, leaders: [1, 2])
        var options = KVClientOptions()
        options.followsLeaders = false
        let client = KVClient(endpoints: [cluster[1].address], options: options)
        for _ in 0..<20 { try await client.put(cluster.key(in: 1), []) }
        XCTAssertEqual(cluster.ringRequests, 0)
        XCTAssertEqual(cluster[2].requests.count, 0)
        await client.close()
        try await cluster.stop()
    }

    func testStaleReadsAreSpreadOverReplicas() async throws {
        let cluster = try await FakeCluster(3, leaders: [1, 2])
        let client = KVClient(endpoints: [cluster[1].address])
        let key = cluster.key(in: 1)
        try await learn(client, key, at: cluster[2])
        let before = cluster.nodes.map(\.keyRequests.count)
        for _ in 0..<30 { _ = try await client.get(key, consistency: .stale) }
        XCTAssertEqual(cluster.nodes.map(\.keyRequests.count), before.map { $0 + 10 })
        await client.close()
        try await cluster.stop()
    }

    /// If a node says that it has not executed the request for a reason of its own, the request goes to another.
    func testANodeThatCannotSendsToTheNext() async throws {
        for (code, speaksFrames) in [
            ("stopping", true), ("not_member", true), ("stopping", false), ("not_member", false), ("not_ready", false),
        ] {
            let cannot = try await FakeNode(speaksFrames: speaksFrames) { _ in .error(503, code, "why") }
            let node = try await FakeNode { _ in .status(204, ["ETag": "\"1.1.1\""]) }
            let client = KVClient(endpoints: [cannot.address, node.address])
            try await client.put(Key("k"), [])
            XCTAssertEqual(node.requests.count, 1, code)
            let alone = KVClient(endpoints: [cannot.address])
            await expect(KVError(try XCTUnwrap(KVError.Code(rawValue: code)), "why")) {
                try await alone.put(Key("k"), [])
            }
            try await cannot.stop()
            try await node.stop()
        }
        let refusing = try await FakeNode { _ in .error(503, "disk_full", "why") }
        let node = try await FakeNode { _ in .status(204, ["ETag": "\"1.1.1\""]) }
        let client = KVClient(endpoints: [refusing.address, node.address])
        await expect(KVError(.diskFull, "why")) { try await client.put(Key("k"), []) }
        XCTAssertEqual(node.requests.count, 0, "it is about the key's replicas, whoever is asked")
        try await refusing.stop()
        try await node.stop()
    }

    // MARK: The map

    private func routes(_ endpoint: Address) -> RequestRouter {
        RequestRouter(
            [endpoint],
            limits: ConnectionLimits(connections: 1, depth: 1, waiting: 1, connectTimeout: .seconds(1)),
            followsLeaders: true, group: MultiThreadedEventLoopGroup.singleton, logger: KVClient.noLogger)
    }

    /// A loopback address that another machine advertises means that machine. Here it could be another cluster.
    func testAddressesThatMeanAnotherMachineAreNotFollowed() {
        let ring = { (client: String) in
            RingDocument(
                nodes: [.init(id: "n1", state: "alive", client: client)],
                assignments: [.init(firstSlot: 0, lastSlot: 16383, replicas: ["n1"], leader: "n1")])
        }
        let here = Address(host: "127.0.0.1", port: 1)
        let far = Address(host: "10.0.0.1", port: 1)
        let request = Request(Key("k"), .get(.linearizable))
        for (client, source, target) in [
            ("127.0.0.1:2", here, "127.0.0.1:2"), ("127.0.0.1:2", far, "10.0.0.1:1"), ("[::1]:2", far, "10.0.0.1:1"),
            ("0.0.0.0:2", here, "127.0.0.1:1"), ("10.0.0.2:2", here, "10.0.0.2:2"), ("nonsense", far, "10.0.0.1:1"),
        ] {
            let routes = routes(source)
            routes.adopt(ring(client), from: source)
            XCTAssertEqual(routes.route(request, after: [])?.pool.address.description, target, client)
        }
    }

    func testARingThatIsNoneIsLeftAlone() {
        let endpoint = Address(host: "127.0.0.1", port: 1)
        let routes = routes(endpoint)
        let assignment = { (first: Int, last: Int) in
            RingDocument.Assignment(firstSlot: first, lastSlot: last, replicas: ["n9", "n1"], leader: "n8")
        }
        let node = RingDocument.Node(id: "n1", state: "alive", client: "127.0.0.1:2")
        let broken: [[(Int, Int)]] = [
            [], [(0, 16382)], [(1, 16383)], [(0, 16384)], [(0, .max)], [(0, -1)], [(-1, 16383)], [(.min, .max)],
            [(0, 5), (7, 16383)], [(0, 5), (5, 16383)], [(0, 16383), (16384, 16383)], [(8192, 16383), (0, 8191)],
        ]
        for ranges in broken {
            routes.adopt(RingDocument(nodes: [node], assignments: ranges.map(assignment)), from: endpoint)
            XCTAssertEqual(routes.route(Request(Key("k"), .get(.linearizable)), after: [])?.pool.address, endpoint)
        }
        routes.adopt(
            RingDocument(nodes: [node], assignments: [assignment(0, 9), assignment(10, 16383)]), from: endpoint)
        XCTAssertEqual(
            routes.route(Request(Key("k"), .get(.linearizable)), after: [])?.expected, "n1",
            "the only one that is known")
    }

    func testNodesThatHaveLeftWhileARequestWasUnderWay() throws {
        let endpoint = Address(host: "127.0.0.1", port: 1)
        let routes = routes(endpoint)
        let ring = { (client: String) in
            RingDocument(
                nodes: [.init(id: "n1", state: "alive", client: client)],
                assignments: [.init(firstSlot: 0, lastSlot: 16383, replicas: ["n1"], leader: "n1")])
        }
        let request = Request(Key("k"), .get(.linearizable))
        routes.adopt(ring("127.0.0.1:2"), from: endpoint)
        let first = try XCTUnwrap(routes.route(request, after: []))
        XCTAssertEqual(first.others, 1)
        routes.adopt(ring("127.0.0.1:1"), from: endpoint)
        XCTAssertEqual(routes.route(request, after: [first.pool])?.pool.address, endpoint)
        XCTAssertEqual(routes.route(request, after: [first.pool])?.others, 0)
    }

    func testAddresses() {
        XCTAssertEqual(Address(hostPort: "h:1"), Address(host: "h", port: 1))
        XCTAssertEqual(Address(hostPort: "[::1]:65535"), Address(host: "::1", port: 65535))
        for text in ["", ":", "h", "h:", ":1", "h:0", "h:65536", "::1:2", "h:1x", "[]:1"] {
            XCTAssertNil(Address(hostPort: text), text)
        }
    }
}
