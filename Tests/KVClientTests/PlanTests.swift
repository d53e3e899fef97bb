import KVClient
import KVCore
import KVFakes
import XCTest

/// The library's calls about membership.
final class PlanTests: XCTestCase {
    func testCalls() async throws {
        let node = try await FakeNode { request in
            request.line.hasPrefix("GET")
                ? .status(200, [:], #"{"plan":null}"#)
                : .status(200, [:], "{\"plan\":\(MembershipFixtures.plan(obstacle: "why"))}")
        }
        let client = KVClient(endpoints: [node.address])
        let none = try await client.plan()
        XCTAssertNil(none)
        let plan = try await client.change(MembershipChange(joins: [.init(id: "n4")]), isDryRun: true)
        XCTAssertEqual(plan?.joining, ["n4"])
        XCTAssertEqual(plan?.underWay.first?.obstacle?.message, "why")
        XCTAssertEqual(plan?.underWay.first?.obstacle?.node, "n4")
        XCTAssertEqual(plan?.shares.last?.replicasAfter, 2)
        try await client.pausePlan()
        try await client.resumePlan()
        try await client.cancelPlan()
        try await client.splitPartitions(to: 128)
        XCTAssertEqual(
            node.requests.map { String($0.line.prefix { $0 != "?" }) },
            [
                "GET /v1/plan", "POST /v1/plan", "POST /v1/plan/pause", "POST /v1/plan/resume", "POST /v1/plan/cancel",
                "POST /v1/ring/split",
            ])
        XCTAssertTrue(node.requests.dropLast().allSatisfy { $0.line.contains("?timeout=4") })
        let split = node.requests.last?.line ?? ""
        XCTAssertTrue(split.hasPrefix("POST /v1/ring/split?partitions=128&dry_run=false&timeout=4"), split)
        XCTAssertEqual(node.requests[1].headers["content-type"], ["application/json"])
        try await node.stop()
    }

    func testASplitIsTold() async throws {
        let node = try await FakeNode { _ in
            .status(200, [:], "{\"plan\":\(MembershipFixtures.split(partitions: 96))}")
        }
        let plan = try await KVClient(endpoints: [node.address]).splitPartitions(to: 128, isDryRun: true)
        XCTAssertEqual(plan?.reason, "split")
        XCTAssertEqual(plan?.partitions, 96)
        XCTAssertEqual(plan?.splitTo, 128)
        try await node.stop()
    }

    func testFailures() async throws {
        let node = try await FakeNode { request in
            let status = request.line.contains("pause") ? 409 : request.line.contains("resume") ? 404 : 504
            return .error(status, status == 409 ? "plan_under_way" : "code", "why")
        }
        let client = KVClient(endpoints: [node.address])
        await expect(KVError(.planUnderWay, "why")) { try await client.pausePlan() }
        await expect(.badRequest("why")) { try await client.resumePlan() }
        await expect(.unknown(.timedOut, "why")) { try await client.cancelPlan() }
        try await node.stop()
    }

    /// A request that changes nothing goes to another node after a failure; a change that may have begun does not.
    func testOnlyWhatChangesNothingIsRepeated() async throws {
        let failing = try await FakeNode { _ in .close }
        let node = try await FakeNode { _ in .status(200, [:], #"{"plan":null}"#) }
        let change = MembershipChange(leaves: ["n1"])
        for (isDryRun, isSplit) in [(true, false), (false, false), (true, true), (false, true)] {
            let client = KVClient(endpoints: [failing.address, node.address])
            do {
                if isSplit {
                    _ = try await client.splitPartitions(to: 128, isDryRun: isDryRun)
                } else {
                    _ = try await client.change(change, isDryRun: isDryRun)
                }
                XCTAssertTrue(isDryRun)
            } catch {
                XCTAssertFalse(isDryRun)
                guard let error = error as? KVError else { return XCTFail("\(error)") }
                XCTAssertEqual(error.effect, .unknown)
                let message = error.message
                XCTAssertTrue(message.hasSuffix("look at the plan (kv ring) before you try again"), message)
            }
        }
        XCTAssertEqual(failing.requests.count, 4)
        XCTAssertEqual(node.requests.count, 2)
        try await failing.stop()
        try await node.stop()
    }

    func testANodeThatHangsLeavesTimeForTheOthers() async throws {
        let hanging = try await FakeNode { _ in .silence }
        let node = try await FakeNode { _ in .status(200, [:], #"{"plan":null}"#) }
        let client = KVClient(endpoints: [hanging.address, node.address], timeout: .milliseconds(400))
        let plan = try await client.plan()
        XCTAssertNil(plan)
        XCTAssertEqual(node.requests.count, 1)
        try await hanging.stop()
        try await node.stop()
    }

    func testANodeThatCannotNowSendsToTheNextAndIsHeardLast() async throws {
        let cannot = try await FakeNode { _ in .error(503, "no_coordinator", "why") }
        let node = try await FakeNode { _ in .status(200, [:], #"{"plan":null}"#) }
        let client = KVClient(endpoints: [cannot.address])
        await expect(KVError(.noCoordinator, "why")) { try await client.pausePlan() }
        client.addEndpoints([cannot.address, node.address])
        try await client.pausePlan()
        try await node.stop()
        let alone = KVClient(endpoints: [cannot.address, node.address])
        await expect(KVError(.noCoordinator, "why")) { try await alone.plan() }
        try await cannot.stop()
    }
}
