import XCTest

@testable import KVConfig

/// What is refused, where, and in what words.
final class ClusterFileProblemTests: XCTestCase {
    func testWhatIsNotYAML() {
        expect(
            "cluster: {name: a\nnodes: []",
            "f:2:6: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping that begins on line 1"
        )
        expect("cluster:\n\tname: a", "f:2:1: not valid YAML: a tab cannot indent; use spaces")
        expect(
            "cluster: {name: \"a",
            "f:1:19: not valid YAML: found unexpected end of stream while scanning a quoted scalar that begins on line 1"
        )
        expect("cluster: {name: a}\nlog: \u{7}", "f:2:6: not valid YAML: control characters are not allowed")
        expect(Array("é: \"".utf8) + [0xFF], ["f:1:5: not UTF-8; save the file as UTF-8"])
        expect([0xFF, 0xFE, 0x61, 0x00], ["f:1:1: not UTF-8; save the file as UTF-8"])
        expect(Array("cluster: {name: a}\n# ".utf8) + [0xC3], ["f:2:3: not UTF-8; save the file as UTF-8"])
    }

    func testYAMLThatIsNotReadHere() {
        let name = "cluster: {name: a}\n"
        let refused = "is not supported here: write the value out in full"
        expect(name + "log: &x {}", "f:2:6: an anchor (&name) \(refused)")
        expect(name + "nodes: &x [{id: n1}]", "f:2:8: an anchor (&name) \(refused)")
        expect(name + "data_dir: &x y", "f:2:11: an anchor (&name) \(refused)")
        expect(name + "log: *x", "f:2:6: an alias (*name) \(refused)")
        expect(name + "log: !!map {}", "f:2:6: a tag (!name) \(refused)")
        expect(name + "nodes: !x [{id: n1}]", "f:2:8: a tag (!name) \(refused)")
        expect(name + "data_dir: !!str y", "f:2:11: a tag (!name) \(refused)")
        expect("%TAG !e! tag:e,2000:\n---\n" + name, "f:1:1: a %TAG directive \(refused)")
        expect(name + "---\n" + name, "f:2:1: a second document; a file holds one")
        expect(name + "log: " + String(repeating: "[", count: 30), "f:2:21: nested more than 16 deep")
        expect(String(repeating: "- ", count: 100_000), "f:1:33: nested more than 16 deep")
        expect(name + "log: " + String(repeating: "{a: ", count: 30), "f:2:63: nested more than 16 deep")
        expect(
            name + String(repeating: "#", count: 1 << 20),
            "f:1:1: the file is \((1 << 20) + 19) bytes; at most 1 MiB is read")
        XCTAssertNoThrow(try parse(name + String(repeating: "#", count: (1 << 20) - 19)))
    }

    func testKeys() {
        let name = "cluster: {name: a}\n"
        expect(name + "log: {levle: info}", "f:2:7: unknown key \"levle\" in log: did you mean \"level\"?")
        expect(
            name + "nodes:\n- {id: n1, adress: x}",
            #"f:3:12: unknown key "adress" in nodes[0]: known here are id, client, peer, advertise_client, advertise_peer, zone, weight"#
        )
        expect(name + "partitions: 1", "f:2:1: unknown key \"partitions\": it belongs in cluster")
        expect(name + "storage: {log: {}}", "f:2:11: unknown key \"log\" in storage: it belongs at the top level")
        expect(
            name + "colour: red",
            "f:2:1: unknown key \"colour\": known here are cluster, nodes, seeds, data_dir, storage, failure, limits, security, redis, log"
        )
        expect(
            name + "<<: {}",
            #"f:2:1: unknown key "<<": known here are cluster, nodes, seeds, data_dir, storage, failure, limits, security, redis, log"#
        )
        expect(
            name + "\"a\\nb\": {}",
            #"f:2:1: unknown key "a\u{a}b": known here are cluster, nodes, seeds, data_dir, storage, failure, limits, security, redis, log"#
        )
        expect(
            "cluster:\n  name: a\n  name: b\n",
            "f:3:3: duplicate key \"name\": it is already on line 2; keep one")
        expect("log:\nlog: {}\n" + name, "f:2:1: duplicate key \"log\": it is already on line 1; keep one")
        expect(
            name + "? [a]\n: b",
            #"f:2:3: a key must be one of cluster, nodes, seeds, data_dir, storage, failure, limits, security, redis, log, not a list"#
        )
        expect(
            name + "log: {evict_after: 1s, insecure: true}",
            #"f:2:7: unknown key "evict_after" in log: it belongs in failure"#,
            #"f:2:24: unknown key "insecure" in log: known here are level, format"#)
    }

    func testTypes() {
        let name = "cluster: {name: a}\n"
        expect(
            "- a",
            #"f:1:1: the file must be a mapping with the keys cluster, nodes, seeds, data_dir, storage, failure, limits, security, redis, log, not a list"#
        )
        expect(
            "text",
            #"f:1:1: the file must be a mapping with the keys cluster, nodes, seeds, data_dir, storage, failure, limits, security, redis, log, not "text""#
        )
        expect(
            "", #"f:1:1: cluster.name is missing: name the cluster (nodes of a cluster of another name are refused)"#)
        expect(
            "# nothing",
            #"f:1:1: cluster.name is missing: name the cluster (nodes of a cluster of another name are refused)"#)
        expect(
            "cluster:",
            #"f:1:1: cluster.name is missing: name the cluster (nodes of a cluster of another name are refused)"#)
        expect(
            "cluster: []",
            #"f:1:10: cluster must be a mapping with the keys name, partitions, replicas, reads, not a list"#)
        expect(
            "cluster:\n  replicas: 3",
            #"f:2:3: cluster.name is missing: name the cluster (nodes of a cluster of another name are refused)"#)
        expect(
            "cluster: {name: [a]}", #"f:1:17: cluster.name must be 1-64 characters of A-Z a-z 0-9 . - _, not a list"#)
        expect("cluster: {name: a b}", #"f:1:17: cluster.name must be 1-64 characters of A-Z a-z 0-9 . - _, not "a b""#)
        expect("cluster: {name: ''}", #"f:1:17: cluster.name must be 1-64 characters of A-Z a-z 0-9 . - _, not """#)
        expect(
            "cluster: {name: \(String(repeating: "a", count: 65))}",
            #"f:1:17: cluster.name must be 1-64 characters of A-Z a-z 0-9 . - _, not "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...""#
        )
        expect(
            "cluster: {name: a, partitions: yes}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not "yes""#)
        expect(
            "cluster: {name: a, partitions: \"64\"}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not text: remove the quotes"#)
        expect(
            "cluster: {name: a, partitions: 0x40}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not "0x40""#)
        expect(
            "cluster: {name: a, partitions: 6_4}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not "6_4""#)
        expect(
            "cluster: {name: a, partitions: 064}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not "064""#)
        expect(
            "cluster: {name: a, partitions: -1}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not "-1""#)
        expect(
            "cluster: {name: a, partitions: 99999999999999999999}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not "99999999999999999999""#)
        expect(
            "cluster: {name: a, partitions: {}}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not a mapping"#)
        expect(
            "cluster: {name: a, partitions: 32768}",
            #"f:1:32: cluster.partitions must be a whole number from 1 to 16384, not "32768""#)
        expect(
            "cluster: {name: a, partitions: 1000}",
            #"f:1:32: cluster.partitions must be a power of two, not 1000: write 512 or 1024"#)
        expect(
            "cluster: {name: a, replicas: 0}", #"f:1:30: cluster.replicas must be a whole number from 1 to 9, not "0""#)
        expect(name + "data_dir: []", #"f:2:11: data_dir must be a directory's path, not a list"#)
        expect(name + "data_dir: \"\"", #"f:2:11: data_dir is empty: name a directory"#)
        expect(name + "data_dir: \"a\\0b\"", #"f:2:11: data_dir holds a control character: "a\u{0}b""#)
        expect(
            name + "data_dir: ~/kv", #"f:2:11: data_dir begins with ~, which is not expanded: write the path in full"#)
        expect(
            name + "storage: always",
            #"f:2:10: storage must be a mapping with the keys sync, sync_interval, cache, segment, scrub, shards, not "always""#
        )
        expect(name + "storage: {sync: no}", #"f:2:17: storage.sync must be one of always, interval, never, not "no""#)
        expect(
            name + "storage: {sync: [always]}",
            #"f:2:17: storage.sync must be one of always, interval, never, not a list"#)
        expect(
            name + "storage: {sync_interval: 100}",
            #"f:2:26: storage.sync_interval must be a length of time such as 100ms, 5s or 10m, not "100""#)
        expect(
            name + "storage: {sync_interval: 1h}", #"f:2:26: storage.sync_interval must be from 1ms to 1m, not "1h""#)
        expect(
            name + "storage: {cache: 1GB}",
            #"f:2:18: storage.cache must be a size such as 4KiB, 1MiB or 4096 (bytes), not "1GB""#)
        expect(name + "storage: {segment: 1KiB}", #"f:2:20: storage.segment must be from 1MiB to 1GiB, not "1KiB""#)
        expect(
            name + "storage: {segment: 1MiB}",
            #"f:2:20: storage.segment (1MiB) must hold two records of the largest size: limits.key plus limits.value, twice"#
        )
        expect(
            name + "failure: {probe_interval: 1ms}",
            #"f:2:27: failure.probe_interval must be from 50ms to 1m, not "1ms""#)
        expect(name + "limits: {key: 0}", #"f:2:15: limits.key must be from 1 to 65535, not "0""#)
        expect(name + "limits: {value: 65MiB}", #"f:2:17: limits.value must be from 1 to 64MiB, not "65MiB""#)
        expect(
            name + "limits: {value: 2MiB, in_flight: 1MiB}",
            #"f:2:34: limits.in_flight (1MiB) must be at least limits.value (2MiB)"#)
        expect(
            name + "limits: {connections: 1e4}",
            #"f:2:23: limits.connections must be a whole number from 1 to 1000000, not "1e4""#)
        expect(
            name + "log: {level: verbose}",
            #"f:2:14: log.level must be one of trace, debug, info, notice, warning, error, critical, not "verbose""#)
        expect(name + "log: {format: [text, json]}", #"f:2:15: log.format must be one of text, json, not a list"#)
    }

    func testNodes() {
        let name = "cluster: {name: a}\n"
        expect(name + "nodes: {n1: {}}", #"f:2:8: nodes must be a list (items that begin with "- "), not a mapping"#)
        expect(name + "nodes: []", #"f:2:8: nodes must list 1 to 1000 nodes, not 0"#)
        expect(name + "nodes: [n1]", #"f:2:9: nodes[0] must be a mapping such as {id: n1}, not "n1""#)
        expect(name + "nodes: [null]", #"f:2:9: nodes[0] must be a mapping such as {id: n1}, not null"#)
        expect(
            name + "nodes:\n  - zone: a",
            #"f:3:5: nodes[0].id is missing: name the node, with 1-64 characters of a-z 0-9 . - _"#)
        expect(name + "nodes: [{id: N1}]", #"f:2:14: nodes[0].id must be 1-64 characters of a-z 0-9 . - _, not "N1""#)
        expect(name + "nodes: [{id: ..}]", #"f:2:14: nodes[0].id must be 1-64 characters of a-z 0-9 . - _, not "..""#)
        expect(
            name + "nodes: [{id: [n1]}]", #"f:2:14: nodes[0].id must be 1-64 characters of a-z 0-9 . - _, not a list"#)
        expect(
            name + "nodes: [{id: n1, client: 7400}]",
            #"f:2:26: nodes[0].client must be HOST:PORT, such as 127.0.0.1:7400 or [::1]:7400, not "7400""#)
        expect(
            name + "nodes: [{id: n1, client: \"a:70000\"}]",
            #"f:2:26: nodes[0].client must be HOST:PORT with a port from 1 to 65535, not "a:70000""#)
        expect(
            name + "nodes: [{id: n1, advertise_peer: \"0.0.0.0:7500\"}]",
            #"f:2:34: nodes[0].advertise_peer is 0.0.0.0:7500, where others cannot reach it: name one of its addresses"#
        )
        expect(
            name + "nodes: [{id: n1, client: \"a:1\", peer: \"A:1\"}]",
            #"f:2:39: nodes[0].peer is a:1, like its client address: give them different ports"#)
        expect(
            name + "nodes: [{id: n1, zone: a/b}]",
            #"f:2:24: nodes[0].zone must be 1-64 characters of A-Z a-z 0-9 . - _, not "a/b""#)
        expect(
            name + "nodes: [{id: n1, weight: 0}]",
            #"f:2:26: nodes[0].weight must be a whole number from 1 to 1000, not "0""#)
        expect(
            name + "nodes: [{id: n1, weight: 1.5}]",
            #"f:2:26: nodes[0].weight must be a whole number from 1 to 1000, not "1.5""#)
        expect(
            name + """
                nodes:
                  - id: n1
                    client: "0.0.0.0:1"
                    peer: "a:2"
                  - id: n1
                    client: "a:3"
                    peer: "[::]:4"
                  - id: n3
                    client: a:5
                    peer: a:6
                    advertise_peer: A:2
                """,
            #"f:4:13: nodes[0].client is 0.0.0.0:1, where others cannot reach it: set advertise_client as well"#,
            #"f:6:9: duplicate node id "n1": it is already on line 3"#,
            #"f:8:11: nodes[1].peer is [::]:4, where others cannot reach it: set advertise_peer as well"#,
            #"f:12:21: nodes[2].advertise_peer is a:2, which nodes[0].peer has on line 5: each needs its own"#)
    }

    func testSeeds() {
        let name = "cluster: {name: a}\n"
        expect(name + "seeds: a:1", #"f:2:8: seeds must be a list (items that begin with "- "), not "a:1""#)
        expect(name + "seeds: [{a: 1}]", #"f:2:9: seeds[0] must be HOST:PORT, not a mapping"#)
        expect(name + "seeds: [a:1, ~]", #"f:2:14: seeds[1] must be HOST:PORT, not null"#)
        expect(
            name + "seeds: [a]",
            #"f:2:9: seeds[0] must be HOST:PORT, such as 127.0.0.1:7400 or [::1]:7400, not "a""#)
        expect(
            name + "seeds: [\"0.0.0.0:7500\"]",
            #"f:2:9: seeds[0] is 0.0.0.0:7500, which names no node: write the peer address of a member"#)
        expect(
            name + "seeds:\n- a:1\n- A:1",
            #"f:4:3: seeds[1] is a:1, which is on line 3 already; keep one"#)
        expect(
            name + "seeds: [\((1...1001).map { "a:\($0)" }.joined(separator: ","))]",
            "f:2:8: seeds may list 1000 addresses, not 1001")
    }

    func testMembershipAndSecurity() {
        let name = "cluster: {name: a}\n"
        expect(
            name + "failure: {evict_after: 5s}", #"f:2:24: failure.evict_after must be from 10s to 30d, not "5s""#)
        expect(
            name + "failure: {evict_after: 10}",
            #"f:2:24: failure.evict_after must be a length of time such as 100ms, 5s or 10m, not "10""#)
        expect(name + "limits: {move_rate: 2TiB}", #"f:2:21: limits.move_rate must be from 0 to 1TiB, not "2TiB""#)
        for (given, shown) in [
            ("yes", "\"yes\""), ("1", "\"1\""), ("\"true\"", "text: remove the quotes"), ("True", "\"True\""),
        ] {
            expect(name + "redis: {moved: \(given)}", "f:2:16: redis.moved must be true or false, not \(shown)")
        }
        expect(name + "redis: {move: true}", #"f:2:9: unknown key "move" in redis: did you mean "moved"?"#)
        expect(
            name + "security: {users: []}", #"f:2:12: unknown key "users" in security: known here are secret"#)
        // A secret is not repeated, not even one that is too short.
        expect(
            name + "security: {secret: too-short}", "f:2:20: security.secret must be 16 to 1024 bytes of text")
        expect(
            name + "security: {secret: [a]}",
            "f:2:20: security.secret must be 16 to 1024 bytes of text, not a list")
    }

    func testReportsEveryProblemInOrder() {
        expect(
            """
            clutser: {name: a}
            log: {level: loud, fmt: x}
            nodes:
              - id: n1
                wieght: 2
            """, #"f:1:1: unknown key "clutser": did you mean "cluster"?"#,
            #"f:1:1: cluster.name is missing: name the cluster (nodes of a cluster of another name are refused)"#,
            #"f:2:14: log.level must be one of trace, debug, info, notice, warning, error, critical, not "loud""#,
            #"f:2:20: unknown key "fmt" in log: known here are level, format"#,
            #"f:5:5: unknown key "wieght" in nodes[0]: did you mean "weight"?"#)
    }

    func testGivesUpAfterTwentyProblems() {
        let keys = (0..<100).map { "k\($0): 1" }.joined(separator: "\n")
        XCTAssertThrowsError(try parse(keys)) {
            XCTAssertEqual(($0 as? ConfigurationError)?.problems.count, 20)
        }
    }
}

/// Checks that `text` is refused with just these lines.
private func expect(_ text: String, _ lines: String..., file: StaticString = #filePath, line: UInt = #line) {
    expect(Array(text.utf8), lines, file: file, line: line)
}

private func expect(_ bytes: [UInt8], _ lines: [String], file: StaticString = #filePath, line: UInt = #line) {
    do {
        _ = try ClusterFile.parse(bytes, name: "f")
        XCTFail("accepted", file: file, line: line)
    } catch {
        XCTAssertEqual("\(error)", lines.joined(separator: "\n"), file: file, line: line)
    }
}
