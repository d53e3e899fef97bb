import KVCore
import XCTest

@testable import KVConfig

final class ClusterFileTests: XCTestCase {
    func testReadsEveryKey() throws {
        let file = try parse(
            """
            cluster: {name: Demo, partitions: 64, replicas: 2}
            nodes:
              - id: n2
                client: "[0:0::1]:7402"
                peer: Host-B.example:7502
                zone: b
                weight: 3
              - id: n1
                client: 0.0.0.0:7401
                peer: 0.0.0.0:7501
                advertise_client: 10.0.0.1:7401
                advertise_peer: 10.0.0.1:7501
            seeds: [10.0.0.9:7500, "[0::2]:7500", Kv.example:7500]
            data_dir: /var/lib/kv
            storage: {sync: interval, sync_interval: 1s, cache: 1GiB, segment: 4194304, scrub: 2MiB, shards: 3}
            failure:
              probe_interval: 500ms
              evict_after: 1h
            limits: {key: 1KiB, value: 512KiB, connections: 20, in_flight: 1MiB, replies: 64MiB, move_rate: 10MiB}
            redis: {moved: true, replicas: true, keyspace: node, timeout: 2s}
            security: {secret: correct horse battery}
            log: {level: debug, format: json}
            """)
        XCTAssertEqual(file.settings, ClusterSettings(name: "Demo", partitions: 64, replicas: 2))
        XCTAssertEqual(file.nodes.map(\.id), ["n1", "n2"])
        XCTAssertEqual(file.nodes[0].client, Address(host: "0.0.0.0", port: 7401))
        XCTAssertEqual(file.nodes[0].reachableClient, Address(host: "10.0.0.1", port: 7401))
        XCTAssertEqual(file.nodes[0].reachablePeer, Address(host: "10.0.0.1", port: 7501))
        XCTAssertEqual(file.nodes[0].zone, "")
        XCTAssertEqual(file.nodes[0].weight, 1)
        XCTAssertEqual(file.nodes[1].reachableClient, Address(host: "::1", port: 7402))
        XCTAssertEqual(file.nodes[1].peer, Address(host: "host-b.example", port: 7502))
        XCTAssertEqual(file.nodes[1].zone, "b")
        XCTAssertEqual(file.nodes[1].weight, 3)
        XCTAssertEqual(file.dataDirectory, "/var/lib/kv")
        XCTAssertEqual(file.storage.sync, .interval)
        XCTAssertEqual(file.storage.syncInterval, .milliseconds(1000))
        XCTAssertEqual(file.storage.cache, 1 << 30)
        XCTAssertEqual(file.storage.segment, 4 << 20)
        XCTAssertEqual(file.storage.scrub, 2 << 20)
        XCTAssertEqual(file.storage.shards, 3)
        XCTAssertEqual(file.failure.probeInterval, .milliseconds(500))
        XCTAssertEqual(file.limits.key, 1024)
        XCTAssertEqual(file.limits.value, 512 << 10)
        XCTAssertEqual(file.limits.connections, 20)
        XCTAssertEqual(file.limits.inFlight, 1 << 20)
        XCTAssertEqual(file.limits.replies, 64 << 20)
        XCTAssertEqual(file.seeds.map(\.description), ["10.0.0.9:7500", "[::2]:7500", "kv.example:7500"])
        XCTAssertEqual(file.failure.evictAfter, .milliseconds(3_600_000))
        XCTAssertEqual(file.limits.moveRate, 10 << 20)
        XCTAssertTrue(file.redis.moved)
        XCTAssertTrue(file.redis.replicas)
        XCTAssertEqual(file.redis.keyspace, .node)
        XCTAssertEqual(file.redis.timeout, .milliseconds(2000))
        XCTAssertEqual(file.secret, "correct horse battery")
        XCTAssertEqual(
            file.origins["cluster.replicas"], .position(file: "f", line: 1, column: 49), "where the value stands")
        XCTAssertEqual(file.origins["nodes[n2].zone"], .position(file: "f", line: 6, column: 11))
        XCTAssertNil(file.origins["nodes[n1].zone"])
        XCTAssertEqual(file.log.level, .debug)
        XCTAssertEqual(file.log.format, .json)
    }

    func testWhatIsLeftOutOrNullHasItsDefault() throws {
        var expected = ClusterFile.standard
        expected.settings.name = "demo"
        expected.origins = ["cluster.name": .position(file: "f", line: 1, column: 17)]
        XCTAssertEqual(try parse("cluster: {name: demo}"), expected)
        let nulls = """
            cluster: {name: demo, partitions: ~, replicas: null}
            nodes:
            seeds:
            data_dir:
            storage: {}
            failure: {probe_interval: , evict_after: }
            limits:
            security: {secret: null}
            log: {level: Null}
            """
        XCTAssertEqual(try parse(nulls), expected)
        XCTAssertEqual(try parse("\u{FEFF}cluster: {name: demo}"), expected)
        expected.origins = ["cluster.name": .position(file: "f", line: 3, column: 17)]
        XCTAssertEqual(try parse("%YAML 1.2\n---\ncluster: {name: demo}\n...\n"), expected)
    }

    func testPlainWordsAreStringsWhereStringsAreWanted() throws {
        for word in ["no", "1:30", "0x10", "true", "3.14", "12e3"] where !word.contains(":") {
            XCTAssertEqual(try parse("cluster: {name: \(word)}").settings.name, word)
            XCTAssertEqual(try parse("cluster: {name: a}\nnodes: [{id: n1, zone: \(word)}]").nodes[0].zone, word)
        }
        XCTAssertEqual(try parse("cluster: {name: a}\ndata_dir: 1:30").dataDirectory, "1:30")
        XCTAssertEqual(try parse("cluster: {name: a}\nnodes: [{id: \"null\"}]").nodes[0].id, "null")
    }

    func testExamplesAreValid() throws {
        let three = try ClusterFile.read(path: root + "examples/three-nodes/cluster.yaml")
        XCTAssertEqual(three.nodes.map(\.id), ["n1", "n2", "n3"])
        XCTAssertEqual(three.nodes.map(\.zone), ["a", "b", "c"])
        XCTAssertEqual(three.nodes.map(\.client.port), [7401, 7402, 7403])
        XCTAssertEqual(three.nodes.map(\.peer.port), [7501, 7502, 7503])
        let single = try ClusterFile.read(path: root + "examples/single-node/cluster.yaml")
        XCTAssertEqual(single.nodes.map(\.id), ["n1"])
        XCTAssertEqual(single.settings.replicas, 1)
    }

    func testMissingFile() throws {
        XCTAssertThrowsError(try ClusterFile.read(path: "/nowhere/cluster.yaml")) {
            XCTAssertEqual(
                "\($0)",
                "/nowhere/cluster.yaml: cannot be read: No such file or directory; check the path")
        }
        XCTAssertThrowsError(try ClusterFile.read(path: "/")) {
            XCTAssertEqual(
                "\($0)", "/: cannot be read: Is a directory; name a file that can be read")
        }
    }

    /// The package's directory.
    private var root: String { String(#filePath.dropLast("Tests/KVConfigTests/ClusterFileTests.swift".count)) }
}

func parse(_ text: String) throws -> ClusterFile { try ClusterFile.parse(Array(text.utf8), name: "f") }
