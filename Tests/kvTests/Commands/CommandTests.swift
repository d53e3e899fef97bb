import Foundation
import KVCore
import KVFakes
import NIOConcurrencyHelpers
import XCTest

/// Runs the executable against a node that answers as a test says.
final class CommandTests: XCTestCase {
    /// Runs `line` against a node that gives `reply`. Also returns the requests that the node received.
    /// - Parameter speaksFrames: false for another server, or a node of version 0.2.
    private func ask(
        _ line: String, _ reply: FakeNode.Reply, input: String = "", speaksFrames: Bool = true
    ) async throws -> (Run, [FakeNode.Request]) {
        let node = try await FakeNode(speaksFrames: speaksFrames) { _ in reply }
        let run = try bash(line, ["KV_ENDPOINT": "\(node.address)"], input: input)
        try await node.stop()
        return (run, node.requests)
    }

    func testGetWritesTheBytesAndNothingElse() async throws {
        let (run, requests) = try await ask("kv get k --stale", .status(200, ["ETag": "\"1.1.1\""], "a\0b"))
        XCTAssertEqual(run.status, 0)
        XCTAssertEqual(run.output, "a\0b")
        XCTAssertEqual(run.errors, "")
        XCTAssertTrue(requests[0].line.hasPrefix("GET /v1/kv/k?consistency=stale&timeout="))
    }

    func testPutTakesItsValueFromAnArgumentAFileOrInput() async throws {
        let reply = FakeNode.Reply.status(204, ["ETag": "\"3.2.1\""])
        for (line, body) in [
            ("kv put k v", "v"), ("kv put k ''", ""), ("kv put k -- -5", "-5"), ("kv put k", "from input"),
            ("kv put k --file <(printf 'from\\nfile')", "from\nfile"),
        ] {
            let (run, requests) = try await ask(line, reply, input: "from input")
            XCTAssertEqual(run.status, 0, "\(line): \(run.errors)")
            XCTAssertEqual(run.output, "3.2.1\n", line)
            XCTAssertEqual(requests.map(\.body.text), [body], line)
        }
        let (_, requests) = try await ask("kv put k v --ttl 30s --if-version 9.8.7", reply)
        XCTAssertTrue(requests[0].line.hasPrefix("PUT /v1/kv/k?ttl=30000ms&timeout="), requests[0].line)
        XCTAssertEqual(requests[0].headers["if-match"], ["\"9.8.7\""])
        let (_, absent) = try await ask("kv put k v --if-absent", reply)
        XCTAssertEqual(absent[0].headers["if-none-match"], ["*"])
    }

    func testKeysAndValuesAreBytes() async throws {
        let line = #"kv put "$(printf 'a\377/\303\251\364\217\277\277')" "$(printf '\200')""#
        let (run, requests) = try await ask(line, .status(204, ["ETag": "\"1.1.1\""]))
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(requests[0].line.hasPrefix("PUT /v1/kv/a%FF%2F%C3%A9%F4%8F%BF%BF?"), requests[0].line)
        XCTAssertEqual(requests[0].body, [0x80])
        let (text, asked) = try await ask("kv put é ü", .status(204, ["ETag": "\"1.1.1\""]))
        XCTAssertEqual(text.status, 0, text.errors)
        XCTAssertTrue(asked[0].line.hasPrefix("PUT /v1/kv/%C3%A9?"), asked[0].line)
        XCTAssertEqual(asked[0].body.text, "ü")
    }

    func testExitCodesAndMessages() async throws {
        try await expect("kv get k", .error(404, "not_found", "x"), 1, "kv: no such key: 'k'\n")
        try await expect("kv del a b", .error(404, "not_found", "x"), 1, "kv: no such key: 'a', 'b'\n")
        try await expect("kv del a b", .status(204), 0, "")
        try await expect(
            "kv put k v --if-absent", .status(412, ["ETag": "\"4.5.6\""]), 2,
            "kv: nothing was changed: the key is at version 4.5.6\n")
        try await expect("kv put k v", .error(413, "value_too_large", "too large"), 65, "kv: too large\n")
        try await expect("kv put k v", .error(503, "no_leader", "no\\nleader"), 69, "kv: no leader\n")
        try await expect("kv put k v", .error(403, "denied", "not yours"), 77, "kv: not yours\n", speaksFrames: false)
        try await expect("kv put k v", .error(504, "outcome_unknown", "late"), 75, "kv: outcome unknown: late\n")
        try await expect(
            "kv del a b", .error(503, "no_leader", "no leader"), 69,
            "kv: 'a': no leader (0 of 2 keys were done before)\n")
    }

    private func expect(
        _ command: String, _ reply: FakeNode.Reply, _ status: Int32, _ errors: String, speaksFrames: Bool = true,
        line: UInt = #line
    ) async throws {
        let (run, _) = try await ask(command, reply, speaksFrames: speaksFrames)
        XCTAssertEqual(run.status, status, line: line)
        XCTAssertEqual(run.errors, errors, line: line)
        XCTAssertEqual(run.output, "", line: line)
    }

    func testEndpointsMayBeURLs() async throws {
        let node = try await FakeNode { _ in .status(200, ["ETag": "\"1.1.1\""], "v") }
        for url in ["http://\(node.address)", "http://\(node.address)/", "redis://\(node.address)"] {
            XCTAssertEqual(try bash("kv get k --endpoint \(url)").output, "v", url)
        }
        try await node.stop()
    }

    func testLongKeysAreShortenedInMessages() async throws {
        let (run, _) = try await ask("kv get \(String(repeating: "x", count: 300))", .error(404, "not_found", "x"))
        XCTAssertEqual(run.errors, "kv: no such key: '\(String(repeating: "x", count: 60))...' (300 bytes)\n")
    }

    /// The answer of another server says nothing about a key.
    func testOnlyNodesAreBelieved() async throws {
        for (line, reply) in [
            ("kv get k", FakeNode.Reply.status(404, ["KV-Node": ""])), ("kv del k", .status(404, ["KV-Node": ""])),
            ("kv del k", .status(204, ["KV-Node": ""])),
        ] {
            let (run, _) = try await ask(line, reply, speaksFrames: false)
            XCTAssertTrue([65, 75].contains(run.status), "\(line): \(run.status)")
            XCTAssertTrue(run.errors.contains("in a way that is not kv's"), run.errors)
        }
    }

    func testConfigurationIsToBlame() throws {
        XCTAssertEqual(try bash("kv get a", ["KV_TIMEOUT": "x"]).status, 65)
        XCTAssertEqual(try bash("kv get a", ["KV_ENDPOINT": "x"]).status, 65)
        let missing = try bash("kv get a --config /nowhere.yaml")
        XCTAssertEqual(missing.status, 65)
        XCTAssertEqual(
            missing.errors, "kv: /nowhere.yaml: cannot be read: No such file or directory; check the path\n"
        )
        let broken = try bash("kv serve --config <(printf 'cluster: {nmae: x}\\nlog: 1')")
        XCTAssertEqual(broken.status, 65)
        XCTAssertEqual(broken.errors.split(separator: "\n").count, 3, broken.errors)
        XCTAssertTrue(broken.errors.split(separator: "\n").allSatisfy { $0.hasPrefix("kv: /dev/fd/") }, broken.errors)
    }

    func testServeAsksWhichNode() throws {
        let file = "cluster: {name: a}\\nnodes: [{id: x, client: \"h:1\"}, {id: y, peer: \"h:2\"}]"
        let run = try bash("kv serve --config <(printf '\(file)')")
        XCTAssertEqual(run.status, 64)
        XCTAssertTrue(run.errors.hasSuffix("lists x, y; say which of them this process is\n"), run.errors)
    }

    func testEndpointsComeFromFlagsThenVariables() async throws {
        let node = try await FakeNode { _ in .status(200, ["ETag": "\"1.1.1\""], "v") }
        let file = "cluster: {name: a}\\nnodes: [{id: x, client: \"\(node.address)\"}]"
        let wrong = ["KV_ENDPOINT": "127.0.0.1:1"]
        XCTAssertEqual(try bash("kv get a --config <(printf '\(file)')", wrong).output, "v")
        XCTAssertEqual(try bash("kv get a --endpoint \(node.address)", wrong).output, "v")
        XCTAssertEqual(try bash("KV_CONFIG=<(printf '\(file)') kv get a").output, "v")
        let none = try bash("kv get a", wrong)
        XCTAssertEqual(none.status, 69)
        XCTAssertTrue(none.errors.contains("127.0.0.1:1: connection refused"), none.errors)
        try await node.stop()
    }

    func testAReaderThatLeavesIsNoError() async throws {
        let value = String(repeating: "v", count: 1 << 20)
        let (run, _) = try await ask("kv get k | head -c 1", .status(200, ["ETag": "\"1.1.1\""], value))
        XCTAssertEqual(run.status, 0)
        XCTAssertEqual(run.output, "v")
        XCTAssertEqual(run.errors, "")
        let (full, _) = try await ask("kv get k > /dev/full", .status(200, ["ETag": "\"1.1.1\""], value))
        XCTAssertEqual(full.status, 65)
        XCTAssertEqual(full.errors, "kv: standard output cannot be written: No space left on device\n")
    }

    func testRing() async throws {
        let ring = """
            {"assignments":[{"first_slot":0,"last_slot":8191,"leader":"n1","partition":0,"replicas":["n1","n2"]},\
            {"first_slot":8192,"last_slot":16383,"leader":null,"partition":1,"replicas":["n2","n1"]}],\
            "cluster":"demo","coordinator":null,"epoch":4,"nodes":[{"bytes":1234567,"client":"127.0.0.1:7401","id":"n1","keys":10,\
            "leaders":1,"number":1,"peer":"127.0.0.1:7501","replicas":2,"standing":"active",\
            "state":"alive","weight":1,"zone":"a"},{"bytes":null,"client":"127.0.0.1:7402","id":"n2","keys":null,"leaders":0,"number":2,\
            "peer":"127.0.0.1:7502",\
            "replicas":2,"standing":"active","state":"suspect","weight":1,"zone":""}],"partitions":2,"plan":null,\
            "replicas":3,"waiting":[]}
            """
        let (table, _) = try await ask("kv ring", .status(200, [:], ring))
        XCTAssertEqual(
            table.output,
            """
            cluster demo: 2 nodes, 2 partitions, up to 3 replicas each, epoch 4

            NODE  STATE    ZONE  WEIGHT  REPLICAS         LEADERS          KEYS     SIZE  CLIENT
            n1    alive    a          1         2  50.0%        1  100.0%    10  1.1 MiB  127.0.0.1:7401
            n2    suspect  -          1         2  50.0%        0    0.0%     -        -  127.0.0.1:7402

            1 of 2 partitions have no leader known to this node

            """)
        let (json, _) = try await ask("kv ring -o json", .status(200, [:], ring))
        XCTAssertEqual(json.output, ring + "\n")

        let placement = #"{"key":"a","leader":null,"partition":3,"replicas":["n1","n2"],"slot":7}"#
        let (keys, requests) = try await ask("kv ring a 'b c'", .status(200, [:], placement))
        XCTAssertEqual(
            keys.output,
            """
            KEY  SLOT  PARTITION  REPLICAS  LEADER
            a       7          3  n1,n2     -
            b c     7          3  n1,n2     -

            """)
        XCTAssertEqual(requests.map(\.line), ["GET /v1/ring?key=a", "GET /v1/ring?key=b%20c"])
        let (array, _) = try await ask("kv ring a -o json", .status(200, [:], placement))
        XCTAssertEqual(array.output, "[\(placement)]\n")
    }

    func testRingShowsWhoWaitsAndThePlan() async throws {
        let plan = MembershipFixtures.plan(
            joining: ["n4"], leaving: ["n2"], done: 512, rate: 100, obstacle: "n4 is not in touch")
        let ring = MembershipFixtures.ring(
            [("n1", "alive", "active"), ("n2", "suspect", "leaving"), ("n4", "joining", "joining")], waiting: ["n5"],
            plan: plan)
        let (table, _) = try await ask("kv ring", .status(200, [:], ring))
        XCTAssertEqual(table.status, 0, table.errors)
        XCTAssertEqual(
            table.output,
            """
            cluster demo: 3 nodes, 1 partitions, up to 3 replicas each, epoch 4

            NODE  STATE             ZONE  WEIGHT  REPLICAS         LEADERS         KEYS  SIZE  CLIENT
            n1    alive             a          1         1  33.3%        1  33.3%     0   0 B  127.0.0.1:1
            n2    suspect, leaving  a          1         1  33.3%        1  33.3%     0   0 B  127.0.0.1:1
            n4    joining           a          1         1  33.3%        1  33.3%     0   0 B  127.0.0.1:1
            n5    waiting           b          2         -               -            -     -  127.0.0.1:2

            plan 9: n4 joins, n2 leaves
            50%  512 B of 1.0 KiB, 2 of 8 replicas, 100 B/s, 6s left

            PARTITION  FROM      TO        SENT       OF  HELD UP BY
                    3  n1,n2,n3  n1,n4,n3  10 B  1.0 KiB  n4 is not in touch

            """)
        let (json, _) = try await ask("kv ring -o json", .status(200, [:], ring))
        XCTAssertEqual(json.output, ring + "\n")
    }

    func testLoadAsksEachMember() async throws {
        @Sendable func load(_ node: String, _ busiest: String) -> FakeNode.Reply {
            .status(
                200, [:],
                """
                {"node":"\(node)","milliseconds":1000,"shards":[{"shard":0,"partitions":4,"leaders":2,"reads":90.04,\
                "writes":9.96,"copies":0,"keys":10,"bytes":2048}],"busiest":[\(busiest)]}
                """)
        }
        @Sendable func partition(_ number: Int, _ leader: String, reads: Double) -> String {
            """
            {"partition":\(number),"shard":0,"leader":\(leader),"reads":\(reads),"writes":0,"copies":0,"keys":1,\
            "bytes":100}
            """
        }
        let two = try await FakeNode { _ in load("n2", partition(7, "\"n2\"", reads: 80)) }
        // Two more members: one is at the address of n2, and nobody is at the address of the other.
        let places = NIOLockedValueBox("")
        let one = try await FakeNode { request in
            switch request.line {
            case "GET /v1/nodes": .status(200, [:], "{\"nodes\":[\(places.withLockedValue { $0 })]}")
            default:
                load(
                    "n1", [partition(3, "null", reads: 61), partition(1, "\"n1\"", reads: 90)].joined(separator: ","))
            }
        }
        let nobody = try await FakeNode { _ in .close }
        try await nobody.stop()
        let members = [("n1", one), ("n2", two), ("n3", two), ("n4", nobody)]
        let described = members.map { id, node in
            """
            {"id":"\(id)","number":1,"zone":"","weight":1,"client":"\(node.address)","peer":"127.0.0.1:1",\
            "state":"alive","standing":"active","replicas":4,"leaders":2,"keys":10,"bytes":2048}
            """
        }.joined(separator: ",")
        places.withLockedValue { $0 = described }
        let table = try bash("kv ring --load --timeout 300ms", ["KV_ENDPOINT": "\(one.address)"])
        XCTAssertEqual(table.status, 0, table.errors)
        let lines = table.output.components(separatedBy: "\n")
        XCTAssertEqual(
            lines.prefix(8).joined(separator: "\n"),
            """
            NODE  SHARD  PARTITIONS  LEADERS  READS/s  WRITES/s  COPIES/s  KEYS     SIZE
            n1        0           4        2       90        10       0.0    10  2.0 KiB
            n2        0           4        2       90        10       0.0    10  2.0 KiB

            PARTITION  NODE  SHARD  LEADER  READS/s  WRITES/s         KEYS   SIZE
                    1  n1        0  n1           90       0.0  45.0%     1  100 B
                    7  n2        0  n2           80       0.0  40.0%     1  100 B
                    3  n1        0  -            61       0.0  30.5%     1  100 B
            """)
        XCTAssertTrue(
            lines.contains("n3 does not say what it serves: at its address \(two.address) n2 answers"), table.output)
        XCTAssertTrue(lines.contains { $0.hasPrefix("n4 does not say what it serves: ") }, table.output)
        XCTAssertEqual(one.requests.map(\.line), ["GET /v1/nodes", "GET /v1/load?over=1000ms"])

        let json = try bash("kv ring --load --over 5s --timeout 300ms -o json", ["KV_ENDPOINT": "\(one.address)"])
        XCTAssertTrue(json.output.hasPrefix("{\"nodes\":[{\"busiest\":[{\"bytes\":100,"), json.output)
        XCTAssertEqual(one.requests.last?.line, "GET /v1/load?over=5000ms")
        try await one.stop()
        try await two.stop()
    }

    func testWatchShowsItAgain() async throws {
        let placement = #"{"key":"a","leader":"n1","partition":3,"replicas":["n1"],"slot":7}"#
        let (run, _) = try await ask("kv ring a --watch | head -n 4", .status(200, [:], placement))
        XCTAssertEqual(run.output.components(separatedBy: "KEY  SLOT  PARTITION  REPLICAS  LEADER\n").count, 3)
        XCTAssertEqual(run.status, 0)
    }
}
