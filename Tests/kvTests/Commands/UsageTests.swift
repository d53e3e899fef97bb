import XCTest

@testable import kv

/// Wrong command lines. Each is reported on one line of standard error, which says what to write instead, with exit
/// status 64. Nothing is done.
final class UsageTests: XCTestCase {
    private func expect(
        _ lines: [(line: String, message: String)], hint command: String? = nil, caller: UInt = #line
    ) throws {
        let hint = command.map { "; 'kv\($0) --help' says what there is" } ?? ""
        for (line, message) in lines {
            let run = try bash(line)
            XCTAssertEqual(run.status, 64, line, line: caller)
            XCTAssertEqual(run.errors, "kv: \(message)\(hint)\n", line, line: caller)
            XCTAssertEqual(run.output, "", line, line: caller)
        }
    }

    private let address = "HOST:PORT, such as 127.0.0.1:7400 or [::1]:7400"

    // MARK: Every command

    func testCommandsThatDoNotExist() throws {
        let names = "serve, join, leave, recover, get, put, del, ring, bench, config, completion"
        try expect([
            ("kv nothing", "unknown command 'nothing'; there are \(names)"),
            ("kv help nothing", "unknown command 'nothing'; there are \(names)"),
        ])
    }

    /// A command with too few or too many words, or with an option that it does not have.
    func testWordsThatEachCommandDoesNotTake() throws {
        let missing: [String: String] = [
            "get": "Missing expected argument '<key>'", "put": "Missing expected argument '<key>'",
            "del": "Missing expected argument '<keys> ...'", "config check": "Missing expected argument '<file>'",
            "completion": "Missing expected argument '<shell>'", "join": "name the nodes", "leave": "name the nodes",
            "recover": "name the members that are lost for good: --lost n2,n3",
        ]
        for (command, message) in missing { try expect([("kv \(command)", message)], hint: " \(command)") }
        // The words that each command takes, so that the next is one too many.
        let enough: [String: String] = [
            "serve": "", "join": "n4 -y", "leave": "n1 -y", "recover": "--lost n2", "get": "a", "put": "a b",
            "del": "a",
            "ring": "", "bench": "", "config check": "a", "config show": "", "config reference": "",
            "completion": "bash",
        ]
        let commands = KV.names.flatMap { name in KV.nested(name)?.map { "\(name) \($0)" } ?? [name] }
        XCTAssertEqual(Set(commands), Set(enough.keys))
        for (command, words) in enough {
            try expect([("kv \(command) \(words) --xyzzy", "Unknown option '--xyzzy'")], hint: " \(command)")
            // These take any number of words.
            if ["join", "leave", "del", "ring"].contains(command) { continue }
            try expect([("kv \(command) \(words) x", "Unexpected argument 'x'")], hint: " \(command)")
        }
        // The message does not name commands that help does not list.
        try expect([("kv manual", "Missing expected argument '<directory>'")], hint: "")
        try expect([("kv manual a x", "Unexpected argument 'x'")], hint: "")
    }

    /// Commands that ask nodes take the same options, and read them the same way.
    func testOptionsOfTheCommandsThatAskNodes() throws {
        let time = "is not a length of time from 1ms to 5m, such as 5s"
        for command in ["get a", "put a b", "del a", "ring", "ring a", "join n4 -y", "leave n1 -y", "bench"] {
            try expect([
                ("kv \(command) --endpoint nohost", "--endpoint: 'nohost' is not \(address)"),
                ("kv \(command) --timeout 0s", "--timeout: '0s' \(time)"),
            ])
        }
        try expect([
            ("kv ring a --load", "--load is about nodes and partitions: leave the keys out, or --load"),
            ("kv ring --over 1s", "--over says how long --load counts: add --load"),
            ("kv ring --load --over 99ms", "--over: '99ms' is not a length of time from 100ms to 10s, such as 5s"),
        ])
        try expect([
            ("kv get a --endpoint ''", "--endpoint: '' is not \(address)"),
            ("kv get a --endpoint a:1,", "--endpoint: '' is not \(address)"),
            ("kv get a --endpoint a:0", "--endpoint: 'a:0' is not HOST:PORT with a port from 1 to 65535"),
            ("kv get a --endpoint a:65536", "--endpoint: 'a:65536' is not HOST:PORT with a port from 1 to 65535"),
            (
                "kv get a --endpoint https://a:1",
                "--endpoint: 'https://a:1': nodes speak plain HTTP and Redis's protocol; write"
                    + " http://HOST:PORT or HOST:PORT"
            ),
            (
                "kv get a --endpoint http://a:1/v1",
                "--endpoint: 'http://a:1/v1' names something at a node; write http://HOST:PORT or HOST:PORT"
            ),
            ("kv get a --timeout 5", "--timeout: '5' \(time)"), ("kv get a --timeout 6m", "--timeout: '6m' \(time)"),
            ("kv get a --timeout ''", "--timeout: '' \(time)"),
        ])
        try expect([("kv get a --timeout", "Missing value for '--timeout <time>'")], hint: " get")
    }

    func testOptionsOfOtherToolsAreKnown() throws {
        try expect([
            ("kv bench --time 2s", "unknown option '--time': did you mean '--duration'?"),
            ("kv bench --requests=10", "unknown option '--requests': did you mean '--operations'?"),
            ("kv put k v --expire 2s", "unknown option '--expire': did you mean '--ttl'?"),
            ("kv serve --peers a:1", "unknown option '--peers': did you mean '--seed'?"),
        ])
    }

    // MARK: Keys

    func testPut() throws {
        let units = "(a number and ms, s, m, h or d, such as 90s or 7d)"
        try expect([
            ("kv put k v --ttl 1w", "--ttl: '1w' is not a length of time \(units)"),
            ("kv put k v --ttl ''", "--ttl: '' is not a length of time \(units)"),
            ("kv put k v --ttl 0s", "--ttl: '0s' is not above zero; to delete the key use 'kv del' \(units)"),
            ("kv put k v --ttl=-5s", "--ttl: '-5s' is not above zero; to delete the key use 'kv del' \(units)"),
            (
                "kv put k v --ttl 10000000d",
                "--ttl: '10000000d' is longer than can be kept; leave --ttl out for good \(units)"
            ),
            ("kv put k v --if-version x", "--if-version: 'x' is not a version such as 3.1.42"),
        ])
        try expect(
            [
                ("kv put k v --file f", "give either VALUE or --file, not both"),
                ("kv put k v --if-absent --if-version 1.1.1", "give either --if-version or --if-absent, not both"),
                (
                    "kv put k v --if-absent=no",
                    "The option '--if-absent' does not take any value, but 'no' was specified"
                ),
            ], hint: " put")
    }

    func testGetAndDel() throws {
        try expect(
            [("kv get k --stale=no", "The option '--stale' does not take any value, but 'no' was specified")],
            hint: " get")
        try expect([("kv del k --if-version 1.1", "--if-version: '1.1' is not a version such as 3.1.42")])
        try expect(
            [("kv del a b --if-version 1.1.1", "--if-version is about one key; delete the others without it")],
            hint: " del")
    }

    /// A bad file is bad data (status 65), and nothing is changed.
    func testAValueThatCannotBeRead() throws {
        for (file, reason) in [("/nowhere", "No such file or directory"), ("/", "Is a directory")] {
            let run = try bash("kv put k --file \(file)")
            XCTAssertEqual(run.status, 65)
            XCTAssertEqual(run.errors, "kv: '\(file)' cannot be read, nothing was changed: \(reason)\n")
        }
        let endless = try bash("kv put k --file /dev/zero")
        XCTAssertEqual(endless.status, 65)
        XCTAssertEqual(
            endless.errors,
            "kv: '/dev/zero' is more than 64MiB, which no value may be; split it over several keys\n")
    }

    // MARK: The cluster

    func testJoinAndLeave() throws {
        let orders = "--pause, --resume and --cancel"
        for command in ["join", "leave"] {
            try expect(
                [
                    ("kv \(command) n4 n4 -y", "a node is named twice"),
                    ("kv \(command) --pause --resume", "give one of \(orders)"),
                    ("kv \(command) n4 --cancel", "\(orders) are about the plan under way: name no nodes"),
                    ("kv \(command) --cancel --dry-run", "--dry-run is about a plan that has not begun"),
                    (
                        "kv \(command) n4 -o xml",
                        "The value 'xml' is invalid for '-o <format>'. Please provide one of 'table' and 'json'"
                    ),
                ], hint: " \(command)")
        }
        try expect(
            [
                ("kv join n4 --weight 0 -y", "--weight: 0 is not a whole number from 1 to 1000"),
                ("kv join n4 --weight 1001 -y", "--weight: 1001 is not a whole number from 1 to 1000"),
                ("kv join n4 --weight x -y", "The value 'x' is invalid for '--weight <weight>'"),
                ("kv join n4 n5 --replace n1 -y", "--replace is about one node; join the others without it"),
            ]
                + ["--weight 1", "--zone a", "--replace n1"].map {
                    ("kv join --pause \($0)", "--weight, --zone and --replace are about nodes that join; name them")
                }, hint: " join")
        try expect([("kv leave --cancel --force", "--force is about nodes that leave; name them")], hint: " leave")
    }

    func testRecover() throws {
        try expect(
            [
                ("kv recover --lost ,", "name the members that are lost for good: --lost n2,n3"),
                ("kv recover --lost", "Missing value for '--lost <ids>'"),
            ], hint: " recover")
        let empty = try bash("kv recover --lost n2 --data-dir /nowhere")
        XCTAssertEqual(empty.status, 65)
        XCTAssertEqual(empty.errors, "kv: /nowhere holds no node's data; name the directory with --data-dir\n")
        let file = try bash("kv recover --lost n2 --config /nowhere.yaml")
        XCTAssertEqual(file.status, 65)
        XCTAssertEqual(file.errors, "kv: /nowhere.yaml: cannot be read: No such file or directory; check the path\n")
    }

    func testRing() throws {
        try expect(
            [
                (
                    "kv ring -o xml",
                    "The value 'xml' is invalid for '-o <format>'. Please provide one of 'table' and 'json'"
                ),
                ("kv ring --split 100", "--split: 100 is not a power of two from 1 to 16384"),
                ("kv ring --split 0", "--split: 0 is not a power of two from 1 to 16384"),
                ("kv ring --split 32768", "--split: 32768 is not a power of two from 1 to 16384"),
                ("kv ring --split x", "The value 'x' is invalid for '--split <partitions>'"),
                ("kv ring --split 128 key", "--split is about all partitions: name no keys"),
                ("kv ring --split 128 --watch", "--watch and --load only show: give them in a command of their own"),
                ("kv ring --split 128 --load", "--watch and --load only show: give them in a command of their own"),
                ("kv ring --cancel --watch", "--watch and --load only show: give them in a command of their own"),
                ("kv ring --pause --cancel", "give one of --pause, --resume and --cancel"),
                (
                    "kv ring --split 128 --cancel",
                    "--pause, --resume and --cancel are about the plan under way: give neither keys nor --split"
                ),
                (
                    "kv ring key --pause",
                    "--pause, --resume and --cancel are about the plan under way: give neither keys nor --split"
                ),
                ("kv ring --yes", "--yes, --dry-run and --no-wait go with --split"),
                ("kv ring key --dry-run", "--yes, --dry-run and --no-wait go with --split"),
            ],
            hint: " ring")
    }

    // MARK: A node

    func testServe() throws {
        let weight = "must be a whole number from 1 to 1000"
        let levels = "trace, debug, info, notice, warning, error, critical"
        try expect([
            ("kv serve --node ../x", #"--node: "../x" is not 1-64 characters of a-z 0-9 . - _"#),
            ("kv serve --log-level loud", "--log-level: must be one of \(levels), not \"loud\""),
            ("kv serve --log-format xml", #"--log-format: must be one of text, json, not "xml""#),
            ("kv serve --join", "--node: is missing: a node that is to join a cluster needs a name of its own"),
            ("kv serve --weight 0", #"--weight: \#(weight), not "0""#),
            ("kv serve --weight x", #"--weight: \#(weight), not "x""#),
        ])
        for flag in ["--seed", "--client", "--peer", "--advertise-client", "--advertise-peer"] {
            try expect([("kv serve --node n4 \(flag) x", "\(flag): must be \(address), not \"x\"")])
        }
        try expect([("kv serve --config", "Missing value for '--config <file>'")], hint: " serve")
    }

    func testConfig() throws {
        let formats = "'text', 'yaml', 'example', 'markdown' or 'man'"
        try expect([("kv config show --node ../x", #"--node: "../x" is not 1-64 characters of a-z 0-9 . - _"#)])
        try expect(
            [
                (
                    "kv config reference --format html",
                    "The value 'html' is invalid for '--format <format>'. Please provide one of \(formats)"
                ),
                ("kv config reference --data-dir /srv", "--data-dir goes with --format yaml"),
            ], hint: " config reference")
        let missing = try bash("kv config check /nowhere")
        XCTAssertEqual(missing.status, 65)
        XCTAssertEqual(missing.errors, "kv: /nowhere: cannot be read: No such file or directory; check the path\n")
    }

    // MARK: The rest

    func testBench() throws {
        try expect(
            [
                ("kv bench --workload z", "--workload is a, b, c, d, e or f, not 'z'"),
                ("kv bench --workload a --read-ratio 1", "give either --workload or --read-ratio, not both"),
                ("kv bench --read-ratio 2", "--read-ratio is a number from 0 to 1, not 2.0"),
                ("kv bench --rate 0", "--rate is a number from 0.001 to 10000000, not 0.0"),
                (
                    "kv bench --protocol carrier-pigeon",
                    "The value 'carrier-pigeon' is invalid for '--protocol <kv|http|resp>'. Please provide one of 'kv', "
                        + "'http' or 'resp'"
                ),
                ("kv bench --clients 0", "--clients is a number from 1 to 10000, not 0"),
                ("kv bench --clients x", "The value 'x' is invalid for '--clients <clients>'"),
                ("kv bench --duration 8d", "--duration: '8d' is not a length of time up to 7d, such as 30s"),
                ("kv bench --value-size x", "--value-size: 'x' is not a size up to 64MiB, such as 100 or 4KiB"),
                ("kv bench --threads 2", "--threads needs --protocol http or resp: the client library has its own"),
                ("kv bench --workload e", "workload e scans, which needs --protocol http or resp"),
                ("kv bench --wait 1", "--wait needs --protocol resp"),
            ], hint: " bench")
    }

    func testCompletion() throws {
        try expect(
            [
                (
                    "kv completion tcsh",
                    "The value 'tcsh' is invalid for '<shell>'. Please provide one of 'bash', 'zsh' or 'fish'"
                )
            ], hint: " completion")
    }

    func testHelpAndVersionAreNoErrors() throws {
        let version = try bash("kv --version")
        XCTAssertEqual(version.status, 0)
        XCTAssertNotNil(
            version.output.wholeMatch(of: /kv \d+\.\d+\.\d+(-\w+)?( \([0-9a-f]{10}\+?\))?\n/), version.output)
        for command in KV.names {
            for line in ["kv help \(command)", "kv \(command) --help"] {
                let run = try bash(line)
                XCTAssertEqual(run.status, 0, line)
                XCTAssertTrue(run.output.contains("USAGE: kv \(command)"), run.output)
                XCTAssertEqual(run.errors, "", line)
            }
        }
        XCTAssertTrue(try bash("kv --help").output.contains("USAGE: kv"))
    }
}
