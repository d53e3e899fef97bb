import KVFakes
import KVModel
import XCTest

@testable import KVClient

/// Times that programs pass and times that servers report, however long or negative.
final class DurationTests: XCTestCase {
    private static let longest = Duration(attoseconds: .max)
    private static let mostNegative = Duration(attoseconds: .min)

    func testTimeoutsAreBroughtIntoRange() {
        let cases: [(Duration, Duration)] = [
            (.zero, .milliseconds(1)), (.seconds(-5), .milliseconds(1)), (Self.mostNegative, .milliseconds(1)),
            (.nanoseconds(999_999), .milliseconds(1)), (.milliseconds(2), .milliseconds(2)),
            (.seconds(300), .seconds(300)), (.seconds(301), .seconds(300)), (Self.longest, .seconds(300)),
        ]
        for (given, expected) in cases {
            var options = KVClientOptions()
            options.timeout = given
            options.connectTimeout = given
            XCTAssertEqual(options.capped.timeout, expected)
            XCTAssertEqual(options.capped.connectTimeout, expected)
        }
    }

    /// Checks the timeouts of single calls, by what the node is told and by how long the client waits.
    func testTimeoutsOfCallsAreBroughtIntoRange() async throws {
        let node = try await FakeNode { $0.line.contains("/held?") ? .silence : .status(204, ["ETag": "\"1.1.1\""]) }
        let client = KVClient(endpoints: [node.address], timeout: Self.longest)
        try await client.put(Key("k"), [])
        try await client.put(Key("k"), [], timeout: Self.longest)
        for request in node.requests { XCTAssertTrue(request.line.contains("?timeout=299"), request.line) }
        for short in [Self.mostNegative, .seconds(-1), .zero] {
            await expect({ $0.code == .unreachable }) { try await client.get(Key("held"), timeout: short) }
        }
        try await node.stop()
    }

    func testLifetimes() async throws {
        let node = try await FakeNode { _ in .status(204, ["ETag": "\"1.1.1\""]) }
        let client = KVClient(endpoints: [node.address])
        let cases: [(Duration, String)] = [
            (.nanoseconds(1), "1ms"), (.nanoseconds(1_999_999), "1ms"), (.seconds(60), "60000ms"),
            (Self.longest, "18446744073709ms"),
        ]
        for (lifetime, expected) in cases {
            try await client.put(Key("k"), [], lifetime: lifetime)
            let line = try XCTUnwrap(node.requests.last).line
            XCTAssertTrue(line.contains("?ttl=\(expected)&"), line)
        }
        for lifetime in [.zero, .nanoseconds(-1), Self.mostNegative] {
            await expect(.badRequest("nothing was changed: a lifetime is above zero; to delete the key, use delete")) {
                try await client.put(Key("k"), [], lifetime: lifetime)
            }
        }
        XCTAssertEqual(node.requests.count, cases.count)
        try await node.stop()
    }

    /// The server reports more than fits.
    func testTimesOfServersAreBounded() async throws {
        let plan = MembershipFixtures.plan(rate: 1).replacing(
            "\"eta_seconds\":1024", with: "\"eta_seconds\":\(UInt64.max)")
        let node = try await FakeNode { request in
            request.line.hasPrefix("GET /v1/kv/")
                ? .status(200, ["ETag": "\"1.1.1\"", "KV-TTL": "9999999999999999999"], "v")
                : .status(200, [:], "{\"plan\":\(plan)}")
        }
        let client = KVClient(endpoints: [node.address])
        let value = try await client.get(Key("k"))
        XCTAssertEqual(value?.timeToLive, .milliseconds(Int64.max))
        let told = try await client.plan()
        XCTAssertEqual(told?.timeLeft?.components.seconds, .max)
        try await node.stop()
    }

    func testTheTimeLeftOfAPlan() async throws {
        let node = try await FakeNode { _ in .status(200, [:], "{\"plan\":\(MembershipFixtures.plan(rate: 100))}") }
        let told = try await KVClient(endpoints: [node.address]).plan()
        var plan = try XCTUnwrap(told)
        XCTAssertEqual(plan.timeLeft, .seconds(11))
        for (time, expected) in [(Duration.milliseconds(1999), Duration.seconds(1)), (.seconds(-1), .zero)] {
            plan.timeLeft = time
            XCTAssertEqual(plan.timeLeft, expected)
        }
        plan.timeLeft = nil
        XCTAssertNil(plan.timeLeft)
        try await node.stop()
    }
}
