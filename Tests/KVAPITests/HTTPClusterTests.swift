import KVCore
import XCTest

@testable import KVAPI

/// Lists, the cluster's state, and health.
final class HTTPClusterTests: XCTestCase {
    private func json(_ client: HTTPTestClient, _ target: String) throws -> NSDictionary {
        let answer = client.exchange(request("GET \(target)"))
        XCTAssertEqual(answer.status, "200 OK", answer.text)
        XCTAssertEqual(answer.fields["content-type"], "application/json")
        XCTAssertEqual(answer.fields["content-length"], "\(answer.body.utf8.count)")
        return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? NSDictionary)
    }

    // MARK: - Lists

    func testListAsksForAPage() throws {
        let client = try HTTPTestClient()
        let cursor = ListCursor(after: Key("foo"))
        let opaque = String(decoding: cursor.opaque(SlotMap(founding: 4)), as: UTF8.self)
        _ = try json(client, "/v1/kv")
        _ = try json(client, "/v1/kv?prefix=a%2F%00&cursor=\(opaque)&limit=7&values=true&timeout=1s")
        XCTAssertEqual(client.backend.listed.count, 2)
        let first = client.backend.listed[0]
        XCTAssertEqual(first.prefix, [])
        XCTAssertNil(first.cursor)
        XCTAssertEqual(first.limit, 100)
        XCTAssertFalse(first.values)
        XCTAssertEqual(first.timeout, .milliseconds(5000))
        let second = client.backend.listed[1]
        XCTAssertEqual(second.prefix, Array("a/\0".utf8))
        XCTAssertEqual(second.cursor, cursor)
        XCTAssertEqual(second.limit, 7)
        XCTAssertTrue(second.values)
        XCTAssertEqual(second.timeout, .milliseconds(1000))
    }

    func testListShowsKeysThatAreNoTextInBase64() throws {
        let client = try HTTPTestClient()
        let next = ListCursor(slot: Slot(12288))
        client.backend.page = .success(
            ListReply(entries: [(Key("plain \"é\""), nil), (Key([0xff, 0x00]), nil)], next: next))
        let page = try json(client, "/v1/kv")
        XCTAssertEqual(
            page, ["keys": [["key": "plain \"é\""], ["key": "/wA=", "encoding": "base64"]], "cursor": "AAM"])

        client.backend.page = .success(
            ListReply(
                entries: [
                    (Key("a"), Record(version: version(4, 2, 9), value: Array("line\n".utf8))),
                    (Key("b"), Record(version: version(4, 2, 10), value: [0x80])),
                ], next: nil))
        XCTAssertEqual(
            try json(client, "/v1/kv?values=true"),
            [
                "keys": [
                    ["key": "a", "value": "line\n", "version": "4.2.9"],
                    ["key": "b", "value": "gA==", "value_encoding": "base64", "version": "4.2.10"],
                ], "cursor": NSNull(),
            ])
    }

    func testListThatFails() throws {
        let client = try HTTPTestClient()
        client.backend.page = .failure(ListFailure(refusal: .noLeader))
        let answer = client.exchange(request("GET /v1/kv"))
        XCTAssertEqual(answer.status, "503 Service Unavailable")
        XCTAssertEqual(answer.error, "no_leader")
        XCTAssertEqual(answer.fields["retry-after"], "1")
    }

    func testCursorsRoundTripAndForgedOnesDoNot() {
        let settings = ClusterSettings(name: "demo", partitions: 1024, replicas: 3)
        let slots = settings.foundingSlots
        let limits = RequestLimits(key: 64, value: 1000)
        for text in ["a", "user:{7}:name", "\0\u{1}", String(repeating: "k", count: 64)] {
            let cursor = ListCursor(after: Key(text))
            let opaque = cursor.opaque(slots)
            XCTAssertEqual(ListCursor(opaque: opaque, settings, limits), cursor)
            let other = ClusterSettings(name: "demo", partitions: 4, replicas: 3)
            XCTAssertNil(ListCursor(opaque: opaque, other, limits), "no partition, or one without the key")
        }
        let begin = ListCursor(slot: Slot(1023 * 16))
        XCTAssertEqual(ListCursor(opaque: begin.opaque(slots), settings, limits), begin)
        let long = Key(String(repeating: "k", count: 65))
        for bytes in [
            [], Array("AA".utf8), Array("!!!".utf8), Array("AAB".utf8), Array("BAA".utf8), Array("AAA=".utf8),
            ListCursor(after: long).opaque(slots),
        ] as [[UInt8]] {
            XCTAssertNil(ListCursor(opaque: bytes, settings, limits), String(decoding: bytes, as: UTF8.self))
        }
    }

    // MARK: - The cluster

    func testRing() throws {
        let client = try HTTPTestClient()
        let ring = try json(client, "/v1/ring")
        XCTAssertEqual(ring["cluster"] as? String, "demo")
        XCTAssertEqual(ring["epoch"] as? Int, 7)
        XCTAssertEqual(ring["partitions"] as? Int, 4)
        XCTAssertEqual(ring["replicas"] as? Int, 3)
        let nodes = try XCTUnwrap(ring["nodes"] as? [NSDictionary])
        XCTAssertEqual(
            nodes.first,
            [
                "id": "n1", "number": 1, "state": "alive", "standing": "active", "zone": "a", "weight": 1,
                "client": "127.0.0.1:7401",
                "peer": "127.0.0.1:7501", "replicas": 4, "leaders": 2, "keys": 10, "bytes": 1234,
            ])
        XCTAssertEqual(nodes.last?["state"] as? String, "suspect")
        XCTAssertEqual(nodes.last?["keys"] as? NSNull, NSNull())
        XCTAssertEqual(nodes.last?["leaders"] as? Int, 0)
        let assignments = try XCTUnwrap(ring["assignments"] as? [NSDictionary])
        XCTAssertEqual(assignments.count, 4)
        XCTAssertEqual(
            assignments[1],
            ["partition": 1, "first_slot": 4096, "last_slot": 8191, "replicas": ["n1", "n2", "n3"], "leader": "n2"])
        XCTAssertEqual(assignments[3]["leader"] as? NSNull, NSNull())
        XCTAssertEqual(try json(client, "/v1/nodes")["nodes"] as? [NSDictionary], nodes)
    }

    func testRingOfOneKey() throws {
        let client = try HTTPTestClient()
        XCTAssertEqual(
            try json(client, "/v1/ring?key=foo"),
            ["key": "foo", "slot": 12182, "partition": 2, "replicas": ["n1", "n2", "n3"], "leader": "n1"])
        XCTAssertEqual(
            try json(client, "/v1/ring?key=%7Bfoo%7D.bar")["slot"] as? Int, 12182, "the hash tag alone counts")
        let bytes = try json(client, "/v1/ring?key=%FF")
        XCTAssertEqual(bytes["key"] as? String, "/w==")
        XCTAssertEqual(bytes["encoding"] as? String, "base64")
    }

    func testLoad() throws {
        let client = try HTTPTestClient()
        let load = try json(client, "/v1/load")
        XCTAssertEqual(
            load,
            [
                "node": "n1", "milliseconds": 2000,
                "shards": [
                    [
                        "shard": 0, "partitions": 2, "leaders": 1, "reads": 5, "writes": 0, "copies": 12345,
                        "keys": 10, "bytes": 1234,
                    ],
                    [
                        "shard": 1, "partitions": 2, "leaders": 0, "reads": 12.5, "writes": 1.5, "copies": 0,
                        "keys": 0, "bytes": 0,
                    ],
                ],
                "busiest": [
                    [
                        "partition": 3, "shard": 1, "leader": "n2", "reads": 11, "writes": 0.5, "copies": 0.5,
                        "keys": 2, "bytes": 300,
                    ],
                    [
                        "partition": 0, "shard": 0, "leader": "n1", "reads": 5, "writes": 0, "copies": 1, "keys": 2,
                        "bytes": 300,
                    ],
                    [
                        "partition": 1, "shard": 1, "leader": NSNull(), "reads": 1.5, "writes": 1, "copies": 0.5,
                        "keys": 2, "bytes": 300,
                    ],
                ],
            ])
        _ = try json(client, "/v1/load?over=100ms")
        _ = try json(client, "/v1/load?over=10s")
        XCTAssertEqual(
            client.backend.spans, [.milliseconds(1000), .milliseconds(100), .milliseconds(10_000)])

        client.backend.load = .tooMany
        let answer = client.exchange(request("GET /v1/load"))
        XCTAssertEqual(answer.status, "429 Too Many Requests")
        XCTAssertEqual(answer.error, "overloaded")
        XCTAssertEqual(answer.fields["retry-after"], "1")
    }

    func testTheBusiestPartitionsAreBounded() {
        let partitions = (0..<64).map { number in
            NodeLoad.Partition(
                shard: 0, leader: nil,
                load: PartitionLoad(
                    partition: PartitionID(UInt16(number)), leader: nil,
                    served: ServedCounts(reads: UInt64(number % 8)), usage: PartitionUsage()))
        }
        let busiest = NodeLoad(shards: [ShardLoad(elapsed: .zero)], partitions: partitions).busiest
        XCTAssertEqual(busiest.count, NodeLoad.maximumBusiest)
        XCTAssertEqual(busiest.prefix(9).map(\.load.partition.raw), [7, 15, 23, 31, 39, 47, 55, 63, 6])
    }

    func testStatesAreLivenessAndMemberStatusTogether() throws {
        let client = try HTTPTestClient()
        for (liveness, standing, state) in [
            (.alive, .joining, "joining"), (.alive, .leaving, "leaving"), (.alive, .lost, "lost"),
            (.suspect, .joining, "suspect"), (.dead, .leaving, "dead"), (.dead, .active, "dead"),
        ] as [(Liveness, Member.Status, String)] {
            client.backend.cluster?.nodes[0].state = liveness
            client.backend.cluster?.topology.members[0].status = standing
            let nodes = try XCTUnwrap(try json(client, "/v1/nodes")["nodes"] as? [NSDictionary])
            XCTAssertEqual(nodes[0]["state"] as? String, state)
            XCTAssertEqual(nodes[0]["standing"] as? String, "\(standing)")
        }
    }

    func testNodesThatWait() throws {
        let client = try HTTPTestClient()
        client.backend.cluster?.coordinator = NodeNumber(2)
        client.backend.cluster?.pendingNodes = [
            PendingNode(
                id: "n4", client: Address(host: "h", port: 1), peer: Address(host: "h", port: 2), zone: "b", weight: 3,
                store: UUID128(high: 0, low: 1), boot: 1, admitsItself: true)
        ]
        for target in ["/v1/nodes", "/v1/ring"] {
            let shown = try json(client, target)
            XCTAssertEqual(shown["coordinator"] as? String, "n2")
            XCTAssertEqual(
                shown["waiting"] as? [NSDictionary],
                [
                    [
                        "id": "n4", "state": "waiting", "zone": "b", "weight": 3, "client": "h:1", "peer": "h:2",
                        "admits_itself": true,
                    ]
                ])
            XCTAssertEqual((shown["nodes"] as? [NSDictionary])?.count, 3)
        }
    }

    func testANodeThatIsNoMember() throws {
        let client = try HTTPTestClient()
        client.backend.cluster = nil
        client.backend.outcome = { _, _ in .refused(.notMember) }
        client.backend.page = .failure(ListFailure(refusal: .notMember))
        client.backend.load = .refused(.notMember)
        for target in [
            "/v1/ring", "/v1/nodes", "/v1/topology", "/v1/load", "/v1/ring?key=a", "/v1/kv/a", "/v1/kv?cursor=AAA",
        ] {
            let answer = client.exchange(request("GET \(target)"))
            XCTAssertEqual(answer.status, "503 Service Unavailable", target)
            XCTAssertEqual(answer.error, "not_member", target)
        }
        // Settings are asked for anew, once it is one.
        client.backend.cluster = FakeBackend.cluster(partitions: 4)
        client.backend.page = .success(ListReply(entries: [], next: nil))
        _ = try json(client, "/v1/kv?cursor=AAA")
    }

    func testTopology() throws {
        let client = try HTTPTestClient()
        client.backend.cluster?.topology.assignments[0].next = [NodeNumber(2)]
        let topology = try json(client, "/v1/topology")
        XCTAssertEqual(topology["partitions_at_creation"] as? Int, client.backend.cluster?.topology.settings.partitions)
        XCTAssertEqual(topology["cluster_id"] as? String, "00000000000000010000000000000002")
        XCTAssertEqual(
            (topology["members"] as? [NSDictionary])?.first,
            [
                "number": 1, "id": "n1", "zone": "a", "weight": 1, "client": "127.0.0.1:7401",
                "peer": "127.0.0.1:7501", "standing": "active", "store": NSNull(),
            ])
        XCTAssertEqual(topology["council"] as? NSDictionary, ["replicas": ["n1", "n2", "n3"], "changed": 1])
        XCTAssertEqual(topology["removed"] as? NSArray, [])
        XCTAssertEqual(topology["plan"] as? NSNull, NSNull())
        let assignments = try XCTUnwrap(topology["assignments"] as? [NSDictionary])
        XCTAssertEqual(
            assignments[0], ["partition": 0, "replicas": ["n1", "n2", "n3"], "next": ["n2"], "changed": 1])
        XCTAssertEqual(assignments[1], ["partition": 1, "replicas": ["n1", "n2", "n3"], "changed": 1])
    }

    // MARK: - Health

    func testHealth() throws {
        let client = try HTTPTestClient()
        XCTAssertEqual(client.exchange(request("GET /ping")).body, "pong")
        XCTAssertEqual(client.exchange(request("HEAD /ping")).body, "")
        XCTAssertEqual(client.exchange(request("GET /health/live")).status, "200 OK")
        XCTAssertEqual(client.exchange(request("GET /health/ready")).status, "200 OK")
        client.backend.health = .warned("the clock is wrong")
        let warned = client.exchange(request("GET /health/ready"))
        XCTAssertEqual(warned.status, "200 OK")
        XCTAssertEqual(warned.body, "ok, but the clock is wrong")
        client.backend.health = .notReady("opening the store")
        XCTAssertEqual(client.exchange(request("GET /health/live")).status, "200 OK")
        let answer = client.exchange(request("GET /health/ready"))
        XCTAssertEqual(answer.status, "503 Service Unavailable")
        XCTAssertEqual(answer.error, "not_ready")
        XCTAssertTrue(answer.body.contains("opening the store"))
    }
}
