import ArgumentParser
import KVClient
import KVFakes
import XCTest

@testable import kv

/// Correct command lines of each command, and how they are read.
final class ArgumentTests: XCTestCase {
    private func parse<Command: ParsableCommand>(_ line: String, as type: Command.Type) throws -> Command {
        try XCTUnwrap(KV.parseAsRoot(line.split(separator: " ").map(String.init)) as? Command, line)
    }

    func testGet() throws {
        let plain = try parse("get k", as: Get.self)
        XCTAssertEqual(plain.key.bytes.text, "k")
        XCTAssertFalse(plain.stale)
        XCTAssertTrue(try parse("get --stale k", as: Get.self).stale)
        XCTAssertEqual(try parse("get -- -k", as: Get.self).key.bytes.text, "-k")
    }

    func testPut() throws {
        let put = try parse("put k v --ttl 30s --if-version 9.8.7", as: Put.self)
        XCTAssertEqual([put.key.bytes.text, put.value?.bytes.text, put.ttl], ["k", "v", "30s"])
        XCTAssertEqual(try put.condition.parsed(), .ifVersion(try XCTUnwrap(Version("9.8.7"))))
        let file = try parse("put k --file f --if-absent", as: Put.self)
        XCTAssertEqual(file.file?.bytes.text, "f")
        XCTAssertNil(file.value)
        XCTAssertTrue(file.ifAbsent)
        XCTAssertEqual(try file.condition.parsed(), .always)
    }

    func testDel() throws {
        XCTAssertEqual(try parse("del a b c", as: Del.self).keys.map(\.bytes.text), ["a", "b", "c"])
        XCTAssertEqual(
            try parse("del a --if-version 1.2.3", as: Del.self).condition.parsed(),
            .ifVersion(try XCTUnwrap(Version("1.2.3"))))
    }

    func testJoinAndLeave() throws {
        let join = try parse("join n4 n5 --weight 3 --zone z -y --no-wait -o json", as: Join.self)
        XCTAssertEqual(join.nodes, ["n4", "n5"])
        XCTAssertEqual(join.weight, 3)
        XCTAssertEqual(join.zone, "z")
        XCTAssertTrue(join.plan.yes && join.plan.noWait && join.format.isJSON)
        XCTAssertNil(join.plan.order)
        XCTAssertEqual(try parse("join n4 --replace n1 --dry-run", as: Join.self).replace, "n1")
        for (flag, order) in [("--pause", PlanOptions.Order.pause), ("--resume", .resume), ("--cancel", .cancel)] {
            XCTAssertEqual(try parse("join \(flag)", as: Join.self).plan.order, order)
            XCTAssertEqual(try parse("leave \(flag)", as: Leave.self).plan.order, order)
        }
        let leave = try parse("leave n1 --force --yes", as: Leave.self)
        XCTAssertEqual(leave.nodes, ["n1"])
        XCTAssertTrue(leave.force && leave.plan.yes)
    }

    /// Ids may be given together or one by one.
    func testRecover() throws {
        let recover = try parse("recover --lost n2,n3 --lost n4 --data-dir d --accept-loss", as: Recover.self)
        XCTAssertEqual(recover.ids, ["n2", "n3", "n4"])
        XCTAssertEqual(recover.dataDir, "d")
        XCTAssertTrue(recover.acceptLoss)
        XCTAssertFalse(recover.yes, "it is only shown unless it is asked for")
        XCTAssertTrue(try parse("recover --lost n2 -y", as: Recover.self).yes)
    }

    func testRing() throws {
        let ring = try parse("ring a b --watch --output json", as: Ring.self)
        XCTAssertEqual(ring.keys.map(\.bytes.text), ["a", "b"])
        XCTAssertTrue(ring.watch && ring.format.isJSON)
        XCTAssertFalse(try parse("ring", as: Ring.self).format.isJSON)
        XCTAssertFalse(ring.load)
        let load = try parse("ring --load --over 5s", as: Ring.self)
        XCTAssertTrue(load.load)
        XCTAssertEqual(load.over, "5s")
    }

    func testServe() throws {
        let serve = try parse("serve --node n4 --seed a:1 --seed b:2 --client h:3 --weight 2 --join", as: Serve.self)
        XCTAssertEqual(serve.options.seed, ["a:1", "b:2"])
        XCTAssertEqual([serve.options.node, serve.options.client, serve.options.weight], ["n4", "h:3", "2"])
        XCTAssertTrue(serve.options.join)
        let values = try serve.options.explained().values
        XCTAssertEqual(values.first { $0.path == "node" }?.source, "--node")
        XCTAssertEqual(values.first { $0.path == "seeds" }?.value, "[a:1, b:2]")
    }

    func testConfig() throws {
        let check = try parse("config check f --node n1", as: Config.Check.self)
        XCTAssertEqual([check.file, check.node], ["f", "n1"])
        XCTAssertEqual(try parse("config show --zone z", as: Config.Show.self).options.zone, "z")
        let reference = try parse("config reference --format yaml --data-dir /srv", as: Config.ReferenceCommand.self)
        XCTAssertEqual(reference.format, .yaml)
        XCTAssertEqual(reference.dataDir, "/srv")
        XCTAssertEqual(try parse("config reference", as: Config.ReferenceCommand.self).format, .text)
    }

    func testTheRest() throws {
        XCTAssertEqual(try parse("completion fish", as: Completion.self).shell, .fish)
        XCTAssertEqual(try parse("manual /tmp", as: Manual.self).directory, "/tmp")
        let bench = try parse("bench -o csv --histogram h --keys 9", as: Bench.self)
        XCTAssertEqual(bench.output, .csv)
        XCTAssertEqual(bench.histogram?.bytes.text, "h")
        XCTAssertEqual(bench.load.keys, 9)
    }

    func testNodesToAsk() throws {
        let options = try ClientOptions.parse(["--endpoint", "a:1,http://b:2/,redis://[::1]:3", "--timeout", "250ms"])
        XCTAssertEqual(
            try options.endpoints(),
            [Address(host: "a", port: 1), Address(host: "b", port: 2), Address(host: "::1", port: 3)])
        XCTAssertEqual(try options.span(), .milliseconds(250))
        XCTAssertEqual(try ClientOptions.parse([]).span(), Nanoseconds(KVClient.defaultTimeout))
    }

    // MARK: Bytes

    /// The command gets the bytes of an argument, whatever they are.
    func testArgumentsAreBytes() {
        for bytes: [UInt8] in [
            [], Array("text".utf8), Array("é".utf8), [0xFF], [0x61, 0x80, 0xC3], [0xF4, 0x8F, 0xBC, 0x80],
            [0xF4, 0x8F, 0xBF, 0xBF], Array(0...255),
        ] {
            XCTAssertEqual(RawArgument(argument: RawArgument.encoded(bytes)).bytes, bytes)
        }
    }

    // MARK: Failures

    /// Every way in which a request ends has its exit code.
    func testExitCodesOfFailures() {
        let cases: [KVError.Code: ExitStatus] = [
            .conditionFailed: .conditionFailed, .planUnderWay: .conditionFailed, .noPlan: .conditionFailed,
            .impossible: .conditionFailed, .denied: .denied, .badRequest: .data, .unfit: .data,
        ]
        for code in KVError.Code.allCases {
            XCTAssertEqual(Failure(KVError(code, "x")).status, cases[code] ?? .unavailable, "\(code)")
            XCTAssertEqual(Failure(KVError(code, effect: .unknown, "x")).status, .unknown, "\(code)")
        }
        XCTAssertEqual(ExitStatus.allCases.map(\.rawValue), [0, 1, 2, 64, 65, 69, 75, 77])
    }
}
