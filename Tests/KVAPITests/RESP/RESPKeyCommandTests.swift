import KVCore
import XCTest

@testable import KVAPI

/// Commands on keys: which command reaches the node, and the exact reply to what comes of it.
final class RESPKeyCommandTests: XCTestCase {
    private let wall = FakeBackend.wall

    private func update(
        _ change: Update.Change, _ requirement: Update.Requirement = .always,
        _ lifetime: Update.LifetimeChange = .keep, previous: Bool = false
    ) -> Command {
        .update(
            Update(
                change, requirement: requirement, lifetime: lifetime, returnsPrevious: previous, maximumLength: 1000))
    }

    private func put(_ value: String, _ lifetime: Lifetime = .unlimited, _ condition: Condition = .always) -> Command {
        .put(Put(value: Array(value.utf8), lifetime: lifetime, condition: condition))
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private let written = Outcome.written(version(1, 1, 1))

    private func applied(_ value: UpdateValue = .none) -> Outcome { .updated(version(1, 1, 1), .applied(value)) }

    private func notApplied(_ value: UpdateValue = .none) -> Outcome { .updated(nil, .notApplied(value)) }

    private func misfit(_ misfit: Misfit) -> Outcome { .updated(nil, .misfit(misfit)) }

    private func check(
        _ table: [(request: String, command: Command, outcome: Outcome, reply: String)], line: UInt = #line
    ) throws {
        for (request, command, outcome, reply) in table {
            let client = try RESPTestClient()
            client.backend.outcome = { _, _ in outcome }
            XCTAssertEqual(client.exchange(request), reply, request, line: line)
            XCTAssertEqual(client.backend.asked.map(\.command), [command], request, line: line)
            XCTAssertEqual(client.backend.asked.map(\.key), [Key("k")], request, line: line)
        }
    }

    func testSetting() throws {
        try check([
            ("set k v", put("v"), written, "+OK\r\n"),
            ("SET k v EX 10", put("v", .milliseconds(10_000)), written, "+OK\r\n"),
            ("set k v px 10", put("v", .milliseconds(10)), written, "+OK\r\n"),
            ("set k v exat 10", put("v", .until(10_000)), written, "+OK\r\n"),
            ("set k v pxat 10 nx", put("v", .until(10), .ifAbsent), written, "+OK\r\n"),
            ("set k v nx", put("v", .unlimited, .ifAbsent), .conditionFailed(version(1, 1, 1)), "$-1\r\n"),
            ("set k v xx", put("v", .unlimited, .ifPresent), .conditionFailed(nil), "$-1\r\n"),
            ("set k v ex 1 ex 2 nx nx", put("v", .milliseconds(2000), .ifAbsent), written, "+OK\r\n"),
            (
                "set k v get", update(.set(bytes("v"), contentType: ""), .always, .set(.unlimited), previous: true),
                applied(.bytes(bytes("old"))), "$3\r\nold\r\n"
            ),
            (
                "set k v nx get", update(.set(bytes("v"), contentType: ""), .absent, .set(.unlimited), previous: true),
                notApplied(.bytes(bytes("old"))), "$3\r\nold\r\n"
            ),
            (
                "set k v xx get", update(.set(bytes("v"), contentType: ""), .present, .set(.unlimited), previous: true),
                notApplied(), "$-1\r\n"
            ),
            ("set k v keepttl", update(.set(bytes("v"), contentType: "")), applied(), "+OK\r\n"),
            (
                "set k v ifeq w", update(.set(bytes("v"), contentType: ""), .equals(bytes("w")), .set(.unlimited)),
                notApplied(), "$-1\r\n"
            ),
            (
                "set k v ifeq w ex 1",
                update(.set(bytes("v"), contentType: ""), .equals(bytes("w")), .set(.milliseconds(1000))),
                applied(), "+OK\r\n"
            ),
            ("setnx k v", put("v", .unlimited, .ifAbsent), written, ":1\r\n"),
            ("setnx k v", put("v", .unlimited, .ifAbsent), .conditionFailed(version(1, 1, 1)), ":0\r\n"),
            ("setex k 5 v", put("v", .milliseconds(5000)), written, "+OK\r\n"),
            ("psetex k 5 v", put("v", .milliseconds(5)), written, "+OK\r\n"),
            (
                "getset k v", update(.set(bytes("v"), contentType: ""), .always, .set(.unlimited), previous: true),
                applied(), "$-1\r\n"
            ),
        ])
    }

    func testReading() throws {
        let found = Outcome.found(.holding("hello"))
        try check([
            ("get k", .get, found, "$5\r\nhello\r\n"), ("get k", .get, .absent, "$-1\r\n"),
            ("strlen k", .get, found, ":5\r\n"), ("strlen k", .get, .absent, ":0\r\n"),
            ("exists k", .get, found, ":1\r\n"), ("exists k", .get, .absent, ":0\r\n"),
            ("touch k", .get, found, ":1\r\n"), ("type k", .get, found, "+string\r\n"),
            ("type k", .get, .absent, "+none\r\n"),
            ("getrange k 1 3", .get, found, "$3\r\nell\r\n"), ("getrange k -3 -1", .get, found, "$3\r\nllo\r\n"),
            ("getrange k 0 100", .get, found, "$5\r\nhello\r\n"), ("getrange k 3 1", .get, found, "$0\r\n\r\n"),
            ("getrange k -1 -3", .get, found, "$0\r\n\r\n"), ("getrange k -100 -100", .get, found, "$1\r\nh\r\n"),
            ("getrange k 5 9", .get, found, "$0\r\n\r\n"), ("getrange k 0 -1", .get, .absent, "$0\r\n\r\n"),
            (
                "getrange k -9223372036854775808 9223372036854775807", .get, found, "$5\r\nhello\r\n"
            ),
            ("getex k", .get, found, "$5\r\nhello\r\n"),
            (
                "getex k ex 5", update(.keep, .always, .set(.milliseconds(5000)), previous: true),
                applied(.bytes(bytes("v"))), "$1\r\nv\r\n"
            ),
            (
                "getex k persist", update(.keep, .always, .set(.unlimited), previous: true), notApplied(), "$-1\r\n"
            ),
            ("getex k ex 0", .get, .absent, "$-1\r\n"),
            ("getex k ex 0", .get, found, "-ERR invalid expire time in 'getex' command\r\n"),
            ("getdel k", update(.remove, previous: true), applied(.bytes(bytes("v"))), "$1\r\nv\r\n"),
            ("object encoding k", .get, found, "$6\r\nembstr\r\n"),
            ("object encoding k", .get, .found(.holding("-12")), "$3\r\nint\r\n"),
            ("object encoding k", .get, .found(.holding(String(repeating: "x", count: 45))), "$3\r\nraw\r\n"),
            ("object encoding k", .get, .absent, "$-1\r\n"),
            ("del k", .delete(.always), written, ":1\r\n"), ("unlink k", .delete(.always), .absent, ":0\r\n"),
        ])
    }

    func testChanging() throws {
        try check([
            ("append k xyz", update(.append(bytes("xyz"))), applied(.integer(9)), ":9\r\n"),
            (
                "append k xyz", update(.append(bytes("xyz"))), misfit(.tooLong),
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
            ),
            ("setrange k 5 xy", update(.overwrite(offset: 5, bytes("xy"))), applied(.integer(7)), ":7\r\n"),
            ("setrange k 5 \"\"", .get, .found(.holding("abc")), ":3\r\n"),
            ("setrange k 998 ab", update(.overwrite(offset: 998, bytes("ab"))), applied(.integer(1000)), ":1000\r\n"),
            ("incr k", update(.add(1)), applied(.integer(-5)), ":-5\r\n"),
            ("decr k", update(.add(-1)), applied(.integer(.min)), ":-9223372036854775808\r\n"),
            ("incrby k -7", update(.add(-7)), applied(.integer(0)), ":0\r\n"),
            ("decrby k 7", update(.add(-7)), applied(.integer(0)), ":0\r\n"),
            (
                "incr k", update(.add(1)), misfit(.notAnInteger),
                "-ERR value is not an integer or out of range\r\n"
            ),
            ("incr k", update(.add(1)), misfit(.overflow), "-ERR increment or decrement would overflow\r\n"),
            (
                "incrbyfloat k 1.5", update(.addNumber(bytes("1.5"))), applied(.bytes(bytes("3"))), "$1\r\n3\r\n"
            ),
            (
                "incrbyfloat k x", update(.addNumber(bytes("x"))), misfit(.notANumber),
                "-ERR value is not a valid float\r\n"
            ),
            (
                "incrbyfloat k inf", update(.addNumber(bytes("inf"))), misfit(.notFinite),
                "-ERR increment would produce NaN or Infinity\r\n"
            ),
        ])
    }

    func testExpiry() throws {
        let seconds = Update.LifetimeChange.set(.milliseconds(10_000))
        try check([
            ("expire k 10", update(.keep, .always, seconds), applied(), ":1\r\n"),
            ("expire k 10 nx", update(.keep, .lasting, seconds), notApplied(), ":0\r\n"),
            ("expire k 10 XX", update(.keep, .expiring, seconds), applied(), ":1\r\n"),
            ("expire k 10 gt", update(.keep, .laterExpiry, seconds), applied(), ":1\r\n"),
            ("expire k 10 xx gt", update(.keep, .laterExpiry, seconds), applied(), ":1\r\n"),
            ("expire k 10 lt", update(.keep, .earlierExpiry, seconds), applied(), ":1\r\n"),
            ("expire k 10 lt xx", update(.keep, .expiringAndEarlier, seconds), applied(), ":1\r\n"),
            ("expire k -1", update(.keep, .always, .set(.until(1))), applied(), ":1\r\n"),
            ("expire k 0", update(.keep, .always, .set(.milliseconds(0))), applied(), ":1\r\n"),
            ("pexpire k 7", update(.keep, .always, .set(.milliseconds(7))), applied(), ":1\r\n"),
            ("expireat k 7", update(.keep, .always, .set(.until(7000))), applied(), ":1\r\n"),
            ("expireat k -7", update(.keep, .always, .set(.until(1))), applied(), ":1\r\n"),
            ("pexpireat k 9223372036854775807", update(.keep, .always, .set(.until(1 << 63 - 1))), applied(), ":1\r\n"),
            ("persist k", update(.keep, .expiring, .set(.unlimited)), applied(), ":1\r\n"),
            ("ttl k", .get, .absent, ":-2\r\n"), ("pttl k", .get, .found(.holding("v")), ":-1\r\n"),
            ("ttl k", .get, .found(.holding("v", until: wall + 1499)), ":1\r\n"),
            ("ttl k", .get, .found(.holding("v", until: wall + 1500)), ":2\r\n"),
            ("pttl k", .get, .found(.holding("v", until: wall + 1500)), ":1500\r\n"),
            ("ttl k", .get, .found(.holding("v", until: wall - 10)), ":0\r\n"),
            ("expiretime k", .get, .found(.holding("v", until: 1_700_000_000_600)), ":1700000001\r\n"),
            ("pexpiretime k", .get, .found(.holding("v", until: 1_700_000_000_600)), ":1700000000600\r\n"),
            ("expiretime k", .get, .absent, ":-2\r\n"),
        ])
    }

    func testNothingReachesTheNodeWhereArgumentsAreWrong() throws {
        let number = "-ERR value is not an integer or out of range\r\n"
        func expire(_ command: String) -> String { "-ERR invalid expire time in '\(command)' command\r\n" }
        func count(_ command: String) -> String { "-ERR wrong number of arguments for '\(command)' command\r\n" }
        let long = String(repeating: "k", count: 65)
        let table = [
            ("get", count("get")), ("get a b", count("get")), ("mset a", count("mset")), ("mset a b c", count("mset")),
            ("object encoding", count("object|encoding")),
            ("object freq k", "-ERR unknown subcommand 'freq'. Try OBJECT HELP.\r\n"),
            ("set k v ex", "-ERR syntax error\r\n"), ("set k v nx xx", "-ERR syntax error\r\n"),
            ("set k v ex 1 px 1", "-ERR syntax error\r\n"), ("set k v keepttl ex 1", "-ERR syntax error\r\n"),
            ("set k v ifeq a nx", "-ERR syntax error\r\n"), ("set k v ex x foo", "-ERR syntax error\r\n"),
            ("set k v ex x", number), ("set k v ex 0", expire("set")), ("set k v px -1", expire("set")),
            ("set k v ex 9223372036854775807", expire("set")), ("set k v px 9223372036854775807", expire("set")),
            ("setex k 0 v", expire("setex")), ("psetex k x v", number),
            ("getex k ex 1 persist", "-ERR syntax error\r\n"),
            ("expire k 9223372036854775807", expire("expire")), ("expire k -9223372036854775808", expire("expire")),
            ("pexpire k 9223372036854775807", expire("pexpire")), ("expire k x", number),
            ("expire k 1 nx xx", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
            ("expire k 1 gt lt", "-ERR GT and LT options at the same time are not compatible\r\n"),
            ("expire k 1 soon", "-ERR Unsupported option soon\r\n"),
            ("incrby k 1.5", number), ("decrby k -9223372036854775808", "-ERR decrement would overflow\r\n"),
            ("getrange k a 1", number), ("setrange k -1 x", "-ERR offset is out of range\r\n"),
            ("setrange k 999 ab", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
            ("setrange k 9223372036854775807 ab", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
            ("get \(long)", "-ERR the key has 65 bytes, over this cluster's limit of 64 (limits.key)\r\n"),
            (
                "set k " + String(repeating: "v", count: 1001),
                "-ERR the value has 1001 bytes, over this cluster's limit of 1000 (limits.value); split it over "
                    + "several keys\r\n"
            ),
            ("foo bar 'b z'", "-ERR unknown command 'foo', with args beginning with: 'bar' 'b z' \r\n"),
            ("foo", "-ERR unknown command 'foo', with args beginning with: \r\n"),
            (
                "msetnx a b",
                "-ERR 'msetnx' is not supported: it acts on several keys at once, and here every key is a register of "
                    + "its own\r\n"
            ),
        ]
        for (request, reply) in table {
            let client = try RESPTestClient()
            XCTAssertEqual(client.exchange(request), reply, request)
            XCTAssertTrue(client.backend.asked.isEmpty, request)
            XCTAssertEqual(client.exchange("ping"), "+PONG\r\n", "the connection is still good")
        }
        let many = "foo " + (0..<100).map { "argument\($0)" }.joined(separator: " ")
        let reply = try RESPTestClient().exchange(many)
        XCTAssertLessThan(reply.utf8.count, 260, "what is repeated to a client is bounded")
    }

    /// Both have to fit into one message between nodes.
    func testTwoLargeValuesAreRefusedTogether() throws {
        let backend = FakeBackend()
        backend.limits = RequestLimits(key: 64, value: 64 << 20)
        let client = try RESPTestClient(backend)
        let half = String(repeating: "v", count: 36 << 20)
        client.send(array("SET", "k", half, "IFEQ", half + "v"))
        XCTAssertEqual(
            client.received(),
            "-ERR the value and the one that the key is to hold have 75497473 bytes together, over the limit of "
                + "75497472; HTTP's If-Match compares versions instead\r\n")
        XCTAssertTrue(backend.asked.isEmpty)
        client.send(array("SET", "k", half, "IFEQ", half))
        XCTAssertEqual(backend.asked.count, 1)
    }

    func testRefusalsAndDoubtSayWhatHappened() throws {
        let table: [(Outcome, String)] = [
            (.refused(.noLeader), "-CLUSTERDOWN nothing was changed"), (.refused(.overloaded), "-BUSY nothing was"),
            (.refused(.diskFull), "-MISCONF nothing was changed"), (.refused(.stopping), "-CLUSTERDOWN nothing"),
            (.refused(.noReplica), "-CLUSTERDOWN none of"), (.refused(.notMember), "-CLUSTERDOWN this node is not a"),
            (.unknown(.timedOut), "-OUTCOMEUNKNOWN the replicas"), (.unknown(.leaderLost), "-OUTCOMEUNKNOWN the node"),
        ]
        for (outcome, beginning) in table {
            for request in ["get k", "set k v", "incr k", "del k", "mget k j", "ttl k"] {
                let client = try RESPTestClient()
                client.backend.outcome = { _, _ in outcome }
                let reply = client.exchange(request)
                let word = beginning.prefix { $0 != " " }
                XCTAssertTrue(reply.hasPrefix(request == "mget k j" ? "\(word) 2 of 2" : beginning), reply)
                XCTAssertTrue(reply.hasSuffix("\r\n"))
            }
        }
    }

    func testCommandsOnSeveralKeys() throws {
        let client = try RESPTestClient()
        client.backend.outcome = { command, key in
            switch command {
            case .get: key == Key("b") ? .absent : .found(.holding("v\(key)"))
            default: key == Key("b") ? .absent : .written(version(1, 1, 1))
            }
        }
        XCTAssertEqual(client.exchange("mget a b c"), "*3\r\n$2\r\nva\r\n$-1\r\n$2\r\nvc\r\n")
        XCTAssertEqual(client.exchange("exists a b a"), ":2\r\n")
        XCTAssertEqual(client.exchange("del a b c"), ":2\r\n")
        XCTAssertEqual(client.backend.asked.suffix(3).map(\.key), [Key("a"), Key("b"), Key("c")])
        client.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
        XCTAssertEqual(client.exchange("mset a 1 b 2"), "+OK\r\n")
        XCTAssertEqual(client.backend.asked.suffix(2).map(\.command), [put("1"), put("2")])
    }

    func testOneKeyThatFailsIsSaid() throws {
        let client = try RESPTestClient()
        client.backend.outcome = { _, key in
            key == Key("b") ? .refused(.noLeader) : key == Key("c") ? .unknown(.leaderLost) : .written(version(1, 1, 1))
        }
        let reply = client.exchange("mset a 1 b 2 c 3")
        let beginning = "-OUTCOMEUNKNOWN 2 of 3 keys failed, the others were served; the first failed so: "
        XCTAssertTrue(reply.hasPrefix(beginning), reply)
        XCTAssertTrue(client.exchange("del a b").hasPrefix("-CLUSTERDOWN 1 of 2 keys failed"))
        XCTAssertTrue(client.exchange("mset b 1").hasPrefix("-CLUSTERDOWN nothing was changed"))
    }
}
